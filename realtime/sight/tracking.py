"""The tracking process: camera, pose model, lifting; its results go into shared memory.

Runs by itself (see ``Tracker`` in ``realtime.sight.tracker`` for the other side). It ends when the pipe to
its parent says so or breaks, so that it never outlives the application, and leaves Ctrl-C to the parent.
"""

import contextlib
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from duet.clock import MonotonicClock
from duet.errors import DeviceError, DuetError, ModelError
from duet.frames import LeaderFrame
from realtime import child
from realtime.channels import Channels
from realtime.child_log import ChildLog
from realtime.devices import SYSTEM_CAMERAS, CameraSystem
from realtime.plugged import Pin
from realtime.rings import HistoryCell, LatestCell, SpscRing
from realtime.sight.camera import Camera, CameraFrame, CameraState, open_camera
from realtime.sight.camera_source import CAMERA_LATENCY_S
from realtime.sight.landmarks import Landmarks
from realtime.sight.leader_record import FRAME_WIDTH, values_of_frame
from realtime.sight.lifting import Lifter
from realtime.sight.people import Chooser
from realtime.sight.placement import Lens, StageMap
from realtime.sight.pose_model import how_to_fetch
from realtime.sight.preview import PreviewWriter, preview_cell
from realtime.sight.view import View

HISTORY_FRAMES = 32
_TIMES_KEPT = 1024
_WAIT_S = (0.1, 0.5)
"""Without a picture for so long, the leader is bridged from then on: the longer, the slower the camera is."""
_SLOWER = 2.0
"""Times the usual pause between two pictures: no camera is as irregular as that."""
_HUNG_S = 5.0
"""A driver that does not come back from handing out a picture for so long never will."""
_CAMERA_STATES = tuple(CameraState)
STAGES = ("camera", "track", "lift", "frame")


@dataclass(frozen=True)
class TrackingTask:
    """What to track and how; plain values that travel to the process."""

    source: str
    epoch_s: float
    """Of the session's MonotonicClock."""
    model: Path
    lens: Lens = Lens()
    stage: StageMap = StageMap()
    height_m: float | None = None
    latency_s: float = CAMERA_LATENCY_S
    patience_s: float = 5.0
    """How long to wait for a camera's first frame."""
    resume: LeaderFrame | None = None
    """The last frame of a process that went away."""
    again: bool = False
    """Whether a process before this one had the camera: should it be away, it is waited for."""
    pin: Pin | None = None
    """Which camera that process had."""
    cameras: CameraSystem = SYSTEM_CAMERAS
    view: View = View()
    people: int = 1
    """The most people told apart; one of them leads."""
    gone_s: float = math.inf
    """Nobody seen for so long: whoever comes next is somebody else, with other bones."""
    zone_m: float = math.inf
    """Who is further from the middle of the stage stands aside, and leads only while nobody else is in view."""
    preview: bool = False
    """Whether to show what the camera sees."""


class Heartbeat(NamedTuple):
    """What the process says of itself, several times a second."""

    camera_frames: int = 0
    camera_dropped: int = 0
    camera_state: CameraState = CameraState.STALLED
    mark_m: tuple[float, float] | None = None

    def values(self) -> NDArray[np.float32]:
        """As a record."""
        mark = (np.nan, np.nan) if self.mark_m is None else self.mark_m
        return np.array([*self[:2], _CAMERA_STATES.index(self.camera_state), *mark], dtype=np.float32)

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> "Heartbeat":
        """From a record."""
        frames, dropped, state = (int(v) for v in values[:3])
        mark = None if np.isnan(values[3]) else (float(values[3]), float(values[4]))
        return cls(frames, dropped, _CAMERA_STATES[state], mark)


HEARTBEAT_WIDTH = len(Heartbeat().values())


@dataclass(frozen=True)
class TrackingChannels(Channels):
    """The shared memory between the process and the application."""

    frames: HistoryCell
    heartbeat: LatestCell
    times: SpscRing
    """One record per picture: milliseconds of each of ``STAGES``."""
    preview: LatestCell | None = None
    """What the camera sees, where somebody wants to see it."""

    @classmethod
    def create(cls, *, preview: bool = False) -> "TrackingChannels":
        """New memory, owned by the caller."""
        return cls(
            HistoryCell.create(width=FRAME_WIDTH, capacity=HISTORY_FRAMES),
            LatestCell.create(width=HEARTBEAT_WIDTH),
            SpscRing.create(width=len(STAGES), capacity=_TIMES_KEPT),
            preview_cell() if preview else None,
        )


@contextlib.contextmanager
def _without_a_trace() -> Iterator[None]:
    """What MediaPipe imports beside (matplotlib, PulseAudio's library) makes folders and lists of its own in the user's
    home as it loads: within this they are in a folder that is gone afterwards."""
    names = ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "PULSE_RUNTIME_PATH")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="duet-", ignore_cleanup_errors=True) as folder:
        os.environ.update(dict.fromkeys(names, folder))
        try:
            yield
        finally:
            for name, value in before.items():
                del os.environ[name]
                if value is not None:
                    os.environ[name] = value


class PoseModel:
    """MediaPipe's pose landmarker for one leader in a stream of pictures."""

    def __init__(self, model: Path, *, view: View | None = None, people: int = 1) -> None:
        """Load the model (about a second); ModelError when MediaPipe does not load or cannot use the file."""
        # MediaPipe tells its makers (play.googleapis.com) who uses it, and has no switch for that: a proxy
        # that is none keeps it from even asking for the address. Nothing else here reads this variable.
        os.environ["https_proxy"] = "socks5h://"
        # Imported here: it takes half a second and belongs to this process only.
        try:
            with _without_a_trace():
                import mediapipe as mp
                from mediapipe.tasks.python import vision
                from mediapipe.tasks.python.core import mediapipe_c_bindings
                from mediapipe.tasks.python.core.base_options import BaseOptions

            # Loads MediaPipe's own library now: a system library it lacks is no fault of the model's file.
            mediapipe_c_bindings.load_raw_library()
        except (ImportError, OSError) as error:
            raise ModelError(f"Pose model: expected MediaPipe to load, got: {error}. {_libraries_hint()}") from error
        self._image, self._format = mp.Image, mp.ImageFormat.SRGB
        self._view = view or View()
        self.chooser = Chooser() if people > 1 else None
        """Of the leader among several; None where only one is looked for."""
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            num_poses=people,
        )
        try:
            self._landmarker = vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(
                f"{model}: expected a pose landmarker bundle, got {str(error).splitlines()[0]}. "
                f"Delete the file and run `{how_to_fetch()}`."
            ) from error
        self._last_ms = -1

    def landmarks(self, frame: CameraFrame) -> Landmarks | None:
        """The leader in one picture; None when nobody is found. Pictures come in the order of their stamps."""
        upright = self._view.upright(frame.image)
        size_px = upright.shape[1], upright.shape[0]
        # MediaPipe wants milliseconds that grow with every picture.
        self._last_ms = max(self._last_ms + 1, round(frame.time_s * 1000.0))
        found = self._landmarker.detect_for_video(
            self._image(self._format, self._view.looked_at(upright)), self._last_ms
        )
        people = [
            Landmarks(
                np.array([(p.x, p.y, p.z) for p in world]),
                self._view.in_whole(np.array([(p.x, p.y) for p in image]), size_px),
                np.array([p.visibility for p in image]),
                size_px,
            )
            for world, image in zip(found.pose_world_landmarks, found.pose_landmarks, strict=True)
        ]
        if self.chooser is not None:
            return self.chooser.step(people, frame.time_s)
        return people[0] if people else None

    def close(self) -> None:
        """Let go of the model."""
        self._landmarker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _libraries_hint() -> str:
    if sys.platform.startswith("linux"):
        return "Install what it needs (Debian and Ubuntu: apt install libgles2 libegl1)."
    return "Install it again: pip install --force-reinstall mediapipe."


class _Work:
    """The loop's state: one picture in, one frame out."""

    def __init__(self, task: TrackingTask, channels: TrackingChannels, pose: PoseModel, camera: Camera) -> None:
        self._channels = channels
        self._pose = pose
        self._camera = camera
        self._clock = MonotonicClock(task.epoch_s)
        self._latency_s = task.latency_s
        self._lifter = Lifter(
            lens=task.lens, stage=task.stage, height_m=task.height_m, resume=task.resume, gone_s=task.gone_s
        )
        self._last_s = -np.inf if task.resume is None else task.resume.time_s
        if pose.chooser is not None:
            pose.chooser.is_aside = lambda person: self._lifter.away_m(person) > task.zone_m
        self._view = task.view
        self._pause_s = _WAIT_S[0] / _SLOWER
        self._arrival_s = -np.inf
        self._preview = None if channels.preview is None else PreviewWriter(channels.preview)

    def step(self) -> None:
        """Wait for the next picture, or bridge its absence, and publish the leader."""
        try:
            picture = self._camera.next(min(max(_SLOWER * self._pause_s, _WAIT_S[0]), _WAIT_S[1]))
        except DeviceError:
            if self._camera.failure is not None:
                raise  # its reader ended: no later picture will come
            if self._camera.hung_s > _HUNG_S:
                raise DeviceError(
                    f"{self._camera.name}: expected a picture, got a driver that hangs. "
                    "Plug the camera in again; tracking begins anew by itself."
                ) from None
            self._publish(self._lifter.step(None, self._clock.now() - self._latency_s))
            return
        taken_s = self._clock.now()
        if (pause_s := picture.arrival_s - self._arrival_s) <= _WAIT_S[1]:
            self._pause_s += 0.2 * (pause_s - self._pause_s)
        self._arrival_s = picture.arrival_s
        if picture.time_s <= self._last_s:
            return
        start = time.perf_counter()
        # A picture that comes again and again shows somebody who is not there any more.
        is_frozen = self._camera.state is CameraState.FROZEN
        landmarks = None if is_frozen else self._pose.landmarks(picture)
        tracked = time.perf_counter()
        if self._pose.chooser is not None and self._pose.chooser.is_another:
            self._lifter.meet()
        frame = self._lifter.step(landmarks, picture.time_s)
        lifted = time.perf_counter()
        self._publish(frame)
        whole_s = self._clock.now() - picture.arrival_s
        times_ms = 1e3 * np.array([taken_s - picture.arrival_s, tracked - start, lifted - tracked, whole_s])
        self._channels.times.push(picture.time_s, times_ms.astype(np.float32))
        if self._preview is not None:  # last: nobody waits for it
            self._preview.show(self._view.upright(picture.image), landmarks, frame.status, picture.time_s)

    def _publish(self, frame: LeaderFrame) -> None:
        if frame.time_s > self._last_s:
            self._channels.frames.write(frame.time_s, values_of_frame(frame))
            self._last_s = frame.time_s
        beat = Heartbeat(
            self._camera.frames,
            self._camera.dropped,
            self._camera.state,
            self._lifter.stage.mark_m,
        )
        self._channels.heartbeat.write(time.monotonic(), beat.values())


def run(task: TrackingTask, names: tuple[str, ...], control: Connection, log: ChildLog) -> None:
    """The process. Says ``("camera", its Pin)`` and ``("ready",)``, or ``("failed", kind, sentence)``, then tracks.

    Whatever libraries print goes to ``log``, for the parent to quote from after a crash.
    """
    child.begin(log)
    channels = TrackingChannels.attach(names)
    try:
        with _opened(task) as (pose, camera):
            work = _Work(task, channels, pose, camera)
            control.send(("camera", camera.pin))
            control.send(("ready",))
            while not control.poll():
                work.step()
    except DuetError as error:
        with contextlib.suppress(BrokenPipeError):
            control.send(child.failed(error))
    finally:
        channels.close()


@contextlib.contextmanager
def _opened(task: TrackingTask) -> Iterator[tuple[PoseModel, Camera]]:
    """Model first: loading it takes a second in which a camera's frames would be lost."""
    clock = MonotonicClock(task.epoch_s)
    with (
        PoseModel(task.model, view=task.view, people=task.people) as pose,
        open_camera(
            task.source,
            clock=clock,
            latency_s=task.latency_s,
            patience_s=task.patience_s,
            cameras=task.cameras,
            pin=task.pin,
            wait=task.again,
        ) as camera,
    ):
        yield pose, camera
