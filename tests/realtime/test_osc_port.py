import socket
import struct
import time

import numpy as np
import pytest

from duet.clock import ManualClock, MonotonicClock
from duet.errors import DeviceError
from duet.tempo_override import Pulse, TempoOverride
from realtime.sound.audio import InlineEar, Silence
from realtime.sound.osc_port import OscPort


def test_tempo_arrives_over_loopback_and_a_taken_port_is_named():
    override, clock = TempoOverride(), MonotonicClock()
    port = OscPort(override, port=0)
    port.start(clock)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in (
                b"nonsense",
                b"/tempo\0\0,f\0\0" + struct.pack(">f", 150.0),
                b"/beat\0\0\0,i\0\0" + struct.pack(">i", 3),
            ):
                sender.sendto(datagram, ("127.0.0.1", port.port))
        until_s = time.monotonic() + 5.0
        while override.pulse is None and time.monotonic() < until_s:
            time.sleep(0.01)
        assert override.pulse is not None
        assert (override.pulse.tempo_bpm, override.pulse.beats) == (150.0, 3.0)
        with pytest.raises(DeviceError, match="free port"):
            OscPort(override, port=port.port).start(clock)
    finally:
        port.stop()
    port.stop()
    assert override.pulse is None


def test_the_ear_hears_the_given_beat():
    ear = InlineEar(Silence())
    ear.override.pulse = Pulse(time_s=0.0, beats=0.0, tempo_bpm=150.0, metre=3)
    ear.start(ManualClock())
    frames = ear.take_new(2.0)
    assert len(frames) > 50
    times_s = np.array([frame.time_s for frame in frames])
    assert np.allclose([frame.beat_phase for frame in frames], times_s * 2.5 % 1.0)
    assert {(frame.tempo_bpm, frame.metre, frame.confidence) for frame in frames} == {(150.0, 3, 1.0)}
