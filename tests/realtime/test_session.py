"""Sessions: what was recorded is danced again to the bit, whatever happened."""

import random
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from duet.contract import load_contract
from duet.errors import DeviceError, InputError
from duet.forecast import FORESEEN_SIZE
from realtime.guards import GuardedForecaster, GuardedRunner
from realtime.health import Health
from realtime.sessions import session as session_module
from realtime.sessions.session import CPU, _RecordedLeader, _RecordedMusic, fingerprint, machine
from realtime.sessions.session_file import (
    MOST_BODY_BYTES,
    SESSION_FILE,
    SessionReader,
    SessionWriter,
)
from realtime.sessions.session_replay import Session
from realtime.sessions.tape import MOST_TAKEN, TapeReader, TapeWriter
from realtime.tick import FollowerState, Tensors
from tests.realtime.rough_dance import CONTRACT, Leading, Playing, Swaying, danced, read_all, record

FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("session") / "new"
    return folder, record(folder, 1)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_what_was_recorded_is_danced_again_to_the_bit(tmp_path: Path, seed: int) -> None:
    shown = record(tmp_path, seed)
    verdict, again = danced(tmp_path)
    assert verdict.is_equal and verdict.complete and verdict.same_machine and verdict.lost == ""
    assert verdict.poses >= len(shown["time_s"]) > 100 and verdict.ticks > 15 and verdict.seconds >= 5.0
    assert set(shown) == set(again)
    for name, values in shown.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)


class Failing(Swaying):
    """Out of memory once, and another time what it says cannot be danced."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        self.asked += 1
        if self.asked == 10:
            raise DeviceError("ONNX Runtime: expected a tick, got: no memory.")
        outputs, after = super().tick(inputs, state)
        return ({"frames": outputs["frames"] * 1e4}, after) if self.asked == 13 else (outputs, after)


def test_what_failed_then_fails_again(tmp_path: Path) -> None:
    health = Health()
    shown = record(tmp_path, 2, runner=GuardedRunner(Failing(), CONTRACT, health, told=lambda _: None))
    assert health.counter("failed_ticks") >= 2
    verdict, again = danced(tmp_path)
    assert verdict.complete and verdict.poses >= len(shown["time_s"]) > 100
    np.testing.assert_array_equal(shown["follower_joints_m"], again["follower_joints_m"])


class Foreseeing:
    """Sways ahead of a leader; now and then out of memory, or out of its mind."""

    def __init__(self, fails: Sequence[int] = (), raves: Sequence[int] = ()) -> None:
        self.asked, self._fails, self._raves = 0, fails, raves

    def __call__(self, leader: np.ndarray) -> np.ndarray:
        self.asked += 1
        if self.asked in self._fails:
            raise DeviceError("ONNX Runtime: expected a forecast, got: no memory.")
        return np.full((9, FORESEEN_SIZE), np.nan if self.asked in self._raves else np.tanh(leader.mean()), np.float32)


def test_what_was_not_foreseen_then_is_not_foreseen_again(tmp_path: Path) -> None:
    health = Health()
    guarded = GuardedForecaster(Foreseeing((5, 6, 20), (12,)), health, told=lambda _: None)
    shown = record(tmp_path, 2, forecaster=guarded)
    assert health.counter("failed_forecasts") == 4
    verdict, again = danced(tmp_path, forecaster=Foreseeing())
    assert verdict.is_equal and verdict.complete
    np.testing.assert_array_equal(shown["follower_joints_m"], again["follower_joints_m"])


def test_graphs_that_fail_when_danced_again_are_told_in_a_sentence(tmp_path: Path) -> None:
    record(tmp_path, 2, forecaster=Foreseeing())
    verdict, _ = danced(tmp_path, forecaster=Foreseeing(fails=(5,)))
    assert verdict.complete and not verdict.is_equal and "tick" in verdict.first_difference
    with pytest.raises(InputError, match="replay it there"):
        danced(tmp_path, runner=Failing(), forecaster=Foreseeing())


def test_what_another_runtime_danced_is_not_asked_to_be_equal_to_the_bit(recorded: tuple[Path, dict]) -> None:
    session = Session(recorded[0])
    assert session.same_machine and session._file.header["runtime"] == CPU
    session._read({**session._file.header, "runtime": "tensorrt"}, "a session")
    assert not session.same_machine
    session.close()


@pytest.mark.parametrize("package", ["onnxruntime", "onnxruntime-gpu", ""])
def test_a_machine_is_told_by_whichever_runtime_is_installed(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    def version(name: str) -> str:
        if name != package:
            raise PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(session_module, "version", version)
    assert machine()["onnxruntime"] == ("1.2.3" if package else "")


def test_what_is_danced_after_a_long_stall_is_danced_again(tmp_path: Path) -> None:
    stall_s = 300.0
    shown = record(tmp_path, 2, seconds=stall_s + 5.0, sleeps_s=stall_s)
    reader = SessionReader(tmp_path)
    assert all(8 * len(chunk.small) + chunk.floats.nbytes < MOST_BODY_BYTES for chunk in reader.chunks())
    reader.close()
    verdict, again = danced(tmp_path)
    assert verdict.is_equal and verdict.complete and verdict.lost == "" and verdict.seconds > stall_s + 5.0
    np.testing.assert_array_equal(shown["follower_joints_m"], again["follower_joints_m"])
    # Of the stall only what may have moved is kept, and whatever was danced after it.
    assert (shown["time_s"] > stall_s + 2.0).sum() > 60 and len(shown["time_s"]) < 30 * (60 + 10)


def test_frames_that_come_all_at_once_can_be_read(tmp_path: Path) -> None:
    """A recorded leader and their music after an hour in which nobody asked."""
    leading, playing = Leading(random.Random(0)), Playing(random.Random(0))
    led, played = leading.take_new(140.0), playing.take_new(140.0)
    assert len(led) > MOST_TAKEN
    for frames, source in ((led, _RecordedLeader), (played, _RecordedMusic)):
        folder = tmp_path / source.__name__
        writer = SessionWriter(folder, {"schema": "x"})
        tape = TapeWriter(writer)
        taken = source(SimpleNamespace(take_new=lambda until_s, frames=frames: frames), tape).take_new(300.0)
        assert [frame.index for frame in taken] == [frame.index for frame in frames[-MOST_TAKEN:]]
        for _ in range(3):
            source(SimpleNamespace(take_new=lambda until_s, frames=frames: frames), tape).take_new(300.0)
        tape.end()
        writer.close()
        assert writer.failure == ""
        reader = SessionReader(folder)
        assert read_all(TapeReader(reader.chunks(), "s")) == 4 and reader.lost == ""
        reader.close()


def test_another_dance_is_told_by_tick_and_tensor(recorded: tuple[Path, dict]) -> None:
    verdict, _ = danced(recorded[0], runner=Swaying(deaf=True))
    assert not verdict.is_equal and verdict.complete
    assert verdict.first_difference.startswith("tick ") and verdict.first_difference.endswith("output 'frames'")
    assert verdict.different_poses > 10 and 0.0 < verdict.furthest_m < 3.0 and verdict.furthest_at_s > 0.0


def test_another_follower_is_refused(recorded: tuple[Path, dict]) -> None:
    session = Session(recorded[0])
    with pytest.raises(InputError, match="expected the follower that danced it"):
        session.replay(replace(CONTRACT, weights_sha256="0" * 64), Swaying(), None)
    session.close()


def test_a_follower_whose_card_was_put_better_is_the_same_one() -> None:
    contract = load_contract(FOLLOWER)
    told = {"training_data": "Somebody else.", "licence": "None.", "golden_sha256": "0" * 64, "parity_max_abs": 0.5}
    assert fingerprint(replace(contract, **told)) == fingerprint(contract)
    danced = {"root_leak": 0.5, "style": contract.style[::-1], "weights_sha256": "0" * 64, "bank_sha256": "0" * 64}
    danced |= {"precision": "fp16", "graphs": (), "forecast": None}
    others = {fingerprint(replace(contract, **{name: value})) for name, value in danced.items()}
    assert len(others) == len(danced) and fingerprint(contract) not in others


def test_nothing_but_what_was_asked_for_is_written(recorded: tuple[Path, dict]) -> None:
    assert [p.name for p in recorded[0].iterdir()] == [SESSION_FILE]
    assert (recorded[0] / SESSION_FILE).stat().st_size < 5 * 60_000


@pytest.mark.parametrize("share", [0.3, 0.71, 0.999])
def test_a_cut_session_is_danced_as_far_as_it_goes(recorded: tuple[Path, dict], tmp_path: Path, share: float) -> None:
    data = (recorded[0] / SESSION_FILE).read_bytes()
    (tmp_path / SESSION_FILE).write_bytes(data[: int(len(data) * share)])
    verdict, again = danced(tmp_path)
    assert verdict.is_equal and not verdict.complete and "cut or damaged" in verdict.lost
    assert verdict.seconds > 5.0 * share - 2.5
    shown = recorded[1]["follower_joints_m"]
    np.testing.assert_array_equal(again["follower_joints_m"], shown[: len(again["follower_joints_m"])])
