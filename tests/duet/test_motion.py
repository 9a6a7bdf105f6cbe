import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from duet.errors import MotionError
from duet.kinematics import heading_yaw
from duet.motion import Motion, read_motion, write_couple, write_motion
from duet.rotations import matrix_from_rotvec, yaw_matrix
from duet.skeleton import BODY, FEET, Skeleton


def swaying(frames: int = 40, fps: float = 30.0, body: Skeleton = BODY, seed: int = 0) -> Motion:
    """Somebody upright who walks, turns and moves every joint smoothly."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / fps
    rotvecs = rng.normal(scale=0.3, size=(22, 3)) * np.sin(2.0 * t + rng.uniform(0, 6.28, (22, 3)))
    rotations = matrix_from_rotvec(rotvecs)
    rotations[:, 0] = yaw_matrix(0.8 * t[:, 0, 0]) @ rotations[:, 0]
    root = body.offsets_m[0] + np.stack([0.3 * t, 0.02 * np.sin(6 * t), -0.2 * t], axis=-1)[:, 0, 0]
    return Motion(fps, body, root, rotations)


def taller() -> Skeleton:
    """Somebody else: longer legs, arms that rest 30 degrees low, one hip lower than the other."""
    offsets = BODY.offsets_m.astype(np.float64) * 1.1
    offsets[BODY.index("right_hip"), 1] -= 0.01
    for side, sign in (("left", -1.0), ("right", 1.0)):
        drop = matrix_from_rotvec([0.0, 0.0, sign * np.pi / 6])
        for joint in ("elbow", "wrist"):
            offsets[BODY.index(f"{side}_{joint}")] = drop @ offsets[BODY.index(f"{side}_{joint}")]
    return Skeleton(BODY.names, BODY.parents, offsets.astype(np.float32))


def npz_of(motion: Motion) -> dict[str, np.ndarray]:
    return {
        "fps": np.array(motion.fps), "joint_names": np.array(BODY.names), "parents": np.array(BODY.parents),
        "offsets_m": BODY.offsets_m, "root_m": motion.root_m,
        "rotations_6d": np.concatenate([motion.rotations[..., 0], motion.rotations[..., 1]], axis=-1),
    }  # fmt: skip


def test_a_take_is_read_only_float32_and_knows_its_length() -> None:
    motion = swaying(45)
    assert (motion.frames, motion.seconds) == (45, 1.5)
    for array in (motion.root_m, motion.rotations, motion.joints_m):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_what_is_no_take_is_refused() -> None:
    motion = swaying(4)
    broken = motion.rotations.copy()
    broken[2, 5] = np.nan
    for fps, root, rotations, reason in (
        (30.0, motion.root_m[:3], motion.rotations, "expected rotations"),
        (30.0, motion.root_m, motion.rotations[:, :21], "expected rotations"),
        (30.0, motion.root_m, broken, "expected finite rotations, got NaN"),
        (30.0, motion.root_m[:0], motion.rotations[:0], "at least one frame"),
        (0.0, motion.root_m, motion.rotations, "above 0 fps"),
        (np.nan, motion.root_m, motion.rotations, "above 0 fps"),
    ):
        with pytest.raises(MotionError, match=reason):
            Motion(fps, BODY, root, rotations)


def test_a_slice_is_those_frames() -> None:
    motion = swaying()
    piece = motion.slice(10, 20)
    assert piece.frames == 10
    np.testing.assert_array_equal(piece.joints_m, motion.joints_m[10:20])
    assert motion.slice(35).frames == 5


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    motion = swaying()
    np.testing.assert_allclose(motion.resample(30.0).joints_m, motion.joints_m, atol=1e-6)


@pytest.mark.parametrize(("fps", "frames"), [(15.0, 20), (60.0, 79), (24.0, 32), (29.97, 39)])
def test_resampling_keeps_time_and_motion(fps: float, frames: int) -> None:
    motion = swaying(40)
    other = motion.resample(fps)
    assert other.frames == frames
    assert other.fps == fps
    at = np.arange(frames) / fps * motion.fps
    assert at[-1] <= motion.frames - 1 < at[-1] + motion.fps / fps
    np.testing.assert_allclose(other.joints_m, swaying(frames, fps).joints_m, atol=1e-3)
    np.testing.assert_allclose(other.joints_m[2:-2], swaying(frames, fps).joints_m[2:-2], atol=5e-5)


def test_resampling_keeps_quick_motion_quick() -> None:
    t = np.arange(120) / 30.0
    root = BODY.offsets_m[0] + np.stack([0.1 * np.sin(2 * np.pi * 4.0 * t), 0 * t, 0 * t], axis=-1)
    quick = Motion(30.0, BODY, root, np.tile(np.eye(3), (120, 22, 1, 1)))
    assert np.ptp(quick.resample(29.0).root_m[:, 0]) > 0.97 * 0.2


def test_up_and_down_again_gives_the_take_back() -> None:
    motion = swaying()
    np.testing.assert_allclose(motion.resample(60.0).resample(30.0).joints_m, motion.joints_m, atol=1e-6)


@pytest.mark.parametrize("body", [BODY, taller()], ids=["symmetric", "asymmetric"])
def test_a_mirror_flips_x_and_swaps_sides_and_two_are_none(body: Skeleton) -> None:
    motion = swaying(body=body)
    mirrored = motion.mirrored()
    flipped = motion.joints_m[:, list(BODY.mirror)] * np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    np.testing.assert_allclose(mirrored.joints_m, flipped, atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(mirrored.rotations), 1.0, atol=1e-5)
    twice = mirrored.mirrored()
    assert twice.skeleton == motion.skeleton
    np.testing.assert_array_equal(twice.rotations, motion.rotations)
    np.testing.assert_array_equal(twice.root_m, motion.root_m)
    assert (mirrored.skeleton == motion.skeleton) == (body is BODY)


def test_levelling_puts_the_feet_on_the_floor() -> None:
    motion = swaying(60)
    raised = Motion(motion.fps, BODY, motion.root_m + np.array([0.0, 0.4, 0.0]), motion.rotations)
    assert raised.floor_m() == pytest.approx(motion.floor_m() + 0.4, abs=1e-5)
    assert raised.levelled().floor_m() == pytest.approx(0.0, abs=1e-5)
    np.testing.assert_allclose(raised.levelled().joints_m, motion.levelled().joints_m, atol=1e-5)


def test_the_own_body_changes_nothing_but_the_floor() -> None:
    motion = swaying().levelled()
    again = motion.on_body(BODY)
    np.testing.assert_allclose(again.joints_m, motion.joints_m, atol=1e-4)


def test_another_body_dances_the_same() -> None:
    motion = swaying(60, body=taller())
    moved = motion.on_body(BODY)
    assert moved.skeleton == BODY
    assert moved.floor_m() == pytest.approx(0.0, abs=1e-4)
    lengths = np.linalg.norm(
        np.diff(moved.joints_m[:, [BODY.index("left_hip"), BODY.index("left_knee")]], axis=1), axis=-1
    )
    np.testing.assert_allclose(lengths, BODY.bone_lengths_m[BODY.index("left_knee")], atol=1e-5)
    np.testing.assert_allclose(heading_yaw(BODY, moved.joints_m), heading_yaw(BODY, motion.joints_m), atol=0.05)
    # Every limb bone points where the dancer's own did, whatever the rest pose.
    for start, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
        for side in ("left", "right"):
            a, b = BODY.index(f"{side}_{start}"), BODY.index(f"{side}_{end}")
            own, new = (m.joints_m[:, b] - m.joints_m[:, a] for m in (motion, moved))
            cosine = np.sum(own * new, axis=-1) / np.linalg.norm(own, axis=-1) / np.linalg.norm(new, axis=-1)
            assert cosine.min() > 0.9999, (side, start)
    # The path over the floor is the same, the height scaled by the legs.
    hips = [BODY.index("left_hip"), BODY.index("right_hip")]
    own_path, new_path = (m.joints_m[:, hips].mean(axis=1) for m in (motion, moved))
    np.testing.assert_allclose(new_path[:, [0, 2]], own_path[:, [0, 2]], atol=1e-4)
    ratio = np.ptp(new_path[:, 1]) / np.ptp(own_path[:, 1])
    assert ratio == pytest.approx(BODY.leg_length_m / motion.skeleton.leg_length_m, rel=0.02)


@pytest.mark.parametrize("suffix", [".npz", ".bvh"])
def test_a_written_take_reads_back(tmp_path: Path, suffix: str) -> None:
    motion = swaying()
    path = tmp_path / "new" / f"take{suffix}"
    write_motion(path, motion)
    back = read_motion(path)
    assert back.fps == 30.0
    np.testing.assert_allclose(back.joints_m, motion.joints_m, atol=1e-5)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert (back.skeleton == BODY) == (suffix == ".npz")
    assert back.on_body().skeleton == BODY


def test_a_couple_shares_one_file(tmp_path: Path) -> None:
    leader, follower = swaying(seed=1), swaying(seed=2)
    path = tmp_path / "couple.npz"
    write_couple(path, {"leader": leader, "follower": follower})
    for name, motion in (("leader", leader), ("follower", follower)):
        np.testing.assert_allclose(read_motion(path, dancer=name).joints_m, motion.joints_m, atol=1e-5)
    with pytest.raises(MotionError, match="got no root_m, rotations_6d. Write it with Duet"):
        read_motion(path, dancer="audience")


def test_what_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    leader, follower = swaying(), swaying(fps=60.0)
    with pytest.raises(MotionError, match="expected one dancer for BVH, got 2"):
        write_couple(tmp_path / "couple.bvh", {"leader": leader, "follower": leader})
    with pytest.raises(MotionError, match="one rate and one body"):
        write_couple(tmp_path / "couple.npz", {"leader": leader, "follower": follower})
    with pytest.raises(MotionError, match="expected a name in .bvh or .npz, got 'no ending'"):
        write_motion(tmp_path / "take", leader)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "take.npz"
    write_motion(path, swaying())
    before = path.read_bytes()

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_motion(path, swaying(seed=3))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_rate_can_be_corrected(tmp_path: Path) -> None:
    write_motion(tmp_path / "take.npz", swaying())
    assert read_motion(tmp_path / "take.npz", fps_override=60.0).fps == 60.0
    for fps in (-5.0, 0.5, 1001.0, np.nan):
        with pytest.raises(MotionError, match=f"expected 1 to 1000 frames a second, got {fps:g}\\. Give the true rate"):
            read_motion(tmp_path / "take.npz", fps_override=fps)


def refused(path: Path) -> str:
    with pytest.raises(MotionError) as caught:
        read_motion(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_what_a_motion_log_left_out_is_held(tmp_path: Path) -> None:
    """Frames 5 to 14 of 40 were not known."""
    path, whole, known = tmp_path / "motion.npz", swaying(), np.r_[0:5, 15:40]
    write_motion(path, Motion(whole.fps, whole.skeleton, whole.root_m[known], whole.rotations[known]))
    with np.load(path) as held:
        arrays = dict(held)
    np.savez(path, **arrays, time_s=7.0 + known / whole.fps)
    assert read_motion(path).frames == 30
    on_time = read_motion(path, on_time=True)
    assert on_time.frames == 40
    np.testing.assert_array_equal(on_time.root_m[known], read_motion(path).root_m)
    np.testing.assert_array_equal(on_time.rotations[5:15], on_time.rotations[[4] * 10])

    write_motion(path, whole)
    assert read_motion(path, on_time=True).frames == whole.frames, "a take tells no times"
    for wrong, reason in (
        (np.r_[known[:-1], 4e6] / whole.fps, "expected at most 108000 frames"),
        (known[::-1] / whole.fps, "expected a time for each of 30 frames"),
        (np.full(30, np.nan), "expected a time for each of 30 frames"),
        (np.arange(9.0), "expected a time for each of 30 frames"),
        (np.array(["now"] * 30), "cannot be read"),
    ):
        np.savez(path, **arrays, time_s=wrong)
        with pytest.raises(MotionError, match=reason):
            read_motion(path, on_time=True)


def test_a_missing_or_unknown_file_is_refused(tmp_path: Path) -> None:
    assert "got no such file" in refused(tmp_path / "absent.bvh")
    assert "got no such file" in refused(tmp_path)
    for name, got in (("take.fbx", "'.fbx'"), ("take", "'no ending'")):
        (tmp_path / name).write_bytes(b"0")
        assert f"expected .bvh or .npz, got {got}" in refused(tmp_path / name)


def test_an_npz_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.npz"
    np.savez(path, leader_joints_m=np.zeros((5, 22, 3)), time_s=np.zeros(5))
    assert "expected a take written by Duet, got no fps, joint_names, offsets_m" in refused(path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"joint_names": np.array([f"joint{j}" for j in range(22)])}, "22 body joints, got 22 joints from 'joint0'"),
        ({"parents": np.array([-1] * 22)}, "one root"),
        ({"offsets_m": np.zeros((21, 3))}, "one offset"),
        ({"rotations_6d": np.zeros((40, 21, 6))}, r"rotations_6d \(T, 22, 6\), got \(40, 3\) and \(40, 21, 6\)"),
        ({"rotations_6d": np.zeros((40, 22, 6))}, "got NaN or no rotation in 40 frames, first in frame 0"),
        ({"root_m": np.full((40, 3), np.nan)}, "got NaN or no rotation in 40 frames"),
        ({"root_m": np.zeros(40)}, r"root_m \(T, 3\)"),
        ({"root_m": np.array(["a"] * 40)}, "could not convert"),
        ({"fps": np.array([30.0, 30.0])}, "broken one"),
        ({"fps": np.array(0.03)}, "expected 1 to 1000 frames a second, got 0.03. Give the true rate with --bvh-fps"),
        ({"fps": np.array(np.nan)}, "expected 1 to 1000 frames a second, got nan"),
        ({"offsets_m": BODY.offsets_m * 100}, "Give the unit"),
    ],
)  # fmt: skip
def test_an_npz_with_one_wrong_array_is_refused(tmp_path: Path, changed: dict[str, np.ndarray], reason: str) -> None:
    path = tmp_path / "take.npz"
    np.savez(path, allow_pickle=False, **(npz_of(swaying()) | changed))
    message = refused(path)
    assert re.search(reason, message), message


def test_one_bad_frame_is_named(tmp_path: Path) -> None:
    arrays = npz_of(swaying())
    arrays["rotations_6d"] = arrays["rotations_6d"].copy()
    arrays["rotations_6d"][17, 3] = np.nan
    np.savez(tmp_path / "take.npz", allow_pickle=False, **arrays)
    assert "in 1 frames, first in frame 17" in refused(tmp_path / "take.npz")


class Payload:
    """Would write a file if it were unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.write_text, (self.target, "unpickled"))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    target = tmp_path / "unpickled"
    plain = tmp_path / "pickle.npz"
    plain.write_bytes(pickle.dumps(Payload(target)))
    hidden = tmp_path / "hidden.npz"
    np.savez(hidden, allow_pickle=True, **(npz_of(swaying()) | {"root_m": np.array([Payload(target)], dtype=object)}))
    assert "broken one" in refused(plain)
    assert "allow_pickle=False" in refused(hidden)
    assert not target.exists()


def test_files_that_only_look_like_npz_are_refused(tmp_path: Path) -> None:
    good = tmp_path / "good.npz"
    write_motion(good, swaying())
    path = tmp_path / "bad.npz"
    for content in (b"", b"PK\x03\x04", good.read_bytes()[: good.stat().st_size // 2], b"\x93NUMPY" + bytes(100)):
        path.write_bytes(content)
        assert "broken one" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name in npz_of(swaying()):
            archive.writestr(f"{name}.npy", "text")
    assert "broken one" in refused(path)
    flipped = bytearray(good.read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    path.write_bytes(flipped)
    assert "broken one" in refused(path)


def couple(folder: Path) -> tuple[Motion, Motion]:
    """A real couple dancing salsa; its files state twice the true rate and an odd unit."""
    lead, follow = (
        read_motion(folder / "cmu_salsa" / f"{who}_12.bvh", fps_override=60.0, scale=1.2989) for who in (60, 61)
    )
    return lead, follow


def test_a_real_couple_reads_plausibly(duet_data: Path) -> None:
    for motion in couple(duet_data):
        assert motion.fps == 60.0
        assert motion.seconds == pytest.approx(28.2, abs=0.1)
        assert 1.35 < motion.skeleton.rest_joints_m[BODY.index("head"), 1] < 1.75
        assert abs(motion.floor_m()) < 0.08
        levelled = motion.levelled()
        head = levelled.joints_m[:, BODY.index("head"), 1]
        assert 1.2 < np.percentile(head, 5) < np.percentile(head, 95) < 1.7
        feet = levelled.joints_m[:, list(FEET), 1].min(axis=1)
        assert -0.08 < feet.min() < np.percentile(feet, 95) < 0.12


def test_a_real_couple_stays_together_on_the_canonical_body(duet_data: Path) -> None:
    lead, follow = (m.resample(30.0).on_body() for m in couple(duet_data))
    assert lead.frames == follow.frames
    assert lead.skeleton == BODY
    apart = np.linalg.norm((lead.root_m - follow.root_m)[:, [0, 2]], axis=-1)
    assert 0.6 < apart.mean() < 1.3
    assert 0.15 < apart.min() < apart.max() < 3.0
    # Leader and follower face each other more often than not.
    facing = heading_yaw(BODY, lead.joints_m) - heading_yaw(BODY, follow.joints_m)
    assert np.mean(np.cos(facing) < 0.0) > 0.5
    for motion in (lead, follow):
        speed = np.linalg.norm(np.diff(motion.joints_m, axis=0), axis=-1).mean() * 30.0
        assert 0.3 < speed < 2.0
