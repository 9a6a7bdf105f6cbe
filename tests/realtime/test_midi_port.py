"""MIDI clock end to end: bytes into a pipe that stands in for a raw MIDI device, a tempo out."""

import os
import time
from pathlib import Path

import pytest

from duet.clock import MonotonicClock
from duet.errors import DeviceError
from duet.tempo_override import TempoOverride
from realtime.sound.midi_port import MidiPort, matching_port
from tests.waiting import wait_for

TICK, START, STOP = b"\xf8", b"\xfa", b"\xfc"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_master_s_clock_sets_the_tempo_until_it_stops(tmp_path: Path) -> None:
    pipe = tmp_path / "midi"
    os.mkfifo(pipe)
    override, clock = TempoOverride(), MonotonicClock()
    port = MidiPort(override, str(pipe), metre=3)
    master = os.open(pipe, os.O_WRONLY)
    os.write(master, 100 * TICK)  # before the dance: of no tempo
    port.start(clock)
    try:
        os.write(master, START)
        begin_s, tick_s = time.monotonic(), 60.0 / 125.0 / 24.0
        for tick in range(60):
            while time.monotonic() < begin_s + tick * tick_s:
                time.sleep(0.0005)
            os.write(master, TICK)
        assert wait_for(lambda: override.pulse is not None)
        pulse = override.pulse
        assert pulse is not None
        assert pulse.tempo_bpm == pytest.approx(125.0, rel=0.05)
        assert pulse.metre == 3
        # 24 ticks to the beat, counted from the start message.
        assert pulse.beats_at(begin_s - clock.epoch_s + 2.0 * 60.0 / 125.0) == pytest.approx(2.0, abs=0.15)
        os.write(master, STOP)
        assert wait_for(lambda: override.pulse is None), "a master that stops is heard no more"
        os.close(master)
    finally:
        port.stop()
    port.stop()


def test_no_such_device_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="MIDI: expected a MIDI device"):
        MidiPort(TempoOverride(), str(tmp_path / "midi"))
    (tmp_path / "file").write_text("no device")
    with pytest.raises(DeviceError, match="is no device"):
        MidiPort(TempoOverride(), str(tmp_path / "file"))


def test_ports_go_by_name_or_by_part_of_it() -> None:
    ports = ["Through Port-0", "Drum Machine MIDI 1", "Drum Machine"]
    assert matching_port("drum machine", ports) == 2
    assert matching_port("midi 1", ports) == 1
    with pytest.raises(DeviceError, match="'Through Port-0'"):
        matching_port("piano", ports)
    with pytest.raises(DeviceError, match="got none"):
        matching_port("piano", [])
