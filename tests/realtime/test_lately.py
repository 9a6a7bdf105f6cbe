"""What a show was in its first hour says nothing of how it is now: the last minutes are told apart, in fixed memory."""

import re
from pathlib import Path

import pytest

from realtime.budget import exceeded, judged
from realtime.counters import COUNTERS
from realtime.health import Health, Snapshot
from realtime.lately import LATELY_S, PART_S
from realtime.process_use import Use

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.health.use_of_all", lambda: Use(100.0, 9, 3, frozenset({1})))


def names(snapshot: Snapshot) -> set[str]:
    return {figure.name for figure in exceeded(snapshot)}


def got(snapshot: Snapshot, name: str) -> float | None:
    return next(figure.got for figure in judged(snapshot) if figure.name == name)


def test_one_xrun_is_not_told_for_the_rest_of_the_day() -> None:
    health, told = Health(), list[float]()
    for second in range(0, 1200, 5):
        if second == 100:
            health.count("xruns")
        snapshot = health.snapshot(float(second))
        if "xruns" in names(snapshot.present):
            told.append(float(second))
    assert told[0] == 100.0 and LATELY_S <= told[-1] - told[0] <= LATELY_S + PART_S
    assert names(snapshot) == {"xruns"} and snapshot.present.counters["xruns"] == 0


def test_minutes_of_misery_are_not_drowned_in_hours() -> None:
    health = Health()
    for second in range(0, 20 * 3600, 60):
        health.record("tick", 20.0)
        health.count("ticks", 450)
        snapshot = health.snapshot(float(second))
    for second in range(20 * 3600, 20 * 3600 + 400, 10):
        health.record("tick", 200.0)
        health.count("ticks", 70)
        health.count("skipped_ticks", 5)
        health.count("starved_frames", 1)
        snapshot = health.snapshot(float(second))
    assert {"tick p95", "skipped ticks"}.isdisjoint(names(snapshot))
    assert names(snapshot.present) == {"tick p95", "skipped ticks", "frames at rest unasked"}
    assert got(snapshot.present, "skipped ticks") == pytest.approx(100.0 * 5 / 75)


def test_the_longest_run_is_that_of_the_last_minutes() -> None:
    health, longest = Health(), dict[int, int]()
    for second in range(1, 1000):
        # A run that goes on over a mark is one.
        late = 57 <= second < 63 or second in (500, 501)
        health.tally("late_ticks", late)
        if second % 5 == 0 or late:
            longest[second] = health.snapshot(float(second)).present.counters["longest_late_ticks"]
    assert longest[60] == 4 and longest[62] == 6 == longest[330]
    assert longest[450] == 0 and longest[501] == 2 == longest[800] and longest[900] == 0
    assert health.counter("longest_late_ticks") == 6


def test_a_camera_that_gives_too_few_frames_is_told() -> None:
    health = Health()
    health.count("camera_frames", 500)  # it was open before the dance began
    assert got(health.snapshot(0.0), "leader frames missing") is None
    for second in range(1, 1001):
        health.count("camera_frames", 30 if second < 500 else 25)
        if second % 10:
            continue
        snapshot = health.snapshot(float(second))
        if second == 400:
            assert got(snapshot, "leader frames missing") == 0.0 == got(snapshot.present, "leader frames missing")
    assert got(snapshot.present, "leader frames missing") == pytest.approx(5.0)
    assert got(snapshot, "leader frames missing") == pytest.approx(2.5, abs=0.1)
    for second in range(1001, 1401, 10):
        snapshot = health.snapshot(float(second))
    assert got(snapshot.present, "leader frames missing") == 30.0, "a camera that went is no camera that never was"


def test_what_is_forgotten_is_forgotten_lately_as_well() -> None:
    health = Health()
    for second in range(200):
        health.record("draw", 100.0)
        health.count("xruns")
        health.tally("late_ticks", True)
        health.snapshot(float(second))
    health.forget()
    assert not names(health.snapshot(201.0).present) and not names(health.snapshot(202.0))


def test_it_holds_as_much_after_a_day_as_at_once() -> None:
    health = Health()
    at_once = health._lately._histograms.nbytes
    for second in range(0, 24 * 3600, 300):
        health.tally("late_ticks", second % 3 == 0)
        health.snapshot(float(second))
    lately = health._lately
    assert lately._histograms.nbytes == at_once
    assert len(lately._marks) == len(lately._longest) == len(lately._histograms) == round(LATELY_S / PART_S) + 1


def test_every_counter_is_in_the_table_and_the_page() -> None:
    counted = set[str]()
    for path in (*(ROOT / "realtime").rglob("*.py"), *(ROOT / "ui").rglob("*.py")):
        if "bench" not in path.parts:
            said = path.read_text()
            counted |= set(re.findall(r"health\.(?:count|tally)\(\s*\"([a-z_]+)\"", said))
            counted |= set(re.findall(r"Told\([a-z_.]*health, \"([a-z_]+)\"", said))
    assert len(counted) > 15 and counted <= COUNTERS.keys()
    page = (ROOT / "docs" / "live-loop.md").read_text()
    assert all(f"`{name}`" in page for name in COUNTERS)
