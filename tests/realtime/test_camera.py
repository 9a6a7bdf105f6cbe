"""A video file as a camera: paced, looped, stamped exactly, newest frame only."""

import math
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from duet.clock import ManualClock, MonotonicClock
from realtime.sight.camera import CameraState, open_camera
from realtime.sight.camera_source import GIVE_UP_S, VideoFile
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


def _shown(
    monkeypatch: pytest.MonkeyPatch, took_s: Callable[[int], float], seconds: float
) -> tuple[VideoFile, list[tuple[float, float]]]:
    """(when, stamp) of every picture of a video of 30 Hz whose frame ``i`` takes ``took_s(i)`` to be decoded."""
    clock, stop = ManualClock(), threading.Event()
    video = VideoFile(Path("a.mp4"), clock)
    video.rate_hz = 30.0
    capture = SimpleNamespace(retrieve=lambda: (True, np.zeros((2, 2, 3), np.uint8)))

    def grabbed(_: VideoFile) -> Iterator[tuple[float, SimpleNamespace]]:
        index = 0
        while clock.now() < seconds:
            clock.advance(took_s(index))
            yield index / 30.0, capture
            index += 1
        stop.set()

    def waited(_: VideoFile, due_s: float, stop: threading.Event) -> bool:
        clock.sleep_until(due_s)
        return not stop.is_set()

    monkeypatch.setattr(VideoFile, "_grabbed", grabbed)
    monkeypatch.setattr(VideoFile, "_wait", waited)
    monkeypatch.setattr(VideoFile, "open", lambda _: None)
    return video, [(clock.now(), time_s) for time_s, _, _ in video.frames(stop)]


def test_a_video_that_decodes_too_slowly_plays_slower_and_never_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    video, shown = _shown(monkeypatch, lambda _: 2.0 / 30.0, 20.0)
    when, stamps = np.array(shown).T
    assert np.diff([0.0, *when, 20.0]).max() < 1.05
    # Once it is known to be slow, each frame that is decoded is shown, as new as it is.
    assert np.diff(when[1:]).max() < 2.1 / 30.0
    assert 300 <= len(when) + video.late <= 301
    assert (np.diff(stamps) > 0.0).all() and np.abs(when - stamps).max() < 1.1 / 30.0


@pytest.mark.parametrize(
    "took",
    [
        lambda i: 1.02,
        lambda i: 1.05,
        lambda i: 1.1,
        lambda i: 0.98 + 0.9 * math.sin(i * i),
        lambda i: 6.0 if i % 12 == 0 else 0.58,
    ],
    ids=["1.02", "1.05", "1.1", "jitter", "heavy key frames"],
)
def test_a_video_that_decodes_a_little_too_slowly_is_never_dark(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, took: Callable[[int], float]
) -> None:
    """``took`` is in frames."""
    video, shown = _shown(monkeypatch, lambda i: took(i) / 30.0, 60.0)
    when, stamps = np.array(shown).T
    assert np.diff([0.0, *when, 60.0]).max() < GIVE_UP_S + 8.0 / 30.0
    assert (np.diff(stamps) > 0.0).all() and np.abs(when - stamps).max() < 1.1 / 30.0
    # What is not shown in its time is either passed over and counted, or makes the rest come later.
    assert stamps[-1] * 30.0 == pytest.approx(len(shown) + video.late - 1 + 30.0 * video.behind_s, abs=1.0)
    told = [record.getMessage() for record in caplog.records if record.name == "duet.camera"]
    assert (len(told) > 0) == (video.behind_s >= 1.0) and len(told) <= 8


def test_a_short_hiccup_costs_the_frames_that_are_late_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    video, shown = _shown(monkeypatch, lambda i: 0.3 if i == 30 else 0.002, 4.0)
    position = np.array([time_s for _, time_s in shown]) * 30.0
    np.testing.assert_allclose(position, np.round(position), atol=1e-6)
    assert 7 <= video.late <= 9
    assert np.diff(position).max() == pytest.approx(video.late + 1)
    assert len(shown) + video.late == round(position[-1]) + 1


def test_a_video_that_was_held_up_is_in_time_again(monkeypatch: pytest.MonkeyPatch) -> None:
    video, shown = _shown(monkeypatch, lambda i: {30: 2.0, 60: 0.3}.get(i, 0.002), 6.0)
    when, stamps = np.array(shown).T
    assert np.abs(when - stamps).max() < 1.1 / 30.0
    # It decodes quickly enough to catch up with both: it keeps its place beside the music.
    assert 70 <= video.late <= 74 and video.behind_s == 0.0
    assert stamps[-1] == pytest.approx(6.0, abs=0.1) and len(when) + video.late in (180, 181)
