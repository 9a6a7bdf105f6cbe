"""MIDI clock: 24 ticks to a beat, start, continue, stop and song position; bytes in, a pulse out.

MIDI 1.0 Detailed Specification, "System Real Time Messages". Real-time bytes may stand anywhere, even
inside another message; every other message is skipped.
"""

from collections import deque

import numpy as np

from duet.tempo_override import TEMPO_RANGE_BPM, Pulse

TICKS_PER_BEAT = 24
TICKS_PER_POSITION = 6  # a song position counts sixteenths
TICK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2


class MidiClock:
    """The beat of a MIDI master. Without a start message the first tick is taken for a downbeat."""

    WINDOW = 48  # ticks that the tempo is measured over: two beats
    NEEDED = 12
    LOST_S = 0.5  # without a tick the master is gone
    OTHER_TEMPO = 0.08  # newest ticks this far from the others begin a new window

    def __init__(self, metre: int = 4) -> None:
        self._metre = metre
        self._next = 0  # number of the tick to come
        self._running = True
        self._ticks: deque[tuple[int, float]] = deque(maxlen=self.WINDOW)
        self._position: list[int] | None = None

    def push(self, data: bytes, time_s: float) -> Pulse | None:
        """Take ``data`` that arrived at ``time_s``; the pulse by then, None where there is none."""
        for byte in data:
            self._take(byte, time_s)
        return self.pulse_at(time_s)

    def pulse_at(self, time_s: float) -> Pulse | None:
        """The pulse as far as it is known at ``time_s``; None while stopped or when ticks stay away."""
        if not self._running or len(self._ticks) < self.NEEDED or time_s - self._ticks[-1][1] > self.LOST_S:
            return None
        numbers, times_s = np.array(self._ticks).T
        # Bursts of a driver jitter by milliseconds: the line through all ticks does not.
        slope_s, at_zero_s = np.polyfit(numbers, times_s, 1)
        slowest, fastest = TEMPO_RANGE_BPM
        if not 60.0 / fastest <= slope_s * TICKS_PER_BEAT <= 60.0 / slowest:
            return None
        last = numbers[-1]
        bpm = 60.0 / float(slope_s) / TICKS_PER_BEAT
        return Pulse(float(at_zero_s + slope_s * last), float(last) / TICKS_PER_BEAT, bpm, self._metre)

    def _take(self, byte: int, time_s: float) -> None:
        if byte == TICK:
            self._tick(time_s)
        elif byte == START:
            self._go(0)
        elif byte == CONTINUE:
            self._go(self._next)
        elif byte == STOP:
            self._running = False
        elif byte < 0x80:
            self._data(byte)
        elif byte < TICK:
            self._position = [] if byte == POSITION else None

    def _go(self, number: int) -> None:
        self._running, self._next = True, number
        self._ticks.clear()

    def _data(self, byte: int) -> None:
        """One of the two halves of a song position, seven bits each, low half first."""
        if self._position is None:
            return
        self._position.append(byte)
        if len(self._position) == 2:
            low, high = self._position
            self._next, self._position = (low + 128 * high) * TICKS_PER_POSITION, None
            self._ticks.clear()

    def _tick(self, time_s: float) -> None:
        if self._ticks and time_s - self._ticks[-1][1] > self.LOST_S:
            self._ticks.clear()
        self._ticks.append((self._next, time_s))
        self._next += self._running
        if not self._running:
            self._ticks.clear()
        elif len(self._ticks) == self.WINDOW:
            self._notice_other_tempo()

    def _notice_other_tempo(self) -> None:
        """Forget the old tempo's ticks where the newest beat's are clearly faster or slower."""
        times_s = [at_s for _, at_s in self._ticks]
        new_s = (times_s[-1] - times_s[-1 - self.NEEDED]) / self.NEEDED
        old_s = (times_s[self.NEEDED] - times_s[0]) / self.NEEDED
        if abs(new_s / max(old_s, 1e-9) - 1.0) > self.OTHER_TEMPO:
            newest = list(self._ticks)[-self.NEEDED :]
            self._ticks.clear()
            self._ticks.extend(newest)
