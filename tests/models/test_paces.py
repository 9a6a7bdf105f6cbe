"""How far dancers go in a frame, where it is known."""

import numpy as np
import pytest

from duet.motion import Motion
from duet.rotations import yaw_matrix
from duet.skeleton import BODY
from models.data.paces import PERCENTILES, paces_m

FRAMES = 91


def gliding(step_m: float, turn_rad: float = 0.0) -> Motion:
    """Somebody stiff who slides along and turns, both evenly."""
    rotations = np.tile(np.eye(3, dtype=np.float32), (FRAMES, len(BODY), 1, 1))
    rotations[:, 0] = yaw_matrix(turn_rad * np.arange(FRAMES))
    root = BODY.offsets_m[0] + np.arange(FRAMES)[:, None] * [step_m, 0.0, 0.0]
    return Motion(30.0, BODY, root.astype(np.float32), rotations)


def test_who_glides_evenly_is_told_as_such() -> None:
    told = paces_m([gliding(0.02)])
    assert all(len(values) == len(PERCENTILES) for values in told.values())
    assert told["pelvis, step"] == pytest.approx([0.02] * 3, abs=1e-5)
    assert told["furthest joint"] == pytest.approx([0.02] * 3, abs=1e-5)
    assert told["pelvis, change of its step"] == pytest.approx([0.0] * 3, abs=1e-5)


def test_who_turns_goes_furthest_with_the_hands() -> None:
    told = paces_m([gliding(0.0, 0.1)])
    reach_m = float(np.hypot(*(BODY.rest_joints_m - BODY.rest_joints_m[0])[:, [0, 2]].T).max())
    assert told["pelvis, step"][2] == pytest.approx(0.0, abs=1e-5)
    assert told["furthest joint"] == pytest.approx([2.0 * np.sin(0.05) * reach_m] * 3, abs=1e-4)


def test_every_frame_counts_alike_and_the_way_between_dancers_is_no_step() -> None:
    there = gliding(0.03)
    elsewhere = Motion(30.0, BODY, there.root_m + np.float32(50.0), there.rotations)
    told = paces_m([gliding(0.01), there, elsewhere])
    assert told["pelvis, step"] == pytest.approx([0.03] * 3, abs=1e-4), "two thirds of the frames"
