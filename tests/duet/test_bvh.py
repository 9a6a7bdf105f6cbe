from pathlib import Path

import numpy as np
import pytest

from duet.bvh import read_bvh, write_bvh
from duet.errors import MotionError
from duet.kinematics import forward, heading_yaw
from duet.motion import read_motion
from duet.rotations import matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY

Rig = list[tuple[str, str | None, tuple[float, float, float]]]

ARM_OFFSETS = ((0.02, 0.2, 0.0), (0.15, 0.0, 0.0), (0.27, 0.0, 0.0), (0.25, 0.0, 0.0))
LEG_OFFSETS = ((0.1, -0.05, 0.0), (0.0, -0.4, 0.0), (0.0, -0.4, 0.0), (0.0, -0.05, 0.12))


def spine(*joints: tuple[str, float]) -> Rig:
    """A chain of joints, each so far above the one before."""
    names = [None, *(name for name, _ in joints)]
    return [(name, below, (0.0, up, 0.0)) for (name, up), below in zip(joints, names[:-1], strict=True)]


def limbs(sides: tuple[str, str], top: str, names: tuple[str, ...], offsets: tuple[tuple[float, ...], ...]) -> Rig:
    """A left and a right chain from joint ``top``; a name of "" leaves the joint out, not its bone."""
    rig: Rig = []
    for side, sign in zip(sides, (1.0, -1.0), strict=True):
        parent, pending = top, np.zeros(3)
        for name, (x, y, z) in zip(names, offsets, strict=True):
            pending = pending + (sign * x, y, z)
            if name:
                rig.append((f"{side}{name}", parent, (float(pending[0]), float(pending[1]), float(pending[2]))))
                parent, pending = f"{side}{name}", np.zeros(3)
    return rig


def cgspeed() -> Rig:
    """As in Bruce Hahne's conversions of the CMU database: toes are only an End Site."""
    body = spine(("hip", 0.0), ("abdomen", 0.1), ("chest", 0.15), ("neck", 0.3), ("head", 0.1), ("leftEye", 0.1))
    arms = limbs(("l", "r"), "chest", ("Collar", "Shldr", "ForeArm", "Hand"), ARM_OFFSETS)
    return body + arms + limbs(("l", "r"), "hip", ("Thigh", "Shin", "Foot", ""), LEG_OFFSETS)


def mixamo() -> Rig:
    """As Mixamo exports: "Shoulder" is the collar, "Arm" the shoulder, a namespace before each name."""
    body = spine(("Hips", 0.0), ("Spine", 0.1), ("Spine1", 0.1), ("Spine2", 0.1), ("Neck", 0.25), ("Head", 0.1))
    arms = limbs(("Left", "Right"), "Spine2", ("Shoulder", "Arm", "ForeArm", "Hand"), ARM_OFFSETS)
    rig = body + arms + limbs(("Left", "Right"), "Hips", ("UpLeg", "Leg", "Foot", "ToeBase"), LEG_OFFSETS)
    return [(f"mixamorig:{name}", parent and f"mixamorig:{parent}", offset) for name, parent, offset in rig]


def laboratory() -> Rig:
    """A capture laboratory's rig: no collars, four chests, anatomical names."""
    chests = [("Chest", 0.08), ("Chest2", 0.08), ("Chest3", 0.08), ("Chest4", 0.08)]
    body = spine(("Hips", 0.0), *chests, ("Neck", 0.25), ("Head", 0.1))
    arms = limbs(("Left", "Right"), "Chest4", ("", "Shoulder", "Elbow", "Wrist"), ARM_OFFSETS)
    return body + arms + limbs(("Left", "Right"), "Hips", ("Hip", "Knee", "Ankle", "Toe"), LEG_OFFSETS)


def bare() -> Rig:
    """The least that is a body: no spine, no neck, no head, no collars, no toes."""
    arms = limbs(("Left", "Right"), "Hips", ("", "Arm", "ForeArm", "Hand"), ((0.02, 0.5, 0.0), *ARM_OFFSETS[1:]))
    return spine(("Hips", 0.0)) + arms + limbs(("Left", "Right"), "Hips", ("UpLeg", "Leg", "Foot", ""), LEG_OFFSETS)


def turned(rig: Rig, turn: np.ndarray) -> Rig:
    """The same rig built about other axes."""
    out: Rig = []
    for name, parent, offset in rig:
        x, y, z = (float(v) for v in np.round(turn @ np.array(offset), 6))
        out.append((name, parent, (x, y, z)))
    return out


def sides_behind(rig: Rig) -> Rig:
    """The same rig with its sides behind the names: Foot.R."""

    def named(name: str) -> str:
        for side in ("Left", "Right"):
            if name.startswith(side):
                return f"{name.removeprefix(side)}.{side[0]}"
        return name

    return [(named(name), parent and named(parent), offset) for name, parent, offset in rig]


TOE = (0.0, -0.05, 0.12)


def bvh_text(
    rig: Rig,
    rows: np.ndarray | None = None,
    *,
    scale: float = 1.0,
    frame_time: str = "0.0333333",
    end: tuple[float, float, float] | None = TOE,
) -> str:
    """A BVH of a rig: ZXY rotations, the root with a position; ``rows`` (T, 3 + 3 J) or two frames standing.

    ``end``: offset of the End Site of whatever has no child; None for none.
    """

    def joint(name: str, offset: tuple[float, float, float], depth: int) -> list[str]:
        children = [(n, o) for n, p, o in rig if p == name]
        channels = "3" if depth else "6 Xposition Yposition Zposition"
        lines = [
            f"{'JOINT' if depth else 'ROOT'} {name}",
            "{",
            f"OFFSET {' '.join(str(scale * v) for v in offset)}",
            f"CHANNELS {channels} Zrotation Xrotation Yrotation",
        ]
        for child, child_offset in children:
            lines += joint(child, child_offset, depth + 1)
        if not children and end is not None:
            lines += ["End Site", "{", f"OFFSET {' '.join(str(scale * v) for v in end)}", "}"]
        return [*lines, "}"]

    if rows is None:
        rows = standing(rig, scale)
    head = ["HIERARCHY", *joint(rig[0][0], rig[0][2], 0), "MOTION", f"Frames: {len(rows)}", f"Frame Time: {frame_time}"]
    return "\n".join(head + [" ".join(f"{v:.6f}" for v in row) for row in rows]) + "\n"


def standing(rig: Rig, scale: float = 1.0, frames: int = 2) -> np.ndarray:
    rows = np.zeros((frames, 3 + 3 * len(rig)))
    rows[:, :3] = np.array([1.0, 0.9, -2.0]) * scale
    return rows


def written(folder: Path, text: str) -> Path:
    path = folder / "take.bvh"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("rig", "end"),
    [
        (cgspeed(), TOE),
        (mixamo(), TOE),
        (laboratory(), TOE),
        (bare(), TOE),
        (bare(), None),
        (sides_behind(bare()), (0.0, 0.0, 0.0)),
    ],
    ids=["cgspeed", "mixamo", "laboratory", "bare", "no End Site", "sides behind, End Site of no length"],
)
def test_rigs_by_many_names_become_the_same_standing_body(
    tmp_path: Path, rig: Rig, end: tuple[float, float, float] | None
) -> None:
    motion = read_motion(written(tmp_path, bvh_text(rig, end=end)))
    assert motion.fps == 30.0
    assert motion.skeleton.names == BODY.names
    np.testing.assert_allclose(motion.rotations, np.broadcast_to(np.eye(3), (2, 22, 3, 3)), atol=1e-6)
    at = dict(zip(BODY.names, motion.joints_m[0], strict=True))
    np.testing.assert_allclose(at["pelvis"], [1.0, 0.9, -2.0], atol=1e-6)
    np.testing.assert_allclose(at["left_ankle"], [1.1, 0.05, -2.0], atol=1e-6)
    np.testing.assert_allclose(at["right_knee"] - at["right_hip"], [0.0, -0.4, 0.0], atol=1e-6)
    np.testing.assert_allclose(at["right_wrist"] - at["right_elbow"], [-0.25, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(at["left_foot"] - at["left_ankle"], [0.0, -0.05, 0.12], atol=0.015)
    heights = [at[n][1] for n in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")]
    assert (np.diff(heights) > 0.01).all()
    assert at["left_shoulder"][0] > at["left_collar"][0] > at["pelvis"][0]


def test_the_spine_is_found_by_where_it_is_not_by_its_names(tmp_path: Path) -> None:
    rig = mixamo()
    rows = standing(rig)
    bent = [name for name, _, _ in rig].index("mixamorig:Spine1")
    rows[:, 3 + 3 * bent + 1] = 30.0
    motion = read_motion(written(tmp_path, bvh_text(rig, rows)))
    expected = np.broadcast_to(np.eye(3), (22, 3, 3)).copy()
    expected[BODY.index("spine2")] = matrix_from_rotvec([np.deg2rad(30.0), 0.0, 0.0])
    np.testing.assert_allclose(motion.rotations[0], expected, atol=1e-6)


def test_angles_are_applied_in_the_order_of_the_channels(tmp_path: Path) -> None:
    rig = cgspeed()
    rows = standing(rig)
    knee = [name for name, _, _ in rig].index("lShin")
    rows[1, 3 + 3 * knee : 6 + 3 * knee] = (20.0, 50.0, -35.0)
    motion = read_motion(written(tmp_path, bvh_text(rig, rows)))
    z, x, y = (
        matrix_from_rotvec(np.deg2rad(a) * axis)
        for a, axis in zip((20.0, 50.0, -35.0), np.eye(3)[[2, 0, 1]], strict=True)
    )
    np.testing.assert_allclose(motion.rotations[1, BODY.index("left_knee")], z @ x @ y, atol=1e-6)
    np.testing.assert_allclose(motion.rotations[0, BODY.index("left_knee")], np.eye(3), atol=1e-6)


def test_a_rig_that_rests_facing_x_is_turned_to_face_z(tmp_path: Path) -> None:
    quarter = yaw_matrix(np.pi / 2)
    rig = turned(laboratory(), quarter)
    motion = read_motion(written(tmp_path, bvh_text(rig)))
    plain = read_motion(written(tmp_path, bvh_text(laboratory())))
    np.testing.assert_allclose(motion.skeleton.offsets_m, plain.skeleton.offsets_m, atol=1e-5)
    assert heading_yaw(motion.skeleton, motion.joints_m[0]) == pytest.approx(np.pi / 2, abs=1e-5)
    np.testing.assert_allclose(motion.rotations[0, 0], quarter, atol=1e-6)
    np.testing.assert_allclose(motion.rotations[0, 1:], np.broadcast_to(np.eye(3), (21, 3, 3)), atol=1e-6)


def test_the_scale_turns_centimetres_into_metres(tmp_path: Path) -> None:
    path = written(tmp_path, bvh_text(cgspeed(), scale=100.0))
    with pytest.raises(MotionError, match=r"expected a body of 0.6 to 2.6 m up to the head, got 15\d m. Give the unit"):
        read_motion(path)
    centimetres = read_motion(path, scale=0.01)
    metres = read_motion(written(tmp_path, bvh_text(cgspeed())))
    np.testing.assert_allclose(centimetres.joints_m, metres.joints_m, atol=1e-6)


@pytest.mark.parametrize(
    ("frame_time", "fps"), [("0.0083333", 120.0), ("0.033333", 30.0), ("0.033367", 29.97), ("0.02", 50.0)]
)
def test_a_rate_rounded_by_its_file_is_read_as_meant(tmp_path: Path, frame_time: str, fps: float) -> None:
    path = written(tmp_path, bvh_text(cgspeed(), frame_time=frame_time))
    assert read_motion(path).fps == pytest.approx(fps, abs=1e-3 if fps == 29.97 else 0.0)
    assert read_motion(path, fps_override=60.0).fps == 60.0
    wrong = written(tmp_path, bvh_text(cgspeed(), frame_time="33.3333"))
    assert read_motion(wrong, fps_override=60.0).fps == 60.0


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rotations = matrix_from_rotvec(rng.normal(size=(9, 22, 3)))
    rotations[3, 5] = matrix_from_rotvec([np.pi / 2, 0.0, 0.0])  # gimbal lock, up and down
    rotations[4, 5] = matrix_from_rotvec([0.0, 0.0, 0.4]) @ matrix_from_rotvec([-np.pi / 2, 0.0, 0.0])
    rotations[3:5, 5] += rng.uniform(-1e-8, 1e-8, (2, 3, 3))  # as float32 leaves it
    root = rng.normal(size=(9, 3))
    path = tmp_path / "take.bvh"
    write_bvh(path, 30.0, BODY, root, rotations)
    fps, skeleton, root_back, rotations_back = read_bvh(path, scale=1.0)
    assert fps == 30.0
    np.testing.assert_allclose(rotations_back, rotations, atol=1e-6)
    np.testing.assert_allclose(root_back, root, atol=1e-6)
    np.testing.assert_allclose(skeleton.offsets_m[1:], BODY.offsets_m[1:], atol=1e-6)
    joints = forward(BODY, root, rotations)[0]
    np.testing.assert_allclose(forward(skeleton, root_back, rotations_back)[0], joints, atol=1e-5)


GOOD = bvh_text(cgspeed(), standing(cgspeed(), frames=5))
BAD = {
    "binary": ("\x00\x01PK not a take", "expected a BVH file"),
    "empty": ("", "expected a BVH file"),
    "no motion": (GOOD.partition("MOTION")[0], "expected a BVH file"),
    "no hips": (GOOD.replace("ROOT hip", "ROOT box"), "got no joint for pelvis among box"),
    "no arms": (GOOD.replace("ForeArm", "Wing"), "no joint for left_elbow, right_elbow"),
    "no joints": ("HIERARCHY\nMOTION\nFrames: 2\nFrame Time: 0.1\n1\n2\n", "finite offsets, got 0 joints"),
    "NaN": (GOOD.replace("0.900000", "nan", 1), "got NaN or infinity in 1 frames, first in frame 0"),
    "infinity": ("inf".join(GOOD.rsplit("0.900000", 1)), "got NaN or infinity in 1 frames, first in frame 4"),
    "words for numbers": (GOOD.replace("0.900000", "-1.#IND"), "expected numbers in the MOTION part, got .*-1.#IND"),
    "cut": (GOOD[:-300], r"expected 5 frames of \d+ numbers, got 4.\d frames. The file was cut short"),
    "cut at a line": (GOOD.rstrip().rpartition("\n")[0], r"expected 5 frames of \d+ numbers, got 4.0 frames"),
    "one frame": (bvh_text(cgspeed(), standing(cgspeed(), frames=1)), "2 frames, got 0.0333333 s and 1 frames"),
    "no frame time": (GOOD.replace("Frame Time", "Time"), "expected a frame time"),
    "frame time 0": (GOOD.replace("0.0333333", "0.0"), "expected a frame time"),
    "frame time of next to nothing": (GOOD.replace("0.0333333", "1e-310"), "expected a frame time .*, got 1e-310 s"),
    "frame time in milliseconds": (
        GOOD.replace("0.0333333", "33.3333"), "expected 1 to 1000 frames a second, got 0.03. Give .* --bvh-fps",
    ),
    "frame time in minutes": (GOOD.replace("0.0333333", "0.000555"), "expected 1 to 1000 frames a second, got 1802"),
    "frame time without end": (GOOD.replace("0.0333333", "inf"), "expected 1 to 1000 frames a second, got 0"),
    "strange channel": (GOOD.replace("Zrotation", "Wrotation", 1), "well-formed .* got channel 'Wrotation'"),
    "NaN offset": (GOOD.replace("OFFSET 0.02", "OFFSET nan"), "finite offsets"),
    "braces": (GOOD.replace("{", "", 1), "well-formed BVH hierarchy, got one that breaks off or is out of order"),
    "cut hierarchy": ("HIERARCHY ROOT hip { OFFSET 0 0 MOTION", "well-formed BVH hierarchy"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_sentence_with_its_name(tmp_path: Path, name: str) -> None:
    text, reason = BAD[name]
    path = written(tmp_path, text)
    with pytest.raises(MotionError, match=reason) as caught:
        read_motion(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert "\n" not in message
    assert message.endswith(".")


@pytest.mark.parametrize(("quarter", "got"), [(np.pi / 2, "Z up"), (-np.pi / 2, "Z down"), (np.pi, "Y down")])
def test_another_up_axis_is_named(tmp_path: Path, quarter: float, got: str) -> None:
    rig = turned(cgspeed(), matrix_from_rotvec([quarter, 0.0, 0.0]))
    with pytest.raises(MotionError, match=f"expected Y up, got {got}. Export the take with Y up"):
        read_motion(written(tmp_path, bvh_text(rig)))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "take.bvh"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(MotionError, match="expected a BVH file"):
        read_motion(path)


def test_more_rows_than_stated_are_read(tmp_path: Path) -> None:
    assert read_motion(written(tmp_path, GOOD.replace("Frames: 5", "Frames: 3"))).frames == 5
