"""Dancing in any body: soles on the floor, hands in each other's, by measurement over a choreographed salsa."""

from functools import cache

import numpy as np
import pytest

from duet.choreography import compose
from duet.kinematics import forward
from duet.rotations import matrix_from_quaternion_wxyz
from duet.skeleton import BODY
from tests.ui.foreign_figure import Figure
from ui.avatars.bring import Wish, bring
from ui.drawing.avatar import Avatar, BodyPose, shipped_avatar
from ui.drawing.dance import Dance, couple_dance
from ui.drawing.holding import NEAR_M, place_couple

SHAPES = {"tall": (0.95, 1.14, 0.95), "short": (1.05, 0.86, 1.05), "broad": (1.22, 1.0, 1.1)}
COUPLES = [("leader", "follower"), ("tall", "short"), ("short", "tall"), ("broad", "follower"), ("leader", "short")]
TIMES_S = np.arange(0.5, 9.5, 0.25)


@cache
def dance() -> Dance:
    return couple_dance(compose("salsa", 10.0, 180.0, 3, fps=30.0))


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Avatar]:
    folder = tmp_path_factory.mktemp("bodies")
    made = {name: bring(Figure(stretch=shape).write(folder / f"{name}.glb"), Wish()).avatar
            for name, shape in SHAPES.items()}  # fmt: skip
    return made | {name: shipped_avatar(name) for name in ("leader", "follower")}


def palms(avatar: Avatar, joints: np.ndarray) -> np.ndarray:
    sides = [(avatar.names.index(f"{s}_wrist"), avatar.names.index(f"{s}_middle1")) for s in ("left", "right")]
    return np.array([0.25 * joints[wrist] + 0.75 * joints[knuckle] for wrist, knuckle in sides])


def danced_palms(pose: BodyPose) -> np.ndarray:
    rotations = matrix_from_quaternion_wxyz(np.asarray(pose.quaternions_wxyz, dtype=np.float64))
    joints, turns = forward(BODY, np.asarray(pose.root_m, dtype=np.float64), rotations)
    return np.array([joints[20] + turns[20] @ [0.07, 0, 0], joints[21] + turns[21] @ [-0.07, 0, 0]])


@pytest.mark.parametrize(("leader", "follower"), COUPLES)
def test_hands_meet_where_they_were_danced_to_and_nowhere_else(
    leader: str, follower: str, bodies: dict[str, Avatar]
) -> None:
    pair, held, stray = (bodies[follower], bodies[leader]), [], []
    for at_s in TIMES_S:
        state = dance().state(float(at_s))
        poses = state.follower, state.leader
        placed, eyes = place_couple(pair, poses)
        assert eyes is not None
        ours = [palms(avatar, joints) for avatar, (joints, _) in zip(pair, placed, strict=True)]
        danced = [danced_palms(pose) for pose in poses]
        for k in (0, 1):
            for j in (0, 1):
                apart = float(np.linalg.norm(danced[0][k] - danced[1][j]))
                others = danced[0][k] - danced[1][1 - j], danced[0][1 - k] - danced[1][j]
                gap = float(np.linalg.norm(ours[0][k] - ours[1][j]))
                if apart < NEAR_M and np.linalg.norm(others, axis=1).min() > 0.3:
                    held.append(gap)
                elif apart > 0.6:
                    stray.append(gap)
    assert len(held) > 15 and len(stray) > 15
    assert np.median(held) < 0.045 and np.max(held) < 0.08, "palm to palm, metres"
    assert np.min(stray) > 0.15


@pytest.mark.parametrize("name", [*SHAPES, "leader", "follower"])
def test_soles_are_on_the_floor_and_standing_feet_stay_where_they_are(name: str, bodies: dict[str, Avatar]) -> None:
    avatar, steps = bodies[name], dance().follower
    lowest, drift = [], []
    for frame in range(30, 270, 6):
        pose, following = steps.at(frame), steps.at(frame + 1)
        lowest.append(float(avatar.skinned_vertices_m(pose)[:, 1].min()))
        ours, next_ours = avatar.place(pose)[0], avatar.place(following)[0]
        theirs, next_theirs = (_danced(p) for p in (pose, following))
        for foot in (7, 8):
            if np.linalg.norm(next_theirs[foot] - theirs[foot]) < 0.002:
                drift.append(float(np.linalg.norm((next_ours[foot] - ours[foot])[[0, 2]])))
    assert np.abs(np.median(lowest)) < 0.01 and np.min(lowest) > -0.035 and np.percentile(lowest, 90) < 0.03
    assert len(drift) > 5 and np.max(drift) < 0.006, "metres a thirtieth of a second"


def _danced(pose: BodyPose) -> np.ndarray:
    rotations = matrix_from_quaternion_wxyz(np.asarray(pose.quaternions_wxyz, dtype=np.float64))
    return forward(BODY, np.asarray(pose.root_m, dtype=np.float64), rotations)[0]
