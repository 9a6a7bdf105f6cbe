"""The service: what a stand-in for systemd does with one that is killed, stopped or silent, by the unit's values."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ui.bench.recovery import UNIT, Manager, unit_value

ALIVE = """
import sys, time
from realtime.service import Service
service = Service()
service.ready()
end_s = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end_s:
    service.alive("dances")
    time.sleep(0.05)
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
def manager_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Manager]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return lambda lives_s: Manager([sys.executable, "-c", ALIVE, str(lives_s)], tmp_path, 1.5, 0.1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_service_that_is_killed_or_stopped_is_begun_anew(
    manager_of: Callable[[float], Manager], number: signal.Signals
) -> None:
    with manager_of(60.0) as manager:
        _until(lambda: manager.is_ready)
        first = manager.process
        os.kill(first.pid, number)
        _until(lambda: manager.process is not first and manager.is_ready)
        assert manager.process.pid != first.pid and first.returncode == -signal.SIGKILL


def test_a_service_that_hangs_is_ended_and_begun_anew_each_time(manager_of: Callable[[float], Manager]) -> None:
    begun_s = time.monotonic()
    with manager_of(0.3) as manager:
        for ended in (1, 2):
            _until(lambda: manager.is_ready)
            hung = manager.process
            _until(lambda hung=hung: manager.process is not hung)
            assert hung.returncode == -signal.SIGKILL, "it does not end by itself"
            assert time.monotonic() - begun_s > ended * manager.watchdog_s, "ended before its time"


def test_the_unit_begins_the_kiosk_and_minds_its_watchdog() -> None:
    text = UNIT.read_text()
    assert "duet kiosk --config" in text and "Type=notify" in text and "Restart=always" in text
    # Told to stop, a stopped process does not hear: only SIGKILL ends it.
    assert "WatchdogSignal=SIGKILL" in text
    assert unit_value("WatchdogSec") + unit_value("RestartSec") < 5.0
