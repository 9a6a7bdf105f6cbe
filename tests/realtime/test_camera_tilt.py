"""A camera's tilt is found from a walk: to a degree or two, and not at all where the walk does not show it."""

import math

import numpy as np
import pytest

from duet.frames import LeaderStatus
from duet.kinematics import forward
from duet.rotations import matrix_from_rotvec
from duet.skeleton import BODY
from realtime.sight.camera_tilt import tilt
from realtime.sight.landmarks import ANKLES, LEFT_EAR, RIGHT_EAR
from realtime.sight.placement import Lens
from realtime.sight.preview import Sight

PICTURE = np.zeros((192, 256, 3), np.uint8)
HEAD, ANKLE = BODY.index("head"), [BODY.index("left_ankle"), BODY.index("right_ankle")]


def walk(pitch_deg: float, *, far_m: float = 4.5, near_m: float = 2.6, camera_m: float = 1.4) -> list[Sight]:
    """Somebody who walks to the mark, as a camera sees them that looks up by ``pitch_deg``."""
    rng, lens = np.random.default_rng(0), Lens()
    pitch = math.radians(pitch_deg)
    sights = []
    for i, away_m in enumerate(np.linspace(far_m, near_m, 60)):
        turns = np.zeros((22, 3))
        stride = 0.35 * math.sin(0.6 * i)
        for side, sign in (("left", 1.0), ("right", -1.0)):
            turns[BODY.index(f"{side}_hip"), 0] = -sign * stride
            turns[BODY.index(f"{side}_knee"), 0] = 0.25 + 0.2 * sign * math.cos(0.6 * i)
        root = np.array([0.2, 0.88 + 0.02 * math.sin(1.2 * i), 0.0])
        joints, _ = forward(BODY, root, matrix_from_rotvec(turns))
        room = joints - np.array([0.0, camera_m, away_m])
        # Into the camera's own axes, y up, z toward it.
        c, s = math.cos(pitch), math.sin(pitch)
        up, back = c * room[:, 1] + s * room[:, 2], -s * room[:, 1] + c * room[:, 2]
        focal = lens.focal_px((256, 192))
        points = np.full((33, 3), 0.5, np.float32)
        points[:, 2] = 1.0
        seen = 0.5 - focal * up / -back / 192 + 0.004 * rng.standard_normal(len(up))
        points[[LEFT_EAR, RIGHT_EAR], 1] = seen[HEAD]
        points[list(ANKLES), 1] = seen[ANKLE]
        sights.append(Sight(i / 15.0, PICTURE, points, LeaderStatus.TRACKED, 15.0))
    return sights


@pytest.mark.parametrize("pitch_deg", [-22.0, -8.0, 0.0, 6.0, 15.0])
def test_a_tilt_is_found_from_a_walk(pitch_deg: float) -> None:
    found = tilt(walk(pitch_deg), Lens())
    assert found is not None
    assert math.degrees(found.pitch_rad) == pytest.approx(pitch_deg, abs=2.5)
    assert found.ratio == pytest.approx(4.5 / 2.6, abs=0.3)


def test_somebody_who_only_stands_shows_no_tilt() -> None:
    assert tilt(walk(-10.0, far_m=3.1, near_m=3.0), Lens()) is None
    assert tilt([], Lens()) is None
    assert tilt(walk(-10.0)[:20], Lens()) is None
    hidden = walk(-10.0)
    for sight in hidden:
        assert sight.points is not None
        sight.points[list(ANKLES), 2] = 0.2
    assert tilt(hidden, Lens()) is None
