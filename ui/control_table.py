"""Everything a performer can turn while dancing, in one table: read by keys, MIDI, the panel's window and show files.

A control is pushed, switched, slid or chosen from. Whoever has hands (a key, a knob, a mouse, a test) names one of
these and a value; ``ui.controls`` does it. There is no other way in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ui.drawing.cameras import CAMERAS
from ui.drawing.stages import STAGES
from ui.staging import HUDS, LEADER_AS

DISTANCE_M = (0.4, 3.0)
MOST_SLID_GUIDANCE = 2.0
"""Followers are taught to be led so strictly (LDCFG scales), and no more."""
STREAMS, LEVELS = ("upper", "lower", "root"), ("groove", "detail")
WINDOWED, ANY_DISPLAY = "window", "full screen"
DEVICES = CAMERA_DEVICE, SOUND_DEVICE = "camera_device", "sound_device"
"""Chosen with a look and a listen: in the panel only, by no key and no knob."""


class Kind(StrEnum):
    """How a control is handled."""

    PUSH = "push"
    SWITCH = "switch"
    SLIDE = "slide"
    CHOOSE = "choose"


@dataclass(frozen=True)
class Control:
    """One thing that can be turned."""

    name: str
    kind: Kind
    label: str
    says: str = ""
    """What it does, for who points at it."""
    key: str = ""
    """That turns it unless a show's file says another."""
    least: float = 0.0
    most: float = 1.0
    step: float = 0.1
    """Of a slide, by one push of a key."""
    choices: tuple[str, ...] = ()
    """Empty where they are known only here and now: devices, displays, bodies, styles."""
    is_kept: bool = False
    """Whether a show's file keeps its value."""


def _push(name: str, label: str, key: str = "", says: str = "") -> Control:
    return Control(name, Kind.PUSH, label, says, key)


def _choose(name: str, label: str, choices: tuple[str, ...] = (), key: str = "", says: str = "") -> Control:
    return Control(name, Kind.CHOOSE, label, says, key, choices=choices, is_kept=True)


def guidance_name(stream: int, level: int) -> str:
    """Of the slide for a stream (upper, lower, root) and a level."""
    return f"{LEVELS[level]}_{STREAMS[stream]}"


_GUIDANCE = tuple(
    Control(
        guidance_name(stream, level), Kind.SLIDE, f"{STREAMS[stream]} {LEVELS[level]}",
        f"how strictly the {STREAMS[stream]} body keeps to leader and music in its {what}",
        most=MOST_SLID_GUIDANCE, step=0.25, is_kept=True,
    )
    for stream in range(len(STREAMS))
    for level, what in enumerate(("large movements", "small movements"))
)  # fmt: skip

_TABLE = (
    _push("freeze", "Freeze", "space", "stand still in this pose; again: dance"),
    _push("fade", "Fade", "o", "come to rest on the spot, in two seconds"),
    _push("panic", "PANIC", "x", "rest at once, whatever happens"),
    _push("dance", "Dance", "r", "dance again"),
    _push("other", "Other partner", "y", "the other partner takes over at the next bar, where --also names one"),
    _push("tap", "Tap", "t", "tap the beat; the first tap is a one"),
    _push("listen", "Listen", "backspace", "hear the beat again instead of the tapped one"),
    Control(
        "distance", Kind.SLIDE, "Distance", "how far away the partner dances, metres",
        least=DISTANCE_M[0], most=DISTANCE_M[1], step=0.05, is_kept=True,
    ),
    _push("nearer", "Nearer", "left_bracket", "the partner 5 cm nearer"),
    _push("further", "Further", "right_bracket", "the partner 5 cm further away"),
    Control(
        "mirror", Kind.SWITCH, "Mirror", "the leader as in a mirror: left and right change places", is_kept=True
    ),
    *_GUIDANCE,
    _push("groove", "Groove", says="keep strictly to the beat and the leader in all large movements"),
    _push("detail", "Detail", says="keep strictly to the leader in all small movements"),
    _push("close", "Close", says="dance close and let the partner's path keep to the leader"),
    _push("far", "Far", says="dance apart, each in their own way"),
    _push("free", "Free", says="no guidance at all, as the partner was taught"),
    _choose("style", "Style", says="a school that the partner knows"),
    _choose("stage", "Stage", tuple(STAGES), "b", "where the dancers are seen"),
    _choose("camera", "View", tuple(CAMERAS), "v", "where they are seen from"),
    _choose("leader_as", "Leader as", tuple(LEADER_AS), "l", "how the leader is shown"),
    _choose("leader_avatar", "Leader", says="the leader's body"),
    _choose("follower_avatar", "Partner", says="the partner's body"),
    _choose("hud", "Signs", tuple(HUDS), "h", "what is written over the picture"),
    Control("display", Kind.CHOOSE, "Screen", "a window, or a display that is filled", "f"),
    # Not kept: the command names them, and a song of yesterday's is none of today's.
    Control(CAMERA_DEVICE, Kind.CHOOSE, "Camera", "who sees the leader"),
    Control(SOUND_DEVICE, Kind.CHOOSE, "Sound", "where the music is heard"),
    Control("sight", Kind.SWITCH, "Inset", "what the camera sees, in the stage's corner", "p"),
    Control("panel", Kind.SWITCH, "Panel", "show or hide this panel", "tab"),
    Control("learn", Kind.SWITCH, "Learn", "then touch a control, and a key or a MIDI knob for it", "f2"),
    _push("left", "Left", "left", "the leader 5 cm to the audience's left"),
    _push("right", "Right", "right", "the leader 5 cm to the audience's right"),
    _push("away", "Away", "up", "the leader 5 cm away from the audience"),
    _push("toward", "Toward", "down", "the leader 5 cm toward the audience"),
    _push("turn_right", "Turn right", "comma", "turn the leader's place by 5 degrees"),
    _push("turn_left", "Turn left", "period", "turn the leader's place by 5 degrees"),
    _push("centre", "Centre", "c", "where the leader stands becomes the middle of the stage"),
    _push("undo_moves", "Undo moves", "home", "the leader is shown where the camera sees them"),
    _push("keep", "Keep", "enter", "keep place and distance for this camera, and all the rest in the show's file"),
)  # fmt: skip

CONTROLS: Mapping[str, Control] = MappingProxyType({control.name: control for control in _TABLE})
REPEATING_KEYS = frozenset(
    CONTROLS[name].key for name in ("left", "right", "away", "toward", "turn_left", "turn_right", "nearer", "further")
)
"""Keys that go on while they are held down."""
PRESETS: Mapping[str, tuple[tuple[tuple[float, float], ...], float | None]] = MappingProxyType(
    {
        "groove": (((1.5, 0.25), (1.5, 0.25), (1.0, 0.25)), None),
        "detail": (((0.5, 1.5), (0.5, 1.5), (0.5, 1.0)), None),
        "close": (((0.75, 0.5), (0.75, 0.5), (1.5, 1.0)), 0.6),
        "far": (((0.5, 0.0), (0.5, 0.0), (0.25, 0.0)), 1.4),
        "free": (((0.0, 0.0),) * 3, None),
    }
)
"""Guidance of streams (upper, lower, root) x levels (groove, detail), and the distance in metres (None: as it is)."""
