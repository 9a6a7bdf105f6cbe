"""A follower with random weights under stress: the command's numbers, verdicts and exit codes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.motion import read_motion
from export.cli import main
from models.data.music import condition_from_beats
from models.evaluation import closed_loop, counterfactuals, endurance, reaction, strange
from models.evaluation.counterfactuals import Forgetful
from models.evaluation.endurance import ROUNDS, Slope, Timed, endless_take, slope_of
from models.evaluation.strange_leads import FPS
from models.evaluation.stress import Extent, Stress, stress
from models.rollout import OnnxPartner

EXTENT = Extent(minutes=0.3, choreographed=2, leads=("tracker swap",), seeds=(1,))


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self._now = ""

    def stage(self, name: str, steps: int) -> None:
        self._now, self.stages[name] = name, steps

    def step(self, what: str, done: int) -> None:
        assert what
        self.done[self._now] = done


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def found(exported: Path, told: Told, tmp_path_factory: pytest.TempPathFactory) -> Stress:
    """Everything, in short, with music that is drawn: to listen takes seconds."""

    def drawn(beats_s: np.ndarray, frames: int, fps: float, *, seed: int, lead_in_s: float) -> np.ndarray:
        return condition_from_beats(beats_s, frames, fps, np.random.default_rng(seed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counterfactuals, "CASE_S", 8.0)
        patch.setattr(reaction, "STOP_AFTER_S", 4.0)
        for module in (closed_loop, counterfactuals, endurance, strange):
            patch.setattr(module, "heard_condition", drawn)
        return stress(exported, None, EXTENT, told, tmp_path_factory.mktemp("motions"))


def test_everything_is_measured_and_told(found: Stress, told: Told) -> None:
    assert found.follower == "trial"
    assert {"other leader", "music half a beat late", "silence", "no memory", "other noise"} <= {
        c.name for c in found.counterfactuals.changes
    }
    assert [b.name for b in found.behaviours] == ["tracker swap (1)"]
    end = found.endurance
    assert end.ticks == round(end.minutes * 60 * FPS) // 4
    assert told.stages == {"counterfactuals": 24, "strange leads": 1, "endurance": round(0.3 * 60 * FPS) // 4}
    assert told.done["counterfactuals"] == 23 and told.done["endurance"] == end.ticks


def test_a_follower_is_equivariant_and_its_state_does_not_grow(found: Stress) -> None:
    moved, turned = (
        next(v for v in found.counterfactuals.verdicts if v.what.startswith(text))
        for text in ("leader moved", "stage turned")
    )
    assert moved.met and turned.met
    least, most = found.endurance.state_bytes
    assert least == most > 1000
    assert [s.name for s in found.endurance.slopes] == ["jerk", "pelvis height", "distance", "joint speed"]
    assert all(np.isfinite([s.mean, s.per_minute, s.half_width]).all() for s in found.endurance.slopes)
    assert found.endurance.slower > 0.0


def test_memory_can_be_taken_away(exported: Path) -> None:
    whole, forgetful = OnnxPartner(exported), Forgetful(exported)
    shapes = {t.name: t.shape for t in whole.config.inputs}
    rng = np.random.default_rng(0)
    answers = []
    for partner in (whole, forgetful):
        partner.reset(1)
        asked = [{n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()} for _ in range(3)]
        answers.append(asked)
    danced = [[p.tick(asked) for asked in answers[0]] for p in (whole, forgetful)]
    np.testing.assert_array_equal(danced[0][0], danced[1][0])
    assert np.abs(danced[0][2] - danced[1][2]).max() > 0.0


def test_the_numbers_are_written_whole(found: Stress, tmp_path: Path) -> None:
    broken = replace(found.behaviours[0], finite=False, joint_m_s=float("nan"))
    changed = replace(found, behaviours=[broken])
    changed.write(tmp_path / "new" / "stress.json")
    read = json.loads((tmp_path / "new" / "stress.json").read_text(encoding="utf-8"))
    assert read["follower"] == "trial" and read["broken"][0] == "tracker swap (1): NaN"
    assert read["strange_leads"][0]["joint_m_s"] is None
    assert {s["name"] for s in read["endurance"]["slopes"]} == {s.name for s in found.endurance.slopes}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["stress.json"]


def test_what_breaks_fails_the_command_and_what_misses_does_not(
    found: Stress, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = [replace(b, finite=True, joint_m_s=3.0, root_m_s=2.0, pelvis_m=(0.8, 0.9)) for b in found.behaviours]
    good = replace(found, behaviours=sound, endurance=replace(found.endurance, broken=""))
    bad = replace(good, behaviours=[replace(sound[0], joint_m_s=40.0)])
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("DUET_DATA", raising=False)
    asked = []
    for result, code in ((good, 0), (bad, 1)):
        monkeypatch.setattr("models.evaluation.stress.stress", lambda *a, r=result: asked.append(a) or r)
        arguments = ["stress", str(exported), "--minutes", "2", "--json", str(tmp_path / f"{code}.json")]
        assert main(arguments) == code
        said = capsys.readouterr().out
        assert "tracker swap (1)" in said and "other leader" in said and "What changes what" in said
        assert ("breaks: tracker swap (1): explosion" in said) == (code == 1)
        assert json.loads((tmp_path / f"{code}.json").read_text(encoding="utf-8"))["follower"] == "trial"
    assert asked[0][:3] == (exported, None, Extent(minutes=2.0))


def test_what_cannot_be_is_said_before_the_dance(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    for arguments, words in (
        ([str(exported), "--json", str(tmp_path)], "--json: expected a file to write, got the folder"),
        ([str(exported), "--out", str(file)], "--out: expected a folder, got the file"),
        ([str(exported), "--minutes", "-1"], "expected a number above 0"),
        ([str(tmp_path / "nobody")], "nobody"),
    ):
        assert main(["stress", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_couples_are_written_where_they_are_wanted(found: Stress, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = next(tmp_path_factory.getbasetemp().glob("motions*"))
    assert {p.name for p in folder.iterdir()} == {"tracker-swap-1.npz"}
    assert read_motion(folder / "tracker-swap-1.npz", dancer="follower").frames == 720


def test_a_slope_is_found_where_there_is_one() -> None:
    minutes = np.arange(14) * 2.0
    noise = np.random.default_rng(1).normal(scale=0.01, size=14)
    for slope, drifts in ((0.0, False), (0.01, True)):
        found = Slope("x", "m", *slope_of(minutes, 3.0 + slope * minutes + noise))
        assert found.per_minute == pytest.approx(slope, abs=0.002)
        assert found.holds_zero != drifts
    # Ten thousand intervals of nothing but noise hold zero 95 times in a hundred.
    rng = np.random.default_rng(2)
    held = [Slope("x", "m", *slope_of(minutes, rng.normal(size=14))).holds_zero for _ in range(2000)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
    assert slope_of(np.arange(2.0), np.arange(2.0))[2] == float("inf")


def test_the_long_leader_repeats_itself_without_a_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    from duet.features import Placement

    def drawn(beats_s: np.ndarray, frames: int, fps: float, *, seed: int, lead_in_s: float) -> np.ndarray:
        return condition_from_beats(beats_s, frames, fps, np.random.default_rng(seed))

    monkeypatch.setattr(endurance, "heard_condition", drawn)
    take, per_round = endless_take(3.0, Placement(), 0)
    assert take.frames == ROUNDS * per_round and per_round % 40 == 0  # whole bars at 180 beats a minute
    assert take.frames / FPS == pytest.approx(180.0, rel=0.05)
    assert np.linalg.norm(np.diff(take.joints_m, axis=0), axis=-1).max() * FPS < 10.0
    # Every round has the same poses, elsewhere on the floor.
    height = take.joints_m[:, :, 1].reshape(ROUNDS, per_round, -1)
    np.testing.assert_allclose(height[2, 60:], height[9, 60:], atol=1e-3)


def test_a_watched_follower_dances_as_an_unwatched_one(exported: Path) -> None:
    timed, plain = Timed(exported), OnnxPartner(exported)
    asked = {t.name: np.ones(t.shape, np.float32) for t in plain.config.inputs}
    np.testing.assert_array_equal(timed.tick(asked), plain.tick(asked))
    assert len(timed.cpu_s) == len(timed.state_bytes) == 1
