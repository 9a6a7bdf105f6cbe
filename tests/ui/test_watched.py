"""The watch over a performance: its states, its line in the panel, its place in the report."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.contract import load_contract
from duet.features import Placement, Standing
from realtime.budget import BUDGETS
from realtime.conductor import Conductor
from realtime.counters import COUNTERS
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.law import Law
from realtime.playout import Playout
from realtime.process_use import Use
from realtime.tick import FollowerState
from realtime.wishes import Wishes
from ui.cli import main
from ui.report import make_report, this_machine
from ui.watched import states_of

FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
CONTRACT = load_contract(FOLLOWER)


class Nobody:
    def take_new(self, until_s: float) -> tuple:
        return ()

    camera_trouble = staticmethod(lambda: "no pictures from the camera")
    sound_trouble = staticmethod(str)
    kept_troubles = staticmethod(lambda: ("log: got no room.", "session: got a slow disk."))

    def tick(self, inputs, state):
        raise AssertionError("nobody to dance with")


def test_states_are_words() -> None:
    clock, nobody = ManualClock(), Nobody()
    conductor = Conductor(
        CONTRACT, InlineEngine(nobody, FollowerState.initial(CONTRACT)), nobody, nobody,
        Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)), clock, Wishes(Placement(0.8)), Health(),
        law=Law(CONTRACT, [0.19] * 20),
    )  # fmt: skip
    states = states_of(conductor, nobody, clock)  # type: ignore[arg-type]
    assert states()["pace"] == "every token, 2 frames ahead"
    conductor.run(lambda: clock.now() >= 1.0)
    assert states() == {
        "leader": "nobody yet", "follower": "hold", "pace": "every 2 tokens, 6 frames ahead",
        "camera": "no pictures from the camera", "sound": "",
        "kept": "log: got no room. session: got a slow disk.",
    }  # fmt: skip


def test_the_report_judges_by_the_one_table() -> None:
    health = Health()
    for late in (True, True, True, False):
        health.count("ticks")
        health.tally("late_ticks", late)
    health.count("of_tomorrow", 2)
    report = make_report(health, this_machine("-"), CONTRACT, seconds=5.0, sources={})
    judged = {row["name"]: row for row in report["budgets"]}  # type: ignore[union-attr]
    assert list(judged) == [budget.name for budget in BUDGETS]
    assert judged["longest run of late ticks"] == {
        "name": "longest run of late ticks", "unit": "", "most": 2, "got": 3.0, "holds": False
    }  # fmt: skip
    assert report["longest_late_ticks"] == 3 and report["pace_changes"] == 0
    assert report.keys() >= COUNTERS.keys() and report["leader_failures"] == 0
    assert report["of_tomorrow"] == 2, "no counter is left out, whoever counts it"
    assert json.loads(json.dumps(report))["memory_mb"] > 0


def test_a_report_is_made_though_the_last_look_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Use:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("realtime.health.use_of_all", refused)
    health = Health()
    health.count("ticks", 4)
    health.record("tick", 20.0)
    report = json.loads(json.dumps(make_report(health, this_machine("-"), CONTRACT, seconds=5.0, sources={})))
    assert report["ticks"] == 4 and report["stages"]["tick"]["n"] == 1 and report["health_failures"] == 1
    assert report["memory_mb"] == 0 and report["handles"] == 0
    growth = [row for row in report["budgets"] if "growth" in row["name"]]
    assert [row["got"] for row in growth] == [None, None], "nothing was measured"


def test_a_log_that_cannot_be_written_is_told_before_the_dance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play = ["demo", "--headless", "--seconds", "1", "--size", "64x64", "--report", str(tmp_path / "r.json")]
    (tmp_path / "file").write_text("")
    assert main([*play, "--log", str(tmp_path / "file" / "log.jsonl")]) == 2
    told = "".join(capsys.readouterr().err.split())
    assert "file/log.jsonl:expected" in told and "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
