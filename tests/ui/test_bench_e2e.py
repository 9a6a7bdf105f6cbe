"""``duet bench e2e``: what is made of steps and flashes; how they are found is ``realtime.bench``'s."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from realtime.bench.photons import Flashes
from realtime.bench.reaction import Reaction, Reactions
from realtime.bench.record import read_record
from ui import cli
from ui.bench import e2e

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"


def stepped(event_s: float, answered_s: float | None) -> Reaction:
    shown_s = None if answered_s is None else event_s + answered_s
    return Reaction(event_s, event_s + 0.020, event_s + 0.025, shown_s)


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> list[Reactions]:
    made = [
        Reactions((stepped(5.0, 0.100), stepped(7.0, 0.120)), equal_bits=True),
        Reactions((stepped(5.5, 0.140), stepped(8.0, None)), equal_bits=True),
    ]
    left = iter(made)
    monkeypatch.setattr(e2e, "_act", lambda *_: next(left))
    flashes = Flashes(np.array([60.0, 62.0, 64.0]), 4, 88.0)
    monkeypatch.setattr(e2e, "_flashes", lambda arguments, console: flashes)
    return made


def test_parts_make_up_the_whole_and_what_nobody_answered_is_told(acts: list[Reactions], tmp_path: Path) -> None:
    out, page = tmp_path / "e2e.json", tmp_path / "e2e.html"
    words = ["bench", "e2e", "--seconds", "60", "--camera", "camera:0", "--json", str(out), "--html", str(page)]
    assert cli.main(words) == 0
    record = read_record(out)
    assert record.series["event_to_pose"].measured.p50 == pytest.approx(120.0)
    assert record.series["framed"].measured.p50 == pytest.approx(20.0)
    parts = sum(record.series[name].measured.mean for name in ("framed", "known", "answered"))
    assert parts == pytest.approx(record.series["event_to_pose"].measured.mean)
    assert record.figures["stages"].value == pytest.approx(100.0) and record.figures["unanswered"].value == 1
    # Screen and camera, and of the software what comes after the frame is there: 62 + (5 + 95).
    assert record.figures["event_to_photon"].value == pytest.approx(162.0)
    assert record.figures["unseen"].value == 1
    assert {aim.what: aim.holds for aim in record.aims} == {
        "event to pose, p95": True,
        "steps that nobody answered": False,
    }
    assert "120 ms" in record.verdict and "to its light 162 ms" in record.verdict and "NOT PROVEN" not in record.verdict
    assert len(record.subject["weights_sha256"]) == 64 and not any(w.startswith("Unsteady") for w in record.warnings)
    assert page.read_text().count("<svg") == 2 * len(record.series)


def test_a_performance_that_comes_out_otherwise_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(e2e, "_act", lambda *_: Reactions((stepped(5.0, 0.1),), equal_bits=False))
    assert cli.main(["bench", "e2e", "--seconds", "20"]) == 1
    assert "NOT PROVEN" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(e2e, "_act", lambda *_: Reactions((stepped(5.0, None),), equal_bits=True))
    assert cli.main(["bench", "e2e", "--seconds", "20"]) == 2
    assert "Steps: expected answers, got none" in capsys.readouterr().err


def test_a_flash_needs_a_display(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("ui.asked.has_display", lambda: False)
    assert cli.main(["bench", "e2e", "--camera", "camera:0"]) == 2
    assert "--camera: expected a display that can flash, got none" in capsys.readouterr().err


def test_it_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    e2e.add_e2e(parser.add_subparsers(), SHIPPED)
    with pytest.raises(SystemExit):
        parser.parse_args(["e2e", "--help"])
    assert "duet bench e2e --camera camera:0" in capsys.readouterr().out
