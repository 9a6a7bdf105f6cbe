"""Where leader and music come from: takes, cameras, videos, sound files, sound devices, the demo's own."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.errors import DuetError, InputError
from duet.features import Placement
from duet.groove import render_groove
from duet.motion import TAKE_SUFFIXES, read_motion
from realtime.calibration import camera_notes, load_calibration, output_note, save_calibration
from realtime.commands import CommandInbox
from realtime.cues import CueList
from realtime.devices import is_listed
from realtime.health import Health
from realtime.identity import camera_identity, camera_name
from realtime.sight.awaited_camera import AwaitedCamera
from realtime.sight.camera_source import CAMERA_LATENCY_S
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.leader_take import LEADER_FPS, TakeLeader
from realtime.sight.placement import StageMap
from realtime.sight.pose_model import cached_pose_model
from realtime.sight.preview import Sight
from realtime.sight.stage_shift import Shift, ShiftedLeader
from realtime.sight.tracking import TrackingTask
from realtime.sound.audio import DeviceMusic, FileMusic, GrooveMusic, MusicEar, MusicThread, Silence
from realtime.sound.delayed_music import DelayedMusic
from realtime.sound.level import Level
from realtime.sound.music_stream import StreamMusic
from realtime.sound.music_switch import MusicSwitch
from realtime.sound.step_witness import WitnessedLeader
from ui.controls import Device
from ui.devices import CameraChoice, SoundChoice
from ui.drawing.film import Soundtrack
from ui.options import LeaderOptions


@dataclass(frozen=True)
class Sources:
    """A performance's inputs, opened and ready to start."""

    leader: ShiftedLeader
    music: MusicEar | MusicSwitch
    seconds: float | None
    """How long they last; None for live ones."""
    names: dict[str, str]
    music_repeats: bool = False
    """Whether recorded music begins again when it is over, as it does for a live leader."""
    sight: Callable[[], Sight | None] | None = None
    """What the camera sees, where it is to be shown."""
    camera: CameraChoice | None = None
    """The camera in use; another one can be chosen. None where none can."""
    sound: SoundChoice | None = None
    """Where the music comes from; another input can be chosen. None where none can."""
    camera_trouble: Callable[[], str] = str
    """What is wrong with the camera now and what to do about it; empty for nothing."""
    notes: Callable[[], tuple[str, ...]] = tuple
    """What was calibrated of the devices and what is assumed, one line each, by now."""
    distance_m: float | None = None
    """How far away the partner dances, where that was kept for this camera."""
    keep: Callable[[Shift, Placement], str] | None = None
    """Keeps the leader's place and the partner's distance for this camera; tells what it did."""
    commands: CommandInbox = field(default_factory=CommandInbox)
    """Where the follower takes commands from: an input may be a show that asks for something."""
    cues: CueList = field(default_factory=CueList)
    """What is asked of the follower at its time, or when it is called for."""
    says: Callable[[], str] = str
    """What a show tells whoever is there; empty for nothing."""

    @property
    def sight_name(self) -> str | None:
        """Of the shared memory in which lies what the camera sees; None where nobody is to see it."""
        return None if self.camera is None else self.camera.sight_name

    @property
    def no_sight(self) -> str:
        """Why what the camera sees cannot be shown, where it cannot."""
        if self.seconds is not None:
            return "the leader is recorded: there is no camera to look through"
        if self.camera is None:
            return "this show does not show what its camera sees"
        return "start with --preview to see what the camera sees"

    @property
    def no_keep(self) -> str:
        """Why place and distance are not kept, where nothing keeps them."""
        if self.seconds is not None:
            return "the leader is recorded: there is no camera to keep place and distance for"
        return "this show keeps no place and no distance: they are as they were calibrated"

    @property
    def devices(self) -> dict[str, Device]:
        """What can be changed while dancing, by name of its control."""
        named = {"camera_device": self.camera, "sound_device": self.sound}
        return {name: device for name, device in named.items() if device is not None}

    @property
    def played(self) -> DelayedMusic | None:
        """The music, where it is this application that plays it."""
        source = self.music.source
        return source if isinstance(source, DelayedMusic) else None

    def sound_level(self) -> Level | None:
        """How loud the music comes in; None without music."""
        source, level = self.music.source, self.music.level
        if isinstance(source, Silence):
            return None
        # Recordings are mastered up to full scale; only what a device hears is cut off there.
        return level if isinstance(source, DeviceMusic) else replace(level, is_clipping=False)

    def sound_trouble(self) -> str:
        """What keeps the music from being heard and what to do about it; empty for nothing."""
        played = self.played
        if self.music.source.problem:
            return f"the sound {'input' if played is None else 'output'} is away: plug it in again"
        if played is not None and played.played.unheard_because:
            return "the music is unheard: plug in a sound output"
        level = self.sound_level()
        return "the sound comes in too loud: turn it down" if level is not None and level.is_clipping else ""

    def begin(self, clock: MonotonicClock, health: Health) -> None:
        """Start both, the leader with the music: opening a sound device takes time."""
        if self.camera is not None:
            self.camera.begin(self.leader, clock)
        self.music.start(clock, health)
        played = self.played
        if played is not None and played.identity is None:
            self.leader.start(clock, played.started_s)
        else:
            # A device has only just been opened and sounds from now on, as late as it does.
            self.leader.start(clock, clock.now() + (played.delay_s if played is not None else 0.0))

    def soundtrack(self, seconds: float) -> Soundtrack | None:
        """What a film of ``seconds`` carries, no copy of it; None where the music is not known beforehand."""
        known = self.music.soundtrack
        if known is None:
            return None
        samples, rate_hz = known
        # Music that is over is followed by silence, as it is live.
        return Soundtrack(samples[: int(seconds * rate_hz)], rate_hz, self.music_repeats)


SourcesMaker = Callable[[Health], Sources]
"""Opens the inputs; stage times and counters go to the Health given."""


def demo_sources(seconds: float, tempo_bpm: float, seed: int, *, headless: bool) -> SourcesMaker:
    """The built-in leader dancing to the built-in groove; nothing attached."""

    def make(_: Health) -> Sources:
        groove = render_groove(seconds + 1.0, tempo_bpm, seed=seed)
        couple = compose("salsa", seconds, tempo_bpm, seed, fps=LEADER_FPS)
        groove_music = GrooveMusic(groove, output=_speakers(headless))
        music = MusicThread(DelayedMusic(groove_music, load_calibration().outputs))
        names = {"leader": "built-in salsa", "music": f"built-in groove, {tempo_bpm:g} bpm"}
        return Sources(ShiftedLeader(TakeLeader(couple.leader, LEADER_FPS)), music, seconds, names)

    return make


def play_sources(leader: LeaderOptions, music: str | None, *, headless: bool) -> SourcesMaker:
    """What ``duet play`` was asked for; raises InputError for a source that is of no known kind."""
    is_take = Path(leader.source).suffix.lower() in TAKE_SUFFIXES
    if not is_take and (leader.bvh_fps is not None or leader.bvh_scale != 1.0):
        raise InputError(
            f"--leader {leader.source}: expected a .bvh take for --bvh-fps and --bvh-scale, got another source. "
            "Leave them out."
        )

    for name, source in (("--leader", leader.source), ("--music", music or "none")):
        if not source or Path(source).is_dir():
            got = f"the folder {source}" if source else "nothing"
            raise InputError(f"{name}: expected a file or a device, got {got}. Name a file.")

    def hear(name: str) -> MusicThread:
        # A microphone or a stream comes in at no known level.
        unknown_level = name == "-" or name.startswith("device:")
        source = _music(name, headless=headless, repeat=not is_take, waits=leader.waits)
        return MusicThread(source, automatic_gain=unknown_level)

    def make(health: Health) -> Sources:
        # Cheap things first: a typing error in the music should not cost a camera's start.
        named = music or "none"
        ear = MusicSwitch(hear(named))
        sound = SoundChoice(named, ear, hear)
        names = {"leader": leader.source, "music": named}
        if is_take:
            take = read_motion(leader.source, fps_override=leader.bvh_fps, scale=leader.bvh_scale, on_time=True)
            inputs = TakeLeader(take, LEADER_FPS)
            shifted = ShiftedLeader(_witnessed(inputs, leader, ear), leader.shift, mirrored=leader.mirror)
            camera = _camera_choice(leader, None, ear, health)
            return Sources(shifted, ear, inputs.seconds, names, camera=camera, sound=sound)
        return replace(_before_camera(leader, ear, names, health), sound=sound)

    return make


def _witnessed(
    inputs: TakeLeader | CameraLeader | AwaitedCamera, leader: LeaderOptions, ear: MusicSwitch
) -> TakeLeader | CameraLeader | AwaitedCamera | WitnessedLeader:
    """The leader, whose steps the ear is told of where that was asked for."""
    return WitnessedLeader(inputs, ear.witness) if leader.hear_steps else inputs


def _camera_choice(
    leader: LeaderOptions, camera: CameraLeader | None, ear: MusicSwitch, health: Health
) -> CameraChoice:
    """The camera in use, if one is, and how another is opened."""

    def see(source: str) -> CameraLeader:
        return _see(replace(leader, source=source), health)

    return CameraChoice(leader.source, camera, see, lambda inputs: _witnessed(inputs, leader, ear))


def _see(leader: LeaderOptions, health: Health) -> CameraLeader:
    """Open a camera, as it was calibrated. DeviceError where it cannot be used, ModelError without a pose model."""
    look, calibration = leader.look, load_calibration()
    known = calibration.camera(camera_identity(leader.source))
    latency = known.latency
    task = TrackingTask(
        leader.source,
        0.0,
        cached_pose_model(look.model),
        height_m=leader.height_m or calibration.height_m,
        stage=StageMap(known.mark_m, facing_rad=known.facing_rad),
        lens=known.lens,
        latency_s=CAMERA_LATENCY_S if latency is None else latency.seconds,
        view=look.view,
        people=look.people,
        gone_s=leader.gone_s,
        # The show's zone is where people are shown to stand, this one where they are seen.
        zone_m=leader.zone_m + math.hypot(known.shift.x_m, known.shift.z_m),
        preview=leader.preview or leader.can_preview,
    )
    return CameraLeader(task, health)


def _before_camera(leader: LeaderOptions, ear: MusicSwitch, names: dict[str, str], health: Health) -> Sources:
    """A leader before a camera, seen as the camera was calibrated."""
    calibration = load_calibration()
    known = calibration.camera(camera_identity(leader.source))
    shift = known.shift if leader.shift is None else leader.shift

    def came(at_s: float) -> None:
        """Only now is it known which camera it is, and where its leader was moved to."""
        if leader.shift is None:
            shifted.move(load_calibration().camera(camera_identity(leader.source)).shift, at_s)

    if leader.waits:
        camera = AwaitedCamera(leader.source, lambda: _see(leader, health), lambda: is_listed(leader.source), came)
        choice, sight = _camera_choice(leader, None, ear, health), None
    else:
        camera = _see(leader, health)
        choice, sight = _camera_choice(leader, camera, ear, health), camera.sight if leader.preview else None
    shifted = ShiftedLeader(_witnessed(camera, leader, ear), shift, mirrored=leader.mirror)

    @lru_cache(maxsize=8)
    def told(camera_name: str) -> tuple[str, ...]:
        return camera_notes(calibration, camera_identity(camera_name))

    def notes() -> tuple[str, ...]:
        music = ear.source
        playing = output_note(calibration, music.identity) if isinstance(music, DelayedMusic) else ""
        return tuple(note for note in (*told(choice.name), playing) if note)

    def trouble() -> str:
        return (choice.camera or camera).trouble

    return Sources(
        shifted,
        ear,
        None,
        names,
        music_repeats=True,
        sight=sight,
        camera=choice,
        camera_trouble=trouble,
        notes=notes,
        distance_m=known.distance_m,
        keep=lambda shift, placement: _keep(choice.name, camera_identity(choice.name), shift, placement),
    )


def _keep(source: str, identity: str | None, shift: Shift, placement: Placement) -> str:
    """Keep a camera's place and distance; the sentence that says so, or why not: a dance does not end by it."""
    if identity is None:
        return "a video is no camera: nothing is kept for it"
    changes = {"name": camera_name(source), "shift": shift, "distance_m": placement.distance_m}
    try:
        path = save_calibration(load_calibration().with_camera(identity, **changes))
    except DuetError as error:
        return str(error)
    return f"kept for this camera in {path.name}"


def _music(
    source: str | None, *, headless: bool, repeat: bool, waits: bool = False
) -> DeviceMusic | DelayedMusic | Silence:
    if source is None or source == "none":
        return Silence()
    if source.startswith("device:"):
        return DeviceMusic(source.removeprefix("device:"), waits=waits)
    if source == "-":
        return DelayedMusic(StreamMusic(sys.stdin.buffer, output=_speakers(headless)), load_calibration().outputs)
    played = FileMusic(source, output=_speakers(headless), loop=repeat)
    return DelayedMusic(played, load_calibration().outputs)


def _speakers(headless: bool) -> str | None:
    """Where recorded music is played: the default output where there is one, nowhere when headless."""
    return None if headless else "default"
