"""A beat from outside, by the command's own options: a datagram in, the dance's beat in the report's place out."""

import argparse
import os
import socket
import struct
import time
from pathlib import Path

import pytest

from duet.clock import MonotonicClock
from duet.errors import InputError
from realtime.sound.audio import InlineEar, Silence
from ui.cli import main
from ui.options import TempoOptions
from ui.tempo_inputs import add_tempo, open_tempo_input, tempo_of


def _asked(*words: str) -> TempoOptions:
    parser = argparse.ArgumentParser()
    add_tempo(parser)
    return tempo_of(parser.parse_args(words))


def test_osc_listens_to_this_machine_only_unless_told() -> None:
    assert _asked("--osc-tempo", "9001").osc == ("127.0.0.1", 9001)
    assert _asked("--osc-tempo", "0.0.0.0:9001").osc == ("0.0.0.0", 9001)
    assert _asked("--midi-clock", "Drum", "--metre", "3") == TempoOptions("Drum", None, 3)
    assert open_tempo_input(_asked(), InlineEar(Silence()).override) is None
    for wrong in ("nine", "70000", "host:"):
        with pytest.raises(InputError, match="--osc-tempo: expected a UDP port"):
            _asked("--osc-tempo", wrong)
    with pytest.raises(SystemExit):
        _asked("--osc-tempo", "1", "--midi-clock", "Drum")


def test_what_arrives_is_what_the_dance_hears() -> None:
    ear, clock = InlineEar(Silence()), MonotonicClock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    opened = open_tempo_input(_asked("--osc-tempo", str(port), "--metre", "3"), ear.override)
    assert opened is not None
    name, tempo = opened
    ear.start(clock)
    tempo.start(clock)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"/tempo\0\0,f\0\0" + struct.pack(">f", 96.0), ("127.0.0.1", port))
            sender.sendto(b"/beat\0\0\0,i\0\0" + struct.pack(">i", 0), ("127.0.0.1", port))
        end_s = time.monotonic() + 5.0
        while ear.override.pulse is None and time.monotonic() < end_s:
            time.sleep(0.01)
        heard = ear.take_new(clock.now() + 0.2)
    finally:
        tempo.stop()
    assert name == "OSC"
    assert {(frame.tempo_bpm, frame.metre) for frame in heard} == {(96.0, 3)}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--osc-tempo", "nine"), "--osc-tempo: expected a UDP port"),
        (("--midi-clock", "/dev/no/midi"), "MIDI: expected a MIDI device"),
        (("--offset", "far"), "Offset: expected X,Z or X,Z,DEGREES"),
        (("--offset", "0,40"), "Offset: expected at most 10 m"),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    words: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from duet.choreography import compose
    from duet.motion import write_motion

    take = tmp_path / "take.npz"
    write_motion(take, compose("salsa", 2.0, 180.0, 0, fps=30.0).leader)
    report = tmp_path / "report.json"
    assert main(["play", "--leader", str(take), "--headless", "--report", str(report), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["take.npz"]
