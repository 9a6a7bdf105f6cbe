"""Sound devices: found, played, heard, lost and back. Virtual sound cards take PortAudio's place."""

import sys
import time
from multiprocessing import Pipe
from types import SimpleNamespace

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.errors import DeviceError
from duet.music import RATE_HZ
from realtime.health import Health
from realtime.rings import HistoryCell
from realtime.sound import music_input, music_player, portaudio
from realtime.sound.audio import DeviceMusic, GrooveMusic, InlineEar, MusicStatus, RecordedMusic
from realtime.sound.music_input import Hearing
from realtime.sound.sound_host import FRAMES, Host, Microphone, SoundChannels, SoundTask, Speaker
from realtime.sound.sound_port import Opening
from realtime.sound.virtual_sound import VirtualDevice, VirtualError

CALM = SimpleNamespace(input_overflow=False, output_underflow=False)
WHEN = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=99.98, outputBufferDacTime=100.05)


def joined(blocks):
    return np.concatenate([b.samples for b in blocks])


def test_without_portaudio_the_next_step_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="expected the PortAudio library.*apt install libportaudio2"):
        portaudio.look()


def test_devices_are_found_by_part_of_their_name(sound):
    def name(asked, way):
        return portaudio.find_audio_device(asked, way, sound)[0].name

    assert name("micro", "input") == "USB Microphone (hw:1,0)"
    assert name("default", "output") == "Loud Speaker (hw:0,0)"
    with pytest.raises(DeviceError, match=r"Sound input 'banjo': expected .*, got 'USB Microphone .*duet devices"):
        name("banjo", "input")
    sound.plug([])
    portaudio.look(sound, refresh=True)
    with pytest.raises(DeviceError, match="got none"):
        name("default", "input")


def test_the_list_is_of_the_last_start_and_a_pin_finds_the_device_anywhere(sound):
    twin = VirtualDevice("USB Microphone", "twin", inputs=1)
    _, pin = portaudio.find_audio_device("usb", "input", sound)
    microphone = sound.plugged()[1]
    sound.plug([twin, microphone, sound.plugged()[0]])
    assert len(portaudio.look(sound)) == 2
    device, _ = portaudio.find_audio_device("usb", "input", sound, pin=pin, refresh=True)
    assert (device.index, device.known.hardware, device.known.name) == (1, "M", "virtual: USB Microphone")
    sound.plug([twin])
    with pytest.raises(DeviceError, match="got 'USB Microphone"):
        beside = portaudio.Known(device.known.name, "twin")
        pin = portaudio.Pin(pin.device, (beside,))
        portaudio.find_audio_device("usb", "input", sound, pin=pin, refresh=True)


def test_played_music_is_heard_by_the_devices_sample_count(sound, by_hand, groove):
    source = GrooveMusic(groove, output="default", system=sound)
    source.start(by_hand)
    assert source.device is not None and source.device.name.startswith("Loud Speaker") and not source.unheard_because
    port, played, heard = source._port, [], []
    for _ in range(200):
        out = np.zeros((480, 2), np.float32)
        port.call(out, CALM)
        played.append(out)
        block = source.read(by_hand.now())
        heard += [] if block is None else [block]
        by_hand.advance(0.01)
    np.testing.assert_array_equal(np.concatenate(played), groove.samples[: 200 * 480])
    # What was given to the device 50 ms before it sounds is heard when it sounds, not before.
    assert source.started_s == pytest.approx(0.05, abs=1e-6)
    assert len(joined(heard)) == pytest.approx((1.99 - 0.05) * RATE_HZ, abs=2)
    assert heard[0].time_s == pytest.approx(0.05, abs=1e-6)
    np.testing.assert_allclose(joined(heard), groove.samples[: len(joined(heard))].mean(axis=1), atol=1e-6)
    source.stop()
    assert source.status is MusicStatus.STOPPED


def test_a_lost_output_is_shown_and_the_music_goes_on(sound, by_hand, groove):
    source = GrooveMusic(groove, output="Loud", system=sound)
    source.start(by_hand)
    try:
        port, out = source._port, np.zeros((480, 2), np.float32)
        for _ in range(50):
            port.call(out, SimpleNamespace(output_underflow=True))
            by_hand.advance(0.01)
        assert source.status is MusicStatus.PLAYING and source.xruns == 50
        by_hand.advance(1.0)
        port.unplug()
        assert source.status is MusicStatus.LOST and source.problem == "it went away"
        assert source.position_s == pytest.approx(1.45, abs=0.01)
        block = source.read(by_hand.now())
        assert block is not None and len(block.samples) == pytest.approx(1.45 * RATE_HZ, abs=480)
        port.start()
        assert source.status is MusicStatus.PLAYING
        port.call(out, CALM)
        # Of the music as it would be by now the device plays on: from when its first block sounds.
        at = round(1.5 * RATE_HZ)
        played = groove.samples[at - 480 : at + 960]
        assert min(np.abs(played[k : k + 480] - out).max() for k in range(960)) < 1e-6
        assert source.position_s == pytest.approx(1.45, abs=0.02)
    finally:
        source.stop()


def test_an_ear_counts_how_often_its_device_went_away(sound, by_hand, groove):
    health = Health()
    for source in (GrooveMusic(groove, output="Loud", system=sound), DeviceMusic("USB", sound)):
        ear = InlineEar(source)
        ear.start(by_hand, health)
        try:
            for times in (1, 2):
                source._port.unplug()
                by_hand.advance(0.1)
                ear.step(by_hand.now())
                source._port.start()
                ear.step(by_hand.now())
                assert source.losses == times
        finally:
            ear.stop()
    assert health.counter("sound_losses") == 4


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_music_is_played_at_the_rate_of_the_device(sound, by_hand, monkeypatch, rate):
    tone = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(2 * RATE_HZ) / RATE_HZ)
    monkeypatch.setattr(music_player.SoundPort, "rate_hz", rate)
    source = RecordedMusic(tone, output="default", system=sound)
    source.start(by_hand)
    played = []
    for _ in range(100):
        out = np.zeros((rate // 100, 2), np.float32)
        source._port.call(out, CALM)
        played.append(out)
        by_hand.advance(0.01)
    heard = np.concatenate(played)[:, 1]
    # The music's own time line: sample m sounds where the device was given it, 50 ms later.
    at_s = np.arange(len(heard)) / rate
    expected = 0.5 * np.sin(2.0 * np.pi * 440.0 * (at_s - (source.started_s - 0.05)))
    assert np.abs(heard - expected)[rate // 10 :].max() < 0.01
    source.stop()


def test_without_an_output_music_goes_unheard(sound, by_hand, groove):
    sound.plug([])
    portaudio.look(sound, refresh=True)
    source = GrooveMusic(groove, output="default", system=sound)
    source.start(by_hand)
    by_hand.advance(1.0)
    assert source.device is None and source.position_s == pytest.approx(1.0)
    assert source.unheard_because.startswith("Sound output 'default': expected a device")
    other = GrooveMusic(groove, output="Loud", system=sound)
    with pytest.raises(DeviceError, match="Loud"):
        other.start(by_hand)
    assert other.status is MusicStatus.STOPPED


def test_a_default_output_that_comes_later_plays_the_music_from_where_it_is_by_then(sound, by_hand, groove):
    speaker = sound.plugged()[0]
    sound.plug([])
    portaudio.look(sound, refresh=True)
    source = GrooveMusic(groove, output="default", system=sound)
    source.start(by_hand)
    by_hand.advance(2.0)
    block = source.read(by_hand.now())
    assert block is not None and len(block.samples) == 2 * RATE_HZ and source.status is MusicStatus.PLAYING
    sound.plug([speaker])
    portaudio.look(sound, refresh=True)
    source._port.start()
    out = np.zeros((480, 2), np.float32)
    source._port.call(out, CALM)
    assert source.device is not None and not source.unheard_because and not source.problem
    at = round(2.05 * RATE_HZ)
    played = groove.samples[at - 480 : at + 960]
    assert min(np.abs(played[k : k + 480] - out).max() for k in range(960)) < 1e-6
    assert source.position_s == pytest.approx(2.0, abs=0.02)
    source.stop()


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_recording_is_stamped_at_the_converter(sound, by_hand, monkeypatch, rate):
    monkeypatch.setattr(music_input.SoundPort, "rate_hz", rate)
    source = DeviceMusic("usb", sound)
    source.start(by_hand)
    try:
        blocks, size = [], rate // 100
        for k in range(100):
            by_hand.advance(0.01)
            source._port.call(np.full((size, 1), 0.25 if k >= 50 else 0.0, np.float32), CALM)
            block = source.read(by_hand.now())
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


def test_sound_that_was_lost_is_silence_and_what_follows_is_stamped_right_at_once(sound, by_hand):
    source = DeviceMusic("usb", sound)
    source.start(by_hand)
    lost = SimpleNamespace(input_overflow=True, output_underflow=False)
    try:
        blocks = []
        for k in range(200):
            by_hand.advance(0.01 if k != 100 else 0.21)  # 200 ms vanish
            level = 0.25 if k < 100 else 0.5
            source._port.call(np.full((480, 1), level, np.float32), lost if k == 100 else CALM)
            block = source.read(by_hand.now())
            blocks += [] if block is None else [block]
        samples = joined(blocks)
        assert len(samples) == pytest.approx(2.2 * RATE_HZ, abs=100)
        ends_s = [block.time_s + len(block.samples) / RATE_HZ for block in blocks]
        assert [block.time_s for block in blocks[1:]] == pytest.approx(ends_s[:-1], abs=1e-3)
        assert np.count_nonzero(samples == 0.0) / RATE_HZ == pytest.approx(0.2, abs=2e-3)
        again_s = blocks[0].time_s + np.flatnonzero(samples == 0.5)[0] / RATE_HZ
        assert again_s == pytest.approx(1.2 - 0.01, abs=5e-3)
    finally:
        source.stop()


def test_a_slow_reader_skips_ahead_and_is_counted():
    clock = ManualClock()
    with HistoryCell.create(width=481, capacity=400) as cell:
        microphone, hearing = Microphone(cell, RATE_HZ, clock), Hearing(cell, RATE_HZ)
        for k in range(1000):
            clock.advance(0.01)
            microphone.callback(np.full((480, 1), k, np.float32), 480, WHEN, CALM)
        block = hearing.read()
    assert block is not None and len(block.samples) == 2 * RATE_HZ
    assert block.samples[-1] == 999.0 and hearing.skipped * 480 == 8 * RATE_HZ
    assert block.time_s == pytest.approx(clock.now() - 2.0 - 0.01, abs=0.02)


def test_a_lost_device_gives_silence_and_is_heard_again(sound, by_hand):
    source = DeviceMusic("usb", sound)
    source.start(by_hand)
    try:
        port, block = source._port, np.ones((480, 1), np.float32)
        port.call(block, CALM)
        assert source.read(by_hand.now()) is not None
        by_hand.advance(1.0)
        port.unplug()
        assert source.status is MusicStatus.LOST and source.problem
        silence = source.read(by_hand.now())
        assert silence is not None and not silence.samples.any()
        port.start()
        assert source.status is MusicStatus.PLAYING and not source.problem
        port.call(block, CALM)
        heard = source.read(by_hand.now())
        assert heard is not None and heard.samples.all()
    finally:
        source.stop()
    assert source.status is MusicStatus.STOPPED


def test_an_input_that_is_not_there_yet_is_waited_for_where_that_is_asked(sound, by_hand, caplog):
    devices = sound.plugged()
    sound.plug([])
    portaudio.look(sound, refresh=True)
    with pytest.raises(DeviceError):
        DeviceMusic("usb", sound).start(by_hand)
    source = DeviceMusic("usb", sound, waits=True)
    assert not source.problem
    source.start(by_hand)
    try:
        assert source.problem and "It is waited for." in caplog.text
        by_hand.advance(1.0)
        silence = source.read(by_hand.now())
        assert silence is not None and not silence.samples.any()
        sound.plug(devices)
        portaudio.look(sound, refresh=True)
        source._port.start()
        source._port.call(np.ones((480, 1), np.float32), CALM)
        heard = source.read(by_hand.now())
        assert heard is not None and heard.samples.all() and not source.problem
    finally:
        source.stop()
    assert not source.problem


# What the sound process makes of a device


@pytest.fixture
def opened(sound):
    """Opens a virtual device as the sound process does, for a while; what the process's two ends are."""
    made, streams = [], []

    def open_it(device, way="input"):
        sound.plug([device])
        portaudio.look(sound, refresh=True)
        ours, theirs = Pipe()
        channels = SoundChannels.create(way)
        made.append(channels)
        stream, end, told = Host(SoundTask(way, "default", sound), channels, theirs)._open()
        streams.append(stream)
        return stream, end, Opening(told.device, told.rate_hz, channels), told

    yield open_it
    for stream in streams:
        stream.abort()
    for channels in made:
        channels.close()


STRANGE = [
    VirtualDevice("mono", "1", inputs=1, strict=True, tone_hz=700.0),
    VirtualDevice("cd rate", "2", inputs=2, rate_hz=44_100, strict=True, tone_hz=700.0),
    VirtualDevice("eight", "3", inputs=8, strict=True, tone_hz=700.0, tone_channel=5),
    VirtualDevice("mixer", "4", inputs=32, tone_hz=700.0, tone_channel=1),
    VirtualDevice("fast", "5", inputs=2, rate_hz=96_000, strict=True, tone_hz=700.0),
]


@pytest.mark.parametrize("device", STRANGE, ids=lambda d: d.name)
def test_mono_many_channels_and_other_rates_are_heard(opened, device):
    _, _, opening, told = opened(device)
    assert told.channels == {"mixer": 2}.get(device.name, device.inputs)
    hearing, blocks = Hearing(opening.channels.sound, told.rate_hz), []
    end_s = time.monotonic() + 10.0
    while sum(len(b.samples) for b in blocks) < RATE_HZ // 4 and time.monotonic() < end_s:
        time.sleep(0.02)
        block = hearing.read()
        blocks += [] if block is None else [block]
    samples = joined(blocks)[2000:]
    assert np.abs(np.fft.rfft(samples)).argmax() * RATE_HZ / len(samples) == pytest.approx(700.0, abs=15.0)
    # On one channel of a pair it is half as loud, alone it is as it is; the other six make no difference.
    assert np.abs(samples).max() == pytest.approx(0.3 if device.name == "mono" else 0.15, rel=0.1)


@pytest.mark.parametrize(("carrying", "level"), [(1, 0.4), (2, 0.8), (8, 0.8)])
def test_music_on_many_channels_is_no_louder(carrying, level):
    clock, samples = ManualClock(), np.zeros((FRAMES, 8), np.float32)
    samples[:, :carrying] = 0.8 * np.sin(np.arange(FRAMES) * 0.2)[:, None]
    with HistoryCell.create(width=1 + FRAMES, capacity=8) as cell:
        microphone = Microphone(cell, RATE_HZ, clock)
        # A channel that pauses leaves the others as loud as they were.
        for paused in (False, True):
            block = samples.copy()
            block[:, 0] *= not paused
            microphone.callback(block, FRAMES, WHEN, CALM)
            share = (carrying - paused) / carrying
            assert np.abs(microphone._record[1:]).max() == pytest.approx(share * level, rel=0.02)


@pytest.mark.parametrize(("channels", "level"), [(1, 0.3), (2, 0.4), (8, 0.4)])
def test_stereo_is_played_on_any_number_of_channels(opened, channels, level):
    _, end, opening, told = opened(VirtualDevice("out", "1", outputs=channels, rate_hz=44_100, strict=True), "output")
    assert (told.channels, told.rate_hz) == (channels, 44_100)
    assert isinstance(end, Speaker)
    opening.channels.sound.push(0.0, np.tile(np.array([0.4, 0.2], np.float32), 480))
    speaker = Speaker(opening.channels.sound, 44_100, ManualClock())
    out = np.ones((441, channels), np.float32)
    speaker.callback(out, 441, WHEN, CALM)
    np.testing.assert_allclose(out[:, 0], level, atol=1e-6)
    np.testing.assert_array_equal(out[:, 2:], 0.0)
    speaker.callback(out, 441, WHEN, CALM)
    np.testing.assert_allclose(out[:39, 0], level, atol=1e-6)
    assert not out[39:].any() and speaker.xruns == 1


def test_a_device_that_does_not_open_says_why(opened):
    with pytest.raises(DeviceError, match=r"'out \(hw:0,0\)': expected it to open, got: Device unavailable"):
        opened(VirtualDevice("out", "1", outputs=2, opening="error"), "output")


def test_a_device_replaced_while_it_opens_is_not_taken_for_it(opened, sound, monkeypatch):
    library = sound.load()
    make = library.InputStream

    def replaced(**settings):
        sound.plug([VirtualDevice("USB", "other", inputs=1)])
        return make(**settings)

    monkeypatch.setattr(library, "InputStream", replaced)
    with pytest.raises(DeviceError, match="another device in its place by now"):
        opened(VirtualDevice("USB", "mine", inputs=1))


def test_times_that_make_no_sense_are_no_times():
    clock = ManualClock(7.0)
    with HistoryCell.create(width=481, capacity=4) as cell:
        nonsense = SimpleNamespace(currentTime=1e6, inputBufferAdcTime=0.0)
        Microphone(cell, RATE_HZ, clock).callback(np.zeros((480, 2), np.float32), 480, nonsense, CALM)
        record = cell.latest()
    assert record is not None and record.stamp_s == pytest.approx(7.0)


# A sound system that fails


def test_a_library_that_does_not_start_is_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "sounddevice.py").write_text(
        "class PortAudioError(Exception): ...\nraise PortAudioError('Error initializing PortAudio')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(DeviceError, match="sound system, got: Error initializing PortAudio"):
        portaudio.look()


@pytest.mark.parametrize("call", ["_initialize", "query_devices"])
def test_a_failing_sound_system_is_a_sentence(sound, monkeypatch, call):
    def fail():
        raise VirtualError("Unanticipated host error")

    monkeypatch.setattr(sound.load(), call, fail)
    with pytest.raises(DeviceError, match="sound system, got: Unanticipated host error"):
        portaudio.look(sound, refresh=True)


def test_a_sound_system_that_failed_once_is_started_again(sound, monkeypatch):
    """PortAudio refuses to end what it could not start; the next look starts it all the same."""

    def not_started():
        raise VirtualError("PortAudio not initialized")

    monkeypatch.setattr(sound.load(), "_terminate", not_started)
    assert len(portaudio.look(sound, refresh=True)) == 2
