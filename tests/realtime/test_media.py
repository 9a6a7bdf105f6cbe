"""Pictures and sound beside a session: at their times, whole at any moment, bounded, and only where asked for."""

import contextlib
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from duet.clock import MonotonicClock
from duet.errors import InputError
from duet.frames import LeaderStatus
from duet.music import RATE_HZ
from realtime.sessions.media import SIGHT_FILE, SOUND_FILE, MediaWriter, SightFilm, SoundFiles, sound_file
from realtime.sight.preview import Sight
from realtime.sound.music_source import Block
from tests.waiting import wait_for


class Room:
    """A camera that shows how late it is, and a tone."""

    def __init__(self, clock: MonotonicClock) -> None:
        self.clock = clock

    def sight(self) -> Sight:
        now = self.clock.now()
        picture = np.full((192, 256, 3), int(now * 40) % 256, np.uint8)
        return Sight(self.clock.epoch_s + now, picture, None, LeaderStatus.LOST, 16.0)

    def block(self, begin_s: float, seconds: float) -> Block:
        times = begin_s + np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        return Block((0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32), begin_s)


def perform(folder: Path, seconds: float, **options: int) -> MediaWriter:
    clock = MonotonicClock()
    room = Room(clock)
    writer = MediaWriter(folder, clock, room.sight, **options)
    writer.start()
    heard_s = 0.25
    while (now := clock.now()) < seconds:
        if now - heard_s > 0.05:
            writer.hear(room.block(heard_s, 0.05))
            heard_s += 0.05
        time.sleep(0.005)
    writer.stop()
    return writer


def seen(path: Path) -> list[float]:
    times = list[float]()
    with av.open(str(path)) as film, contextlib.suppress(av.error.InvalidDataError):
        # The last picture of a cut film is half a one.
        for frame in film.decode(video=0):
            assert frame.pts is not None and frame.time_base is not None
            times.append(float(frame.pts * frame.time_base))
    return times


def test_pictures_and_sound_are_at_their_times(tmp_path: Path) -> None:
    writer = perform(tmp_path, 2.5)
    assert not writer.failure
    times = seen(tmp_path / SIGHT_FILE)
    assert len(times) > 8 and times == sorted(times) and 0.0 <= times[0] < 1.5 and times[-1] > 1.5
    samples, rate = soundfile.read(tmp_path / SOUND_FILE)
    assert rate == RATE_HZ and len(samples) > 1.0 * RATE_HZ
    # What was heard from 0.25 s on lies there, in phase.
    assert not samples[: int(0.24 * RATE_HZ)].any()
    at = np.arange(round(0.3 * RATE_HZ), round(0.9 * RATE_HZ))
    np.testing.assert_allclose(samples[at], 0.5 * np.sin(2 * np.pi * 440 * at / RATE_HZ), atol=1e-2)


def test_who_comes_late_is_seen_late(tmp_path: Path) -> None:
    """By half a day, too: a film's ticks go beyond 32 bits then."""
    film, picture = SightFilm(tmp_path / SIGHT_FILE, (64, 48)), np.full((48, 64, 3), 200, np.uint8)
    told_s = [3.5, 4.0, 13.5 * 3600.0, 13.5 * 3600.0 + 1.0]
    for time_s in told_s:
        film.write(picture, time_s)
    film.close()
    assert seen(tmp_path / SIGHT_FILE) == pytest.approx([0.0, *told_s], abs=1e-3)


def test_a_camera_of_another_shape_is_seen_whole_in_the_same_film(tmp_path: Path) -> None:
    clock = MonotonicClock()
    shapes = [(192, 256), (144, 256), (256, 144), (193, 256)]
    sights = [
        Sight(clock.epoch_s + at_s, np.full((*shape, 3), 200, np.uint8), None, LeaderStatus.LOST, 16.0)
        for at_s, shape in enumerate(shapes, 1)
    ]
    writer = MediaWriter(tmp_path, clock, lambda: sights.pop(0) if sights else None)
    writer.start()
    assert wait_for(lambda: not sights)
    writer.stop()
    assert not writer.failure
    with av.open(str(tmp_path / SIGHT_FILE)) as film:
        _, *pictures = [frame.to_ndarray(format="rgb24")[..., 0] for frame in film.decode(video=0)]
    assert seen(tmp_path / SIGHT_FILE) == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0], abs=1e-3)
    assert {picture.shape for picture in pictures} == {(192, 256)}
    # Bands above and below, then beside; as many rows and columns of the picture as its shape leaves.
    lit = [(np.median(p, axis=1) > 100, np.median(p, axis=0) > 100) for p in pictures]
    assert [(rows.sum(), columns.sum()) for rows, columns in lit[::3]] == [(192, 256), (192, 256)]
    assert lit[1][0][26:166].all() and not lit[1][0][:22].any() and not lit[1][0][170:].any()
    assert lit[2][1][76:180].all() and not lit[2][1][:72].any() and not lit[2][1][184:].any()


def _hear(folder: Path, begins_s: list[float], **options: int) -> MediaWriter:
    clock = MonotonicClock()
    writer = MediaWriter(folder, clock, lambda: None, **options)
    for begin_s in begins_s:
        writer.hear(Room(clock).block(begin_s, 0.1))
    writer.start()
    writer.stop()
    return writer


def test_sound_after_a_long_pause_lies_at_its_time(tmp_path: Path) -> None:
    writer = _hear(tmp_path, [0.0, 300.0])
    assert not writer.failure
    samples, _ = soundfile.read(tmp_path / SOUND_FILE, start=299 * RATE_HZ, dtype="float32")
    assert len(samples) == round(1.1 * RATE_HZ) and not samples[:RATE_HZ].any()
    wanted = Room(MonotonicClock()).block(300.0, 0.1).samples
    np.testing.assert_allclose(samples[RATE_HZ:], wanted, atol=1e-3)


def test_a_pause_longer_than_there_is_room_for_fills_no_disk(tmp_path: Path) -> None:
    writer = _hear(tmp_path, [0.0, 3600.0], most_bytes=2_000_000)
    assert "expected room for pictures and sound, got none" in writer.failure
    assert (tmp_path / SOUND_FILE).stat().st_size < 10_000_000


def test_sound_goes_on_in_a_next_file_without_a_gap(tmp_path: Path) -> None:
    wanted = np.random.default_rng(0).uniform(-0.9, 0.9, 2_500).astype(np.float32)
    sound = SoundFiles(tmp_path, most_samples=1_000)
    for piece in np.split(wanted, [300, 999, 1_000, 1_001]):
        sound.write(piece)
    assert sound.samples == 2_500 and sound.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    sound.close()
    files = [tmp_path / sound_file(number) for number in range(3)]
    assert sorted(tmp_path.iterdir()) == sorted(files) and files[1].name == "sound-2.wav"
    read = [soundfile.read(path, dtype="float32")[0] for path in files]
    assert [len(samples) for samples in read] == [1_000, 1_000, 500]
    np.testing.assert_allclose(np.concatenate(read), wanted, atol=1e-4)


def test_a_long_performance_is_recorded_to_its_end(tmp_path: Path) -> None:
    writer = perform(tmp_path, 1.2, wave_samples=RATE_HZ // 2)
    assert not writer.failure and {path.name for path in tmp_path.iterdir()} >= {"sound.wav", "sound-2.wav"}
    assert soundfile.info(tmp_path / "sound.wav").frames == RATE_HZ // 2
    assert len(seen(tmp_path / SIGHT_FILE)) > 3


def test_whatever_ends_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(*_: object) -> None:
        raise struct.error("'I' format requires 0 <= number <= 4294967295")

    monkeypatch.setattr(SoundFiles, "write", odd)
    done = list[bool]()
    clock = MonotonicClock()
    writer = MediaWriter(tmp_path, clock, lambda: None, done=lambda: done.append(True))
    writer.start()
    writer.hear(Room(clock).block(0.0, 0.1))
    writer.stop()
    assert "to record pictures and sound to the end, got: 'I' format requires" in writer.failure and done == [True]
    assert [record.message for record in caplog.records] == [writer.failure]


def test_there_is_a_bound_and_it_is_said(tmp_path: Path) -> None:
    writer = perform(tmp_path, 1.5, most_bytes=20_000)
    assert "expected room for pictures and sound" in writer.failure
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 300_000
    assert soundfile.info(tmp_path / SOUND_FILE).frames > 0


@pytest.mark.parametrize("name", [SIGHT_FILE, SOUND_FILE, "sound-2.wav"])
def test_what_was_recorded_is_never_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(InputError, match="expected no recording, got one"):
        MediaWriter(tmp_path, MonotonicClock(), lambda: None)


_KILLED = """
import sys
from pathlib import Path
from tests.realtime.test_media import perform
print("begun", flush=True)
perform(Path(sys.argv[1]), 60.0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_who_is_killed_loses_less_than_a_second(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        begun_s = time.monotonic()
        end_s = begun_s + 60.0
        sound = tmp_path / SOUND_FILE
        while not (sound.exists() and sound.stat().st_size > 2.5 * 2 * RATE_HZ):
            assert time.monotonic() < end_s
            time.sleep(0.05)
        process.kill()
    samples, _ = soundfile.read(sound)
    assert len(samples) / RATE_HZ > 2.4
    times = seen(tmp_path / SIGHT_FILE)
    # The sound had come to there: the film is behind by less than its last fragment.
    assert times[-1] > len(samples) / RATE_HZ - 1.0
    # It holds whole fragments only, and what is cut within the last one's data opens up to there.
    film = (tmp_path / SIGHT_FILE).read_bytes()
    end, kinds = 0, list[bytes]()
    while end < len(film):
        size, kind = struct.unpack_from(">I4s", film, end)
        end, kinds = end + size, [*kinds, kind]
    assert (
        end == len(film) and kinds[:2] == [b"ftyp", b"moov"] and kinds[2:] == [b"moof", b"mdat"] * (len(kinds) // 2 - 1)
    )
    (tmp_path / "cut.mp4").write_bytes(film[:-500])
    assert 0 < len(seen(tmp_path / "cut.mp4")) < len(times)
