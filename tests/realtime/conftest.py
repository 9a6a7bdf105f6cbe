"""What several tests of sound share: a piece of music and a sound library without devices."""

import sys
from types import SimpleNamespace

import pytest

from duet.groove import Groove, render_groove


@pytest.fixture(scope="session")
def groove() -> Groove:
    return render_groove(6.0, 180.0, seed=1)


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
