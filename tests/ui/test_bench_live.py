"""``duet bench live``: a real performance of seconds, and what is said of it; no bound on any time."""

from pathlib import Path

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
    assert bench_live._verdict(report, []).endswith("every budget holds.")
    assert bench_live._verdict(report, ["xruns", "tick p95"]).endswith("beyond their budgets: xruns, tick p95.")
