"""How well announced beats lie on the true ones.

F and continuity after Davies, Degara and Plumbley 2009, "Evaluation methods for musical audio beat
tracking algorithms"; lock, recovery and prediction are those of a stage: when may a dancer trust
what is announced, and how far off is the beat that is announced next. Beat times are rising arrays
in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from duet.beats import BeatState

Times = NDArray[np.float64]

WINDOW_S = 0.07
TRIM_S = 5.0  # before which nothing is judged, by custom
CONTINUITY = 0.175  # tolerance of phase and of period, in periods
IN_A_ROW = 4  # beats that make a lock
KNOWN_CONFIDENCE = 0.5  # from which a beat counts as announced
SHOWN_CONFIDENCE = 0.3  # from which one is shown and pulsed by: whoever looks sees it doubted before it counts


@dataclass(frozen=True)
class Announced:
    """What a tracker announced, causally."""

    beats_s: Times
    """(B,) every beat it was confident of."""
    downbeats_s: Times
    """(D,) those that it took for the first of a bar."""
    next_s: Times
    """(B,) at each of the beats, when it said that the next would be."""


def announced(states: Sequence[BeatState]) -> Announced:
    """The beats of ``states``, each dated by the first state after it."""
    beats, nexts, ones = [], [], []
    for before, after in pairwise(states):
        if after.beat_phase < before.beat_phase - 0.5 and after.confidence >= KNOWN_CONFIDENCE:
            period_s = 60.0 / after.tempo_bpm
            beats.append(after.time_s - after.beat_phase * period_s)
            nexts.append(after.next_beats_s(1)[0])
            ones.append(round(after.bar_phase * after.metre - after.beat_phase) % after.metre == 0)
    beats_s = np.array(beats, dtype=np.float64)
    return Announced(beats_s, beats_s[np.array(ones, dtype=bool)], np.array(nexts, dtype=np.float64))


def f_measure(found: ArrayLike, true: ArrayLike, *, from_s: float = TRIM_S) -> float:
    """[0, 1] harmonic mean of precision and recall; each true beat may be found once, within 70 ms."""
    found_s, true_s = _after(found, from_s), _after(true, from_s)
    if not len(found_s) and not len(true_s):
        return 1.0
    return 2.0 * _hits(found_s, true_s) / (len(found_s) + len(true_s))


def _after(times: ArrayLike, from_s: float) -> Times:
    array = np.asarray(times, dtype=np.float64)
    return array[array >= from_s]


def _hits(found_s: Times, true_s: Times) -> int:
    """Largest number of pairs within the window: in rising order, the first that fits is the best."""
    hits = k = 0
    for at_s in true_s:
        while k < len(found_s) and found_s[k] < at_s - WINDOW_S:
            k += 1
        if k < len(found_s) and found_s[k] <= at_s + WINDOW_S:
            hits, k = hits + 1, k + 1
    return hits


def amlt(found: ArrayLike, true: ArrayLike, *, from_s: float = TRIM_S) -> float:
    """[0, 1] share of beats right in phase and period at any allowed level: as written, double, half, off-beat."""
    found_s, true_s = _after(found, from_s), _after(true, from_s)
    if len(found_s) < 2 or len(true_s) < 2:
        return 0.0
    doubled = np.interp(np.arange(0.0, len(true_s) - 0.75, 0.5), np.arange(len(true_s)), true_s)
    return max(_continuity(found_s, level) for level in (true_s, doubled, doubled[1::2], true_s[::2], true_s[1::2]))


def _continuity(found_s: Times, true_s: Times) -> float:
    """Share of found beats that, with the one before, lie as the nearest true beats do; each of these once.

    As ``mir_eval.beat.continuity`` has it.
    """
    if len(true_s) < 2:
        return 0.0
    used: set[int] = set()
    for k, at_s in enumerate(found_s):
        nearest = int(np.abs(true_s - at_s).argmin())
        if nearest in used:
            continue
        # The first beats have nothing before them: their period is the one that follows.
        ahead = k == 0 or nearest == 0
        i = nearest + (ahead and nearest + 1 < len(true_s))
        j = k + (ahead and k + 1 < len(found_s))
        true_period_s, period_s = true_s[i] - true_s[i - 1], found_s[j] - found_s[j - 1]
        in_phase = abs(at_s - true_s[nearest]) < CONTINUITY * true_period_s
        in_period = abs(1.0 - period_s / true_period_s) < CONTINUITY
        if in_phase and in_period:
            used.add(nearest)
    return len(used) / max(len(found_s), len(true_s))


def lock_time_s(found: ArrayLike, true: ArrayLike, *, from_s: float = 0.0) -> float:
    """Seconds from the first true beat after ``from_s`` to the first of four in a row that were found.

    In between them nothing else may have been announced. Infinite where there is no such row.
    """
    true_s = _after(true, from_s - 1e-9)
    found_s = np.asarray(found, dtype=np.float64)
    for k in range(len(true_s) - IN_A_ROW + 1):
        row = true_s[k : k + IN_A_ROW]
        near = found_s[(found_s >= row[0] - WINDOW_S) & (found_s <= row[-1] + WINDOW_S)]
        if len(near) == IN_A_ROW and (np.abs(near - row) <= WINDOW_S).all():
            return float(row[0] - true_s[0])
    return float("inf")


def prediction_errors_s(said: Announced, true: ArrayLike, *, from_s: float = TRIM_S) -> Times:
    """(P,) distance of each announced next beat from the true beat nearest to it.

    Where no beat comes within a second (the music stopped), nothing could be foretold or is judged.
    """
    true_s = np.asarray(true, dtype=np.float64)
    nexts = said.next_s[(said.beats_s >= from_s)]
    if not len(true_s) or not len(nexts):
        return np.zeros(0)
    errors = np.abs(nexts[:, None] - true_s[None, :]).min(axis=1)
    return errors[(errors < 1.0) & (nexts <= true_s[-1] + WINDOW_S)]


def false_lock_share(states: Sequence[BeatState], *, from_s: float = 2.0) -> float:
    """[0, 1] share of the time in which a beat was announced, where there is none."""
    judged = [state.confidence >= KNOWN_CONFIDENCE for state in states if state.time_s >= from_s]
    return float(np.mean(judged)) if judged else 0.0


@dataclass(frozen=True)
class BeatScore:
    """The scores of one piece."""

    f: float
    amlt: float
    downbeat_f: float
    lock_s: float
    recovery_s: float | None
    """After what disturbed the piece; None where nothing did."""
    predicted_median_s: float
    predicted_p90_s: float


def score_beats(
    said: Announced, true_beats: ArrayLike, downbeats: ArrayLike, *, disturbed_s: float | None = None
) -> BeatScore:
    """Score what was announced against the true beats and downbeats; recovery is measured from ``disturbed_s``."""
    errors = prediction_errors_s(said, true_beats)
    median, p90 = np.quantile(errors, (0.5, 0.9)) if len(errors) else (float("inf"), float("inf"))
    return BeatScore(
        f=f_measure(said.beats_s, true_beats),
        amlt=amlt(said.beats_s, true_beats),
        downbeat_f=f_measure(said.downbeats_s, downbeats),
        lock_s=lock_time_s(said.beats_s, true_beats),
        recovery_s=None if disturbed_s is None else lock_time_s(said.beats_s, true_beats, from_s=disturbed_s),
        predicted_median_s=float(median),
        predicted_p90_s=float(p90),
    )
