"""Own couples: any two takes of one dance, found by name, measured, split by folder or by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.errors import InputError
from duet.motion import write_couple, write_motion
from models.config import XS
from models.data import corpus
from models.data.checks import settle
from models.data.couples import couples_in, recorded_couples
from models.data.recording import hashed_split
from models.data.sources import SOURCES, recordings


def legs_apart(joints: np.ndarray) -> np.ndarray:
    """(T, 22, 3) seen from the first frame's pelvis: data sets are free in where on the floor."""
    return joints - joints[:1, :1] * np.array([1.0, 0.0, 1.0])


def test_takes_of_duet_and_of_others_come_back_alike(tmp_path: Path, couple) -> None:
    """As npz, as one npz of both, as BVH in metres and in centimetres."""
    for role, motion in (("leader", couple.leader), ("follower", couple.follower)):
        write_motion(tmp_path / f"plain-{role}.npz", motion)
        write_motion(tmp_path / f"metres_{role.upper()}.bvh", motion)
        body = replace(motion.skeleton, offsets_m=motion.skeleton.offsets_m * np.float32(100.0))
        write_motion(
            tmp_path / f"cm-{role}.bvh", replace(motion, skeleton=body, root_m=motion.root_m * np.float32(100))
        )
    write_couple(tmp_path / "both-couple.npz", {"leader": couple.leader, "follower": couple.follower})
    found = {one.name: one for one in recordings(tmp_path)}
    assert sorted(found) == ["own-both", "own-cm", "own-metres", "own-plain"]
    for one in found.values():
        assert (one.dataset, one.couple, one.split) == ("own", True, hashed_split(one.name.removeprefix("own-")))
        motions, findings = settle(one.name, SOURCES["own"].read(one)[0], up="y")
        assert ("centimetres" in " ".join(f.short for f in findings)) == (one.name == "own-cm")
        for role, danced in (("leader", couple.leader), ("follower", couple.follower)):
            wanted = danced.on_body().joints_m
            np.testing.assert_allclose(legs_apart(motions[role].joints_m), legs_apart(wanted), atol=3e-3)


def test_folders_say_what_is_judged_by(tmp_path: Path, couple) -> None:
    both = {"leader": couple.leader, "follower": couple.follower}
    for place in ("", "validation", "test"):
        (tmp_path / place).mkdir(exist_ok=True)
        write_couple(tmp_path / place / f"dance{place}-couple.npz", both)
    (tmp_path / "validation" / "dancevalidation.wav").touch()
    found = {one.name: (one.split, one.music is not None) for one in recordings(tmp_path, "own")}
    assert found == {
        "own-dance": ("train", False), "own-dancevalidation": ("validation", True), "own-dancetest": ("test", False)
    }  # fmt: skip


def test_own_couples_can_be_learned_from(tmp_path: Path, couple, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    write_couple(tmp_path / "mine" / "waltz-couple.npz", {"leader": couple.leader, "follower": couple.follower})
    (tmp_path / "mine" / "validation").mkdir()
    write_couple(
        tmp_path / "mine" / "validation" / "swing-couple.npz", {"leader": couple.leader, "follower": couple.follower}
    )
    assert couples_in(tmp_path, "own").takes("train") == ("own-waltz",)
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "cache"))
    (pair,) = recorded_couples(couples_in(tmp_path, "own"), "train")
    assert pair.name == "own-waltz"
    assert pair.frames == couple.leader.frames


def test_what_is_missing_to_be_judged_by_is_told_before_anything_is_made(
    tmp_path: Path, couple, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train").mkdir()
    both = {"leader": couple.leader, "follower": couple.follower}
    write_couple(tmp_path / "train" / "waltz-couple.npz", both)
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(corpus, "choreographed_sequences", lambda *_: pytest.fail("made for nothing"))
    with pytest.raises(InputError, match="for validation, got none .* Put some of your own into a folder validation"):
        corpus.build_corpus(couples_in(tmp_path, "own"), XS)


def test_a_couple_in_two_folders_is_refused(tmp_path: Path, couple) -> None:
    (tmp_path / "test").mkdir()
    for place in (tmp_path, tmp_path / "test"):
        write_couple(place / "waltz-couple.npz", {"leader": couple.leader, "follower": couple.follower})
    with pytest.raises(InputError, match=r"expected every couple once, got waltz here and in .*\. Move one"):
        recordings(tmp_path)


def test_a_lone_dancer_is_told_that_a_partner_is_missing(tmp_path: Path, couple) -> None:
    write_motion(tmp_path / "waltz-leader.npz", couple.leader)
    (found,) = recordings(tmp_path)
    with pytest.raises(InputError, match=r"own-waltz: expected a partner, got no follower \(waltz-follower.npz\)"):
        found.require()
