"""Where leader and music come from: takes, cameras, videos, sound files, sound devices, the demo's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.errors import InputError
from duet.frames import LeaderFrame
from duet.groove import render_groove
from duet.motion import read_motion
from realtime.audio import DeviceMusic, FileMusic, GrooveMusic, MusicEar, MusicThread, RecordedMusic, Silence
from realtime.health import Health
from realtime.leader_camera import CameraLeader
from realtime.leader_take import TakeLeader
from realtime.pose_model import ensure_pose_model
from ui.options import LeaderOptions

LEADER_FPS = 30.0
_TAKES = (".bvh", ".npz")


class LeaderInput(Protocol):
    """A leader that the conductor takes frames from and the drawing thread looks at."""

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """Frames are stamped by ``clock`` from now on; a recorded leader begins at ``begin_s``, with the music."""
        ...

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """Frames stamped up to ``until_s`` that were not taken yet, oldest first."""
        ...

    def shown(self, time_s: float) -> LeaderFrame | None:
        """The leader to draw at ``time_s``; None while nobody was seen."""
        ...

    def stop(self) -> None:
        """Let go of devices and processes."""
        ...


@dataclass(frozen=True)
class Sources:
    """A performance's inputs, opened and ready to start."""

    leader: LeaderInput
    music: MusicEar
    seconds: float | None
    """How long they last; None for live ones."""
    names: dict[str, str]
    music_repeats: bool = False
    """Whether recorded music begins again when it is over, as it does for a live leader."""

    def begin(self, clock: MonotonicClock, health: Health) -> None:
        """Start both, the leader with the music: opening a sound device takes time."""
        self.music.start(clock, health)
        source = self.music.source
        if isinstance(source, RecordedMusic) and source.device is None:
            self.leader.start(clock, source.started_s)
        else:
            # A device has only just been opened and sounds from now on.
            self.leader.start(clock, clock.now())

    def soundtrack(self, seconds: float) -> tuple[NDArray[np.float32], int] | None:
        """What a film of ``seconds`` carries: ((N, 2), rate); None where the music is not known beforehand."""
        known = self.music.soundtrack
        if known is None:
            return None
        samples, rate_hz = known
        wanted = int(seconds * rate_hz)
        if self.music_repeats:
            return samples[np.arange(wanted) % len(samples)], rate_hz
        # Music that is over is followed by silence, as it is live.
        return np.pad(samples[:wanted], [(0, max(wanted - len(samples), 0)), (0, 0)]), rate_hz


SourcesMaker = Callable[[Health], Sources]
"""Opens the inputs; stage times and counters go to the Health given."""


def demo_sources(seconds: float, tempo_bpm: float, seed: int, *, headless: bool) -> SourcesMaker:
    """The built-in leader dancing to the built-in groove; nothing attached."""

    def make(_: Health) -> Sources:
        groove = render_groove(seconds + 1.0, tempo_bpm, seed=seed)
        couple = compose("salsa", seconds, tempo_bpm, seed, fps=LEADER_FPS)
        music = MusicThread(GrooveMusic(groove, output=_speakers(headless)))
        names = {"leader": "built-in salsa", "music": f"built-in groove, {tempo_bpm:g} bpm"}
        return Sources(TakeLeader(couple.leader, LEADER_FPS), music, seconds, names)

    return make


def play_sources(leader: LeaderOptions, music: str | None, *, headless: bool) -> SourcesMaker:
    """What ``duet play`` was asked for; raises InputError for a source that is of no known kind."""
    is_take = Path(leader.source).suffix.lower() in _TAKES
    if not is_take and (leader.bvh_fps is not None or leader.bvh_scale != 1.0):
        raise InputError(
            f"--leader {leader.source}: expected a .bvh take for --bvh-fps and --bvh-scale, got another source. "
            "Leave them out."
        )

    for name, source in (("--leader", leader.source), ("--music", music or "none")):
        if not source or Path(source).is_dir():
            raise InputError(f"{name}: expected a file or a device, got {source or 'nothing'!r}. Name a file.")

    def make(health: Health) -> Sources:
        # Cheap things first: a typing error in the music should not cost a camera's start.
        ear = MusicThread(_music(music, headless=headless, repeat=not is_take))
        names = {"leader": leader.source, "music": music or "none"}
        if is_take:
            take = read_motion(leader.source, fps_override=leader.bvh_fps, scale=leader.bvh_scale)
            inputs = TakeLeader(take, LEADER_FPS)
            return Sources(inputs, ear, inputs.seconds, names)
        look = leader.look
        camera = CameraLeader(
            leader.source,
            health,
            height_m=leader.height_m,
            mirror=leader.mirror,
            view=look.view,
            people=look.people,
            model=ensure_pose_model(kind=look.model),
        )
        return Sources(camera, ear, None, names, music_repeats=True)

    return make


def _music(source: str | None, *, headless: bool, repeat: bool) -> DeviceMusic | FileMusic | Silence:
    if source is None or source == "none":
        return Silence()
    if source.startswith("device:"):
        return DeviceMusic(source.removeprefix("device:"))
    return FileMusic(source, output=_speakers(headless), loop=repeat)


def _speakers(headless: bool) -> str | None:
    """Where recorded music is played: the default output where there is one, nowhere when headless."""
    return None if headless else "default"
