"""A beat that somebody gives instead of the one that is heard: by tapping, MIDI clock or OSC.

Each giver makes a ``Pulse``; a ``TempoOverride`` holds the newest and puts it in the place of what the
beat tracker believes.
"""

from dataclasses import dataclass, replace

import numpy as np

from duet.errors import InputError
from duet.frames import MusicFrame

TEMPO_RANGE_BPM = (30.0, 400.0)


@dataclass(frozen=True)
class Pulse:
    """A steady beat: where it is at one moment, and how fast it goes on."""

    time_s: float
    beats: float
    """At ``time_s``, since a downbeat: whole on the beat."""
    tempo_bpm: float
    metre: int = 4
    """Beats in a bar."""

    def __post_init__(self) -> None:
        slowest, fastest = TEMPO_RANGE_BPM
        if not slowest <= self.tempo_bpm <= fastest:
            raise InputError(
                f"Tempo: expected {slowest:.0f} to {fastest:.0f} beats per minute, got {self.tempo_bpm:g}. "
                "Halve or double it."
            )
        if self.metre < 1:
            raise InputError(f"Metre: expected at least 1 beat in a bar, got {self.metre}. Give 2, 3 or 4.")

    def beats_at(self, time_s: float) -> float:
        """Beats since that downbeat at ``time_s``, earlier or later."""
        return self.beats + (time_s - self.time_s) * self.tempo_bpm / 60.0


class TempoOverride:
    """Replaces the beat that is heard while a pulse is set. Setting and reading need no lock: a reference is whole."""

    def __init__(self) -> None:
        self.pulse: Pulse | None = None

    def apply(self, frame: MusicFrame) -> MusicFrame:
        """``frame`` with the given beat, surely known; unchanged where none is given."""
        pulse = self.pulse
        if pulse is None:
            return frame
        beats = pulse.beats_at(frame.time_s)
        return replace(
            frame,
            beat_phase=beats % 1.0,
            bar_phase=beats / pulse.metre % 1.0,
            tempo_bpm=pulse.tempo_bpm,
            confidence=1.0,
            metre=pulse.metre,
        )


class TapTempo:
    """Taps in, a pulse out. The first tap of a row is a downbeat.

    A second touch of the same tap is ignored, a missed tap is counted, and taps at another tempo or
    after a pause begin a new row.
    """

    DOUBLE_S = 0.18  # closer together than any beat: one tap, touched twice
    PAUSE_S = 3.0
    KEPT = 10  # taps
    NEEDED = 3
    OFF_BEATS = 0.25  # two taps in a row this far off belong to another tempo

    def __init__(self, metre: int = 4) -> None:
        self._metre = metre
        self._taps_s: list[float] = []
        self._off = 0
        self.pulse: Pulse | None = None

    def tap(self, time_s: float) -> Pulse | None:
        """The pulse after a tap at ``time_s``; None until three taps agree on one."""
        since_s = time_s - self._taps_s[-1] if self._taps_s else np.inf
        if since_s < self.DOUBLE_S:
            return self.pulse
        if since_s > self.PAUSE_S:
            self._taps_s, self._off, self.pulse = [], 0, None
        elif self.pulse is not None:
            self._notice_other_tempo(time_s)
        self._taps_s = [*self._taps_s, time_s][-self.KEPT :]
        if len(self._taps_s) == 1:
            self._numbers = [0]
        elif len(self._taps_s) >= self.NEEDED or self.pulse is not None:
            self._fit()
        return self.pulse

    def _notice_other_tempo(self, time_s: float) -> None:
        """Begin a new row with the last tap where two in a row were far off the pulse."""
        assert self.pulse is not None
        beats = self.pulse.beats_at(time_s)
        self._off = self._off + 1 if abs(beats - round(beats)) > self.OFF_BEATS else 0
        if self._off >= 2:
            self._taps_s, self._numbers, self._off, self.pulse = self._taps_s[-2:], [0], 0, None

    def _fit(self) -> None:
        """Number the taps by the period most of them agree on; the line through them is the pulse."""
        taps_s = np.array(self._taps_s)
        gaps_s = np.diff(taps_s)
        # A missed tap makes a gap twice as long, never a shorter one: trust the shorter half.
        period_s = float(np.median(np.sort(gaps_s)[: max(2, (len(gaps_s) + 1) // 2)]))
        first = self._first_number(taps_s, period_s)
        numbers = first + np.concatenate(([0], np.cumsum(np.maximum(1, np.round(gaps_s / period_s))))).astype(int)
        slope_s, at_zero_s = _line(numbers.astype(np.float64), taps_s)
        slowest, fastest = TEMPO_RANGE_BPM
        if not 60.0 / fastest <= slope_s <= 60.0 / slowest:
            return
        self._numbers = numbers.tolist()
        last = float(numbers[-1])
        self.pulse = Pulse(at_zero_s + slope_s * last, last, 60.0 / slope_s, self._metre)

    def _first_number(self, taps_s: np.ndarray, period_s: float) -> int:
        """Of the oldest tap still kept: the row's downbeat is not forgotten with its first tap."""
        if self.pulse is None:
            return 0
        return round(self.pulse.beats_at(float(taps_s[0])))


def _line(numbers: np.ndarray, times_s: np.ndarray) -> tuple[float, float]:
    """(slope, intercept) by the median of all slopes (Theil 1950, Sen 1968): one bad tap does not bend it."""
    i, j = np.triu_indices(len(numbers), 1)
    slope_s = float(np.median((times_s[j] - times_s[i]) / (numbers[j] - numbers[i])))
    return slope_s, float(np.median(times_s - slope_s * numbers))
