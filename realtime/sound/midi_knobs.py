"""Knobs and notes of a MIDI controller, in a thread of its own: what was turned, how far, and when.

Events go by plain names: ``cc 1 7`` is controller 7 on channel 1, ``note 10 36`` is note 36 on channel 10. A device
that goes away is waited for.
"""

import queue
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

from duet.clock import Clock, MonotonicClock
from duet.errors import DeviceError
from realtime.sound.midi_port import POLL_S, RETRY_S, MidiInput, open_midi

_NOTE_OFF, _NOTE_ON, _CONTROL, _PROGRAM, _PRESSURE = 0x80, 0x90, 0xB0, 0xC0, 0xD0
_MOST_WAITING = 1024


class Struck(NamedTuple):
    """A knob that was turned, or a note that was struck."""

    event: str
    share: float
    """Of the knob's way, or of the greatest force."""
    monotonic_s: float


@dataclass
class MidiParser:
    """Bytes in, notes and controllers out. What is neither (clock, sysex, pitch) is passed over."""

    _status: int = 0
    _data: tuple[int, ...] = ()

    def push(self, data: bytes) -> list[tuple[str, float]]:
        """(event, share) of what these bytes complete."""
        events = []
        for byte in data:
            if byte >= 0xF8:  # clock and its like may come in the midst of a message
                continue
            if byte >= 0x80:
                self._status, self._data = byte, ()
            elif self._status:
                self._data = (*self._data, byte)
                if len(self._data) == (1 if self._status & 0xF0 in (_PROGRAM, _PRESSURE) else 2):
                    events += self._complete()
                    # Running status: more of the same kind may follow without saying so.
                    self._data = ()
        return events

    def _complete(self) -> list[tuple[str, float]]:
        kind, channel = self._status & 0xF0, (self._status & 0x0F) + 1
        if self._status >= 0xF0 or kind not in (_NOTE_ON, _CONTROL):
            return []
        number, value = self._data
        if kind == _CONTROL:
            return [(f"cc {channel} {number}", value / 127.0)]
        # A note of no force is a note that ends.
        return [(f"note {channel} {number}", value / 127.0)] if value else []


class MidiKnobs:
    """Listens on ``name``. Made, the port is open already: DeviceError where there is none of this name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._source: MidiInput | None = open_midi(name)
        self._waiting: queue.Queue[Struck] = queue.Queue(_MOST_WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(MonotonicClock(),), name="midi-knobs", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def take_new(self) -> list[Struck]:
        """What was touched since the last call, oldest first. For one reader; never waits."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]

    def stop(self) -> None:
        """Close the port. Safe to call again."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        if self._source is not None:
            self._source.close()
        self._source = None

    def _run(self, clock: Clock) -> None:
        while not self._stopping.is_set():
            try:
                self._listen(clock)
            except OSError:  # unplugged
                self._lose()
                self._wait_for_device()

    def _listen(self, clock: Clock) -> None:
        parser, source = MidiParser(), self._source
        while source is not None and not self._stopping.is_set():
            data, _ = source.read(clock, POLL_S)
            now_s = time.monotonic()
            for event, share in parser.push(data):
                if not self._waiting.full():
                    self._waiting.put_nowait(Struck(event, share, now_s))

    def _lose(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = None

    def _wait_for_device(self) -> None:
        while not self._stopping.wait(RETRY_S):
            try:
                self._source = open_midi(self._name)
                return
            except DeviceError:
                continue
