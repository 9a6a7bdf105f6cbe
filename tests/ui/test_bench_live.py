"""``duet bench live``: a real performance of seconds, and what is said of it; no bound on any time."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from realtime.bench.record import read_record
from ui import cli
from ui.bench import live as bench_live
from ui.bench.live import KeptHealth


def test_what_is_kept_is_what_is_counted() -> None:
    with KeptHealth() as health:
        health.record("tick", 1.0)
        health.forget()
        for milliseconds in (2.0, 4.0, 3.0):
            health.record("tick", milliseconds)
            health.record("draw", 10.0 * milliseconds)
        kept = health.kept_ms()
    assert {name: list(measured) for name, measured in kept.items()} == {
        "tick": [2.0, 4.0, 3.0],
        "draw": [20.0, 40.0, 30.0],
    }
    assert health.stages()["tick"].n == 3 and health.stages()["tick"].max_ms == 4.0


def test_a_performance_is_measured_and_judged(duet_data: Path, tmp_path: Path) -> None:
    video, out = duet_data / "video" / "dancing_man.mp4", tmp_path / "live.json"
    words = ["bench", "live", "--seconds", "5", "--size", "96x64", "--camera", str(video), "--json", str(out)]
    code = cli.main([*words, "--html", str(tmp_path / "live.html")])
    record = read_record(out)
    assert {"late ticks", "tick p95", "draw p95"} <= {aim.what for aim in record.aims}
    beyond = [aim.what for aim in record.aims if not aim.holds]
    # A machine may be too slow for its budgets; then it says so.
    assert code == (1 if beyond else 0)
    assert ("every budget holds" in record.verdict) == (not beyond)
    assert record.figures["ticks"].value > 10 and record.figures["seconds"].value == pytest.approx(5.0, abs=1.0)
    assert record.series["tick"].measured.n <= record.figures["ticks"].value
    assert {"frame", "music", "draw", "decode"} <= record.series.keys()
    assert record.subject["camera"] == str(video)
    assert "<svg" in (tmp_path / "live.html").read_text()


@pytest.mark.parametrize("seconds", ["2", "nan", "1e9"])
def test_a_length_that_cannot_be_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "live", "--seconds", seconds]) == 2
    assert "--seconds: expected 5 to 86400" in capsys.readouterr().err


def test_a_verdict_names_what_was_exceeded() -> None:
    report = {"late_ticks": 3, "ticks": 58, "longest_late_ticks": 1, "drawn_fps": 29.9, "seconds": 8.0}
    assert bench_live._verdict(report, [], []).endswith("every budget holds.")
    assert bench_live._verdict(report, ["xruns", "tick p95"], []).endswith("beyond their budgets: xruns, tick p95.")
    assert bench_live._verdict(report, ["xruns"], ["draw"]).endswith("budgets: xruns; never measured: draw.")


def told(ticks: int) -> dict[str, Any]:
    """The report of a performance of so many ticks."""
    got = 0.0 if ticks else None
    return {
        "late_ticks": 0, "ticks": ticks, "longest_late_ticks": 0, "drawn_fps": 29.9, "seconds": 5.0, "lag_ms": 150.0,
        "lag_p95_ms": 160.0, "camera_frames": 150, "machine": {},
        "budgets": [
            {"name": "late ticks", "unit": "%", "most": 0.5, "got": got},
            {"name": "xruns", "unit": "", "most": 0.0, "got": 0.0},
        ],
    }  # fmt: skip


@pytest.fixture
def without() -> set[str]:
    """The stages that do not take part in what is performed."""
    return set()


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch, without: set[str]) -> list[float]:
    """Milliseconds of the ticks of what is performed, without camera, sound or picture."""
    made: list[float] = []

    def performed(arguments: Namespace, film: object, model: Path, health: KeptHealth, report: Path) -> dict[str, Any]:
        for milliseconds in made:
            for stage in set(bench_live._WHAT) - without:
                health.record(stage, milliseconds)
        return told(len(made))

    monkeypatch.setattr("realtime.sight.pose_model.ensure_pose_model", lambda **_: Path("model.task"))
    monkeypatch.setattr("ui.bench.perception.film_loop", lambda motion, path: 1.7)
    monkeypatch.setattr(bench_live, "_performed", performed)
    return made


def test_where_nobody_was_seen_nothing_is_passed(ticks: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "live", "--seconds", "5", "--camera", "camera:0"]) == 2
    said = capsys.readouterr()
    assert "Leader: expected somebody to be seen, got nobody" in said.err and "every budget holds" not in said.out


def test_what_no_picture_was_drawn_of_did_not_keep_its_budgets(
    ticks: list[float], without: set[str], tmp_path: Path
) -> None:
    ticks += [20.0 + 0.1 * (i % 5) for i in range(60)]
    out = tmp_path / "live.json"
    words = ["bench", "live", "--seconds", "5", "--camera", "camera:0", "--json", str(out)]
    assert cli.main(words) == 0
    without.add("draw")
    assert cli.main(words) == 1
    record = read_record(out)
    assert [aim.what for aim in record.missed] == ["stages that took part"]
    assert record.verdict.endswith("stages that took part; never measured: draw.")


def test_the_record_says_who_led(ticks: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks += [20.0 + 0.1 * (i % 5) for i in range(60)]
    monkeypatch.setattr("ui.bench.film_truth.leads", lambda data, seconds: {f"take of {data}": None, "another": None})
    words, out = ["bench", "live", "--seconds", "5", "--data", "salsa"], tmp_path / "live.json"
    assert cli.main([*words, "--json", str(out)]) == 0
    assert read_record(out).subject["lead"] == "take of salsa"
    assert cli.main([*words, "--camera", "camera:0", "--json", str(out)]) == 0
    subject = read_record(out).subject
    assert subject["camera"] == "camera:0" and "lead" not in subject
