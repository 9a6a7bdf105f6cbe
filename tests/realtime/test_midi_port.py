"""MIDI clock end to end: bytes into a pipe that stands in for a raw MIDI device, a tempo out."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from duet.clock import Clock, MonotonicClock
from duet.errors import DeviceError
from duet.tempo_override import TempoOverride
from realtime.sound import midi_knobs, midi_port
from realtime.sound.midi_knobs import MidiKnobs
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
        # What is tapped beside a silent master stays when its cable comes out.
        override.pulse = pulse
        os.close(master)
        assert not wait_for(lambda: override.pulse is not pulse, patience_s=0.5)
    finally:
        port.stop()
    port.stop()
    assert override.pulse is pulse


def test_no_such_device_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="MIDI: expected a MIDI device"):
        MidiPort(TempoOverride(), str(tmp_path / "midi"))
    (tmp_path / "file").write_text("no device")
    with pytest.raises(DeviceError, match="is no device"):
        MidiPort(TempoOverride(), str(tmp_path / "file"))


class Master:
    """A device that sends a clock, or one that is gone."""

    def __init__(self, *, gone: bool) -> None:
        self.gone, self.closed = gone, False

    def read(self, clock: Clock, wait_s: float) -> tuple[bytes, float]:
        if self.gone:
            raise OSError("the device is gone")
        time.sleep(wait_s and 0.02)
        return (TICK if wait_s else b""), clock.now()

    def close(self) -> None:
        self.closed = True


def test_a_device_that_goes_before_the_dance_begins_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, back = Master(gone=True), Master(gone=False)
    masters = [gone, None, back]

    def opened(_: str) -> Master:
        master = masters.pop(0)
        if master is None:
            raise DeviceError("MIDI: expected a MIDI device, got none. Connect it.")
        return master

    monkeypatch.setattr(midi_port, "open_midi", opened)
    monkeypatch.setattr(midi_port, "RETRY_S", 0.02)
    override = TempoOverride()
    port = MidiPort(override, "masters")
    port.start(MonotonicClock())
    try:
        assert wait_for(lambda: override.pulse is not None)
        assert gone.closed and not back.closed and not masters
    finally:
        port.stop()
    assert back.closed


def test_ports_go_by_name_or_by_part_of_it() -> None:
    ports = ["Through Port-0", "Drum Machine MIDI 1", "Drum Machine"]
    assert matching_port("drum machine", ports) == 2
    assert matching_port("midi 1", ports) == 1
    with pytest.raises(DeviceError, match="'Through Port-0'"):
        matching_port("piano", ports)
    with pytest.raises(DeviceError, match="got none"):
        matching_port("piano", [])


class Rtmidi(ModuleType):
    """What python-rtmidi has of ports, which come and go."""

    def __init__(self) -> None:
        super().__init__("rtmidi")
        self.ports, self.opened, self.closed, self.busy = ["Knobs 1"], list[int](), 0, False
        self.hear: Callable[[tuple[list[int], float]], None] = lambda event: None

    def MidiIn(self) -> "Rtmidi":
        return self

    def get_ports(self) -> list[str]:
        return list(self.ports)

    def ignore_types(self, **_: bool) -> None: ...

    def set_callback(self, hear: Callable[[tuple[list[int], float]], None]) -> None:
        self.hear = hear

    def open_port(self, number: int) -> None:
        if self.busy:
            raise RuntimeError("the port is in use")
        self.opened.append(number)

    def close_port(self) -> None:
        self.closed += 1


def test_a_port_by_name_that_goes_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    system = Rtmidi()
    monkeypatch.setitem(sys.modules, "rtmidi", system)
    for module in (midi_port, midi_knobs):
        monkeypatch.setattr(module, "RETRY_S", 0.02)
    knobs = MidiKnobs("knobs")
    knobs.start()
    struck = list[str]()

    def was_struck() -> bool:
        system.hear(([0xB0, 7, 127], 0.0))
        struck.extend(one.event for one in knobs.take_new())
        return bool(struck)

    try:
        assert wait_for(was_struck) and set(struck) == {"cc 1 7"}
        system.ports.clear()
        assert wait_for(lambda: system.closed > 0)
        knobs.take_new()
        struck.clear()
        system.ports.append("Knobs 1")
        assert wait_for(was_struck) and len(system.opened) == 2
    finally:
        knobs.stop()


def test_a_port_that_is_in_use_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    system = Rtmidi()
    system.busy = True
    monkeypatch.setitem(sys.modules, "rtmidi", system)
    with pytest.raises(DeviceError, match="got: the port is in use. Name a raw device"):
        MidiPort(TempoOverride(), "knobs")
