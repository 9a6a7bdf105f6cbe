"""A follower with a bank is shown the same references on stage, in a rollout and in training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.bank_file import bank_of, save_bank
from duet.choreography import choreograph_tempo
from duet.contract import CONTRACT_FILE, load_contract, sha256_of
from duet.errors import FollowerError, InputError
from export.to_onnx import export_follower
from models.config import XS
from models.data.take import Take
from models.follower import Follower, load_follower, random_follower
from models.release import Release
from models.rollout import OnnxPartner, TorchPartner, dance
from models.training.bank_stage import choreographed_bank
from realtime.engine import InlineEngine
from realtime.inference.runner_ort import OrtRunner
from realtime.tick import FollowerState


@pytest.fixture(scope="module")
def folder(exported: Path) -> Path:
    """A follower folder with a bank."""
    return exported


@pytest.fixture(scope="module")
def follower(run: Path) -> Follower:
    """The weights it was exported from."""
    return load_follower(run / "best")


@pytest.fixture(scope="module")
def take() -> Take:
    leader = choreograph_tempo(6.0, 170.0, 9).leader
    music = np.random.default_rng(0).normal(size=(leader.frames, 8)).astype(np.float32)
    return Take("leader", leader.joints_m, music, 30.0)


class Asked(OnnxPartner):
    """Keeps what it was asked and what it answered."""

    def reset(self, batch: int) -> None:
        super().reset(batch)
        self.ticks: list[tuple[dict[str, np.ndarray], np.ndarray]] = []

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        answer = super().tick(inputs)
        self.ticks.append((inputs, answer))
        return answer


def test_the_contract_says_which_bank(folder: Path) -> None:
    contract = load_contract(folder)
    assert contract.bank == "bank.npz" and contract.bank_sha256 == sha256_of(folder / "bank.npz")
    assert contract.notes["bank"] == "2 couples of 8 s choreographed in code, seed 2024"


def test_stage_and_rollout_are_shown_the_same(folder: Path, take: Take) -> None:
    """To the bit, with the state each carries; the stage's engine replays to the bit, too."""
    partner, runner = Asked(folder), OrtRunner(folder)
    dance(partner, [take], leak=0.05)
    for _ in range(2):
        engine = InlineEngine(runner, FollowerState.initial(runner.contract))
        rows = []
        for tick, (inputs, answer) in enumerate(partner.ticks):
            assert engine.submit(tick, inputs)
            result = engine.collect(0.0)
            assert result is not None
            np.testing.assert_array_equal(result.outputs["frames"], answer)
            rows.append(result.state.held.row)
        assert len(set(rows)) > 10 and min(rows) >= 0


def test_a_tick_is_pure(folder: Path, take: Take) -> None:
    """The same inputs after the same state: the same answer and state, whatever was run between."""
    partner, runner = Asked(folder), OrtRunner(folder)
    dance(partner, [take.slice(0, 60)], leak=0.05)
    state = first = runner.initial_state()
    for inputs, _ in partner.ticks:
        _, state = runner.tick(inputs, state)
    inputs = partner.ticks[0][0]
    once, then = runner.tick(inputs, first)
    assert first.held.row == -1 and np.isnan(first.held.frame).all()
    np.testing.assert_array_equal(once["frames"], partner.ticks[0][1])
    assert then.held.row >= 0


def test_torch_is_shown_the_same(folder: Path, follower: Follower, take: Take) -> None:
    bank = bank_of(folder, load_contract(folder))
    by_torch = dance(TorchPartner(follower, bank=bank), [take], leak=0.05)[0]
    by_onnx = dance(OnnxPartner(folder), [take], leak=0.05)[0]
    np.testing.assert_allclose(by_torch.root_m, by_onnx.root_m, atol=2e-3)
    np.testing.assert_allclose(by_torch.rotations, by_onnx.rotations, atol=2e-3)
    # And it matters what it is shown.
    unaided = dance(TorchPartner(follower), [take], leak=0.05)[0]
    assert np.abs(unaided.root_m - by_torch.root_m).max() > 0.01


def test_a_bank_of_another_follower_is_refused(folder: Path, follower: Follower, tmp_path: Path) -> None:
    contract = load_contract(folder)
    other = random_follower(replace(follower.config, plan=2, past=9))
    save_bank(choreographed_bank(other.codec, other.config, couples=1, seconds=6.0), tmp_path / "bank.npz")
    for file in folder.iterdir():
        if file.name not in ("bank.npz", CONTRACT_FILE):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / CONTRACT_FILE).write_text(contract.to_json())
    with pytest.raises(FollowerError, match="expected sha256"):
        OrtRunner(tmp_path)
    passed_off = replace(contract, bank_sha256=sha256_of(tmp_path / "bank.npz"))
    (tmp_path / CONTRACT_FILE).write_text(passed_off.to_json())
    with pytest.raises(FollowerError, match="expected references of 3 tokens of .*Export the follower with its own"):
        OrtRunner(tmp_path)


def test_what_a_follower_cannot_use_is_not_exported(
    folder: Path, follower: Follower, release: Release, tmp_path: Path
) -> None:
    for other, reason in (
        (random_follower(XS), "learned from references"),
        (random_follower(follower.config, seed=1), "this follower's codec"),
    ):
        with pytest.raises(InputError, match=reason):
            export_follower(other, release, tmp_path / "out", bank=folder / "bank.npz")
        assert not (tmp_path / "out").exists()
