"""Beats of a dance without music: found in the dancers' steps.

The couples were recorded without their music. A salsa couple steps three times a bar, on the first, the second and,
more slowly, towards the third beat, and rests before the next bar; feet alternate, so that the next bar begins with
the other foot, and the follower mirrors the leader. The bars are those into which the landings of both dancers fit
best, by dynamic programming over bar starts and bar lengths that change little from bar to bar (as Ellis 2007, "Beat
tracking by dynamic programming", for beats). The first two steps of a bar lie on its beats. This looks at whole
takes; it makes training data and never runs live.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.data.landings import Landings, landings
from models.data.pairs import Pair

Floats = NDArray[np.float64]

TEMPO_RANGE_BPM = (150.0, 215.0)
BEATS_PER_BAR = 4
STEPS_BEATS = np.array([0.0, 1.0, 2.25])
"""Beats into a bar at which its three steps land. Measured on recorded salsa, in which 2.0 is never kept."""
_SPREAD_BEATS = np.array([0.2, 0.2, 0.3])
_STRAY_SHARE = 0.2
"""Of the landings, that are no steps of the pattern: taps, entries, stumbles of the detector."""
_STEADINESS = 200.0
"""Nats that a bar costs, times the squared logarithm of its length over that of the bar before."""
_BROKEN_PATTERN = 4.0
"""Cost of two bars in a row that begin with the same foot, in nats."""
_GRID_HZ = 60.0
_NOISE_S, _TEMPO_NOISE_S = 0.06, 0.025
"""Scatter of a landing about its beat, and of a bar's length about its neighbours'."""


def step_beats(pair: Pair) -> Floats:
    """Beat times (N,) in seconds, the first of every four the first step after the rest of the basic step."""
    steps = [landings(dancer.joints_m, dancer.fps) for dancer in (pair.leader, pair.follower)]
    return beats_of_steps(steps[0], steps[1], pair.frames / pair.leader.fps)


def with_beats(pair: Pair) -> Pair:
    """The couple with its beats: those that are known, or else those of its steps."""
    return pair if pair.beats_s is not None else replace(pair, beats_s=step_beats(pair))


def with_led_beats(pair: Pair) -> Pair:
    """The couple with its beats: those that are known, or else those of the leader's steps alone.

    For judging a follower: music on the steps of both would tell it when the real follower steps.
    """
    if pair.beats_s is not None:
        return pair
    led = landings(pair.leader.joints_m, pair.leader.fps)
    none = Landings(led.times_s[:0], led.sides[:0])
    return replace(pair, beats_s=beats_of_steps(led, none, pair.frames / pair.leader.fps))


def beats_of_steps(leader: Landings, follower: Landings, seconds: float) -> Floats:
    """Beat times (N,) from 0 to ``seconds`` of the landings of a couple; one of them may have none."""
    times_s = np.concatenate([leader.times_s, follower.times_s])
    # Leader's right and follower's left go together.
    feet = np.concatenate([1 - leader.sides, follower.sides])
    fit = _fit(times_s, feet, seconds)
    starts, begins = _best_bars(fit)
    starts = _settled(starts, begins, times_s, feet)
    return _beats(starts, seconds)


def _bar_lengths() -> NDArray[np.int64]:
    slow, fast = (BEATS_PER_BAR * 60.0 / bpm * _GRID_HZ for bpm in TEMPO_RANGE_BPM)
    return np.arange(int(np.ceil(fast)), int(slow) + 1)


def _fit(times_s: Floats, feet: NDArray[np.int64], seconds: float) -> Floats:
    """(G, K, 2) how well the landings inside a bar fit one that starts at grid point g, is ``_bar_lengths()[k]`` long
    and begins with foot 0 or 1: log-likelihood against landings anywhere, in nats."""
    lengths = _bar_lengths()
    fit = np.zeros((max(int(seconds * _GRID_HZ), lengths[-1]) + 1, len(lengths), 2))
    for time, foot in zip(times_s * _GRID_HZ, feet, strict=True):
        for k, length in enumerate(lengths):
            beat = length / BEATS_PER_BAR
            first, last = np.clip(np.ceil([time - (BEATS_PER_BAR - 0.5) * beat, time + 0.5 * beat]), 0, len(fit))
            bars = slice(int(first), int(last))
            into = (time - np.arange(bars.start, bars.stop)) / beat
            for begins in (0, 1):
                fit[bars, k, begins] += _log_fit(into, (foot + begins) % 2)
    return fit


def _log_fit(into_beats: Floats, step_foot: int) -> Floats:
    """(N,) log-likelihood ratio of landings ``into_beats`` of a bar, by the foot it begins with (0) or the other."""
    belongs = np.array([0, 1, 0]) == step_foot
    z = (into_beats[:, None] - STEPS_BEATS) / _SPREAD_BEATS
    density = np.exp(-0.5 * z * z) / (_SPREAD_BEATS * np.sqrt(2.0 * np.pi)) @ belongs / len(STEPS_BEATS)
    return np.log((1.0 - _STRAY_SHARE) * density * 2 * BEATS_PER_BAR + _STRAY_SHARE)


def _best_bars(fit: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Starts (N + 1,) in seconds of the best row of bars and where it ends; the foot (N,) each begins with."""
    lengths = _bar_lengths()
    change = _STEADINESS * np.log(lengths[:, None] / lengths) ** 2
    score = fit.copy()
    back = np.full((*fit.shape, 2), -1)
    rows = np.arange(len(lengths))
    for at in range(int(lengths[0]), len(fit)):
        reached = np.flatnonzero(at >= lengths)
        before = score[at - lengths[reached], reached]
        for begins in (0, 1):
            goes_on, breaks = before[:, 1 - begins], before[:, begins] - _BROKEN_PATTERN
            options = np.maximum(goes_on, breaks) - change[:, reached]
            best = options.argmax(axis=1)
            score[at, :, begins] += options[rows, best]
            back[at, :, begins, 0] = reached[best]
            back[at, :, begins, 1] = np.where(goes_on >= breaks, 1 - begins, begins)[best]
    tail = len(score) - int(lengths[-1])
    offset, k, begins = np.unravel_index(int(score[tail:].argmax()), score[tail:].shape)
    at, k, begins = int(offset) + tail, int(k), int(begins)
    starts, feet = [at + lengths[k], at], [begins]
    while back[at, k, begins, 0] >= 0:
        before = back[at, k, begins]
        at, k, begins = at - int(lengths[before[0]]), int(before[0]), int(before[1])
        starts.append(at)
        feet.append(begins)
    return np.array(starts[::-1]) / _GRID_HZ, np.array(feet[::-1])


def _settled(starts: Floats, begins: NDArray[np.int64], times_s: Floats, feet: NDArray[np.int64]) -> Floats:
    """Bar starts (N + 1,) moved to where the first two steps of each bar land, at a tempo that changes slowly."""
    rows, wanted = [], []
    for bar, (start, length, foot) in enumerate(zip(starts, np.diff(starts), begins, strict=False)):
        into = (times_s - start) / length * BEATS_PER_BAR
        for count in (0, 1):
            near = (np.abs(into - count) < 0.5) & ((feet + foot) % 2 == count)
            for time in times_s[near]:
                row = np.zeros(len(starts))
                row[bar], row[bar + 1] = 1.0 - count / BEATS_PER_BAR, count / BEATS_PER_BAR
                rows.append(row)
                wanted.append(time)
    if len(starts) < 3 or not rows:
        return starts
    smooth = np.diff(np.eye(len(starts)), n=2, axis=0) / _TEMPO_NOISE_S
    steps, at = np.array(rows), np.array(wanted)
    solved: NDArray[np.floating] = starts
    for _ in range(4):
        # A step far from its beat counts less (Huber).
        weight = 1.0 / np.sqrt(np.maximum(1.0, np.abs(steps @ solved - at) / _NOISE_S)) / _NOISE_S
        system = np.concatenate([steps * weight[:, None], smooth])
        solved = np.linalg.lstsq(system, np.concatenate([at * weight, np.zeros(len(smooth))]), rcond=None)[0]
    return np.asarray(solved, dtype=np.float64)


def _beats(starts: Floats, seconds: float) -> Floats:
    """All beats of the bars, gone on with to both ends of the take, from the first that begins a bar."""
    first, last = starts[1] - starts[0], starts[-1] - starts[-2]
    ahead = np.arange(int(np.ceil(starts[0] / first)), 0, -1)
    after = np.arange(1, int(np.ceil(max(0.0, seconds - starts[-1]) / last)) + 1)
    starts = np.concatenate([starts[0] - ahead * first, starts, starts[-1] + after * last])
    index = np.arange(len(starts) * BEATS_PER_BAR - BEATS_PER_BAR + 1) / BEATS_PER_BAR
    beats = np.interp(index, np.arange(len(starts)), starts)
    downbeat = BEATS_PER_BAR * int(np.argmax(starts >= 0.0))
    return beats[downbeat:][beats[downbeat:] <= seconds]
