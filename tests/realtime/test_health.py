"""What the loop knows of itself: percentiles in fixed memory, runs, growth, budgets, and a log that is not flooded."""

import errno
import json
import logging
import mmap
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.errors import InputError
from realtime.budget import BUDGETS, exceeded, judged
from realtime.counters import COUNTERS
from realtime.health import RECENT_SNAPSHOTS, Health, Snapshot
from realtime.health_log import KEEP_FILES, MOST_BYTES, QUIET_S, HealthLog
from realtime.health_watch import HealthWatch
from realtime.histogram import RATIO, Histogram, StageStats
from realtime.process_use import Trend, Use, children, give_back, handles, memory_mb, use_of_all


def test_percentiles_are_those_of_the_samples_within_a_bin() -> None:
    samples = np.random.default_rng(0).lognormal(2.0, 1.0, 20_000)
    stats, exact = Histogram(samples).stats(), StageStats.of(list(samples))
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        assert getattr(stats, name) == pytest.approx(getattr(exact, name), rel=RATIO - 1)
    assert stats.max_ms == exact.max_ms and stats.n == exact.n
    assert Histogram().stats() == StageStats(0.0, 0.0, 0.0, 0.0, 0)
    odd = Histogram([0.0, -1.0, 1e9, 5.0]).stats()
    assert odd.n == 4 and odd.max_ms == 1e9


def test_what_came_lately_is_told_apart() -> None:
    health = Health()
    for _ in range(100):
        health.record("tick", 200.0)
    for second in range(RECENT_SNAPSHOTS + 1):
        health.record("tick", 20.0)
        snapshot = health.snapshot(float(second))
    assert snapshot.stages["tick"].p50_ms == pytest.approx(200.0, rel=0.04)
    assert snapshot.recent["tick"].p95_ms == snapshot.recent["tick"].max_ms == pytest.approx(20.0, rel=0.04)
    assert snapshot.recent["tick"].n == RECENT_SNAPSHOTS
    health.forget()
    assert health.snapshot(12.0).stages["tick"].n == 0


def test_the_longest_run_is_kept() -> None:
    health = Health()
    for late in (True, False, True, True, True, False, True):
        health.tally("late_ticks", late)
    assert health.counter("late_ticks") == 5 and health.counter("longest_late_ticks") == 3


def test_growth_is_a_slope_after_the_warm_up_in_fixed_memory() -> None:
    trend = Trend()
    assert trend.per_10_min() is None
    for second in range(20_000):
        # Falls while it warms up, then grows by 0.01 a second, with noise.
        trend.add(float(second), 1000.0 - second if second < 60 else 100.0 + 0.01 * second + (second % 7) * 0.1)
    assert trend.per_10_min() == pytest.approx(6.0, rel=0.05)
    assert len(trend._points) < 720


def test_what_is_held_for_a_moment_is_no_growth() -> None:
    trend, rng = Trend(), np.random.default_rng(0)
    for second in range(600):
        held_mb = 8.0 * (330 < second < 370) + 1.5 * rng.integers(0, 2)
        trend.add(float(second), 300.0 + 0.001 * second + held_mb)
    assert trend.per_10_min() == pytest.approx(0.6, abs=0.3)


def test_a_trend_that_begins_anew_warms_up_anew() -> None:
    trend = Trend()
    for second in range(1000):
        if second == 400:
            trend.begin(400.0)
        trend.add(float(second), 500.0 if second < 400 else 1000.0 - second if second < 460 else 100.0 + 0.02 * second)
        if second in (399, 450, 500):
            assert (trend.per_10_min() is None) == (second != 399)
    assert trend.per_10_min() == pytest.approx(12.0)


def test_growth_is_that_of_the_same_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    there, held_mb = {1, 2}, 100.0
    monkeypatch.setattr("realtime.health.use_of_all", lambda: Use(held_mb * len(there), 9, 3, frozenset(there)))
    health = Health()

    def grow(begin: int, end: int) -> float | None:
        nonlocal held_mb
        for second in range(begin, end):
            held_mb += 0.005
            grown = health.snapshot(float(second)).memory_mb_per_10_min
        return grown

    assert grow(0, 300) == pytest.approx(6.0)
    there = {1}
    assert grow(300, 305) == pytest.approx(6.0), "a process that ends is no growth"
    there = {1, 3}
    assert grow(305, 400) is None, "one that is begun anew warms up anew"
    assert grow(400, 600) == pytest.approx(6.0)
    there = {1}
    assert grow(600, 605) == pytest.approx(6.0)
    assert grow(605, 650) is None, "it does not come back"
    assert grow(650, 900) == pytest.approx(3.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system tells it apart")
def test_what_is_mapped_from_a_file_is_held_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "code").write_bytes(bytes(64 << 20))
    before = memory_mb()
    with (tmp_path / "code").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) == 0
        assert memory_mb() < before + 32.0
    held = np.ones(64 << 20, np.uint8)
    assert memory_mb() > before + 60.0
    assert held.all()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system tells of others")
def test_what_is_held_is_that_of_all_processes() -> None:
    before = use_of_all()
    code = "held = bytes([1]) * (64 << 20); print('there', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"there\n"
        now = use_of_all()
        child.communicate(b"\n")
    assert now.processes - before.processes == {child.pid} and os.getpid() in now.processes
    assert now.memory_mb > before.memory_mb + 60.0 and now.threads > before.threads


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system tells of others")
def test_a_process_that_ends_while_it_is_looked_at_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """As older Pythons say it: its folder goes between two looks of one search."""
    search = Path.glob

    def glob(folder: Path, pattern: str) -> Iterator[Path]:
        if str(os.getpid()) not in folder.parts:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        yield from search(folder, pattern)

    monkeypatch.setattr(Path, "glob", glob)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = children()
        child.communicate(b"\n")
    assert child.pid in found


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library gives back by itself")
def test_what_was_freed_is_given_back() -> None:
    held = [bytes(3000) for _ in range(40_000)]
    full = memory_mb()
    del held[:-1]  # the last one is above all others, and keeps them in place
    give_back()
    assert memory_mb() < full - 60.0 and len(held[0]) == 3000


def test_a_process_tells_what_it_holds(tmp_path: Path) -> None:
    assert 5.0 < memory_mb() < 100_000.0
    before = handles()
    with (tmp_path / "a").open("w"), (tmp_path / "b").open("w"):
        assert handles() in (0, before + 2)


def test_a_budget_holds_what_was_not_measured_and_not_what_is_beyond_it() -> None:
    assert exceeded(Snapshot(0.0)) == ()
    assert len({budget.name for budget in BUDGETS}) == len(BUDGETS) == len(judged(Snapshot(0.0)))
    bad = Snapshot(
        1.0,
        stages={"tick": StageStats(50.0, 120.0, 130.0, 140.0, 9)},
        counters={"ticks": 1000, "late_ticks": 6, "longest_late_ticks": 3},
        memory_mb_per_10_min=2.0,
    )
    told = [str(figure) for figure in exceeded(bad)]
    assert told == [
        "late ticks 0.6 % (at most 0.5)", "longest run of late ticks 3 (at most 2)", "tick p95 120 ms (at most 66.7)",
        "memory growth 2 MB in 10 min (at most 1)",
    ]  # fmt: skip


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_holds_every_second_and_every_change(tmp_path: Path) -> None:
    clock, health, leader = ManualClock(), Health(), "tracked"
    log = HealthLog(tmp_path / "show.jsonl", clock)
    watch = HealthWatch(health, clock, lambda: {"leader": leader}, log)
    for second in range(6):
        clock.sleep_until(second + 0.5)
        leader = "lost" if second >= 3 else "tracked"
        health.tally("late_ticks", second == 4)
        health.count("ticks")
        watch.step()
    log.close()
    written = lines(tmp_path / "show.jsonl")
    assert [line["time_s"] for line in written if line["event"] == "health"] == [s + 0.5 for s in range(6)]
    changes = [(line["name"], line["was"], line["is"]) for line in written if line["event"] == "state"]
    assert changes[:2] == [("leader", None, "tracked"), ("over budget", None, "")]
    assert ("leader", "tracked", "lost") in changes
    assert written[-1]["counters"]["late_ticks"] == 1 and written[-1]["over_budget"][0].startswith("late ticks 16.7 %")
    assert written[-1]["memory_mb"] > 0


def test_a_log_is_turned_over_and_old_ones_go(tmp_path: Path) -> None:
    log = HealthLog(tmp_path / "show.jsonl", ManualClock(), most_bytes=2000)
    for number in range(200):
        log.write("state", {"name": "x", "is": str(number)})
    log.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["show.jsonl", *(f"show.jsonl.{n}" for n in range(1, KEEP_FILES + 1))]
    assert all(path.stat().st_size < 2200 for path in tmp_path.iterdir())
    newest = lines(tmp_path / "show.jsonl.1") + lines(tmp_path / "show.jsonl")
    assert [int(line["is"]) for line in newest] == list(range(200 - len(newest), 200))


def test_a_log_goes_back_as_far_as_is_said(tmp_path: Path) -> None:
    health, clock = Health(), ManualClock()
    watch = HealthWatch(health, clock, log=HealthLog(tmp_path / "show.jsonl", clock))
    for second in range(20):
        clock.sleep_until(1.0 + second)
        for stage in set(health.STAGES) - {"encode"}:
            health.record(stage, 12.345)
        for name in list(COUNTERS)[:12]:
            health.count(name, 1000)
        watch.step()
    watch.stop()
    seconds = MOST_BYTES / len((tmp_path / "show.jsonl").read_text().splitlines()[-1])
    assert 3000.0 < seconds < 4200.0, "docs/live-loop.md and MOST_BYTES say: about an hour"


def test_a_message_that_repeats_is_told_once_and_counted(tmp_path: Path) -> None:
    clock = ManualClock()
    log = HealthLog(tmp_path / "show.jsonl", clock)
    for _ in range(1000):
        log.message("the camera is gone", "warning")
    clock.advance(QUIET_S)
    log.message("the camera is gone", "warning")
    for number in range(1000):
        log.message(f"never the same {number}")
    log.close()
    told = [line for line in lines(tmp_path / "show.jsonl") if line["text"] == "the camera is gone"]
    assert [line.get("repeated", 0) for line in told] == [0, 999]
    assert len(log._told) <= 256


def test_a_watch_writes_down_what_is_logged_while_it_lasts(tmp_path: Path) -> None:
    clock = ManualClock()
    watch = HealthWatch(Health(), clock, dict, HealthLog(tmp_path / "show.jsonl", clock))
    before = list(logging.getLogger().handlers)
    watch.start()
    logging.getLogger("duet.test").warning("a sound card came back")
    watch.stop()
    watch.stop()
    assert logging.getLogger().handlers == before
    written = lines(tmp_path / "show.jsonl")
    assert written[0]["text"] == "a sound card came back" and written[0]["level"] == "warning"
    assert written[-1]["event"] == "health" and watch.latest.memory_mb > 0


def test_a_watch_goes_on_after_a_look_that_was_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = list[Use]()

    def refused_once() -> Use:
        looks.append(Use(1.0, 7, 3, frozenset({1})))
        if len(looks) == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return looks[-1]

    monkeypatch.setattr("realtime.health.use_of_all", refused_once)
    monkeypatch.setattr("realtime.health_watch.EVERY_S", 0.01)
    health = Health()
    watch = HealthWatch(health, ManualClock())
    watch.start()
    end_s = time.monotonic() + 20.0
    while len(looks) < 3 and time.monotonic() < end_s:
        time.sleep(0.01)
    assert watch.latest.handles == 7 and health.counter("health_failures") == 1
    watch.stop()
    told = [record.getMessage() for record in caplog.records if record.name == "duet.health"]
    assert len(told) == 2 and os.strerror(errno.EMFILE) in told[0] and told[1] == "no more health failures"


def test_a_show_ends_as_it_should_though_the_last_look_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> Use:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("realtime.health.use_of_all", refused)
    clock = ManualClock()
    log = HealthLog(tmp_path / "show.jsonl", clock)
    watch, before = HealthWatch(Health(), clock, log=log), list(logging.getLogger().handlers)
    watch.start()
    watch.stop()
    assert logging.getLogger().handlers == before and log._file.closed
    (line,) = lines(tmp_path / "show.jsonl")
    assert os.strerror(errno.EMFILE) in line["text"] and line["level"] == "warning"


def test_nothing_is_written_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watch = HealthWatch(Health(), ManualClock())
    watch.step()
    watch.stop()
    assert not list(tmp_path.iterdir()) and watch.latest.handles >= 0


def test_a_log_that_cannot_be_written_is_refused_or_ends_quietly(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected to write a log there"):
        HealthLog(tmp_path / "none" / "show.jsonl", ManualClock())
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    log = HealthLog(full, ManualClock())
    log.write("state", {})
    assert "expected to log to the end" in log.failure
    log.write("state", {})
    log.close()
