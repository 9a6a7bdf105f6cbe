"""Which follower a bench measured, on what: the part of a record's subject that is the same for every bench."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duet.contract import FollowerContract
    from realtime.inference.runtimes import Choice


def follower_subject(contract: "FollowerContract", choice: "Choice") -> dict[str, Any]:
    """Name, hashes, precision, sampler and runtime."""
    return {
        "follower": contract.name + (" (untrained: random weights)" if contract.untrained else ""),
        "weights_sha256": contract.weights_sha256,
        "graphs_sha256": {graph.role: graph.sha256 for graph in contract.graphs},
        "precision": contract.precision,
        "sampler": contract.notes.get("sampler", ""),
        "guidance": contract.notes.get("guidance", "both branches in one batch, whatever the scales"),
        "runtime": choice.title,
        "runtime_why": choice.sentence(),
    }
