"""A follower without a network: it dances what a choreographed partner danced, whatever it is shown.

Real dance motion at next to no cost, for measuring everything round a follower; never danced with.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from duet.choreography import compose
from duet.contract import FollowerContract, TensorSpec
from duet.features import follower_features, leader_headings
from duet.kinematics import foot_contacts
from duet.skeleton import BODY
from realtime.tick import FollowerState, Tensors

_SECONDS = 20.0
_TICKS = "ticks"


class ChoreographedRunner:
    """Answers with the plan that a choreographed dance has at this tick of it (``realtime.tick.Runner``)."""

    def __init__(self, contract: FollowerContract, tempo_bpm: float, seed: int = 0) -> None:
        self.contract = replace(contract, states=(TensorSpec(_TICKS, (1,)),))
        """As the given one, but for its state."""
        self._features = _dance(tempo_bpm, seed, contract.fps)

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """See ``Runner``."""
        ticks = state.tensors[_TICKS]
        first = int(ticks[0]) * self.contract.token_frames
        at = np.arange(first, first + self.contract.plan_frames) % len(self._features)
        return {"frames": self._features[None, at]}, FollowerState({_TICKS: ticks + 1})

    def carry(self, inputs: Tensors, state: FollowerState) -> FollowerState:
        """See ``CarryingRunner``: the dance goes on by a token."""
        return FollowerState({_TICKS: state.tensors[_TICKS] + 1})


@lru_cache(maxsize=4)
def _dance(tempo_bpm: float, seed: int, fps: float) -> NDArray[np.float32]:
    """(T, 145) features of a salsa's follower."""
    couple = compose("salsa", _SECONDS, tempo_bpm, seed, fps=fps)
    leader, follower = couple.leader.on_body(BODY), couple.follower.on_body(BODY)
    headings = leader_headings(leader.joints_m, fps)
    contacts = foot_contacts(follower.joints_m, fps)
    return follower_features(follower.root_m, follower.rotations, contacts, leader.root_m, headings, fps)
