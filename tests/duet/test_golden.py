"""The golden answer: the same inputs for everybody, and files that are whole or refused."""

from pathlib import Path

import numpy as np
import pytest

from duet.contract import load_contract
from duet.errors import FollowerError
from duet.features import FOLLOWER_ROOT, FOLLOWER_SIZE, ROOT_FACING, ROOT_HEIGHT, ROOT_PLACE
from duet.golden import Golden, joint_distance_mm, load_golden, save_golden, seeded_inputs

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"


@pytest.fixture
def golden() -> Golden:
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((2, 8, FOLLOWER_SIZE)).astype(np.float32)
    units = {"music": (np.full(8, 3.0, np.float32), np.full(8, 0.01, np.float32))}
    return Golden(4, units, (0, 7), frames)


def test_it_is_read_back_as_written_and_equal_answers_are_equal_bytes(golden: Golden, tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save_golden(golden, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = load_golden(tmp_path / "a.npz")
    assert (back.seed, back.ticks) == (4, (0, 7))
    np.testing.assert_array_equal(back.frames, golden.frames)
    np.testing.assert_array_equal(back.units["music"][1], golden.units["music"][1])


def test_cut_off_and_foreign_files_are_refused(golden: Golden, tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    save_golden(golden, path)
    whole = path.read_bytes()
    for content in (b"", b"PK", whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(FollowerError, match="expected the golden answer of a follower"):
            load_golden(path)
    np.savez(path, about=np.frombuffer(b'{"format": "other"}', np.uint8))
    with pytest.raises(FollowerError, match="format 'other'"):
        load_golden(path)


def test_inputs_are_the_same_for_the_same_seed_and_in_units(golden: Golden) -> None:
    contract = load_contract(SHIPPED)
    shapes = {spec.name: spec.shape for spec in contract.inputs}
    runs = [list(seeded_inputs(shapes, contract.past_tokens, golden.units, 3, seed)) for seed in (1, 1, 2)]
    for one, same, other in zip(*runs, strict=True):
        assert one.keys() == shapes.keys()
        for name, tensor in one.items():
            assert tensor.shape == shapes[name] and tensor.dtype == np.float32, name
            np.testing.assert_array_equal(tensor, same[name])
        assert (one["noise"] != other["noise"]).any()
    music = np.concatenate([inputs["music"].reshape(-1, 8) for inputs in runs[0]])
    assert abs(music.mean() - 3.0) < 0.01 and 0.003 < music.std() < 0.03
    # The window slides by one token a tick.
    np.testing.assert_array_equal(runs[0][1]["leader"][:, :-1], runs[0][0]["leader"][:, 1:])


def standing_still() -> np.ndarray:
    frames = np.zeros((2, FOLLOWER_SIZE), np.float32)
    frames[:, :132] = np.tile([1, 0, 0, 0, 1, 0], 22)
    frames[:, FOLLOWER_ROOT.start + ROOT_FACING.stop - 1] = 1.0
    return frames


@pytest.mark.parametrize("number", [ROOT_PLACE.start, ROOT_PLACE.start + 1, ROOT_HEIGHT.start])
def test_a_metre_is_a_thousand_millimetres(number: int) -> None:
    frames = standing_still()
    elsewhere = frames.copy()
    elsewhere[:, FOLLOWER_ROOT.start + number] += 1.0
    assert joint_distance_mm(frames, frames) == 0.0
    assert joint_distance_mm(frames, elsewhere) == pytest.approx(1000.0)


def test_who_looks_the_other_way_is_not_the_same() -> None:
    frames = standing_still()
    turned = frames.copy()
    turned[1, FOLLOWER_ROOT.start + ROOT_FACING.stop - 1] = -1.0
    # Hands are what is furthest from the axis of a body that holds its arms out.
    assert 1000.0 < joint_distance_mm(frames, turned) < 2500.0
