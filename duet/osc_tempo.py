"""Tempo over Open Sound Control: ``/tempo`` with beats per minute, ``/beat`` with the number of the beat that is now.

Datagrams in, a pulse out, after the OSC 1.0 specification (Wright 2002): padded strings, big-endian
numbers, bundles. What is malformed or meant for somebody else is ignored: a network speaks of much.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace

from duet.errors import InputError
from duet.tempo_override import Pulse

NUMBERS = {"f": ">f", "i": ">i", "d": ">d", "h": ">q"}
DEEPEST = 8  # bundles inside bundles


class OscTempo:
    """The beat of an OSC sender. ``/beat 0`` is a downbeat; numbers may run on or begin again with each bar."""

    def __init__(self, metre: int = 4) -> None:
        self._metre = metre
        self._tempo_bpm: float | None = None
        self._beat: tuple[float, float] | None = None  # number and time of the newest
        self.pulse: Pulse | None = None

    def receive(self, datagram: bytes, time_s: float) -> Pulse | None:
        """The pulse after ``datagram``, which arrived at ``time_s``; None until tempo and beat are known."""
        for address, number in messages(datagram):
            try:
                self._take(address, number, time_s)
            except InputError:
                continue  # a tempo that nobody dances to
        return self.pulse

    def _take(self, address: str, number: float, time_s: float) -> None:
        if address == "/tempo":
            if self.pulse is not None:
                # A change of tempo is none of place: go on from where the beat is now.
                beats = self.pulse.beats_at(time_s)
                self.pulse = replace(self.pulse, time_s=time_s, beats=beats, tempo_bpm=number)
            elif self._beat is not None:
                self.pulse = Pulse(self._beat[1], self._beat[0], number, self._metre)
            else:
                Pulse(time_s, 0.0, number)  # raises for what is no tempo
            self._tempo_bpm = number
        elif address == "/beat" and number == int(number):
            self._beat = (number, time_s)
            if self._tempo_bpm is not None:
                self.pulse = Pulse(time_s, number, self._tempo_bpm, self._metre)


def messages(datagram: bytes, depth: int = 0) -> Iterator[tuple[str, float]]:
    """(address, first argument) of each message with a number in ``datagram``, bundles opened."""
    if datagram.startswith(b"#bundle\0"):
        at = 16
        while depth < DEEPEST and at + 4 <= len(datagram):
            (size,) = struct.unpack_from(">i", datagram, at)
            if size <= 0 or at + 4 + size > len(datagram):
                return
            yield from messages(datagram[at + 4 : at + 4 + size], depth + 1)
            at += 4 + size
        return
    address, at = _string(datagram, 0)
    tags, at = _string(datagram, at)
    form = NUMBERS.get(tags[1:2]) if address.startswith("/") and tags.startswith(",") else None
    if form is not None and at + struct.calcsize(form) <= len(datagram):
        number = float(struct.unpack_from(form, datagram, at)[0])
        if abs(number) < 1e9:  # false for what is not a number
            yield address, number


def _string(datagram: bytes, at: int) -> tuple[str, int]:
    """The string at ``at`` and where what follows it begins; empty where there is none."""
    end = datagram.find(b"\0", at)
    if at >= len(datagram) or end < 0:
        return "", len(datagram)
    return datagram[at:end].decode("ascii", "replace"), at + (end - at) // 4 * 4 + 4
