"""Somebody else steps in for a leader who left: bones of their own, without a jump."""

import numpy as np
import pytest

from duet.rotations import matrix_from_rotvec
from duet.skeleton import BODY, Skeleton
from realtime.sight.lifting import Lifter
from realtime.sight.placement import StageMap
from realtime.sight.synthetic import Filmed

FPS = 30.0
FILMED = Filmed()
THIGH = BODY.index("left_hip"), BODY.index("left_knee")


def standing(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Root (3,) and rotations (22, 3, 3) of somebody at ease."""
    turns = np.zeros((len(BODY), 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[BODY.index(f"{side}_shoulder"), 2] = -1.2 * sign
        turns[BODY.index(f"{side}_knee"), 0] = 0.15
    return np.array([0.0, float(skeleton.rest_joints_m[0, 1]), 0.0]), matrix_from_rotvec(turns)


@pytest.mark.parametrize("size", [1.0, 1.15], ids=["the same person", "another one"])
def test_who_comes_back_with_other_bones_gets_them_without_a_jump(size: float) -> None:
    lifter = Lifter(lens=FILMED.lens, stage=StageMap(mark_m=(0.0, -FILMED.distance_m)))
    other = Skeleton(BODY.names, BODY.parents, (BODY.offsets_m * size).astype(np.float32))
    first, second = (FILMED.landmarks(body, *standing(body)) for body in (BODY, other))
    frames = [lifter.step(first, i / FPS) for i in range(80)]
    before = lifter.proportions
    frames += [lifter.step(second, 80 / FPS + 2.0 + i / FPS) for i in range(130)]
    thighs_m = [np.linalg.norm(f.joints_m[THIGH[1]] - f.joints_m[THIGH[0]]) for f in frames]
    assert np.abs(np.diff(thighs_m[79:])).max() < 0.02
    assert thighs_m[-1] / thighs_m[79] == pytest.approx(size, abs=0.02)
    kept = np.array_equal(lifter.proportions.samples, before.samples)
    assert kept == (size == 1.0)


def test_who_looked_away_for_a_moment_is_not_measured_anew() -> None:
    lifter = Lifter(lens=FILMED.lens, stage=StageMap(mark_m=(0.0, -FILMED.distance_m)))
    seen = FILMED.landmarks(BODY, *standing(BODY))
    for i in range(70):
        lifter.step(seen, i / FPS)
    lifter.step(seen, 70 / FPS + 1.0)
    assert lifter._returned is None
    lifter.step(seen, 70 / FPS + 3.0)
    assert lifter._returned is not None
