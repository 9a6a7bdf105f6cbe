"""Runs a follower folder: its graphs in the contract's order, on whatever runtime opens them."""

import copy
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from duet.bank_file import bank_of
from duet.contract import FollowerContract, GraphSpec, load_contract
from duet.errors import FollowerError
from realtime.graph_session import Opener, OrtSession, check_graph
from realtime.tick import FollowerState, Tensors

_NEW = "new_"


class OrtRunner:
    """A follower's graphs, run in the contract's order, tensors wired by name.

    ``tick`` releases the GIL while a graph runs. A follower with a bank looks its references up here, as a part of the
    tick: ``reference`` and its flag among the inputs do not count then.
    """

    def __init__(self, folder: str | Path, *, opened: Opener = OrtSession, measuring: bool = False) -> None:
        """``opened`` is the runtime. FollowerError for a folder that is broken, altered, or only fit for ``measuring``:
        one of random weights."""
        folder = Path(folder)
        self.contract: FollowerContract = load_contract(folder)
        if self.contract.untrained and not measuring:
            raise FollowerError(
                f"{folder}: expected a follower that learned to dance, got one of random weights. "
                "It is for measuring only: duet bench model."
            )
        self._bank = bank_of(folder, self.contract)
        foresees = self.contract.forecast
        for graph in (*self.contract.graphs, *((foresees,) if foresees else ())):
            check_graph(folder / graph.file, graph, self.contract)
        self._graphs = [(g, opened(folder / g.file, g)) for g in self.contract.graphs]
        self.forecaster = None if foresees is None else OrtForecaster(folder / foresees.file, foresees)
        """Foresees the leader for the conductor, where the follower learned with it."""

    def initial_state(self) -> FollowerState:
        """The state a performance starts from."""
        return FollowerState.initial(self.contract)

    def without_bank(self) -> "OrtRunner":
        """This follower as its graphs alone: references come from the inputs, if from anywhere."""
        bare = copy.copy(self)
        bare._bank = None
        return bare

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """Run every graph once. Pure: neither argument is changed."""
        held, contract = state.held, self.contract
        if self._bank is not None:
            inputs, (held,) = self._bank.recall(inputs, [held], contract.past_tokens)
        tensors: dict[str, np.ndarray] = {**inputs, **state.tensors}
        for graph, session in self._graphs:
            for spec, result in zip(graph.outputs, session.run(tensors), strict=True):
                tensors[spec.name] = result
        if self._bank is not None:
            held = held.after(tensors["frames"][0], contract.token_frames)
        outputs = MappingProxyType({t.name: tensors[t.name] for t in contract.outputs})
        new = MappingProxyType({t.name: tensors[_NEW + t.name] for t in contract.states})
        return outputs, FollowerState(new, held)


class OrtForecaster:
    """The forecast graph of a follower folder (``duet.forecast.Forecaster``); runs on the caller's thread."""

    def __init__(self, path: Path, graph: GraphSpec) -> None:
        self._session = OrtSession(path, graph)
        self._name = graph.inputs[0].name

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``duet.forecast.Forecaster``."""
        (foreseen,) = self._session.run({self._name: leader[None]})
        return foreseen[0]
