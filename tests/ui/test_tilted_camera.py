"""A rendered dancer before a camera that looks down: with its tilt known, the body is upright and as far as it is."""

import math

import numpy as np
import pytest

from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix
from duet.skeleton import BODY
from realtime.sight.camera import CameraFrame
from realtime.sight.lifting import Lifter
from realtime.sight.placement import Lens, StageMap
from realtime.sight.pose_model import find_pose_model
from realtime.sight.tracking import PoseModel
from ui.drawing import framing
from ui.drawing.avatar import BodyPose
from ui.drawing.scene import Scene, SceneState, create_headless_context

SIZE, PICTURES = (640, 480), 5
FOV_RAD = 2.0 * math.atan(math.tan(framing.FIELD_OF_VIEW_RAD / 2) * SIZE[0] / SIZE[1])
SHOULDERS, HIPS = [BODY.index("left_shoulder"), BODY.index("right_shoulder")], [1, 2]


def _lifted(picture: np.ndarray, pitch_rad: float) -> tuple[float, float]:
    """(how far the trunk leans to the camera in degrees, how far away it stands)."""
    model = find_pose_model()
    assert model is not None
    lifter = Lifter(lens=Lens(FOV_RAD, pitch_rad), stage=StageMap(mark_m=(0.0, 0.0)), height_m=1.66)
    with PoseModel(model) as pose:
        for i in range(PICTURES):
            frame = lifter.step(pose.landmarks(CameraFrame(i, i / 30, i / 30, picture)), i / 30)
    up = frame.joints_m[SHOULDERS].mean(axis=0) - frame.joints_m[HIPS].mean(axis=0)
    return math.degrees(math.atan2(up[2], up[1])), float(np.hypot(frame.root_m[0], frame.root_m[2]))


@pytest.mark.usefixtures("opengl")
@pytest.mark.skipif(find_pose_model() is None, reason="the pose model is not in the cache")
def test_a_known_tilt_sets_the_body_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    context = create_headless_context()
    scene = Scene(context, SIZE)
    turns = np.zeros((22, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[BODY.index(f"{side}_shoulder"), 2] = -1.0 * sign
    standing = BodyPose(np.array([0.0, 0.878, 0.0]), quaternion_wxyz_from_matrix(matrix_from_rotvec(turns)))
    pictures = []
    for eye_m in (0.88, 2.4):
        monkeypatch.setattr(framing, "_EYE_HEIGHT_M", eye_m)
        scene.framing = framing.Framing()
        scene.draw(SceneState(0.0, standing))
        pictures.append(scene.read())
    ahead = scene.framing.target_m - scene.framing.eye_m
    pitch_rad = math.atan2(ahead[1], math.hypot(ahead[0], ahead[2]))
    away_m = math.hypot(scene.framing.eye_m[0], scene.framing.eye_m[2])
    context.release()
    assert math.degrees(pitch_rad) < -20.0
    level, _ = _lifted(pictures[0], 0.0)
    assumed_level, seemed_m = _lifted(pictures[1], 0.0)
    known, stands_m = _lifted(pictures[1], pitch_rad)
    # What the pose model itself leans by, seen from straight ahead, is not the tilt's.
    assert abs(known - level) < 4.0 < 6.0 < assumed_level - level
    assert abs(stands_m - away_m) < 0.25 < abs(seemed_m - away_m)
