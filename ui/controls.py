"""What a performer sets while dancing, by keys: the beat, the leader's place on the stage, the partner's distance,
and whether the partner dances.

Keys go by plain names, so that whoever has keys (a window, a test) can press them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from duet.features import Placement
from duet.tempo_override import TapTempo, TempoOverride
from realtime.commands import Command, Fade, Freeze, Panic, Resume, SetPlacement
from realtime.sight.stage_shift import Shift, ShiftedLeader

STEP_M, TURN_RAD = 0.05, math.radians(5.0)
DISTANCE_M = (0.4, 3.0)
_TELL_S = 3.0
_MOVES: dict[str, tuple[float, float, float]] = {
    "left": (-STEP_M, 0.0, 0.0),
    "right": (STEP_M, 0.0, 0.0),
    "up": (0.0, -STEP_M, 0.0),  # away from the audience
    "down": (0.0, STEP_M, 0.0),
    "comma": (0.0, 0.0, -TURN_RAD),
    "period": (0.0, 0.0, TURN_RAD),
}
_NEARER, _FURTHER = "left_bracket", "right_bracket"
_STOPS: dict[str, tuple[Command, str]] = {
    "space": (Freeze(), "the partner stands still"),
    "o": (Fade(), "the partner comes to rest"),
    "x": (Panic(), "the partner rests at once"),
    "r": (Resume(), ""),
}
REPEATING = frozenset((*_MOVES, _NEARER, _FURTHER))
"""Keys that go on while they are held down."""


@dataclass
class Controls:
    """The performer's hand on the stage. Owned by the drawing thread."""

    leader: ShiftedLeader
    override: TempoOverride
    placement: Placement
    metre: int = 4
    show_preview: bool = False
    has_preview: bool = False
    keep: Callable[[Shift, Placement], str] | None = None
    """Keeps place and distance for the next time; tells what it did."""
    asked: list[Command] = field(default_factory=list)
    """What the follower is asked for and was not handed over yet."""

    def __post_init__(self) -> None:
        self._is_halted = False
        self._taps = TapTempo(self.metre)
        self._said, self._until_s = "", 0.0

    @property
    def is_tapped(self) -> bool:
        """Whether the beat that is danced to is the tapped one."""
        pulse = self.override.pulse
        return pulse is not None and pulse is self._taps.pulse

    def message(self, time_s: float) -> str:
        """What the last key did, for a while."""
        return self._said if time_s < self._until_s else ""

    def press(self, key: str, time_s: float) -> None:
        """A key went down at ``time_s``; unknown ones do nothing."""
        if key == "t":
            self._tap(time_s)
        elif key == "backspace":
            self._taps = TapTempo(self.metre)
            self.override.pulse = None
            self._say("the beat is heard again", time_s)
        elif key in _MOVES:
            x, z, turn = _MOVES[key]
            now = self.leader.shift
            self._move(Shift(now.x_m + x, now.z_m + z, now.turn_rad + turn), time_s)
        elif key in (_NEARER, _FURTHER):
            self._distance(-STEP_M if key == _NEARER else STEP_M, time_s)
        elif key == "c":
            self._centre(time_s)
        elif key == "home":
            self._move(Shift(), time_s)
        elif key == "p":
            self.show_preview = self.has_preview and not self.show_preview
            if not self.has_preview:
                self._say("start with --preview to see what the camera sees", time_s)
        elif key in _STOPS:
            self._stop(key, time_s)
        elif key == "enter" and self.keep is not None:
            self._say(self.keep(self.leader.shift, self.placement), time_s)

    def _tap(self, time_s: float) -> None:
        pulse = self._taps.tap(time_s)
        if pulse is None:
            self._say("tap on: the first tap is a one", time_s)
            return
        self.override.pulse = pulse
        self._say(f"tapped: {pulse.tempo_bpm:.1f} bpm (Backspace: listen again)", time_s)

    def _move(self, goal: Shift, time_s: float) -> None:
        self.leader.move(goal, time_s)
        turn = f", turned {math.degrees(goal.turn_rad):+.0f}°" if goal.turn_rad else ""
        self._say(f"leader moved {goal.x_m:+.2f} m across, {goal.z_m:+.2f} m to the front{turn}", time_s)

    def _centre(self, time_s: float) -> None:
        """Wherever the leader stands now becomes the middle of the stage."""
        frame = self.leader.shown(time_s)
        if frame is None:
            self._say("nobody is seen whose place could be the middle", time_s)
            return
        now, here = self.leader.glide.at(time_s), frame.root_m
        self._move(Shift(now.x_m - float(here[0]), now.z_m - float(here[2]), now.turn_rad), time_s)

    def _distance(self, by_m: float, time_s: float) -> None:
        nearest, furthest = DISTANCE_M
        wanted = min(max(self.placement.distance_m + by_m, nearest), furthest)
        self.placement = replace(self.placement, distance_m=wanted)
        self.asked.append(SetPlacement(self.placement))
        self._say(f"partner {wanted:.2f} m away", time_s)

    def _stop(self, key: str, time_s: float) -> None:
        """Stop the partner; the key that froze them, or R, lets them dance again."""
        if key == "r" or (key == "space" and self._is_halted):
            self._is_halted = False
            self.asked.append(Resume())
            self._say("the partner dances", time_s)
            return
        self._is_halted = True
        command, said = _STOPS[key]
        self.asked.append(command)
        self._say(f"{said} (R: dance again)", time_s)

    def _say(self, text: str, time_s: float) -> None:
        self._said, self._until_s = text, time_s + _TELL_S
