"""``duet calibrate latency``: how late pictures come and how late music sounds, by claps and clicks."""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from duet.clock import MonotonicClock
from duet.errors import DeviceError, InputError
from duet.music import RATE_HZ
from duet.terminal import new_console
from realtime.calibration import Delay, load_calibration, save_calibration, today
from realtime.identity import camera_identity, camera_name, sound_identity
from realtime.sound.clap_delay import (
    Measured,
    at_source,
    bang_times,
    clap_times,
    click_train,
    delay_between,
    flash_times,
    hands_apart,
)
from ui.camera_options import add_look, camera_source, look_of
from ui.limits import check_within

if TYPE_CHECKING:
    from realtime.sight.camera import CameraFrame
    from realtime.sound.music_source import Block

_MORE = """\
Clap ten times, a second apart: hands well apart before each clap, the whole body in the picture. The camera sees your
hands meet, the microphone hears it, and what lies between is how late pictures come: from then on they are stamped
with the moment they show. With --by flash it is a flash and a bang at once, such as a phone's sync test held into the
picture. With --speakers clicks are played and heard: how much later music sounds than the driver says. Both are
relative to what the microphone's driver says of itself. They are kept for these very devices.

examples:
  duet calibrate latency --camera 0 --music default                claps: how late the camera is
  duet calibrate latency --speakers default --music default        clicks: how late the loudspeakers are
  duet calibrate latency --camera 0 --music "USB Mic" --speakers default
  duet calibrate latency --camera clap.mp4 --music clap.wav        two recordings of the same claps
"""
_LISTEN_S = 0.02
_MUSIC_FILES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")


@dataclass
class _Heard:
    """Everything that was heard, and when."""

    sounds: list[NDArray[np.float32]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    count: int = 0

    def add(self, block: "Block | None") -> None:
        """One more block of samples."""
        if block is not None:
            self.starts.append(self.count)
            self.times_s.append(block.time_s)
            self.sounds.append(block.samples)
            self.count += len(block.samples)

    def bangs_s(self) -> NDArray[np.float64]:
        """When claps or clicks began, on the clock of the blocks."""
        if not self.sounds:
            return np.zeros(0)
        at = bang_times(np.concatenate(self.sounds), RATE_HZ) * RATE_HZ
        block = np.searchsorted(self.starts, at, side="right") - 1
        return np.array(self.times_s)[block] + (at - np.array(self.starts)[block]) / RATE_HZ


def add_latency(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``calibrate latency`` to the parser."""
    latency = kinds.add_parser(
        "latency",
        help="claps seen and heard: how late pictures and music are",
        description="Measure the delay of a camera, of loudspeakers, or of both.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    latency.add_argument("--camera", metavar="N|URL|VIDEO", help="the camera to measure")
    latency.add_argument("--speakers", metavar="NAME", help="the sound output to measure, by clicks (or: default)")
    latency.add_argument("--music", default="default", metavar="NAME", help="the sound input to listen with, or a file")
    latency.add_argument("--by", choices=("clap", "flash"), default="clap", help="what the camera looks for")
    latency.add_argument("--seconds", type=float, default=15.0, metavar="N", help="for each (default 15)")
    latency.add_argument(
        "--away", type=float, default=2.0, metavar="M", help="from you to the microphone: sound takes time (default 2)"
    )
    add_look(latency)
    latency.set_defaults(run=_latency)


def _latency(arguments: argparse.Namespace) -> int:
    check_within("--seconds", arguments.seconds, 5.0, 120.0)
    check_within("--away", arguments.away, 0.0, 50.0, "m")
    if arguments.camera is None and arguments.speakers is None:
        raise InputError("Latency: expected --camera, --speakers or both, got neither. Name what to measure.")
    console = new_console()
    if arguments.speakers is not None:
        _measure_speakers(console, arguments)
    if arguments.camera is not None:
        _measure_camera(console, arguments)
    return 0


def _measure_speakers(console: Console, arguments: argparse.Namespace) -> None:
    """Play clicks, hear them, keep the difference for the device that played."""
    from realtime.sound.audio import DeviceMusic, RecordedMusic

    clicks, times_s = click_train(RATE_HZ, arguments.seconds)
    clock, heard = MonotonicClock(), _Heard()
    ear, mouth = DeviceMusic(arguments.music), RecordedMusic(clicks, output=arguments.speakers)
    try:
        with console.status("playing clicks: be quiet, please"):
            ear.start(clock)
            mouth.start(clock)
            if mouth.device is None:
                raise DeviceError(f"Clicks: expected loudspeakers, got none. {mouth.unheard_because}")
            device = mouth.device.name
            _listen(ear.read, heard, clock, clock.now() + arguments.seconds + 1.0)
            # By the driver's own word, at the end: it knows its clock best by then.
            played_s = times_s + mouth.started_s
    finally:
        mouth.stop()
        ear.stop()
    found = delay_between(heard.bangs_s(), played_s, "clicks")
    delay = _delay(found, "clicks")
    path = save_calibration(load_calibration().with_output(sound_identity(device), delay))
    console.print(f"{device}: music sounds {_told(found)} than its driver says. Kept in {path}", soft_wrap=True)


def _measure_camera(console: Console, arguments: argparse.Namespace) -> None:
    """See claps or flashes, hear them, keep the difference for the camera."""
    source = camera_source(arguments.camera)
    identity = camera_identity(source)
    heard = _Heard()
    if identity is None:
        times_s, signs = _see_video(console, arguments, source)
        _hear_file(arguments.music, heard)
    else:
        times_s, signs = _see_and_hear(console, arguments, source, heard)
    seen_s = (clap_times if arguments.by == "clap" else flash_times)(times_s, signs)
    found = delay_between(seen_s, at_source(heard.bangs_s(), arguments.away), f"{arguments.by}{_plural(arguments.by)}")
    if identity is None:
        console.print(f"{arguments.camera}: pictures come {_told(found)} than the sound.", soft_wrap=True)
        return
    if not 0.0 <= found.seconds <= 0.5:
        raise InputError(
            f"Camera: expected pictures 0 to 500 ms late, got {1e3 * found.seconds:.0f} ms. "
            "Calibrate with a wired microphone near the camera, and give --away."
        )
    delay = _delay(found, f"{arguments.by}{_plural(arguments.by)}")
    path = save_calibration(load_calibration().with_camera(identity, name=camera_name(source), latency=delay))
    console.print(f"{camera_name(source)}: pictures come {_told(found)} than they show. Kept in {path}", soft_wrap=True)


def _plural(word: str) -> str:
    return "es" if word.endswith("sh") else "s"


def _delay(found: Measured, what: str) -> Delay:
    return Delay(found.seconds, found.spread_s, f"{found.pairs} {what}, {today()}")


def _told(found: Measured) -> str:
    way = "later" if found.seconds >= 0.0 else "earlier"
    each = f"{found.pairs} of them, each within {1e3 * found.spread_s:.0f} ms"
    return f"{1e3 * abs(found.seconds):.0f} ms {way} ({each})"


def _listen(read: "Callable[[float], Block | None]", heard: _Heard, clock: MonotonicClock, until_s: float) -> None:
    while (now_s := clock.now()) < until_s:
        heard.add(read(now_s))
        time.sleep(_LISTEN_S)


def _hear_file(name: str, heard: _Heard) -> None:
    from duet.sound_file import load_sound
    from realtime.sound.music_source import Block

    if not name.lower().endswith(_MUSIC_FILES):
        raise InputError(f"--music: expected a sound file beside a video file, got {name!r}. Name the clip's sound.")
    heard.add(Block(load_sound(name).mean(axis=1), 0.0))


def _signs(arguments: argparse.Namespace, console: Console) -> "tuple[Any, Callable[[CameraFrame], float]]":
    """What closes afterwards, and what a picture says: how far the hands are apart, or how bright it is."""
    if arguments.by == "flash":
        return None, lambda frame: float(frame.image.mean())
    from realtime.sight.pose_model import ensure_pose_model
    from realtime.sight.tracking import PoseModel
    from ui.doctor import native_output_hidden

    look = look_of(arguments)
    model = ensure_pose_model(progress=console.print, kind=look.model)
    with native_output_hidden():
        pose = PoseModel(model, view=look.view, people=look.people)

    def apart(frame: "CameraFrame") -> float:
        landmarks = pose.landmarks(frame)
        return math.nan if landmarks is None else hands_apart(landmarks)

    return pose, apart


def _see_video(console: Console, arguments: argparse.Namespace, source: str) -> tuple[list[float], list[float]]:
    """Times and signs of every picture of a video."""
    from realtime.sight.camera import CameraFrame, fitted
    from realtime.sight.camera_source import VideoFile, parse_source

    video = parse_source(source, MonotonicClock())
    assert isinstance(video, VideoFile)
    video.open()
    pose, sign = _signs(arguments, console)
    times_s: list[float] = []
    signs: list[float] = []
    try:
        with console.status("looking at the video"):
            for index, (time_s, picture) in enumerate(video.pictures()):
                times_s.append(time_s)
                signs.append(sign(CameraFrame(index, time_s, time_s, fitted(picture))))
    finally:
        video.close()
        if pose is not None:
            pose.close()
    return times_s, signs


def _see_and_hear(
    console: Console, arguments: argparse.Namespace, source: str, heard: _Heard
) -> tuple[list[float], list[float]]:
    """Times of arrival and signs of a camera's pictures, and beside them what a sound device hears."""
    from realtime.sight.camera import open_camera
    from realtime.sound.audio import DeviceMusic

    clock = MonotonicClock()
    ear = DeviceMusic(arguments.music)
    pose, sign = _signs(arguments, console)
    times_s: list[float] = []
    signs: list[float] = []
    try:
        with console.status("opening camera and microphone") as status, open_camera(source, clock=clock) as camera:
            ear.start(clock)
            end_s = clock.now() + arguments.seconds
            while (now_s := clock.now()) < end_s:
                status.update(f"{arguments.by} about ten times, a second apart: {end_s - now_s:.0f} s")
                heard.add(ear.read(now_s))
                frame = camera.next(1.0)
                times_s.append(frame.arrival_s)
                signs.append(sign(frame))
            heard.add(ear.read(clock.now()))
    finally:
        ear.stop()
        if pose is not None:
            pose.close()
    return times_s, signs
