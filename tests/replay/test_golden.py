"""The golden session: twenty seconds that come out as they were recorded, or the reference was updated on purpose."""

from pathlib import Path

import numpy as np
import pytest

from duet.contract import load_contract
from realtime.inference.runner_ort import OrtRunner
from realtime.motion_log import MotionLog
from realtime.sessions.session import fingerprint
from realtime.sessions.session_file import SESSION_FILE, SessionReader
from realtime.sessions.session_replay import TOLERANCE_M, Session, Verdict

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
FOLLOWER = HERE.parents[1] / "followers" / "salsa-s"
ANEW = "if the dance was meant to change, record it anew with `python -m tests.replay.regenerate` and commit both"


@pytest.fixture(scope="module")
def replayed() -> tuple[Verdict, dict[str, np.ndarray]]:
    session, runner = Session(GOLDEN), OrtRunner(FOLLOWER)
    log = MotionLog(runner.contract.fps)
    try:
        verdict = session.replay(runner.contract, runner, runner.forecaster, log=log)
    finally:
        session.close()
    return verdict, log.arrays()


def test_it_was_danced_by_the_follower_that_ships() -> None:
    session = Session(GOLDEN)
    session.close()
    assert session.contract_sha256 == fingerprint(load_contract(FOLLOWER)), ANEW


def test_it_comes_out_as_it_was_recorded(replayed: tuple[Verdict, dict]) -> None:
    verdict, _ = replayed
    assert verdict.complete and verdict.lost == "" and verdict.seconds >= 20.0
    assert verdict.ticks > 130 and verdict.poses >= 600
    told = f"{verdict.first_difference}, {verdict.furthest_m * 1e3:.2f} mm at {verdict.furthest_at_s:.1f} s: {ANEW}"
    if verdict.same_machine:
        assert verdict.is_equal, told
    assert verdict.furthest_m <= TOLERANCE_M, told


def test_it_holds_a_dance_a_stop_and_a_dance(replayed: tuple[Verdict, dict]) -> None:
    _, motion = replayed
    speed = np.linalg.norm(np.diff(motion["follower_joints_m"], axis=0), axis=-1).max(axis=-1) * 30.0
    time_s = motion["time_s"][1:]
    stopped = (time_s > 15.6) & (time_s < 16.0)
    assert speed[stopped].max() < 0.01 and set(motion["source"][1:][stopped]) == {"hold"}
    for from_s, to_s in ((2.0, 14.9), (17.5, 20.0)):
        dancing = speed[(time_s > from_s) & (time_s < to_s)]
        assert 0.3 < np.median(dancing) < 6.0


def test_it_is_small_enough_to_keep() -> None:
    assert [p.name for p in GOLDEN.iterdir()] == [SESSION_FILE]
    assert (GOLDEN / SESSION_FILE).stat().st_size < 1_000_000
    reader = SessionReader(GOLDEN)
    told = str(reader.header)
    reader.close()
    assert "/" not in told.replace("duet-session/1", "")
