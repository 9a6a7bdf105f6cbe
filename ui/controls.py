"""What a performer sets while dancing: the beat, the leader's place, the partner and its guidance, and what is seen.

Everything is asked for by a control's name (``ui.control_table``), whoever has the hands: keys go by plain names
through the bindings, knobs by a share of their way, the panel's window by values.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from duet.errors import DuetError, InputError
from duet.features import Placement
from duet.tempo_override import TapTempo, TempoOverride
from realtime.commands import Command, Fade, Freeze, Panic, Resume, SetGuidance, SetPlacement, SetStyle, SwitchFollower
from realtime.sight.stage_shift import FURTHEST_M, Shift, ShiftedLeader
from ui.bindings import Bindings
from ui.control_table import (
    ANY_DISPLAY,
    CONTROLS,
    DEVICES,
    DISTANCE_M,
    LEVELS,
    PRESETS,
    STREAMS,
    WINDOWED,
    Kind,
    guidance_name,
)
from ui.drawing.wardrobe import avatar_names
from ui.staging import NEAREST_DISPLAY, Staging

LOG = logging.getLogger("duet.keys")
STEP_M, TURN_RAD = 0.05, math.radians(5.0)
_TELL_S = 3.0
_READ_S = 10.0
_MOVES: dict[str, tuple[float, float, float]] = {
    "left": (-STEP_M, 0.0, 0.0),
    "right": (STEP_M, 0.0, 0.0),
    "away": (0.0, -STEP_M, 0.0),
    "toward": (0.0, STEP_M, 0.0),
    "turn_right": (0.0, 0.0, -TURN_RAD),
    "turn_left": (0.0, 0.0, TURN_RAD),
}
_STOPS: dict[str, tuple[Command, str]] = {
    "freeze": (Freeze(), "the partner stands still"),
    "fade": (Fade(), "the partner comes to rest"),
    "panic": (Panic(), "the partner rests at once"),
}
_STAGED = {
    "stage": "stage", "camera": "camera", "leader_as": "leader_as", "leader_avatar": "leader",
    "follower_avatar": "follower", "hud": "hud",
}  # fmt: skip
_ENDING = {"escape": "Escape", "q": "Q"}
"""Keys that reach us only where one press of them is not to end the show."""
OWN_STYLE = "own"
Guidance = tuple[tuple[float, float], ...]


class Device(Protocol):
    """A camera or a sound input that can be changed while dancing."""

    @property
    def name(self) -> str:
        """The one in use, as options name it."""
        ...

    def change(self, name: str) -> str:
        """Begin to use another; the sentence that says so. InputError for a name that cannot be."""
        ...


@dataclass
class Controls:
    """The performer's hand on the stage. Owned by the thread that looks after the show."""

    leader: ShiftedLeader
    override: TempoOverride
    placement: Placement
    metre: int = 4
    show_preview: bool = False
    has_preview: bool = False
    no_preview: str = "start with --preview to see what the camera sees"
    """What is said where there is none."""
    keep: Callable[[Shift, Placement], str] | None = None
    """Keeps place and distance for the next time; tells what it did."""
    no_keep: str = "there is no camera to keep place and distance for"
    """What is said where nothing does."""
    asked: list[Command] = field(default_factory=list)
    """What the follower is asked for and was not handed over yet."""
    staging: Staging = field(default_factory=Staging)
    styles: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: {OWN_STYLE: ()})
    style: str = OWN_STYLE
    bindings: Bindings = field(default_factory=Bindings)
    devices: Mapping[str, Device] = field(default_factory=dict)
    """By name of their control."""
    avatars: tuple[str, ...] = field(default_factory=lambda: tuple(avatar_names()))
    """The bodies there were at the beginning: nobody looks at the disk while they dance."""
    show_panel: bool = True
    has_panel: bool = False
    has_other: bool = False
    """Whether there is another partner, who can take over."""

    def __post_init__(self) -> None:
        self._first = self.placement, self.style, self.staging
        self._begins, self._is_halted = 0, False
        self.guidance: Guidance = ((0.0, 0.0),) * len(STREAMS)
        self.stopped = ""
        """The control that stopped the partner; empty while they may dance."""
        self.learning: str | None = None
        """The control that the next key or knob is for; "" until one is touched, None while nothing is learned."""
        self.refused = 0
        """Turns of what is no control, or to what it cannot be."""
        self._taps = TapTempo(self.metre)
        self._said, self._until_s = "", 0.0
        self._stood: dict[str, float] = {}
        """Where each MIDI knob was last."""
        self._learned_by = ""
        """The knob that something was learned by last."""

    @property
    def is_tapped(self) -> bool:
        """Whether the beat that is danced to is the tapped one."""
        pulse = self.override.pulse
        return pulse is not None and pulse is self._taps.pulse

    def follow(self, begins: int, is_halted: bool) -> None:
        """What the follower did unasked by these hands: began anew, so often by now, with all that is wished, seen and
        tapped as at first; was stopped or let dance by a cue. Where the leader was moved to stays."""
        if begins != self._begins:
            self._begins = begins
            self.placement, self.style, self.staging = self._first
            self.guidance = ((0.0, 0.0),) * len(STREAMS)
            # Somebody else leads: the beat of whoever led before is none of theirs.
            self.override.pulse, self._taps = None, TapTempo(self.metre)
        if is_halted != self._is_halted:
            self._is_halted = is_halted
            self.stopped = (self.stopped or "freeze") if is_halted else ""

    def message(self, time_s: float) -> str:
        """What the last turn did, for a while."""
        return self._said if time_s < self._until_s else ""

    def choices(self, name: str) -> tuple[str, ...]:
        """What can be chosen by a control; empty where it is not chosen from, or nobody can say here."""
        if name in ("leader_avatar", "follower_avatar"):
            return self.avatars
        if name == "display":
            return WINDOWED, ANY_DISPLAY
        return tuple(self.styles) if name == "style" else CONTROLS[name].choices

    def values(self) -> dict[str, float | bool | str]:
        """Of every control that has one."""
        display = {None: WINDOWED, NEAREST_DISPLAY: ANY_DISPLAY}.get(self.staging.display, str(self.staging.display))
        guidance = {
            guidance_name(s, level): self.guidance[s][level]
            for s in range(len(STREAMS))
            for level in range(len(LEVELS))
        }
        return {
            "distance": self.placement.distance_m,
            "mirror": self.leader.mirrored,
            **guidance,
            "style": self.style,
            **{name: getattr(self.staging, what) for name, what in _STAGED.items()},
            "display": display,
            **{name: device.name for name, device in self.devices.items()},
            "sight": self.show_preview,
            "panel": self.show_panel,
            "learn": self.learning is not None,
        }

    def kept(self) -> dict[str, Any]:
        """What a show's file keeps."""
        kept = {name: value for name, value in self.values().items() if CONTROLS[name].is_kept}
        return {**kept, **self.bindings.values()}

    def press(self, key: str, time_s: float) -> None:
        """A key went down at ``time_s``; unknown ones do nothing. While a control learns, the key is for it."""
        if key in _ENDING:
            self._say(f"{_ENDING[key]} again within two seconds ends the show", time_s)
            LOG.warning("%s was pressed in the window; twice within two seconds ends the show", _ENDING[key])
        elif self.learning and key not in ("tab", "f2"):
            self.bindings = self.bindings.with_key(key, self.learning)
            self._learned(f"key {key}", time_s)
        elif key == "f1" and key not in self.bindings.keys:
            self._say(self.bindings.told(), time_s, _READ_S)
        elif (name := self.bindings.keys.get(key)) is not None:
            self.turn(name, None, time_s)

    def strike(self, event: str, share: float, time_s: float) -> None:
        """A MIDI knob (``cc 1 7``) stands at ``share`` of its way, or a note was struck; while a control learns, it
        is for it. A knob that pushes does so as it passes its middle; a button that only ever says where it is pressed
        to, each time."""
        before, self._stood[event] = self._stood.get(event, 0.0), share
        if self.learning:
            self.bindings = self.bindings.with_midi(event, self.learning)
            self._learned(event, time_s)
            self._learned_by = event
            return
        control = CONTROLS.get(self.bindings.midi.get(event, ""))
        # What it was learned by is still being turned: that turns nothing else.
        if control is None or (self.learning is not None and event == self._learned_by):
            return
        if event.startswith("note") or control.kind is Kind.PUSH:
            if event.startswith("note") or (share >= 0.5 and (before < 0.5 or share == before)):
                self.turn(control.name, None, time_s)
        elif control.kind is Kind.SLIDE:
            self.turn(control.name, control.least + share * (control.most - control.least), time_s)
        elif control.kind is Kind.SWITCH:
            self.turn(control.name, share >= 0.5, time_s)
        elif choices := self.choices(control.name):
            self.turn(control.name, choices[min(int(share * len(choices)), len(choices) - 1)], time_s)

    def touch(self, name: str, value: float | bool | str | None, time_s: float) -> None:
        """A control was touched in the panel: turned, or, while one is looked for, made the one that learns."""
        if self.learning is None or name in ("learn", "panel"):
            self.turn(name, value, time_s)
        elif name in DEVICES:
            self._say(f"{CONTROLS[name].label}: chosen here, by no key and no knob", time_s)
        elif name in CONTROLS:
            self.learning = name
            self._say(f"{CONTROLS[name].label}: now the key or the knob for it", time_s)

    def turn(self, name: str, value: float | bool | str | None, time_s: float) -> None:
        """Turn a control to ``value``; None pushes it, switches it over, slides it on by a step, or takes the next.

        Nothing that is asked for ends a dance: what cannot be is refused, counted and said.
        """
        control = CONTROLS.get(name)
        if control is None:
            self.refused += 1
            return
        try:
            self._turn(name, self._following(name) if value is None else value, time_s)
        except (DuetError, ValueError, TypeError, OverflowError) as error:
            self.refused += 1
            self._say(str(error), time_s)

    def _following(self, name: str) -> float | bool | str | None:
        """What a bare push of a control asks for."""
        control, now = CONTROLS[name], self.values().get(name)
        if control.kind is Kind.SWITCH:
            return not now
        if control.kind is Kind.SLIDE:
            on = float(now or 0.0) + control.step
            return control.least if on > control.most + 1e-6 else on
        if name == "display":
            return ANY_DISPLAY if now == WINDOWED else WINDOWED
        choices = self.choices(name)
        return choices[(choices.index(str(now)) + 1) % len(choices)] if choices else None

    def _turn(self, name: str, value: Any, time_s: float) -> None:
        if name in _MOVES:
            x, z, turn = _MOVES[name]
            now = self.leader.shift
            self._move(Shift(now.x_m + x, now.z_m + z, now.turn_rad + turn), time_s)
        elif name in _STOPS or name == "dance":
            self._stop(name, time_s)
        elif name in PRESETS:
            self._preset(name, time_s)
        elif name in _STAGED or name == "display":
            self._stage(name, str(value), time_s)
        elif CONTROLS[name].kind is Kind.SLIDE:
            self._slide(name, float(value), time_s)
        elif name in DEVICES:
            self._device(name, value, time_s)
        else:
            self._rest[name](self, value, time_s)

    def _device(self, name: str, value: Any, time_s: float) -> None:
        label, device = CONTROLS[name].label, self.devices.get(name)
        if device is None:
            raise InputError(f"{label}: this show keeps to its own; duet play has others to choose.")
        if value is None:
            raise InputError(f"{label}: choose one in the panel.")
        self._say(device.change(str(value)), time_s)

    def _other(self, _: Any, time_s: float) -> None:
        if not self.has_other:
            self._say("there is no other partner: begin with --also DIR", time_s)
            return
        self.asked.append(SwitchFollower())
        self._say("the other partner takes over at the next bar", time_s)

    def _tap(self, _: Any, time_s: float) -> None:
        pulse = self._taps.tap(time_s)
        if pulse is None:
            self._say("tap on: the first tap is a one", time_s)
            return
        self.override.pulse = pulse
        self._say(f"tapped: {pulse.tempo_bpm:.1f} bpm (Backspace: listen again)", time_s)

    def _listen(self, _: Any, time_s: float) -> None:
        self._taps = TapTempo(self.metre)
        self.override.pulse = None
        self._say("the beat is heard again", time_s)

    def _move(self, goal: Shift, time_s: float) -> None:
        """No further than ``--offset`` may: who is out of all reach leads nobody."""
        x_m, z_m = (min(max(metres, -FURTHEST_M), FURTHEST_M) for metres in (goal.x_m, goal.z_m))
        goal = Shift(x_m, z_m, goal.turn_rad)
        self.leader.move(goal, time_s)
        turn = f", turned {math.degrees(goal.turn_rad):+.0f}°" if goal.turn_rad else ""
        self._say(f"leader moved {goal.x_m:+.2f} m across, {goal.z_m:+.2f} m to the front{turn}", time_s)

    def _undo_moves(self, _: Any, time_s: float) -> None:
        self._move(Shift(), time_s)

    def _centre(self, _: Any, time_s: float) -> None:
        """Wherever the leader stands now becomes the middle of the stage."""
        frame = self.leader.shown(time_s)
        if frame is None:
            self._say("nobody is seen whose place could be the middle", time_s)
            return
        now, here = self.leader.glide.at(time_s), frame.root_m
        self._move(Shift(now.x_m - float(here[0]), now.z_m - float(here[2]), now.turn_rad), time_s)

    def _mirror(self, value: Any, time_s: float) -> None:
        self.leader.mirrored = bool(value)
        self._say("the leader is seen as in a mirror" if value else "the leader is seen as they are", time_s)

    def _nearer(self, _: Any, time_s: float) -> None:
        self._slide("distance", self.placement.distance_m - STEP_M, time_s)

    def _further(self, _: Any, time_s: float) -> None:
        self._slide("distance", self.placement.distance_m + STEP_M, time_s)

    def _slide(self, name: str, value: float, time_s: float) -> None:
        control = CONTROLS[name]
        if not math.isfinite(value):
            raise ValueError(f"{control.label}: expected a number, got {value}.")
        value = min(max(value, control.least), control.most)
        if name == "distance":
            self._distance(value)
            self._say(f"partner {value:.2f} m away", time_s)
            return
        rows = [list(row) for row in self.guidance]
        for stream in range(len(STREAMS)):
            for level in range(len(LEVELS)):
                if guidance_name(stream, level) == name:
                    rows[stream][level] = value
        self._guide(tuple((row[0], row[1]) for row in rows))
        self._say(f"{control.label}: {value:.2f}", time_s)

    def _distance(self, wanted_m: float) -> None:
        nearest, furthest = DISTANCE_M
        self.placement = replace(self.placement, distance_m=min(max(wanted_m, nearest), furthest))
        self.asked.append(SetPlacement(self.placement))

    def _guide(self, guidance: Guidance) -> None:
        self.guidance = guidance
        self.asked.append(SetGuidance(guidance))

    def _preset(self, name: str, time_s: float) -> None:
        guidance, distance_m = PRESETS[name]
        self._guide(guidance)
        if distance_m is not None:
            self._distance(distance_m)
        self._say(f"{CONTROLS[name].label.lower()}: {CONTROLS[name].says}", time_s)

    def _style(self, value: Any, time_s: float) -> None:
        if value not in self.styles:
            raise ValueError(f"Style: expected one of {', '.join(self.styles)}, got {value!r}.")
        self.style = value
        self.asked.append(SetStyle(self.styles[value]))
        self._say(f"style: {value}", time_s)

    def _stage(self, name: str, value: str, time_s: float) -> None:
        if name == "display":
            filled = {WINDOWED: None, ANY_DISPLAY: NEAREST_DISPLAY}
            number = filled[value] if value in filled else int(value)
            self.staging = self.staging.altered(display=number)
            self._say("in a window" if number is None else "full screen", time_s)
            return
        what = {_STAGED[name]: value}
        replace(Staging(), **what)  # what is chosen is checked; what is worn may have lost its file since
        self.staging = self.staging.altered(**what)
        self._say(self.staging.told(_STAGED[name]), time_s)

    def _stop(self, name: str, time_s: float) -> None:
        """Stop the partner; the control that froze them, or Dance, lets them dance again."""
        if name == "dance" or (name == "freeze" and self.stopped):
            self.stopped = ""
            self.asked.append(Resume())
            self._say("the partner dances", time_s)
            return
        self.stopped = name
        command, said = _STOPS[name]
        self.asked.append(command)
        self._say(f"{said} (R: dance again)", time_s)

    def _sight(self, value: Any, time_s: float) -> None:
        self.show_preview = self.has_preview and bool(value)
        if not self.has_preview:
            self._say(self.no_preview, time_s)

    def _panel(self, value: Any, time_s: float) -> None:
        self.show_panel = bool(value)
        if not self.has_panel:
            self._say("there is no panel beside this performance", time_s)

    def _learn(self, value: Any, time_s: float) -> None:
        self.learning, self._learned_by = "" if value else None, ""
        self._say("touch a control, then a key or a knob for it" if value else "nothing more is learned", time_s)

    def _learned(self, source: str, time_s: float) -> None:
        learned, self.learning = self.learning or "", ""
        self._say(f"{CONTROLS[learned].label}: {source}. Touch another, or end with Learn", time_s)

    def _keep(self, _: Any, time_s: float) -> None:
        self._say(self.no_keep if self.keep is None else self.keep(self.leader.shift, self.placement), time_s)

    def _say(self, text: str, time_s: float, for_s: float = _TELL_S) -> None:
        self._said, self._until_s = text, time_s + for_s

    _rest = {
        "other": _other, "tap": _tap, "listen": _listen, "undo_moves": _undo_moves, "centre": _centre,
        "mirror": _mirror,
        "nearer": _nearer, "further": _further, "style": _style, "sight": _sight, "panel": _panel, "learn": _learn,
        "keep": _keep,
    }  # fmt: skip
