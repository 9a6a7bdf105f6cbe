"""A video file as a camera: paced, looped, stamped exactly, newest frame only."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from duet.clock import MonotonicClock
from realtime.sight.camera import CameraState, open_camera
from realtime.sight.camera_source import VideoFile
from tests.waiting import wait_for

FRAMES = 12


def _write_video(path: Path, *, width: int = 64, height: int = 48, rate_hz: int = 30) -> Path:
    """A video whose frame ``i`` is grey of level ``20 * i``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate_hz, options={"crf": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(FRAMES):
            picture = np.full((height, width, 3), 20 * i, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def _level(image: np.ndarray) -> int:
    return round(float(image.mean()) / 20)


def test_frames_come_at_the_files_rate_with_exact_stamps_and_loop(tmp_path: Path) -> None:
    clock = MonotonicClock()
    with open_camera(str(_write_video(tmp_path / "a.mp4")), clock=clock) as camera:
        frames = [camera.read(2.0)]
        while len(frames) < 2 * FRAMES + 3:
            frames.append(camera.next(2.0))
            assert clock.now() > frames[-1].time_s - 0.001  # never before its time
        assert camera.state is CameraState.STREAMING
    times = np.array([frame.time_s for frame in frames]) - frames[0].time_s
    position = np.round(times * 30).astype(int)
    np.testing.assert_allclose(times, position / 30, atol=1e-3)
    assert [_level(frame.image) for frame in frames] == [int(i) % FRAMES for i in position]


def test_slow_reader_gets_the_newest_frame_and_the_rest_is_counted(tmp_path: Path) -> None:
    with open_camera(str(_write_video(tmp_path / "a.mp4", rate_hz=60))) as camera:
        taken = [camera.read(2.0)]
        for _ in range(4):
            assert wait_for(lambda: camera._frames > taken[-1].index + 3)
            taken.append(camera.latest(60.0))
        missed = sum(b.index - a.index - 1 for a, b in pairwise(taken))
        assert missed >= 8
        assert camera.dropped >= missed
        assert camera.frames >= len(taken) + missed


@pytest.mark.parametrize(("width", "height", "shape"), [(54, 96, (96, 54)), (66, 50, (50, 66)), (160, 90, (45, 80))])
def test_portrait_odd_and_large_pictures(tmp_path: Path, width: int, height: int, shape: tuple[int, int]) -> None:
    path = _write_video(tmp_path / "a.mp4", width=width, height=height)
    with open_camera(str(path), max_side_px=96 if width < 100 else 80) as camera:
        image = camera.read(2.0).image
    assert image.shape == (*shape, 3)
    assert not image.flags.writeable


def test_pictures_give_every_frame_once(tmp_path: Path) -> None:
    video = VideoFile(_write_video(tmp_path / "a.mp4"), MonotonicClock())
    video.open()
    seen = [(time_s, _level(picture)) for time_s, picture in video.pictures()]
    video.close()
    assert [level for _, level in seen] == list(range(FRAMES))
    np.testing.assert_allclose([time_s for time_s, _ in seen], np.arange(FRAMES) / 30, atol=1e-3)


def test_colour_is_rgb(tmp_path: Path) -> None:
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        red = np.zeros((48, 64, 3), np.uint8)
        red[..., 0] = 200
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")), *stream.encode(None)]:
            container.mux(packet)
    with open_camera(str(path)) as camera:
        mean = camera.read(2.0).image.mean(axis=(0, 1))
    assert mean[0] > 150 > 60 > mean[2]


def test_file_that_goes_away_stalls_and_returns(tmp_path: Path) -> None:
    path = _write_video(tmp_path / "a.mp4")
    with open_camera(str(path)) as camera:
        away = path.rename(tmp_path / "b.mp4")
        assert wait_for(lambda: camera.state is CameraState.STALLED and bool(camera.problem))
        assert "expected a video file, got nothing there" in camera.problem
        away.rename(path)
        assert wait_for(lambda: camera.state is CameraState.STREAMING)
