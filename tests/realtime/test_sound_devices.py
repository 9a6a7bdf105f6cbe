"""Sound devices: found, played, heard, lost and back. A stand-in takes PortAudio's place."""

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.errors import DeviceError
from duet.music import RATE_HZ
from realtime import portaudio
from realtime.audio import DeviceMusic, GrooveMusic, MusicStatus
from realtime.music_input import _Recording


def joined(blocks):
    return np.concatenate([b.samples for b in blocks])


def wait_for(condition, seconds=10.0):
    deadline_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.005)


def test_without_portaudio_the_next_step_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="expected the PortAudio library.*apt install libportaudio2"):
        portaudio.list_audio_devices()
    with pytest.raises(DeviceError, match="PortAudio"):
        DeviceMusic("default").start(ManualClock())


WHEN = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=99.98, outputBufferDacTime=100.05)
CALM = SimpleNamespace(input_overflow=False, output_underflow=False)


def test_devices_are_found_by_part_of_their_name(fake):
    assert portaudio.find_audio_device("micro", "input").name == "USB Microphone"
    assert portaudio.find_audio_device("default", "output").name == "Loud Speaker"
    with pytest.raises(DeviceError, match=r"Sound input 'banjo': expected .*, got 'USB Microphone'\. .*duet devices"):
        DeviceMusic("banjo").start(ManualClock())
    fake.devices = []
    with pytest.raises(DeviceError, match="got none"):
        DeviceMusic("default").start(ManualClock())


def test_played_music_is_heard_by_the_devices_sample_count(fake, groove):
    clock = ManualClock()
    source = GrooveMusic(groove, output="default")
    source.start(clock)
    assert source.device is not None and source.device.name == "Loud Speaker" and not source.unheard_because
    out, played, heard = np.zeros((480, 2), np.float32), [], []
    for _ in range(200):
        fake.streams[-1].callback(out, 480, WHEN, CALM)
        played.append(out.copy())
        block = source.read(clock.now())
        heard += [] if block is None else [block]
        clock.advance(0.01)
    np.testing.assert_array_equal(np.concatenate(played), groove.samples[: 200 * 480])
    # What was given to the device 50 ms before it sounds is heard when it sounds, not before.
    assert source.started_s == pytest.approx(0.05, abs=1e-6)
    assert len(joined(heard)) == pytest.approx((1.99 - 0.05) * RATE_HZ, abs=2)
    assert heard[0].time_s == pytest.approx(0.05, abs=1e-6)
    np.testing.assert_allclose(joined(heard), groove.samples[: len(joined(heard))].mean(axis=1), atol=1e-6)
    source.stop()
    assert source.status is MusicStatus.STOPPED


def test_a_lost_output_is_shown_and_the_music_goes_on(fake, groove, monkeypatch):
    monkeypatch.setattr(portaudio, "RETRY_S", 0.02)
    monkeypatch.setattr(portaudio, "GONE_S", 0.2)
    clock = ManualClock()
    source = GrooveMusic(groove, output="Loud")
    source.start(clock)
    try:
        out = np.zeros((480, 2), np.float32)
        for _ in range(50):
            fake.streams[-1].callback(out, 480, WHEN, SimpleNamespace(output_underflow=True))
            clock.advance(0.01)
        assert source.status is MusicStatus.PLAYING and source.xruns == 50
        there, fake.devices = fake.devices, []
        clock.advance(1.0)
        wait_for(lambda: source.status is MusicStatus.LOST)
        assert source.position_s == pytest.approx(1.45, abs=0.01)
        block = source.read(clock.now())
        assert block is not None and len(block.samples) == pytest.approx(1.45 * RATE_HZ, abs=480)
        fake.devices = there
        wait_for(lambda: source.status is MusicStatus.PLAYING)
        fake.streams[-1].callback(out, 480, WHEN, CALM)
        at = round(1.45 * RATE_HZ)
        played = groove.samples[at - 480 : at + 960]
        assert min(np.abs(played[k : k + 480] - out).max() for k in range(960)) < 1e-6
        assert source.xruns == 50
    finally:
        source.stop()


def test_without_an_output_music_goes_unheard(monkeypatch, groove):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    clock = ManualClock()
    source = GrooveMusic(groove, output="default")
    source.start(clock)
    clock.advance(1.0)
    assert source.device is None and source.position_s == pytest.approx(1.0)
    assert source.unheard_because.startswith("Sound: expected the PortAudio library")
    with pytest.raises(DeviceError, match="PortAudio"):
        GrooveMusic(groove, output="Loud").start(clock)


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_recording_is_stamped_at_the_converter(fake, rate):
    fake.only_rate = rate
    clock = ManualClock()
    source = DeviceMusic("usb")
    source.start(clock)
    try:
        assert fake.streams[-1].settings["samplerate"] == rate
        blocks, size = [], rate // 100
        for k in range(100):
            clock.advance(0.01)
            fake.streams[-1].callback(np.full((size, 1), 0.25 if k >= 50 else 0.0, np.float32), size, WHEN, CALM)
            block = source.read(clock.now())
            blocks += [] if block is None else [block]
        samples = joined(blocks)
        assert abs(len(samples) - RATE_HZ) < 100
        # A block arrives 20 ms after its first sample was converted.
        assert blocks[0].time_s == pytest.approx(0.01 - 0.02, abs=2e-3)
        step_s = blocks[0].time_s + np.flatnonzero(samples > 0.125)[0] / RATE_HZ
        assert step_s == pytest.approx(0.51 - 0.02, abs=2e-3)
        assert source.status is MusicStatus.PLAYING
    finally:
        source.stop()


def test_a_slow_reader_skips_ahead_and_is_counted(fake):
    clock = ManualClock()
    recording = _Recording(clock, RATE_HZ)
    for k in range(1000):
        clock.advance(0.01)
        recording.callback(np.full((480, 1), k, np.float32), 480, WHEN, CALM)
    block = recording.read()
    assert block is not None and len(block.samples) == 2 * RATE_HZ
    assert block.samples[-1] == 999.0 and recording.skipped == 8 * RATE_HZ
    assert block.time_s == pytest.approx(clock.now() - 2.0 - 0.01, abs=0.02)


def test_a_lost_device_gives_silence_and_is_opened_again(fake, monkeypatch):
    monkeypatch.setattr(portaudio, "RETRY_S", 0.02)
    monkeypatch.setattr(portaudio, "GONE_S", 0.2)
    clock = ManualClock()
    source = DeviceMusic("usb")
    source.start(clock)
    try:
        block = np.ones((480, 1), np.float32)
        fake.streams[-1].callback(block, 480, WHEN, CALM)
        assert source.read(clock.now()) is not None
        there, fake.devices = fake.devices, []
        clock.advance(1.0)
        wait_for(lambda: source.status is MusicStatus.LOST)
        silence = source.read(clock.now())
        assert silence is not None and not silence.samples.any()
        assert len(fake.streams) == 1
        fake.devices = there
        wait_for(lambda: len(fake.streams) > 1 and source.status is MusicStatus.PLAYING)
        fake.streams[-1].callback(block, 480, WHEN, CALM)
        heard = source.read(clock.now())
        assert heard is not None and heard.samples.any()
    finally:
        source.stop()
    assert source.status is MusicStatus.STOPPED


def test_a_default_output_that_does_not_open_says_why(fake, groove, monkeypatch):
    def in_use(self):
        raise fake.PortAudioError("Device unavailable")

    monkeypatch.setattr(fake.Stream, "start", in_use)
    source = GrooveMusic(groove, output="default")
    source.start(ManualClock())
    assert source.status is MusicStatus.PLAYING and source.device is None
    assert "expected it to open, got: Device unavailable" in source.unheard_because


# A sound system that fails


def test_a_library_that_does_not_start_is_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "sounddevice.py").write_text(
        "class PortAudioError(Exception): ...\nraise PortAudioError('Error initializing PortAudio')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(DeviceError, match="sound system, got: Error initializing PortAudio"):
        portaudio.list_audio_devices()


@pytest.mark.parametrize("call", ["_initialize", "query_devices"])
def test_a_failing_sound_system_is_a_sentence(fake, monkeypatch, call):
    def fail():
        raise fake.PortAudioError("Unanticipated host error")

    monkeypatch.setattr(fake, call, fail)
    with pytest.raises(DeviceError, match="sound system, got: Unanticipated host error"):
        portaudio.list_audio_devices(refresh=True)


def test_a_sound_system_that_failed_once_is_started_again(fake, monkeypatch):
    """PortAudio refuses to end what it could not start; the next look starts it all the same."""

    def not_started():
        raise fake.PortAudioError("PortAudio not initialized")

    monkeypatch.setattr(fake, "_terminate", not_started)
    assert len(portaudio.list_audio_devices(refresh=True)) == 2


@pytest.mark.parametrize("error", [DeviceError("away"), RuntimeError("out of order")])
def test_the_watch_outlives_every_error_of_opening(monkeypatch, error):
    monkeypatch.setattr(portaudio, "RETRY_S", 0.01)
    monkeypatch.setattr(portaudio, "GONE_S", 0.02)
    silent_s, errors = [1.0], [error, error]

    def open_again():
        if errors:
            raise errors.pop()
        silent_s[0] = 0.0

    watch = portaudio.DeviceWatch(silent_s=lambda: silent_s[0], close=lambda: None, open_again=open_again)
    watch.start()
    try:
        wait_for(lambda: silent_s[0] == 0.0 and not watch.lost)
        assert watch.problem == str(error)
    finally:
        watch.stop()
