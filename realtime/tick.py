"""What a tick takes and gives: plain named tensors, and the state that a runner carries between ticks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.retrieval import Held

Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class FollowerState:
    """Every state tensor of a follower, by name. Fixed in size, never changed: a tick returns a new one."""

    tensors: Tensors
    held: Held = field(default_factory=Held)
    """What it remembers of its references, where the follower has a bank."""

    @classmethod
    def initial(cls, contract: FollowerContract) -> "FollowerState":
        """The state a performance starts from: zeros, as in training."""
        return cls(MappingProxyType({t.name: np.zeros(t.shape, dtype=np.float32) for t in contract.states}))


@dataclass(frozen=True)
class TickResult:
    """One finished tick."""

    tick: int
    outputs: Tensors
    state: FollowerState
    seconds: float
    """How long the runner took."""


class Runner(Protocol):
    """Runs a follower's graphs: a pure function of inputs and state."""

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """``inputs`` as the contract names them; returns the contract's outputs and the next state."""
        ...


@runtime_checkable
class CarryingRunner(Runner, Protocol):
    """A runner that can commit a token of its last plan without planning anew."""

    def carry(self, inputs: Tensors, state: FollowerState) -> FollowerState:
        """The state of ``state``'s next token, danced as it was planned; ``inputs`` as that token's tick is asked.

        Pure. What would be planned anew stays as it is: a plan of n tokens is carried n - 1 times at most.
        """
        ...


def earlier(inputs: Tensors, tokens: int) -> Tensors:
    """The inputs of a tick so many ``tokens`` before the one that is asked with ``inputs``, as they are known by now.

    Exact where a tick was: the windows of leader and music reach back over their newest committed token.
    """
    windows = ("leader", "leader_flag", "music")
    return {name: np.roll(t, tokens, axis=1) if name in windows else t for name, t in inputs.items()}


def time_ticks(runner: Runner, contract: FollowerContract, runs: int) -> NDArray[np.float64]:
    """Seconds (runs,) of ticks on zeros, after a warm-up of three."""
    inputs = {t.name: np.zeros(t.shape, dtype=np.float32) for t in contract.inputs}
    state = FollowerState.initial(contract)
    seconds = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        _, state = runner.tick(inputs, state)
        seconds.append(time.perf_counter() - start)
    return np.array(seconds[3:])
