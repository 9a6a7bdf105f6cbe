"""A judge of two kinds of dance: can windows of one be told from windows of the other?

A ridge-penalised logistic regression on what two seconds of motion look like, wherever it happens and whichever way it
faces. Whole takes are left out in turn, so that it cannot know a dancer's evening by heart. An area under the curve of
.5 is chance: nobody can tell; 1 is always. Real dancing against real dancing of other takes says what to expect.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array, yaw_matrix
from models.evaluation.metrics import Performance
from models.evaluation.statistics import BLOCK_S

Floats = NDArray[np.float64]

WINDOW_S = 2.0
STRIDE_S = 1.0
RIDGE = 30.0
"""Penalty on the squared weights of standardised features, against a log-likelihood summed over windows."""
_NEWTON_STEPS = 25
_RESAMPLES = 500


@dataclass(frozen=True)
class Verdict:
    """What the judge can tell."""

    auc: float
    """Area under the curve of windows it never saw; NaN with fewer than two takes a side."""
    low: float
    high: float
    """95 % interval: takes drawn again, and within them stretches of BLOCK_S."""
    windows: int


@dataclass(frozen=True)
class Windows:
    """What is left out as a whole: windows of a take, of all goes at it."""

    features: Floats
    """(N, D)."""
    stretches: NDArray[np.int_]
    """(N,) number of the stretch that each is of. Windows of one say the same thing twice, as they overlap or are other
    goes at the same moments: they are drawn together."""

    @classmethod
    def of(cls, dances: Sequence[tuple[str, Floats]]) -> "Windows":
        """Of ``window_features`` (N, D) by what was danced to; dances to the same are of the same moments."""
        moments = [(name, int(i * STRIDE_S / BLOCK_S)) for name, rows in dances for i in range(len(rows))]
        numbers = {moment: number for number, moment in enumerate(dict.fromkeys(moments))}
        return cls(np.concatenate([rows for _, rows in dances]), np.array([numbers[moment] for moment in moments]))


def window_features(performance: Performance, leader_m: Array, fps: float) -> Floats:
    """(N, D) of a performance and the leader's joints (T, 22, 3): one row per window of WINDOW_S.

    Pose and its velocity in the dancer's own heading frame, the pelvis's height and speed, the turn, and the leader's
    pelvis as seen by the dancer: mean, spread and mean absolute change of each over the window.
    """
    joints, yaw_rad = np.asarray(performance.joints_m, dtype=np.float64), np.asarray(performance.yaw_rad, np.float64)
    leader, own = np.asarray(leader_m, dtype=np.float64), yaw_matrix(-yaw_rad)
    pose = np.einsum("tij,tkj->tki", own, joints - joints[:, :1])[:, 1:].reshape(len(joints), -1)
    step = np.einsum("tij,tj->ti", own, np.diff(joints[:, 0], axis=0, prepend=joints[:1, 0])) * fps
    turn = np.diff(np.unwrap(yaw_rad), prepend=yaw_rad[:1])[:, None] * fps
    partner = np.einsum("tij,tj->ti", own, leader[:, 0] - joints[:, 0])
    tracks = np.concatenate([pose, joints[:, :1, 1], step, turn, partner[:, [0, 2]]], axis=1)
    change = np.abs(np.diff(tracks, axis=0, prepend=tracks[:1])) * fps
    length, stride = round(WINDOW_S * fps), round(STRIDE_S * fps)
    rows = []
    for start in range(0, len(tracks) - length + 1, stride):
        window = slice(start, start + length)
        rows.append(np.concatenate([tracks[window].mean(0), tracks[window].std(0), change[window].mean(0)]))
    return np.array(rows)


def tell_apart(first: Sequence[Windows], second: Sequence[Windows], *, seed: int = 0) -> Verdict:
    """Whether windows of ``first`` can be told from windows of ``second``, each a list of takes.

    Fold k leaves out take k of both sides: give takes of one leader at the same place of both lists.
    """
    folds = max(len(first), len(second))
    if min(len(first), len(second)) < 2:
        return Verdict(float("nan"), float("nan"), float("nan"), 0)
    scores: list[tuple[_Scores, _Scores]] = []
    for fold in range(folds):
        kept = [[take.features for i, take in enumerate(side) if i % folds != fold] for side in (first, second)]
        left_out = [[take for i, take in enumerate(side) if i % folds == fold] for side in (first, second)]
        if not all(left_out) or not all(kept):
            continue
        ones, others = (np.concatenate(side) for side in kept)
        judge = Logistic(np.concatenate([ones, others]), np.repeat([0.0, 1.0], [len(ones), len(others)]))
        # As many takes a side as folds at most: what is left out is one of each.
        scores.append((_judged(judge, left_out[0][0]), _judged(judge, left_out[1][0])))
    rng = np.random.default_rng(seed)
    drawn = [_pooled(_redrawn(scores, rng)) for _ in range(_RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    whole = [(np.concatenate(a), np.concatenate(b)) for a, b in scores]
    return Verdict(_pooled(whole), float(low), float(high), sum(len(a) + len(b) for a, b in whole))


_Scores = list[Floats]
"""Of windows, by their stretches."""


def _judged(judge: "Logistic", take: Windows) -> _Scores:
    log_odds = judge.log_odds(take.features)
    return [log_odds[take.stretches == number] for number in np.unique(take.stretches)]


def _redrawn(scores: list[tuple[_Scores, _Scores]], rng: np.random.Generator) -> list[tuple[Floats, Floats]]:
    def again(stretches: _Scores) -> Floats:
        return np.concatenate([stretches[i] for i in rng.integers(len(stretches), size=len(stretches))])

    folds = [scores[i] for i in rng.integers(len(scores), size=len(scores))]
    return [(again(a), again(b)) for a, b in folds]


def _pooled(scores: list[tuple[Floats, Floats]]) -> float:
    """Mean over the folds, by their windows: scores of different judges have no common scale."""
    weights = [len(a) * len(b) for a, b in scores]
    return float(np.average([area_under_curve(a, b) for a, b in scores], weights=weights))


def area_under_curve(negatives: Floats, positives: Floats) -> float:
    """Chance that a positive scores higher than a negative; ties count half."""
    gaps = positives[:, None] - negatives
    return float((gaps > 0).mean() + 0.5 * (gaps == 0).mean())


class Logistic:
    """A ridge-penalised logistic regression of labels (N,) in {0, 1} on features (N, D), by Newton's method."""

    def __init__(self, features: Floats, labels: Floats, ridge: float = RIDGE) -> None:
        self._mean, self._spread = features.mean(axis=0), features.std(axis=0) + 1e-6
        x = self._standardised(features)
        self._weights = np.zeros(x.shape[1])
        penalty = np.full(x.shape[1], ridge)
        penalty[-1] = 1e-6
        for _ in range(_NEWTON_STEPS):
            p = 1.0 / (1.0 + np.exp(-x @ self._weights))
            slope = x.T @ (p - labels) + penalty * self._weights
            curve = (x * (p * (1.0 - p))[:, None]).T @ x + np.diag(penalty)
            step = np.linalg.solve(curve, slope)
            self._weights -= step
            if np.abs(step).max() < 1e-6:
                break

    def log_odds(self, features: Floats) -> Floats:
        """(N,) of label 1."""
        return self._standardised(features) @ self._weights

    def _standardised(self, features: Floats) -> Floats:
        # A feature that hardly moves in training may be anything elsewhere: it shall not decide alone.
        scaled = np.clip((features - self._mean) / self._spread, -6.0, 6.0)
        return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
