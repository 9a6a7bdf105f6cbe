"""``duet bench perception``: the virtual camera is what lifting assumes; what is printed is what was found."""

import json
import time
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from duet.clock import ManualClock, MonotonicClock
from duet.errors import InputError
from duet.frames import LeaderFrame, LeaderStatus
from duet.skeleton import BODY
from realtime.bench.perception import VARIANTS, Score, Shot, picture_error_px
from realtime.health import StageStats
from realtime.sight.landmarks import Landmarks
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.placement import Lens
from realtime.sight.pose_model import find_pose_model
from realtime.sight.steadiness import Jitter, Steadiness, Swing
from realtime.sight.tracking import PoseModel
from ui import cli
from ui.bench import perception as bench_perception
from ui.bench.film_truth import SIZE_PX, Studio, Tripod, leads
from ui.bench.microphone import microphone
from ui.bench.perception_live import Ages, Watched
from ui.bench.perception_tables import Aim, Found, Live, Trueness, json_of


@pytest.mark.parametrize("fov_deg", [40.0, 60.0, 75.0])
def test_the_tripods_picture_is_what_the_lens_says(fov_deg: float) -> None:
    lens = Lens(np.radians(fov_deg))
    tripod = Tripod(lens=lens)
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 3)) + [0.0, 1.0, 0.0]
    clip = np.concatenate([points, np.ones((20, 1))], axis=-1) @ tripod.clip_from_world(SIZE_PX[0] / SIZE_PX[1]).T
    seen = clip[:, :2] / clip[:, 3:] * [0.5, -0.5] + 0.5
    off = points - tripod.eye_m
    expected = off[:, :2] / -off[:, 2:] * [1.0, -1.0] * lens.focal_px(SIZE_PX) / np.array(SIZE_PX) + 0.5
    np.testing.assert_allclose(seen, expected, atol=2e-3)


def test_the_tripod_stays_where_it_was_put() -> None:
    tripod = Tripod()
    before = tripod.clip_from_world(4 / 3)
    tripod.follow(np.array([[0.8, 0.9, -0.5]]), 3.0, 4 / 3)
    np.testing.assert_array_equal(tripod.clip_from_world(4 / 3), before)
    np.testing.assert_allclose(tripod.target_m[[0, 2]], [0.8, -0.5])


@pytest.mark.usefixtures("opengl")
def test_the_dancer_is_drawn_where_the_truth_says() -> None:
    motion = next(iter(leads(None, 2.0).values())).slice(0, 1)
    with Studio(motion) as studio:
        joints, turns = studio.truth()
        pictures = list(studio.pictures())
        shot = Shot("", 30.0, (None,), joints, turns, studio._tripod.stand_m, studio._tripod.lens, 1.69)
    picture = pictures[0].astype(np.float64)
    changed = np.abs(picture - np.median(pictures[0].astype(np.float64), axis=1, keepdims=True)).sum(axis=-1) > 60.0
    columns = np.flatnonzero(changed[150:300].sum(axis=0) > 20)
    hips = shot.true_points(0)[[23, 24]].mean(axis=0)
    across = hips[0] / -hips[2] * shot.lens.focal_px(SIZE_PX) + 0.5 * SIZE_PX[0]
    assert columns.min() < across < columns.max()
    assert abs(columns.mean() - across) < 25.0


@pytest.mark.usefixtures("opengl")
@pytest.mark.skipif(find_pose_model() is None, reason="the pose model is not in the cache")
def test_the_pose_model_finds_the_drawn_dancer() -> None:
    motion = next(iter(leads(None, 2.0).values())).slice(0, 12)
    model = find_pose_model()
    assert model is not None
    with Studio(motion) as studio, PoseModel(model) as pose:
        shot = studio.shot("lead", studio.pictures(), pose)
    assert sum(isinstance(seen, Landmarks) for seen in shot.seen) >= 11
    assert picture_error_px(shot) < 8.0
    assert shot.height_m == pytest.approx(1.69, abs=0.01) and shot.scale == pytest.approx(1.04, abs=0.01)


def _found(body_mm: float) -> Found:
    quick, slow = StageStats(20.0, 28.0, 31.0, 40.0, 1800), StageStats(1.0, 5.0, 40.0, 50.0, 1800)
    live = Live(60.0, quick, quick, slow, 29.98, 0.001, 450, 2, 30.0, 1)
    steady = Steadiness(30.0, 8.0, Jitter(2.5, 2.0, 3.5, "head"), -5.0, 1.0, 3.0, 4.0, (Swing(0.05, 31.0, 0.96),))
    played = Score(np.full(22, body_mm), np.array([2.0, 1.0, 9.0]), 1.0)
    names = ("take 12", "take 13")
    scores = {variant: dict.fromkeys(names, played) for variant in VARIANTS}
    return Found(live, steady, Trueness(scores, dict.fromkeys(names, 55.0), dict.fromkeys(names, 3.0)))


def test_aims_are_judged_as_they_are_printed() -> None:
    holds = {aim.name: aim.holds for aim in _found(60.04).aims}
    assert holds == {
        "picture to leader, p95": True,
        "picture's age when a tick uses it, p99": False,
        "leaders a second": True,
        "still, 8 mm of noise": True,
        "added lag, arm at 1.5 Hz": True,
        "the same, 5 cm to either side": True,
        "torso and legs": True,
        "path": True,
    }
    assert not Aim("", 60.06, 60.0, "mm").holds
    assert not Aim("", 29.9, 30.0, "fps", at_least=True).holds


def test_found_values_are_plain() -> None:
    plain = json.loads(json.dumps(json_of(_found(50.0))))
    assert plain["aims"]["torso and legs"] == {"measured": 50.0, "aim": 60.0, "unit": "mm", "holds": True}
    assert plain["true"]["variants"]["as tracked"]["take 13"]["joints_mm"]["left_knee"] == 50.0
    assert plain["live"]["frame_ms"]["p95_ms"] == 28.0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _found(70.0)
    monkeypatch.setattr(bench_perception, "ensure_pose_model", lambda **_: Path("model.task"))
    monkeypatch.setattr(bench_perception, "_true", lambda *_: found.truth)
    monkeypatch.setattr(bench_perception, "_live", lambda *_: found.live)
    monkeypatch.setattr(bench_perception, "measure", lambda: found.steady)


def test_tables_say_what_was_found_and_the_exit_code_whether_it_is_good(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    kept = tmp_path / "found.json"
    assert cli.main(["bench", "perception", "--json", str(kept)]) == 1
    printed = capsys.readouterr().out
    for text in ("70.0 mm", "at most 60.0 mm", "lifted, true depth", "70, 9.3 (2 1 9)", "shoulder", "450 (2)"):
        assert text in printed
    assert json.loads(kept.read_text())["true"]["picture_error_px"] == {"take 12": 3.0, "take 13": 3.0}


def test_json_alone_is_all_that_is_printed(quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "perception", "--only", "steady", "--json", "-"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["aims", "steady"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "nan"], "--seconds: expected 5 to 7200"),
        (["--film-seconds", "2"], "--film-seconds: expected 4 to 120"),
        (["--json", "/proc/none/x.json"], "x.json"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", "perception", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_leads_come_from_the_data_or_from_code(tmp_path: Path) -> None:
    dances = leads(None, 3.0)
    assert [motion.frames >= 85 for motion in dances.values()] == [True, True]
    with pytest.raises(InputError, match="cmu_salsa"):
        leads(tmp_path, 3.0)


class _OnePicture:
    """A leader of whom one picture comes."""

    def __init__(self, status: LeaderStatus) -> None:
        rest = BODY.rest_joints_m.astype(np.float32)
        turns = np.tile(np.float32([1, 0, 0, 0, 1, 0]), (22, 1))
        self.frames = [LeaderFrame(0, 1.0, rest[0], rest, turns, np.ones(22, np.float32), status)]

    def start(self, clock: MonotonicClock, begin_s: float) -> None: ...

    def take_new(self, until_s: float) -> list[LeaderFrame]:
        frames, self.frames = self.frames, []
        return frames

    def shown(self, time_s: float) -> None: ...

    def stop(self) -> None: ...


def test_a_picture_ages_from_tick_to_tick_also_where_no_new_one_came() -> None:
    ages, clock = Ages(), ManualClock(1.05)
    leader = Watched(cast(CameraLeader, _OnePicture(LeaderStatus.TRACKED)), ages)
    leader.start(cast(MonotonicClock, clock), 0.0)
    for later_s in (0.0, 0.133, 0.133):
        clock.advance(later_s)
        leader.take_new(clock.now())
        ages.count("ticks")
        ages.count("surprises")
    assert ages.ages_ms == pytest.approx([50.0, 183.0, 316.0])


def test_a_frame_that_bridges_is_no_picture() -> None:
    ages, clock = Ages(), ManualClock(1.05)
    leader = Watched(cast(CameraLeader, _OnePicture(LeaderStatus.HELD)), ages)
    leader.start(cast(MonotonicClock, clock), 0.0)
    leader.take_new(clock.now())
    ages.count("ticks")
    assert not ages.ages_ms


def test_the_bench_s_microphone_hears_its_music(tmp_path: Path) -> None:
    music, clock = microphone(tmp_path), MonotonicClock()
    music.start(clock)
    try:
        loudest, end_s = 0.0, time.monotonic() + 30.0
        while loudest < 0.02 and time.monotonic() < end_s:
            block = music.read(clock.now())
            loudest = max(loudest, 0.0 if block is None else float(np.abs(block.samples).max(initial=0.0)))
            time.sleep(0.02)
    finally:
        music.stop()
    assert loudest >= 0.02
