"""The service: what a stand-in for systemd does with one that is killed, stopped or silent, by the unit's values."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime.topology import PROCESSES
from ui.bench.recovery import HUNG, LIVE, PANEL, SILENT, UNIT, Manager, unit_value, ways

ALIVE = """
import sys, time
from realtime.service import Service
service = Service()
service.ready()
end_s = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end_s:
    service.alive("dances")
    time.sleep(0.05)
if sys.argv[2:]:
    service.hung()
time.sleep(60)
"""
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP here")


def _until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.fixture
def manager_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Manager]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return lambda lives_s, *says: Manager([sys.executable, "-c", ALIVE, str(lives_s), *says], tmp_path, 1.5, 0.1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_service_that_is_killed_or_stopped_is_begun_anew(
    manager_of: Callable[..., Manager], number: signal.Signals
) -> None:
    with manager_of(60.0) as manager:
        _until(lambda: manager.is_ready)
        first = manager.process
        os.kill(first.pid, number)
        _until(lambda: manager.process is not first and manager.is_ready)
        assert manager.process.pid != first.pid and first.returncode == -signal.SIGKILL


def test_a_service_that_hangs_is_ended_and_begun_anew_each_time(manager_of: Callable[..., Manager]) -> None:
    begun_s = time.monotonic()
    with manager_of(0.3) as manager:
        for ended in (1, 2):
            _until(lambda: manager.is_ready)
            hung = manager.process
            _until(lambda hung=hung: manager.process is not hung)
            assert hung.returncode == -signal.SIGKILL, "it does not end by itself"
            assert time.monotonic() - begun_s > ended * manager.watchdog_s, "ended before its time"


def test_a_service_that_says_it_hangs_is_ended_at_once(manager_of: Callable[..., Manager]) -> None:
    with manager_of(0.3, "hung") as manager:
        # Silence alone would not do in the time of this test.
        manager.watchdog_s = 600.0
        _until(lambda: manager.is_ready)
        hung = manager.process
        _until(lambda: manager.process is not hung)
        assert hung.returncode == -signal.SIGKILL


def test_every_process_is_ended_in_every_way() -> None:
    without, all_of_them = ways(window=False), ways(window=True)
    assert {(LIVE, HUNG), (LIVE, SILENT)} < set(without) and not any(process == PANEL for process, _ in without)
    assert {process for process, _ in all_of_them} == {row.name for row in PROCESSES}
    assert len(set(all_of_them)) == len(all_of_them) == 2 * len(PROCESSES) + 2


def test_the_unit_begins_the_kiosk_and_minds_its_watchdog() -> None:
    text = UNIT.read_text()
    assert "duet kiosk --config" in text and "Type=notify" in text and "Restart=always" in text
    # Told to stop, a stopped process does not hear: only SIGKILL ends it.
    assert "WatchdogSignal=SIGKILL" in text
    assert unit_value("WatchdogSec") + unit_value("RestartSec") < 5.0
