"""Knobs and notes: bytes in, events out; a pipe stands in for a raw MIDI device."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.errors import DeviceError
from realtime.sound.midi_knobs import MidiKnobs, MidiParser, Struck


def test_controllers_and_notes_are_told_and_all_else_is_passed_over() -> None:
    parser = MidiParser()
    assert parser.push(b"\xb0\x07\x7f") == [("cc 1 7", 1.0)]
    assert parser.push(b"\x0a\x00\x07") == [("cc 1 10", 0.0)], "running status; the next is not complete"
    assert parser.push(b"\xf8\x00") == [("cc 1 7", 0.0)], "a clock in the midst"
    assert parser.push(b"\x99\x24\x7f\x24\x00\x89\x24\x40") == [("note 10 36", 1.0)], "the end of a note is none"
    assert parser.push(b"\xc0\x05\xd0\x33\xe0\x00\x40\xf0\x01\x02\x03\x04\xf7\x01\x02") == []
    assert parser.push(b"\xb1\x01\x40") == [("cc 2 1", 64 / 127)]


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_event_or_nothing(data: bytes) -> None:
    for event, share in MidiParser().push(data):
        kind, channel, number = event.split()
        assert kind in ("cc", "note") and 1 <= int(channel) <= 16 and 0 <= int(number) <= 127 and 0.0 <= share <= 1.0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_device_is_listened_to_until_it_is_let_go(tmp_path: Path) -> None:
    pipe = tmp_path / "midi"
    os.mkfifo(pipe)
    knobs = MidiKnobs(str(pipe))
    knobs.start()
    before_s = time.monotonic()
    with pipe.open("wb", buffering=0) as hand:
        hand.write(b"\xb0\x07\x20")
        struck: list[Struck] = []
        while not struck and time.monotonic() < before_s + 30.0:
            struck = knobs.take_new()
            time.sleep(0.005)
    assert [(s.event, s.share) for s in struck] == [("cc 1 7", 32 / 127)]
    assert before_s <= struck[0].monotonic_s <= time.monotonic()
    knobs.stop()
    knobs.stop()
    assert knobs.take_new() == []


def test_no_such_port_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="expected a MIDI device"):
        MidiKnobs(str(tmp_path / "nothing"))
