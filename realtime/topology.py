"""Every process and thread of a performance, in one table: what it does, how often, who goes first, what it writes.

Read by who starts and watches processes (how long one may be silent, its rank), by ``duet doctor --processes``, and by
a test that holds it against what really runs. One writer for each thing that crosses; nobody waits for a reader.
"""

import math
from dataclasses import dataclass

from realtime.priority import Rank

LIVE = "duet"


@dataclass(frozen=True)
class Process:
    """One kind of process."""

    name: str
    does: str
    rank: Rank
    when: str = "always"
    silent_s: float = math.inf
    """Without a sign of life for so long it hangs, and is ended and started again."""
    start_s: float = 60.0
    """It may take so long to start, on a machine that is busy with everything else that starts."""
    stop_s: float = 1.0
    """Told to end, it is given so long before it is killed."""


@dataclass(frozen=True)
class Thread:
    """One kind of thread."""

    name: str
    process: str
    does: str
    rate: str
    owner: str
    """The module whose code it runs."""
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    when: str = "always"


PROCESSES = (
    Process(LIVE, "dances: takes in leader and music, asks the follower, keeps the others going", Rank.DANCE),
    Process("duet-picture", "draws, in a window or into a film", Rank.ORDINARY, silent_s=5.0),
    Process(
        "duet-panel", "shows the performer's panel", Rank.ORDINARY, "a window is open, but --no-panel", silent_s=7.0
    ),
    Process("duet-tracker", "sees the leader", Rank.SIGHT, "a camera or a video leads", silent_s=5.0, stop_s=4.0),
    Process("duet-sound", "holds a sound device; one stands by", Rank.ORDINARY, "sound has a device", silent_s=1.2),
)

FILM_SILENT_S = 60.0
"""Of a picture process that writes a film: it draws as slowly as its size asks for, and to lose a film by impatience is
worse than to wait."""

_LINE, _LEADER, _FACTS = "follower's line (cell)", "leader (history)", "panel's facts (cell)"
_STATE, _TURNS = "panel's state (cell)", "panel's turns (ring)"
_KEYS, _COSTS = "keys (ring)", "pictures' costs (ring)"
_TRACKED, _SIGHT, _TRACKING = "tracked frames (history)", "camera's picture (cell)", "tracking times (ring)"
_HEARD, _PLAYED = "heard sound (history)", "sound to play (ring)"

THREADS = (
    Thread(
        "MainThread", LIVE, "looks after the show: keys, panel, processes, garbage", "60 Hz", "ui.looking_after",
        writes=(_LEADER, _FACTS, _STATE, "commands (queue)"),
        reads=(_KEYS, _TURNS, _COSTS, "picture's heart (cell)", "panel's heart (cell)", "knobs (queue)", "glance",
               _TRACKED),
    ),
    Thread(
        "duet-conductor", LIVE, "gathers, asks, merges", "one a token (7.5 Hz)", "realtime.conductor",
        writes=(_LINE, "glance", "asked ticks (queue)", "chunks (queue)"),
        reads=("commands (queue)", "music frames (queue)", "done ticks (queue)", _TRACKED),
    ),
    Thread(
        "duet-engine", LIVE, "runs the follower's graphs", "one a tick", "realtime.engine",
        writes=("done ticks (queue)",), reads=("asked ticks (queue)",),
    ),
    Thread(
        "music", LIVE, "hears beats and features", "120 Hz", "realtime.sound.audio",
        writes=("music frames (queue)", "heard blocks (queue)"), reads=(_HEARD, "beat from outside"),
    ),
    Thread("duet-health", LIVE, "takes a snapshot of times and counters", "1 Hz", "realtime.health_watch"),
    Thread(
        "duet-session", LIVE, "writes the session's file", "2 Hz", "realtime.sessions.session_file",
        reads=("chunks (queue)",), when="--record",
    ),
    Thread(
        "duet-media", LIVE, "writes the camera's pictures and the sound", "20 Hz", "realtime.sessions.media",
        reads=(_SIGHT, "heard blocks (queue)"), when="--record-media",
    ),
    Thread(
        "tracker-watch", LIVE, "looks after the tracking process", "10 Hz", "realtime.sight.tracker",
        reads=(_TRACKING, "tracking's heart (cell)"), when="a camera or a video leads",
    ),
    Thread(
        "sound device", LIVE, "looks after the sound process and feeds it", "50 Hz", "realtime.sound.sound_port",
        writes=(_PLAYED,), reads=("sound's heart (cell)",), when="sound has a device",
    ),
    Thread("music stream", LIVE, "reads and decodes", "as it comes", "realtime.sound.music_stream", when="--music -"),
    Thread("midi", LIVE, "hears a MIDI clock", "24 a beat", "realtime.sound.midi_port", ("beat from outside",),
           when="--midi-clock"),
    Thread("show-file", LIVE, "writes the show's file", "once it was changed", "ui.panel.show_keeper", when="--show"),
    Thread("await-camera", LIVE, "opens an exhibit's camera when it comes", "1 to 0.1 Hz",
           "realtime.sight.awaited_camera", when="it was not there at the beginning"),
    Thread("change-device", LIVE, "opens another camera or sound input", "once", "ui.devices",
           when="another one is chosen"),
    Thread("midi-knobs", LIVE, "hears knobs and notes", "as they come", "realtime.sound.midi_knobs",
           ("knobs (queue)",), when="--midi-controls"),
    Thread("osc", LIVE, "hears OSC", "as it comes", "realtime.sound.osc_port", ("beat from outside",),
           when="--osc-tempo"),
    Thread(
        "MainThread", "duet-picture", "draws; owns OpenGL", "--fps (30 Hz)", "ui.drawing.picture",
        writes=(_KEYS, _COSTS, "picture's heart (cell)"), reads=(_LINE, _LEADER, _FACTS, _SIGHT),
    ),
    Thread("duet-orphan", "duet-picture", "ends the process when the dance is gone", "once", "ui.drawing.picture"),
    Thread(
        "MainThread", "duet-panel", "draws the panel, hears the mouse", "10 Hz, 30 with a graphics card",
        "ui.panel.process", writes=(_TURNS, "panel's heart (cell)"), reads=(_STATE, _SIGHT),
    ),
    Thread("panel-cameras", "duet-panel", "looks through cameras that are not in use", "10 Hz",
           "ui.panel.surroundings", when="the list of cameras is open"),
    Thread("panel-sounds", "duet-panel", "listens to inputs that are not in use", "10 Hz",
           "ui.panel.surroundings", when="the list of sound inputs is open"),
    Thread(
        "MainThread", "duet-tracker", "finds the pose, lifts it", "camera's rate", "realtime.sight.tracking",
        writes=(_TRACKED, _SIGHT, _TRACKING, "tracking's heart (cell)"), reads=("pictures (newest)",),
    ),
    Thread("camera", "duet-tracker", "takes pictures", "camera's rate", "realtime.sight.camera",
           ("pictures (newest)",)),
    Thread(
        "MainThread", "duet-sound", "opens the device; beats", "20 Hz", "realtime.sound.sound_host",
        writes=("sound's heart (cell)",),
    ),
    Thread(
        "PortAudio's", "duet-sound", "copies, counts and stamps", "100 Hz", "realtime.sound.sound_host",
        writes=(_HEARD,), reads=(_PLAYED,),
    ),
    *(Thread("duet-stop", name, "ends the process if its parent does not after a stop that reached both", "once",
             "realtime.child") for name in ("duet-panel", "duet-tracker", "duet-sound")),
)  # fmt: skip


def process(name: str) -> Process:
    """The row of a process; KeyError where there is none."""
    return next(row for row in PROCESSES if row.name == name)


def threads_of(name: str) -> tuple[Thread, ...]:
    """The rows of a process's threads."""
    return tuple(row for row in THREADS if row.process == name)
