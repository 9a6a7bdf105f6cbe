"""The table of processes and threads is what runs: a short performance, watched from beside."""

import gc
import threading
from multiprocessing import process as processes
from pathlib import Path

import pytest

from realtime.topology import LIVE, PROCESSES, threads_of
from ui.app import perform
from ui.cli import DEFAULT_FOLLOWER
from ui.options import Output
from ui.sources import demo_sources

SECONDS = 2.0


@pytest.mark.usefixtures("opengl")
def test_the_table_lists_what_runs_and_nothing_stays(tmp_path: Path) -> None:
    before = {thread.name for thread in threading.enumerate()}
    threads, children, garbage, stop = set[str](), set[str](), set[bool](), threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            # Whoever prints what goes on brings a thread of their own.
            threads.update(t.name for t in threading.enumerate() if type(t).__name__ != "_RefreshThread")
            children.update(child.name for child in list(processes._children))  # type: ignore[attr-defined]
            garbage.add(gc.isenabled())

    watcher = threading.Thread(target=watch, name="watcher")
    watcher.start()
    try:
        output = Output(
            DEFAULT_FOLLOWER, True, None, SECONDS, 0, (64, 64), 10.0,
            report=tmp_path / "report.json", record=tmp_path / "session",
        )  # fmt: skip
        assert perform(demo_sources(SECONDS, 180.0, 0, headless=True), output) == 0
    finally:
        stop.set()
        watcher.join()
    ours = threads - before - {"watcher"} | {"MainThread"}
    rows = threads_of(LIVE)
    assert ours <= {row.name for row in rows}
    always = {row.name for row in rows if row.when == "always"}
    assert always <= ours and "duet-session" in ours
    assert children <= {row.name for row in PROCESSES}
    assert {row.name for row in PROCESSES if row.when == "always"} - {LIVE} <= children
    # While it dances nothing looks for garbage unasked; afterwards everything is as it was.
    assert garbage == {True, False} and gc.isenabled() and gc.get_freeze_count() == 0
    assert not [t.name for t in threading.enumerate() if t.name in always - {"MainThread"}]
