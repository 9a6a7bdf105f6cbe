"""What several tests of sound share: a piece of music, virtual sound cards, and a device that the test drives."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.groove import Groove, render_groove
from realtime.sound import music_input, music_player
from realtime.sound.portaudio import find_audio_device
from realtime.sound.sound_host import Microphone, Phase, SoundChannels, Speaker
from realtime.sound.sound_port import Opening
from realtime.sound.virtual_sound import VirtualDevice, VirtualSound

SPEAKER = VirtualDevice("Loud Speaker", "L", outputs=2)
MICROPHONE = VirtualDevice("USB Microphone", "M", inputs=1, rate_hz=44_100)


@pytest.fixture(scope="session")
def groove() -> Groove:
    return render_groove(6.0, 180.0, seed=1)


@pytest.fixture
def sound(tmp_path) -> VirtualSound:
    """Sound cards in a folder: a speaker and a microphone."""
    system = VirtualSound(tmp_path)
    system.plug([SPEAKER, MICROPHONE])
    return system


class HandPort:
    """A ``SoundPort`` without a process: the test calls the device's callback and says when it is away."""

    rate_hz = 48_000
    clock: ManualClock
    last: "HandPort"

    def __init__(self, name, way, system, *, feed: Callable[[Opening], None] | None = None, waits: bool = False):
        self.name, self.way, self.system, self.feed = name, way, system, feed
        self.xruns, self.losses, self.lost, self.problem, self.device, self.opening = 0, 0, False, "", None, None
        self._pin, self._made = None, []
        HandPort.last = self

    def start(self) -> Opening:
        device, self._pin = find_audio_device(self.name, self.way, self.system, pin=self._pin)
        self.device, self.lost = device, False
        channels = SoundChannels.create(self.way)
        self._made.append(channels)
        end = Microphone if self.way == "input" else Speaker
        self.end = end(channels.sound, self.rate_hz, self.clock)
        self.opening = Opening(device, self.rate_hz, channels)
        return self.opening

    def unplug(self):
        self.opening, self.lost, self.problem = None, True, "it went away"
        self.losses += 1

    def call(self, samples, flags):
        when = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=99.98, outputBufferDacTime=100.05)
        if self.feed is not None:
            self.feed(self.opening)
        self.end.callback(samples, len(samples), when, flags)
        self.xruns = self.end.xruns
        if self.end.zero_s is not None:
            self.opening.channels.zero.write(self.end.zero_s, np.zeros(1, np.float32))
        heart = [Phase.STREAMING, self.end.xruns, self.end.zero_s is not None]
        self.opening.channels.heart.write(self.clock.now(), np.array(heart, np.float32))
        if self.feed is not None:
            self.feed(self.opening)

    def stop(self):
        for channels in self._made:
            channels.close()


@pytest.fixture
def by_hand(monkeypatch) -> ManualClock:
    """Every sound device is driven by the test, on this clock."""
    HandPort.clock = clock = ManualClock()
    HandPort.rate_hz = 48_000
    for module in (music_input, music_player):
        monkeypatch.setattr(module, "SoundPort", HandPort)
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.now))
    return clock
