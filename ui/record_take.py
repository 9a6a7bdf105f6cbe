"""``duet record-take``: a clean take of somebody's dance, from a video or a camera; only when asked."""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from duet.errors import DeviceError, InputError
from duet.files import check_writable
from duet.terminal import new_console
from realtime.calibration import load_calibration
from realtime.identity import camera_identity
from realtime.sight.placement import Lens
from ui.camera_options import add_look, camera_source, look_of
from ui.limits import check_within
from ui.outputs import check_apart

if TYPE_CHECKING:
    from duet.frames import LeaderFrame
    from duet.motion import Motion
    from duet.skeleton import Skeleton
    from realtime.sight.camera import CameraFrame
    from realtime.sight.take_cleaning import Cleaned, Sighting

_MORE = """\
The pose model looks at every picture; afterwards the whole recording is cleaned: smoothed from both sides, short gaps
filled, planted feet pinned, the floor levelled. The file holds motion only, never a picture. Ctrl-C ends the
recording and keeps what was recorded.

examples:
  duet record-take dance.mp4 --out dance.npz             every picture of a video
  duet record-take 0 --out me.bvh --height 1.72          the first camera, until Ctrl-C
  duet record-take 0 --out me.npz --seconds 30
  duet play --leader me.npz --headless --out me.mp4      look at it
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe it to the parser."""
    command = commands.add_parser(
        "record-take",
        help="a clean take from a video or a camera",
        description="Record somebody's dance as a take of 22 joints.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("source", metavar="VIDEO_OR_CAMERA", help="a video file, a camera's number or a URL")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="take.npz or take.bvh")
    command.add_argument("--height", type=float, metavar="M", help="the performer's height (default: as told before)")
    command.add_argument("--seconds", type=float, metavar="N", help="record so long (default: to the end)")
    add_look(command)
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    if out.suffix.lower() not in (".npz", ".bvh"):
        raise InputError(f"--out: expected a name in .npz or .bvh, got {out.name!r}. Change the ending.")
    check_apart({"--out": out}, {"VIDEO_OR_CAMERA": camera_source(arguments.source)})
    check_within("--height", arguments.height, 0.8, 2.5, "metres")
    check_within("--seconds", arguments.seconds, 1.0, 86_400.0)
    # Before anybody dances for it.
    check_writable(out, "--out")
    if arguments.height is None:
        arguments.height = load_calibration().height_m
    from duet.motion import write_motion
    from realtime.sight.take_cleaning import clean

    lens = load_calibration().camera(camera_identity(camera_source(arguments.source))).lens

    console = new_console()
    sightings, live, ended = _record(console, arguments, lens)
    with _bars(console) as bars:
        task = bars.add_task("cleaning", total=1.0, note="")
        cleaned = clean(
            sightings,
            lens=lens,
            height_m=arguments.height,
            progress=lambda share: bars.update(task, completed=share),
        )
    try:
        write_motion(out, cleaned.motion)
    except OSError as error:
        raise InputError(f"--out: expected to write {out}, got {error.strerror or error}. Name another.") from error
    _say(console, out, cleaned, live, ended)
    return 0


def _record(console: Console, arguments: argparse.Namespace, lens: Lens) -> "tuple[list[Sighting], Motion | None, str]":
    """What was seen, the same lifted live, and how it ended early; "" where it did not. DeviceError where a
    camera gave no picture at all."""
    from realtime.sight.lifting import Lifter
    from realtime.sight.pose_model import ensure_pose_model
    from realtime.sight.tracking import PoseModel
    from ui.doctor import native_output_hidden

    look = look_of(arguments)
    model = ensure_pose_model(progress=console.print, kind=look.model)
    sightings: list[Sighting] = []
    lifter = Lifter(lens=lens, height_m=arguments.height)
    frames: list[LeaderFrame] = []
    ended = ""
    with native_output_hidden():
        pose = PoseModel(model, view=look.view, people=look.people)
    with pose, _bars(console) as bars:
        task = bars.add_task("recording", total=None, note="nobody seen yet")
        try:
            seen = 0
            for picture, total in _pictures(camera_source(arguments.source), arguments.seconds):
                landmarks = pose.landmarks(picture)
                sightings.append((picture.time_s, landmarks))
                frames.append(lifter.step(landmarks, picture.time_s))
                seen += landmarks is not None
                note = f"somebody in {seen} of {len(sightings)} pictures, {picture.time_s:.1f} s"
                bars.update(task, completed=len(sightings), total=total, note=note)
        except KeyboardInterrupt:
            ended = "as far as it was recorded"
        except DeviceError as error:
            # Whoever danced until then keeps it.
            if not sightings:
                raise
            ended = f"as far as it was recorded: the camera was lost. {error}"
    return sightings, _as_motion(frames, lifter.proportions.skeleton()), ended


def _pictures(source: str, seconds: float | None) -> "Iterator[tuple[CameraFrame, int | None]]":
    """Every picture of a video, or the newest ones of a camera, from 0 s on, with how many there will be.

    DeviceError where a camera is gone for good.
    """
    from duet.clock import MonotonicClock
    from realtime.sight.camera import CameraFrame, fitted, open_camera
    from realtime.sight.camera_source import VideoFile, parse_source

    clock = MonotonicClock()
    video = parse_source(source, clock)
    limit_s = math.inf if seconds is None else seconds
    if isinstance(video, VideoFile):
        video.open()
        try:
            count = min(video.count, math.ceil(limit_s * video.rate_hz)) if seconds else video.count
            for index, (time_s, picture) in enumerate(video.pictures()):
                if time_s >= limit_s:
                    return
                yield CameraFrame(index, time_s, time_s, fitted(picture)), count or None
        finally:
            video.close()
        return
    with open_camera(source, clock=clock) as camera:
        begin_s = camera.read(5.0).time_s
        missing_since = time.monotonic()
        while True:
            try:
                frame = camera.next(1.0)
            except DeviceError:
                if camera.failure is not None or time.monotonic() - missing_since > 10.0:
                    raise
                continue
            missing_since = time.monotonic()
            if (at_s := frame.time_s - begin_s) >= limit_s:
                return
            yield CameraFrame(frame.index, at_s, frame.arrival_s, frame.image), None


def _as_motion(frames: "list[LeaderFrame]", skeleton: "Skeleton") -> "Motion | None":
    """What the stage would have shown of the same pictures, as a take; None for fewer than three pictures."""
    from duet.motion import Motion
    from duet.rotations import matrix_from_6d

    if len(frames) < 3:
        return None
    rotations = matrix_from_6d(np.array([f.rotations_6d for f in frames], dtype=np.float64))
    fps = 1.0 / float(np.median(np.diff([f.time_s for f in frames])))
    return Motion(fps, skeleton, np.array([f.root_m for f in frames]), rotations.astype(np.float32)).levelled()


def _say(console: Console, out: Path, cleaned: "Cleaned", live: "Motion | None", ended: str) -> None:
    """What was written, what of the recording was not, and what the pass was worth."""
    from realtime.sight.take_cleaning import FILL_S, planted_feet, skate_m_s, tremble_m

    motion = cleaned.motion
    told = f"{out}: {motion.seconds:.1f} s at {motion.fps:g} fps from {cleaned.start_s:.1f} s on"
    if round(cleaned.left_out_s, 1):
        told += (
            f", of {cleaned.recorded_s:.1f} s: somebody was out of view for more than {FILL_S:g} s, and "
            f"{cleaned.left_out_s:.1f} s beside the longest stretch were left out"
        )
    console.print(f"{told}, {ended}" if ended else told, soft_wrap=True)
    console.print(
        f"trembling {_change(live and tremble_m(live), tremble_m(motion), 1e3, 'mm')}, planted feet slide "
        f"{_change(live and skate_m_s(live, planted_feet(live)), skate_m_s(motion, cleaned.planted), 1e2, 'cm/s')}; "
        f"{cleaned.filled_frames} frames filled in, "
        f"feet planted in {100 * float(cleaned.planted.any(axis=1).mean()):.0f} % of the take",
        soft_wrap=True,
    )


def _change(before: float | None, after: float, scale: float, unit: str) -> str:
    if before is None:
        return f"{scale * after:.1f} {unit}"
    return f"{scale * before:.1f} -> {scale * after:.1f} {unit}"


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False), console=console,
    )  # fmt: skip
