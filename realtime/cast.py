"""Two followers in one show: one dances, and on a cue the other takes over at a downbeat.

Before it does, it is asked beside the one who dances for a bar or so, with the same leader and the same music, so that
it remembers them and has danced itself warm; nobody sees that. The body goes over from one plan to the other as from
any plan to the next, within the bounds of ``realtime.steps``.

``Cast`` is a runner as any other: pure, the two states in one. Engines, recording and replay need to know of no second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

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


class Casting:
    """Who of two dances, and the cue upon which the other will. Belongs to the conductor's thread."""

    def __init__(self) -> None:
        self.who = 0
        """Who dances: 0 who began the show, 1 the other."""
        self._asked_s: float | None = None
        """When the other was asked for; None: it was not."""
        self._warmed = 0
        """Ticks that the other was asked beside since."""

    def cue(self, to: str, now_s: float) -> None:
        """The ``first``, ``second`` or ``other`` is asked for; a cue for who dances takes back the one before."""
        wanted = {"first": 0, "second": 1}.get(to, 1 - self.who)
        if wanted == self.who:
            self._asked_s, self._warmed = None, 0
        elif self._asked_s is None:
            # Whoever asks again while they wait postpones nothing.
            self._asked_s, self._warmed = now_s, 0

    def inputs(self, beside: Callable[[], Tensors]) -> Tensors:
        """Who dances, and what the other is asked ``beside``, while it makes ready."""
        is_cued = self._asked_s is not None
        is_fresh = is_cued and not self._warmed
        said = {name: np.array([value], dtype=np.float32) for name, value in ((WHO, self.who), (FRESH, is_fresh))}
        return {**said, **{BESIDE + name: tensor for name, tensor in beside().items()}} if is_cued else said

    def asked(self) -> None:
        """A tick was asked with these inputs."""
        if self._asked_s is not None:
            self._warmed += 1

    def forget(self) -> None:
        """The followers begin anew: what the other was warmed with is lost, the cue is not."""
        self._warmed = 0

    def is_due(self, begins_s: float, lasts_s: float, music: MusicFrame | None) -> bool:
        """Whether the other takes over with the tokens that begin at ``begins_s`` and last until it is asked again."""
        if self._asked_s is None or self._warmed < WARM_TICKS:
            return False
        return begins_s - self._asked_s > MOST_WAIT_S or has_downbeat(begins_s, lasts_s, music)

    def take_over(self) -> None:
        """The other dances from now on."""
        self.who, self._asked_s, self._warmed = 1 - self.who, None, 0


def has_downbeat(begins_s: float, lasts_s: float, music: MusicFrame | None) -> bool:
    """Whether a bar begins within ``lasts_s`` from ``begins_s`` on; never where no beat is heard for sure."""
    if music is None or music.confidence < _SURE or music.tempo_bpm <= 0.0:
        return False
    bars_s = music.metre * 60.0 / music.tempo_bpm
    bars = music.bar_phase + (begins_s - music.time_s) / bars_s
    return bool(np.ceil(bars - 1e-6) < bars + lasts_s / bars_s - 1e-6)
