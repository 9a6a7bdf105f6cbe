"""Two followers in one show: one dances, and on a cue the other takes over at a downbeat.

Before it does, it is asked beside the one who dances for a bar or so, with the same leader and the same music, so that
it remembers them and has danced itself warm; nobody sees that. The body goes over from one plan to the other as from
any plan to the next, within the bounds of ``realtime.steps``.

``Cast`` is a runner as any other: pure, the two states in one. Engines, recording and replay need to know of no second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from duet.contract import FollowerContract
from duet.errors import InputError
from duet.forecast import Forecaster
from duet.frames import MusicFrame
from realtime.tick import CarryingRunner, FollowerState, Runner, Tensors

WHO, FRESH, BESIDE = "who", "fresh", "beside/"
"""Inputs of a cast's tick: who dances (0, 1), whether the other begins anew, and what the other is asked."""
WARM_TICKS = 8
"""So many ticks the other is asked beside, at least."""
MOST_WAIT_S = 6.0
"""Where no downbeat is heard for so long, it takes over without."""
_SURE = 0.3
To = Literal["first", "second", "other"]


@dataclass(frozen=True)
class Member:
    """A follower of a cast."""

    contract: FollowerContract
    forecaster: Forecaster | None = None


@dataclass(frozen=True)
class CastState(FollowerState):
    """What both remember."""

    members: tuple[FollowerState, FollowerState] = ()  # type: ignore[assignment]

    @classmethod
    def of(cls, first: FollowerContract, second: FollowerContract) -> "CastState":
        """Nothing."""
        nothing: Mapping[str, np.ndarray] = MappingProxyType({})
        return cls(nothing, members=(FollowerState.initial(first), FollowerState.initial(second)))


class Cast:
    """Runs whoever dances, and beside it the other, where it is asked."""

    def __init__(self, first: Runner, second: Runner, initial: CastState) -> None:
        self._runners, self._initial = (first, second), initial

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        """See ``Runner``; the answer is that of the one who dances."""
        who, states = self._before(inputs, state)
        own = {n: t for n, t in inputs.items() if not n.startswith(BESIDE) and n not in (WHO, FRESH)}
        beside = {n.removeprefix(BESIDE): t for n, t in inputs.items() if n.startswith(BESIDE)}
        outputs, states[who] = self._runners[who].tick(own, states[who])
        if beside:
            _, states[1 - who] = self._runners[1 - who].tick(beside, states[1 - who])
        return outputs, CastState(state.tensors, members=(states[0], states[1]))

    def carry(self, inputs: Tensors, state: FollowerState) -> FollowerState:
        """See ``CarryingRunner``; what was planned beside is not made up for."""
        who, states = self._before(inputs, state)
        runner = self._runners[who]
        own = {n: t for n, t in inputs.items() if not n.startswith(BESIDE) and n not in (WHO, FRESH)}
        if isinstance(runner, CarryingRunner):
            states[who] = runner.carry(own, states[who])
        return CastState(state.tensors, members=(states[0], states[1]))

    def _before(self, inputs: Tensors, state: FollowerState) -> tuple[int, list[FollowerState]]:
        who = int(inputs[WHO][0])
        members = list(state.members if isinstance(state, CastState) else self._initial.members)
        if inputs[FRESH][0]:
            members[1 - who] = self._initial.members[1 - who]
        return who, members


def check_alike(first: FollowerContract, second: FollowerContract) -> None:
    """InputError where two followers cannot take over from one another."""
    for what in ("fps", "token_frames", "plan_frames"):
        one, two = getattr(first, what), getattr(second, what)
        if one != two:
            raise InputError(
                f"--also: expected a follower with {what} {one:g}, as {first.name} has, got {two:g} in {second.name}. "
                "Choose two that were made alike."
            )


@dataclass(frozen=True)
class Handover:
    """A cue that waits for its downbeat. Never changed, only replaced."""

    asked_s: float
    warmed: int = 0
    """Ticks that the other was asked beside."""

    def is_due(self, begins_s: float, token_s: float, music: MusicFrame | None) -> bool:
        """Whether the other takes over with the token that begins at ``begins_s``."""
        if self.warmed < WARM_TICKS:
            return False
        return begins_s - self.asked_s > MOST_WAIT_S or has_downbeat(begins_s, token_s, music)


def has_downbeat(begins_s: float, lasts_s: float, music: MusicFrame | None) -> bool:
    """Whether a bar begins within ``lasts_s`` from ``begins_s`` on; never where no beat is heard for sure."""
    if music is None or music.confidence < _SURE or music.tempo_bpm <= 0.0:
        return False
    bars_s = music.metre * 60.0 / music.tempo_bpm
    bars = music.bar_phase + (begins_s - music.time_s) / bars_s
    return bool(np.ceil(bars - 1e-6) < bars + lasts_s / bars_s - 1e-6)
