"""Messages that nobody sends on purpose: OSC datagrams, MIDI bytes, commands, and what is in shared memory."""

import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import astuple

import numpy as np

from duet.errors import DuetError
from duet.midi_clock import MidiClock
from duet.osc_tempo import OscTempo
from realtime.commands import Fade, LockSeed, SetGuidance, SetPlacement, SetStyle, command_as_values, command_of
from realtime.rings import SpscRing, VaryingCell
from tests.fuzz.mutation import Rng, as_json, mutated_bytes, mutated_value, pick

Feed = Callable[[], None]
"""Takes one message more."""
_OSC = (
    b"/tempo\0\0,f\0\0\x43\x34\0\0",
    b"/beat\0\0\0,i\0\0\0\0\0\x07",
    b"#bundle\0" + b"\0" * 8 + b"\0\0\0\x10/beat\0\0\0,i\0\0\0\0\0\x01",
)
_MIDI = (b"\xf8" * 24, b"\xfa" + b"\xf8" * 6, b"\xf2\x10\x02\xfb", b"\xfc", b"\x90\x40\x7f", b"\xf0\x7e\x00\xf7")
_COMMANDS = [
    command_as_values(c)
    for c in (SetStyle((0.0, 1.0)), SetGuidance(((1.0, 0.5), (0.0, 2.0), (3.0, 0.0))), LockSeed(7), Fade(1.5))
] + [{"command": "SetPlacement", "placement": {"distance_m": 1.0, "bearing_rad": 0.1}}, {"command": "Panic"}]


class Messages:
    """Feeds each kind of receiver; anything but a refusal in words is let through to the caller."""

    def __init__(self, rng: Rng) -> None:
        self._rng, self._now_s = rng, 0.0
        self._osc, self._midi = OscTempo(), MidiClock()
        self._ring, self._cell = SpscRing.create(width=8, capacity=4), VaryingCell.create(width=8)
        self.refused = 0
        self.kinds: dict[str, Feed] = {
            "osc": self.osc, "midi": self.midi, "command": self.command, "ring": self.ring, "cell": self.cell,
        }  # fmt: skip

    def close(self) -> None:
        """Give the shared memory back."""
        self._ring.close()
        self._cell.close()

    def osc(self) -> None:
        """One datagram."""
        data = self._rng.bytes(int(self._rng.integers(0, 80))) if self._rng.random() < 0.2 else pick(self._rng, _OSC)
        pulse = self._osc.receive(mutated_bytes(self._rng, data), self._later())
        # A beat may be far away, and is a number.
        if pulse is not None:
            assert math.isfinite(pulse.beats_at(self._now_s)) and 0.0 < pulse.tempo_bpm < 1e4

    def midi(self) -> None:
        """Some bytes."""
        pulse = self._midi.push(mutated_bytes(self._rng, pick(self._rng, _MIDI)), self._later())
        if pulse is not None:
            assert math.isfinite(pulse.beats_at(self._now_s)) and 0.0 < pulse.tempo_bpm < 1e4

    def command(self) -> None:
        """One command as JSON; one that is taken is one that can be obeyed."""
        text = as_json(self._rng, mutated_value(self._rng, pick(self._rng, _COMMANDS)))
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            self.refused += 1
            return
        try:
            command = command_of(values)
        except DuetError:
            self.refused += 1
            return
        assert command_of(command_as_values(command)) == command
        if isinstance(command, SetPlacement):
            assert all(map(math.isfinite, astuple(command.placement)))

    def ring(self) -> None:
        """A byte of shared memory falls over between a write and a read."""
        self._ring.push(self._later(), np.ones(8, np.float32))
        self._poke(self._ring)
        for record in self._ring.drain():
            assert record.values.shape == (8,)

    def cell(self) -> None:
        """The same to a cell."""
        self._cell.write(self._later(), np.ones(int(self._rng.integers(1, 9)), np.float32))
        self._poke(self._cell)
        record = self._cell.latest()
        if record is not None:
            assert record.values.ndim == 1 and len(record.values) <= 8

    def _poke(self, memory: SpscRing | VaryingCell) -> None:
        raw, slots_at = memory._bytes, 128
        for _ in range(int(self._rng.integers(0, 3))):
            raw[int(self._rng.integers(slots_at, len(raw)))] = int(self._rng.integers(256))
        if self._rng.random() < 0.2:
            # A ring waits for a record that never becomes whole: begin again, as a restarted process does.
            raw[64:] = b"\0" * (len(raw) - 64)

    def _later(self) -> float:
        self._now_s += float(self._rng.exponential(0.02))
        return self._now_s


def feed(count: int, seed: int, told: Callable[[int], None] = lambda done: None) -> dict[str, int]:
    """``count`` messages, each kind in turn; how many of each, and how many were refused in words."""
    messages = Messages(np.random.default_rng(seed))
    kinds = list(messages.kinds.items())
    with contextlib.closing(messages):
        for i in range(count):
            kinds[i % len(kinds)][1]()
            if i % 1000 == 999:
                told(1000)
    fed = {name: len(range(k, count, len(kinds))) for k, (name, _) in enumerate(kinds)}
    return {**fed, "refused": messages.refused}
