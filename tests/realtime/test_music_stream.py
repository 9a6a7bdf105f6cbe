"""Music on standard input: formats, pace, pauses, ends, and what is no music."""

import io
import os
import struct
import sys
import threading
import time
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.errors import MediaError
from duet.motion import write_motion
from duet.music import RATE_HZ
from realtime.health import Health
from realtime.sound.audio import MusicStatus
from realtime.sound.music_stream import AHEAD_S, StreamMusic
from ui.options import LeaderOptions
from ui.sources import play_sources

TONE = (0.3 * np.sin(2.0 * np.pi * 440.0 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


def wav(samples, rate_hz=RATE_HZ, subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, subtype=subtype, format="WAV")
    return file.getvalue()


def listen(source, clock, seconds):
    heard, end_s = [], clock.now() + seconds
    while clock.now() < end_s:
        time.sleep(0.02)
        block = source.read(clock.now())
        heard += [] if block is None else [block.samples]
    return np.concatenate(heard)


def frequency(samples):
    return np.abs(np.fft.rfft(samples)).argmax() * RATE_HZ / len(samples)


STREAMS = {
    "raw": np.repeat((TONE * 32767).astype("<i2")[:, None], 2, axis=1).tobytes(),
    "16": wav(TONE),
    "24": wav(np.stack([TONE, TONE], axis=1), subtype="PCM_24"),
    "32": wav(TONE, subtype="PCM_32"),
    "float": wav(TONE, subtype="FLOAT"),
    "cd": wav(0.3 * np.sin(2.0 * np.pi * 440.0 * np.arange(44_100) / 44_100), 44_100),
    "eight": wav(np.tile(TONE[:, None], 8)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_heard_at_its_pitch_and_ends(name):
    source, clock = StreamMusic(io.BytesIO(STREAMS[name])), MonotonicClock()
    source.start(clock)
    assert source.status is MusicStatus.PLAYING
    heard = listen(source, clock, 1.2)
    assert frequency(heard[2400:38400]) == pytest.approx(440.0, abs=3.0)
    assert np.abs(heard).max() == pytest.approx(0.3, abs=0.01)
    assert source.status is MusicStatus.ENDED and not heard[-2400:].any()
    source.stop()


def test_a_sender_is_held_back_and_a_pause_is_silence():
    ours, theirs = os.pipe()
    with open(ours, "rb") as stream, open(theirs, "wb", buffering=0) as sender:
        source, clock = StreamMusic(stream), MonotonicClock()
        send = threading.Thread(target=sender.write, args=(STREAMS["raw"][:96000],))  # half a second
        send.start()
        source.start(clock)
        send.join()
        first = listen(source, clock, 1.0)
        assert first[: RATE_HZ // 4].any() and not first[-4800:].any()
        send = threading.Thread(target=sender.write, args=(STREAMS["raw"][:96000],))
        send.start()
        again = listen(source, clock, 1.5)
        assert np.count_nonzero(again) == pytest.approx(RATE_HZ / 2, rel=0.05)
        send.join()
    source.stop()


def test_not_more_is_read_than_is_needed_soon():
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, count=-1):
            self.taken += count
            return bytes(count)

    stream = Endless()
    source, clock = StreamMusic(stream), MonotonicClock()  # type: ignore[arg-type]
    source.start(clock)
    time.sleep(0.5)
    assert stream.taken / (4 * RATE_HZ) < AHEAD_S + clock.now() + 0.3
    source.stop()


def test_a_wav_of_unknown_length_is_read_to_its_end():
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        writer.writeframes((TONE * 32767).astype("<i2").tobytes())
    data = bytearray(file.getvalue())
    struct.pack_into("<I", data, 4, 0xFFFFFFFF)
    struct.pack_into("<I", data, data.index(b"data") + 4, 0xFFFFFFFF)
    source, clock = StreamMusic(io.BytesIO(bytes(data))), MonotonicClock()
    source.start(clock)
    assert frequency(listen(source, clock, 0.6)) == pytest.approx(440.0, abs=5.0)
    source.stop()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected sound, got nothing"),
        (b"RIFF\0\0\0\0WAVE", "expected a WAV with samples"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd", "expected a WAV header, got a broken one"),
        (wav(TONE, subtype="ULAW"), "expected PCM of 16, 24 or 32 bits"),
    ],
)
def test_what_is_no_music_is_a_sentence(data, reason):
    with pytest.raises(MediaError, match=reason):
        StreamMusic(io.BytesIO(data)).start(MonotonicClock())


def test_play_hears_what_is_piped_into_it(tmp_path: Path, monkeypatch):
    take = tmp_path / "take.npz"
    write_motion(take, compose("salsa", 2.0, 180.0, 1, fps=30.0).leader)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(wav(0.1 * np.tile(TONE, 3)))))
    ear = play_sources(LeaderOptions(str(take)), "-", headless=True)(Health()).music
    ear.start(MonotonicClock(), Health())
    try:
        end_s = time.monotonic() + 20.0
        while ear.level.gain_db < 3.0 and time.monotonic() < end_s:
            time.sleep(0.02)
        assert ear.level.gain_db >= 3.0  # it comes in too quietly, and is raised
        assert ear.status is MusicStatus.PLAYING
    finally:
        ear.stop()
