"""Music sources and the ear. What needs a sound device runs against a PulseAudio null sink in a process of its own."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from duet.clock import ManualClock, MonotonicClock
from duet.errors import DeviceError, InputError, MediaError, StaleFrame
from duet.groove import render_groove
from duet.music import RATE_HZ
from realtime import portaudio
from realtime.audio import (
    DeviceMusic,
    FileMusic,
    GrooveMusic,
    InlineEar,
    MusicStatus,
    MusicThread,
    RecordedMusic,
    Silence,
)
from realtime.health import Health
from realtime.music_input import _Recording
from realtime.sound_file import StreamResampler, load_sound

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def groove():
    return render_groove(6.0, 180.0, seed=1)


def read_all(source, clock, seconds, step_s=0.013):
    blocks = []
    end_s = clock.now() + seconds
    while clock.now() < end_s:
        clock.advance(step_s)
        block = source.read(clock.now())
        if block is not None:
            blocks.append(block)
    return blocks


def joined(blocks):
    return np.concatenate([b.samples for b in blocks])


# Files


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_of_any_rate_and_channels_is_loaded(tmp_path, rate, channels):
    tone = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(rate) / rate)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)
    samples = load_sound(path)
    assert samples.shape == (RATE_HZ, 2) and samples.dtype == np.float32
    expected = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(RATE_HZ) / RATE_HZ)
    middle = slice(2000, -2000)
    np.testing.assert_allclose(samples[middle, 0], expected[middle], atol=5e-3)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_usual_formats_are_loaded(tmp_path, groove, suffix):
    path = tmp_path / f"music.{suffix}"
    soundfile.write(path, groove.samples[:RATE_HZ], RATE_HZ)
    samples = load_sound(path)
    assert abs(len(samples) - RATE_HZ) < 4000
    assert np.corrcoef(samples[5000:40_000, 0], groove.samples[5000:40_000, 0])[0, 1] > 0.9 or suffix == "mp3"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"nowhere\.ogg: expected a sound file, got nothing there"):
        FileMusic(tmp_path / "nowhere.ogg")


def test_what_is_not_sound_is_refused(tmp_path):
    path = tmp_path / "song.mp3"
    path.write_text("this is a text")
    with pytest.raises(MediaError, match=r"song\.mp3: expected a sound file .* cannot be read"):
        FileMusic(path)


def test_a_file_without_samples_is_refused(tmp_path):
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros((0, 2)), RATE_HZ)
    with pytest.raises(MediaError, match="got a file without samples"):
        FileMusic(path)


def test_a_file_with_broken_samples_is_refused(tmp_path):
    path = tmp_path / "broken.wav"
    soundfile.write(path, np.array([0.0, np.nan, 1.0]), RATE_HZ, subtype="FLOAT")
    with pytest.raises(MediaError, match="not numbers"):
        FileMusic(path)


def test_samples_that_are_none_are_refused():
    with pytest.raises(InputError, match="expected finite samples"):
        RecordedMusic(np.zeros((0, 2)))


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_a_stream_is_resampled_in_any_pieces(rate):
    rng = np.random.default_rng(0)
    tone = np.sin(2.0 * np.pi * 997.0 * np.arange(rate) / rate).astype(np.float32)
    resampler, pieces, at = StreamResampler(from_hz=rate, to_hz=RATE_HZ), [], 0
    while at < len(tone):
        size = int(rng.integers(0, 700))
        pieces.append(resampler.push(tone[at : at + size]))
        at += size
    got = np.concatenate(pieces)
    time_s = np.arange(len(got)) / RATE_HZ - resampler.delay_s
    assert abs(len(got) - RATE_HZ) < 100
    np.testing.assert_allclose(got[3000:-3000], np.sin(2.0 * np.pi * 997.0 * time_s)[3000:-3000], atol=1e-3)


# Recorded music against the session clock


def test_music_is_handed_out_when_it_has_sounded(groove):
    clock = ManualClock(3.0)
    source = GrooveMusic(groove)
    assert source.status is MusicStatus.STOPPED and source.read(9.0) is None
    source.start(clock)
    assert source.read(3.0) is None
    block = source.read(3.5)
    assert block is not None and block.time_s == 3.0 and len(block.samples) == RATE_HZ // 2
    np.testing.assert_allclose(block.samples, groove.samples[: RATE_HZ // 2].mean(axis=1), atol=1e-6)
    assert source.read(3.5) is None
    later = source.read(3.75)
    assert later is not None and later.time_s == pytest.approx(3.5)
    clock.advance(1.0)
    assert source.position_s == pytest.approx(1.0)
    assert source.started_s == 3.0


def test_after_the_end_there_is_silence(groove):
    clock = ManualClock()
    source = RecordedMusic(groove.samples[:RATE_HZ])
    source.start(clock)
    samples = joined(read_all(source, clock, 2.0))
    assert source.status is MusicStatus.ENDED
    assert len(samples) >= 2 * RATE_HZ - 700
    np.testing.assert_array_equal(samples[RATE_HZ:], 0.0)


def test_a_loop_goes_on(groove):
    clock = ManualClock()
    source = RecordedMusic(groove.samples[:RATE_HZ], loop=True)
    source.start(clock)
    samples = joined(read_all(source, clock, 2.5))
    assert source.status is MusicStatus.PLAYING
    np.testing.assert_array_equal(samples[RATE_HZ : 2 * RATE_HZ], samples[:RATE_HZ])


def test_the_soundtrack_is_the_whole_piece(tmp_path, groove):
    path = tmp_path / "g.wav"
    soundfile.write(path, groove.samples, RATE_HZ, subtype="FLOAT")
    samples, rate_hz = FileMusic(path).soundtrack
    assert rate_hz == RATE_HZ
    np.testing.assert_array_equal(samples, groove.samples)
    assert Silence().soundtrack is None and DeviceMusic().soundtrack is None


# The ear


def test_an_inline_ear_hears_causally_and_the_same_each_time(groove):
    def listen(samples, step_s):
        clock, heard = ManualClock(), []
        ear = InlineEar(RecordedMusic(samples))
        ear.start(clock)
        while clock.now() < 5.0:
            clock.advance(step_s)
            new = ear.take_new(clock.now())
            assert all(f.time_s <= clock.now() for f in new)
            heard += new
        return heard

    one, other = listen(groove.samples, 0.1), listen(groove.samples, 1.0 / 30.0)
    assert len(one) >= 148
    for a, b in zip(one, other, strict=False):
        assert a.time_s == pytest.approx(b.time_s, abs=1e-9) and a.beat_phase == b.beat_phase
        np.testing.assert_array_equal(a.features, b.features)

    changed = groove.samples.copy()
    changed[3 * RATE_HZ :] = 0.0
    for a, b in zip(one, listen(changed, 0.1), strict=False):
        if a.time_s < 2.9:
            np.testing.assert_array_equal(a.features, b.features)
            assert a.beat_phase == b.beat_phase


def test_silence_keeps_the_frames_coming_without_confidence():
    clock = ManualClock()
    ear = InlineEar(Silence())
    ear.start(clock)
    clock.advance(3.0)
    frames = ear.take_new(clock.now())
    assert len(frames) >= 88
    assert {f.confidence for f in frames} == {0.0}
    assert ear.status is MusicStatus.PLAYING
    ear.stop()
    assert ear.status is MusicStatus.STOPPED


def test_latest_refuses_what_is_old(groove):
    clock = ManualClock()
    ear = InlineEar(GrooveMusic(groove), history_frames=10)
    with pytest.raises(StaleFrame, match="got none yet"):
        ear.latest(1.0)
    ear.start(clock)
    clock.advance(1.0)
    ear.step(clock.now())
    assert clock.now() - ear.latest(0.1).time_s < 0.06
    assert len(ear.history) == 10
    clock.advance(1.0)
    with pytest.raises(StaleFrame, match=r"at most 0\.10 s, got one of 1\.0"):
        ear.latest(0.1)


def test_the_music_thread_publishes_in_time_and_counts(groove):
    clock, health = MonotonicClock(), Health()
    thread = MusicThread(GrooveMusic(groove))
    thread.start(clock, health)
    try:
        frames, deadline_s = [], time.monotonic() + 20.0
        while len(frames) < 30 and time.monotonic() < deadline_s:
            time.sleep(0.02)
            frames += thread.take_new(clock.now())
        assert len(frames) >= 30
        assert np.diff([f.index for f in frames]).tolist() == [1] * (len(frames) - 1)
        assert thread.latest(5.0).index >= frames[-1].index
        assert health.stages()["music"].n >= 1
    finally:
        thread.stop()
    assert thread.status is MusicStatus.STOPPED
    assert not any(t.name == "music" for t in threading.enumerate())


# Devices that are not there


def test_without_portaudio_the_next_step_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="expected the PortAudio library.*apt install libportaudio2"):
        portaudio.list_audio_devices()
    with pytest.raises(DeviceError, match="PortAudio"):
        DeviceMusic("default").start(ManualClock())


class FakePortAudio(SimpleNamespace):
    """Stands in for ``sounddevice``: two devices, streams that the test drives."""

    class PortAudioError(Exception):
        pass

    class Stream:
        def __init__(self, **settings):
            self.settings = settings
            self.callback = settings["callback"]

        def start(self): ...
        def abort(self, ignore_errors=True): ...
        def close(self, ignore_errors=True): ...

    def __init__(self, devices=None):
        super().__init__()
        self.devices = devices if devices is not None else [
            {"name": "Loud Speaker", "max_input_channels": 0, "max_output_channels": 2, "default_samplerate": 48e3},
            {"name": "USB Microphone", "max_input_channels": 1, "max_output_channels": 0, "default_samplerate": 44.1e3},
        ]  # fmt: skip
        self.default = SimpleNamespace(device=(1, 0))
        self.streams = []
        self.only_rate = None

    def query_devices(self):
        return self.devices

    def check_input_settings(self, *, samplerate, **_):
        if self.only_rate is not None and samplerate != self.only_rate:
            raise self.PortAudioError("Invalid sample rate")

    def OutputStream(self, **settings):
        self.streams.append(self.Stream(**settings))
        return self.streams[-1]

    InputStream = OutputStream

    def _terminate(self): ...
    def _initialize(self): ...


@pytest.fixture
def fake(monkeypatch):
    module = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


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
    assert source.device is not None and source.device.name == "Loud Speaker"
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
    monkeypatch.setattr(portaudio, "RETRY_S", 0.05)
    monkeypatch.setattr(portaudio, "GONE_S", 0.2)
    clock = MonotonicClock()
    source = DeviceMusic("usb")
    source.start(clock)
    try:
        block = np.ones((480, 1), np.float32)
        fake.streams[-1].callback(block, 480, WHEN, CALM)
        assert source.read(clock.now()) is not None
        there, fake.devices = fake.devices, []
        wait_for(lambda: source.status is MusicStatus.LOST)
        time.sleep(0.1)
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


def wait_for(condition, seconds=10.0):
    deadline_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.005)


# A sound server without hardware

_ROUND_TRIP = """
import time
import numpy as np
from duet.clock import MonotonicClock
from duet.groove import render_groove
from realtime.audio import DeviceMusic, GrooveMusic, list_audio_devices

print("DEVICES", [d.name for d in list_audio_devices() if d.inputs and d.outputs])
groove = render_groove(20.0, 180.0, seed=1)
clock = MonotonicClock()
player, ear = GrooveMusic(groove, output="pulse"), DeviceMusic("pulse")
ear.start(clock)
time.sleep(0.5)
player.start(clock)
blocks = []
while clock.now() < 12.0 and not (player.position_s > 2.5 and str(player.status) == "playing" and ear.position_s > 3):
    time.sleep(0.01)
    block = ear.read(clock.now())
    blocks += [] if block is None else [block]
end_s = clock.now() + 1.5
while clock.now() < end_s:
    time.sleep(0.01)
    block = ear.read(clock.now())
    blocks += [] if block is None else [block]
heard = np.concatenate([b.samples for b in blocks])[-48000:]
until_s = blocks[-1].time_s + len(blocks[-1].samples) / 48000
piece, started_s = groove.samples.mean(axis=1), player.started_s
print("STATE", player.status, ear.status, player.xruns, ear.xruns)
player.stop(); ear.stop()
spectrum, results = np.fft.rfft(piece, 1 << 21), []
for part in range(4):  # a busy server drops sound here and there: the best quarter of a second counts
    sound = heard[12000 * part : 12000 * (part + 1)]
    at = int(np.fft.irfft(spectrum * np.conj(np.fft.rfft(sound, 1 << 21)))[: len(piece)].argmax())
    alike = np.corrcoef(piece[at : at + 12000], sound)[0, 1] if sound.any() else 0.0
    results.append((alike, 1e3 * (until_s - 1.0 + 0.25 * part - (started_s + at / 48000))))
print("RESULT", *max(results))
"""


@pytest.fixture
def pulse(tmp_path):
    """Environment of a PulseAudio server with a null sink whose monitor is the default source."""
    if not all(shutil.which(tool) for tool in ("pulseaudio", "pactl", "pacat")):
        pytest.skip("PulseAudio is not installed: apt install pulseaudio pulseaudio-utils libasound2-plugins")
    if not sys.platform.startswith("linux"):
        pytest.skip("the null sink is a Linux test device")
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / ".asoundrc").write_text("pcm.!default pulse\npcm.pulse { type pulse }\nctl.pulse { type pulse }\n")
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    environment |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}

    def call(*command):
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=15, check=False)

    modules = ["module-native-protocol-unix", "module-null-sink sink_name=duet rate=48000 channels=2"]
    server = subprocess.Popen(
        ["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", *(a for m in modules for a in ("-L", m))],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    keep_awake = None
    try:
        deadline_s = time.monotonic() + 10.0
        while call("pactl", "set-default-source", "duet.monitor").returncode:
            if time.monotonic() > deadline_s or server.poll() is not None:
                pytest.skip("PulseAudio does not start here")
            time.sleep(0.1)
        # A sink that falls asleep swallows the first third of a second.
        keep_awake = subprocess.Popen(["pacat", "--latency-msec=50", "-d", "duet", "/dev/zero"], env=environment)
        while "RUNNING" not in call("pactl", "list", "short", "sinks").stdout and time.monotonic() < deadline_s:
            time.sleep(0.1)
        yield environment
    finally:
        for process in (keep_awake, server):
            if process is not None:
                process.terminate()
                process.wait(timeout=10)


def test_what_is_played_is_heard_by_a_device(pulse):
    run = subprocess.run(
        [sys.executable, "-c", _ROUND_TRIP], env=pulse, cwd=REPOSITORY, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    if "DEVICES []" in run.stdout or "expected a device" in run.stderr:
        pytest.skip("PortAudio finds no PulseAudio device: apt install libasound2-plugins")
    if "STATE lost" in run.stdout or "STATE playing lost" in run.stdout:
        pytest.skip("the sound server stalled: this machine is too busy for it")
    result = [line.split()[1:] for line in run.stdout.splitlines() if line.startswith("RESULT")]
    assert result, run.stderr[-2000:]
    alike, shift_ms = (float(x) for x in result[0])
    assert alike > 0.9, run.stdout  # 1.0: what arrives is unaltered
    assert abs(shift_ms) < 200.0, run.stdout  # 0 to 60 ms: the server's own estimate of its latency
