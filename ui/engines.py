"""``duet engines``: a follower's graphs as TensorRT engines for an NVIDIA RTX card, built ahead of the show."""

import argparse
from pathlib import Path

from duet.errors import InputError
from duet.extras import how_to_install
from duet.terminal import new_console

_EPILOG = """\
Needs TensorRT for RTX (the extra tensorrt: duet doctor names the command), and no GPU where --target names a
generation: SM75 (RTX 20), SM86 (30), SM89 (40), SM120 (50). Engines are kept in the cache, by graph, version of
TensorRT, generation and precision, and built in a process of their own. Once they are there, duet play --runtime auto
takes them.

examples:
  duet engines                                  for the card of this machine
  duet engines --follower DIR --target SM89     for a GeForce RTX 40, from any machine
"""


def add_engines(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Register ``duet engines``; ``follower`` is the one unless another is asked for."""
    engines = commands.add_parser(
        "engines",
        help="build TensorRT engines for an NVIDIA RTX card",
        description="Build a follower's TensorRT engines, unless they are in the cache.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    engines.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    engines.add_argument("--target", metavar="SM", help="generation of the card (default: this machine's)")
    engines.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from rich.markup import escape
    from rich.progress import Progress

    from duet.contract import load_contract
    from realtime.inference.engine_cache import build_engine, check_target, engine_key, tensorrt_version
    from realtime.inference.graph_session import check_graph
    from realtime.inference.runtimes import this_target

    contract = load_contract(arguments.follower)
    if not tensorrt_version():
        raise InputError(f"TensorRT: expected the package, got none. Install it: {how_to_install('tensorrt')}")
    target = arguments.target or this_target()
    if not target:
        raise InputError("--target: expected a generation such as SM89 where there is no GPU, got none. Give one.")
    check_target(target)
    console = new_console()
    with Progress(console=console, transient=True) as bars:
        for graph in contract.graphs:
            path = arguments.follower / graph.file
            check_graph(path, graph, contract)
            task = bars.add_task(escape(graph.role), total=None)
            key = engine_key(graph, contract, target)
            built = build_engine(
                path, key, lambda done, total, task=task: bars.update(task, completed=done, total=total)
            )
            size = built.stat().st_size / 1e6
            bars.console.print(f"{graph.role}: {size:.1f} MB, {key.tensorrt}, {target}, {key.precision}")
    console.print("They lie in the cache; duet play --runtime auto takes them on a machine with such a card.")
    return 0
