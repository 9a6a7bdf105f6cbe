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
from tests.waiting import wait_for


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


def test_what_does_not_speak_of_the_beat_leaves_it_to_whoever_gave_it_last():
    override, cues = TempoOverride(), list[int]()
    port = OscPort(override, port=0, cue=cues.append)
    port.start(MonotonicClock())
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

            def send(address: bytes, number: float) -> None:
                padded = address + b"\0" * (4 - len(address) % 4)
                sender.sendto(padded + b",f\0\0" + struct.pack(">f", number), ("127.0.0.1", port.port))

            send(b"/tempo", 150.0)
            send(b"/beat", 0.0)
            assert wait_for(lambda: override.pulse is not None)
            tapped = override.pulse = Pulse(0.0, 0.0, 120.0)
            send(b"/cue", 1.0)
            send(b"/cue", 2.0)
            assert wait_for(lambda: cues == [1, 2])
            sender.sendto(b"nonsense", ("127.0.0.1", port.port))
            assert override.pulse is tapped
            send(b"/beat", 1.0)
            assert wait_for(lambda: override.pulse is not tapped)
    finally:
        port.stop()


def test_the_ear_hears_the_given_beat():
    ear = InlineEar(Silence())
    ear.override.pulse = Pulse(time_s=0.0, beats=0.0, tempo_bpm=150.0, metre=3)
    ear.start(ManualClock())
    frames = ear.take_new(2.0)
    assert len(frames) > 50
    times_s = np.array([frame.time_s for frame in frames])
    assert np.allclose([frame.beat_phase for frame in frames], times_s * 2.5 % 1.0)
    assert {(frame.tempo_bpm, frame.metre, frame.confidence) for frame in frames} == {(150.0, 3, 1.0)}
