"""Runs a follower folder: its graphs in the contract's order, on whatever runtime opens them."""

import copy
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from duet.bank_file import bank_of
from duet.contract import FollowerContract, GraphSpec, load_contract
from duet.errors import FollowerError
from duet.retrieval import Held
from realtime.inference.graph_session import GraphSession, Opener, OrtSession, check_graph
from realtime.tick import FollowerState, Tensors

_NEW = "new_"
_CARRIED = {"new_past", "new_plan", "new_noise_ring"}
"""What plans anew gives, and what ``carry`` can say without it."""


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
        held = state.held
        if self._bank is not None:
            inputs, (held,) = self._bank.recall(inputs, [held], self.contract.past_tokens)
        tensors: dict[str, np.ndarray] = {**inputs, **state.tensors}
        for graph, session in self._graphs:
            _run(graph, session, tensors)
        outputs = MappingProxyType({t.name: tensors[t.name] for t in self.contract.outputs})
        return outputs, self._next(tensors, held)

    def carry(self, inputs: Tensors, state: FollowerState) -> FollowerState:
        """Commit the last plan's next token: every graph runs but the one that plans, in whose place the plan shifts.

        See ``realtime.tick.CarryingRunner``. A follower with other states than ours is left as it is: its past shifts.
        """
        given = [{t.name for t in graph.outputs} for graph, _ in self._graphs]
        if _CARRIED not in given:
            return state
        tensors: dict[str, np.ndarray] = {**inputs, **state.tensors}
        for (graph, session), names in zip(self._graphs, given, strict=True):
            if names != _CARRIED:
                _run(graph, session, tensors)
                continue
            plan, ring = tensors["plan"], tensors["noise_ring"]
            tensors["new_plan"] = np.concatenate([plan[:, 1:], plan[:, -1:]], axis=1)
            tensors["new_past"] = np.concatenate([tensors["past"][:, 1:], plan[:, 1:2]], axis=1)
            tensors["new_noise_ring"] = np.concatenate([ring[:, 1:], tensors["noise"][:, -1:]], axis=1)
        return self._next(tensors, state.held if self._bank is None else self._bank.go_on(state.held))

    def _next(self, tensors: Mapping[str, np.ndarray], held: Held) -> FollowerState:
        if self._bank is not None:
            held = held.after(tensors["frames"][0], self.contract.token_frames)
        return FollowerState(MappingProxyType({t.name: tensors[_NEW + t.name] for t in self.contract.states}), held)


class OrtForecaster:
    """The forecast graph of a follower folder (``duet.forecast.Forecaster``); runs on the caller's thread."""

    def __init__(self, path: Path, graph: GraphSpec) -> None:
        self._session = OrtSession(path, graph)
        self._name = graph.inputs[0].name

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``duet.forecast.Forecaster``."""
        (foreseen,) = self._session.run({self._name: leader[None]})
        return foreseen[0]


def _run(graph: GraphSpec, session: GraphSession, tensors: dict[str, np.ndarray]) -> None:
    """One graph: what it reads is in ``tensors``, and what it gives is there afterwards."""
    for spec, result in zip(graph.outputs, session.run(tensors), strict=True):
        tensors[spec.name] = result
