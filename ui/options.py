"""What a performance is asked for: plain values, made by the command, read by the application."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from duet.contract import FollowerContract
from duet.errors import InputError
from realtime.sight.stage_shift import Shift
from ui.camera_options import Look
from ui.staging import Staging


@dataclass(frozen=True)
class TempoOptions:
    """Who gives the beat, when it is not heard."""

    midi_clock: str | None = None
    """Name of a MIDI port."""
    osc: tuple[str, int] | None = None
    """Address and port to listen on."""
    metre: int = 4
    """Beats in a bar of a beat that is given."""


@dataclass(frozen=True)
class LeaderOptions:
    """Where the leader comes from."""

    source: str
    """``camera:N``, a video file or URL, or a take."""
    bvh_fps: float | None = None
    bvh_scale: float = 1.0
    height_m: float | None = None
    mirror: bool = False
    look: Look = Look()
    shift: Shift | None = None
    """Where on the stage the leader is moved to; None: where they were kept."""
    preview: bool = False
    """Whether to show what the camera sees from the beginning."""
    can_preview: bool = False
    """Whether it may be asked for later: somebody sees the panel."""
    waits: bool = False
    """Whether a camera or a sound input that is not there at the beginning is waited for while the show goes on."""
    hear_steps: bool = False
    """Whether their steps help to find the beat."""
    gone_s: float = math.inf
    """Nobody seen for so long: whoever comes next is somebody else."""
    zone_m: float = math.inf
    """Who is further from the middle of the stage leads only while nobody else is in view."""


@dataclass(frozen=True)
class Output:
    """Where the performance goes and what of it is kept."""

    follower: Path
    headless: bool
    film: Path | None
    """Film to write when headless; None for the command's default."""
    seconds: float | None
    """How long; None until the source ends or the window is closed."""
    seed: int
    size: tuple[int, int]
    fps: float
    motion: Path | None = None
    report: Path | None = None
    record: Path | None = None
    """Folder to record a session in."""
    ends_twice: bool = False
    """Whether Escape or Q ends it only when pressed twice: visitors press keys."""
    record_media: bool = False
    """Whether the camera's pictures and the sound are recorded there, too."""
    log: Path | None = None
    """File to write health and what happens in, a line each."""
    display_lead_s: float = 0.0
    """How late the screen shows what is drawn in a window."""
    distance_m: float | None = None
    style: str | None = None
    """Name of a style token; None for the follower's own."""
    usual_style: str | None = None
    """What stands for None where the follower knows it."""
    runtime: str = "auto"
    """What the follower's graphs run on (``realtime.inference.runtimes.CHOICES``)."""
    tempo: TempoOptions = TempoOptions()
    also: Path | None = None
    """A second follower, that takes over when it is asked for."""
    staging: Staging = Staging()
    panel: bool = False
    """Whether the performer's panel opens beside a window."""
    panel_scale: float | None = None
    """Of its writing; None: as the display is set."""
    show: Path | None = None
    """File in which what the panel sets is kept."""
    midi_controls: str | None = None
    """Name of the MIDI port with the knobs."""

    def style_token(self, contract: FollowerContract) -> tuple[float, ...]:
        """The style token to dance in, () for the follower's own; InputError for a name it does not know."""
        if self.style is not None:
            return contract.style_named(self.style)
        return contract.style_named(self.usual_style) if self.usual_style in contract.styles else ()

    def style_tokens(self, contract: FollowerContract) -> dict[str, tuple[float, ...]]:
        """Every style that can be asked for by name; the follower's own is what is danced unless one is."""
        own = replace(self, style=None).style_token(contract)
        return {"own": own, **{name: contract.style_named(name) for name in contract.styles[: contract.style_size]}}


def size_of(text: str, what: str = "--size") -> tuple[int, int]:
    """Width and height that ``WxH`` asks for, even, as video codecs want them. Raises InputError."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 64 <= int(width) <= 7680 and 64 <= int(height) <= 4320):
        raise InputError(f"{what}: expected WxH such as 1280x720, got {text!r}. Give both, 64 or more.")
    return int(width) // 2 * 2, int(height) // 2 * 2
