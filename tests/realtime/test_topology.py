"""The table of processes and threads against itself; ``tests/ui/test_live_processes.py`` holds it against what runs."""

import importlib.util

from realtime.topology import LIVE, PROCESSES, THREADS, process, threads_of


def test_every_process_has_its_main_thread_and_every_thread_its_process() -> None:
    names = [row.name for row in PROCESSES]
    assert len(set(names)) == len(names) and names[0] == LIVE
    for name in names:
        assert [thread.name for thread in threads_of(name)].count("MainThread") == 1
        assert process(name).does
    assert {thread.process for thread in THREADS} == set(names)


def test_every_owner_is_a_module() -> None:
    for owner in {thread.owner for thread in THREADS}:
        assert importlib.util.find_spec(owner) is not None, owner


def test_what_crosses_has_one_writer_and_somebody_who_reads_it() -> None:
    # A beat from outside is given by one of several, of which one is there at a time.
    written = [what for thread in THREADS for what in thread.writes if what != "beat from outside"]
    assert len(set(written)) == len(written)
    read = {what for thread in THREADS for what in thread.reads}
    assert read - set(written) <= {"beat from outside"}
    assert set(written) <= read
