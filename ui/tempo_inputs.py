"""Who may give the beat from outside: MIDI clock or OSC, as the options name them."""

import argparse
from collections.abc import Callable
from typing import Protocol

from duet.clock import Clock
from duet.errors import InputError
from duet.tempo_override import TempoOverride
from ui.options import TempoOptions

_HOST = "127.0.0.1"
_METRES = (2, 3, 4, 6)


class TempoInput(Protocol):
    """A port that sets the pulse of the override it was made with."""

    def start(self, clock: Clock) -> None:
        """Open it; DeviceError where that fails."""
        ...

    def stop(self) -> None:
        """Close it; the beat is heard again. Safe to call again."""
        ...


def add_tempo(parser: argparse.ArgumentParser) -> None:
    """Describe the options to a parser."""
    group = parser.add_argument_group("beat (instead of listening for it; T taps it in the window)")
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--midi-clock", metavar="PORT", help="follow a MIDI clock: /dev/snd/midiC1D0, or part of a port's name"
    )
    either.add_argument(
        "--osc-tempo",
        metavar="PORT",
        help="follow /tempo and /beat over OSC on this UDP port of this machine only; 0.0.0.0:PORT for any sender",
    )
    group.add_argument(
        "--hear-steps", action="store_true", help="let the leader's steps help where the music leaves the beat open"
    )
    group.add_argument("--metre", type=int, choices=_METRES, default=4, help="beats in a bar of such a beat (4)")


def tempo_of(arguments: argparse.Namespace) -> TempoOptions:
    """What was asked for, checked."""
    osc = None if arguments.osc_tempo is None else _address(arguments.osc_tempo)
    return TempoOptions(arguments.midi_clock, osc, arguments.metre)


def open_tempo_input(
    options: TempoOptions, override: TempoOverride, cue: Callable[[int], None] = lambda _: None
) -> tuple[str, TempoInput] | None:
    """(its name on the panel, the port), not started; None where nobody but the music gives the beat.

    ``cue`` is given the number of each cue that is called over OSC.
    """
    if options.midi_clock is not None:
        from realtime.sound.midi_port import MidiPort

        return "MIDI", MidiPort(override, options.midi_clock, metre=options.metre)
    if options.osc is not None:
        from realtime.sound.osc_port import OscPort

        host, port = options.osc
        return "OSC", OscPort(override, host=host, port=port, metre=options.metre, cue=cue)
    return None


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (port.isdecimal() and int(port) <= 65_535):
        raise InputError(f"--osc-tempo: expected a UDP port such as 9000, got {text!r}. Give 9000, or 0.0.0.0:9000.")
    return host or _HOST, int(port)
