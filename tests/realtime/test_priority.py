"""A dance's rank is all its threads', and everything is as before afterwards."""

import gc
import os
import sys
import threading
import weakref

import pytest

from realtime.priority import SWITCH_S, Rank, Undisturbed, take_rank
from realtime.topology import process

pytestmark = pytest.mark.skipif(not hasattr(os, "getpriority"), reason="no nice values here")


def _nice(thread: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)


def test_threads_that_run_already_go_first_too() -> None:
    over = threading.Event()
    engine = threading.Thread(target=over.wait, daemon=True)
    engine.start()
    assert engine.native_id is not None
    try:
        told = take_rank(Rank.DANCE)
        # Where it is not allowed, nobody goes first, and it is said.
        assert told == "nice -10" or "needs root" in told
        if sys.platform.startswith("linux"):
            assert _nice(engine.native_id) == _nice(0)
    finally:
        take_rank(Rank.ORDINARY)
        over.set()
        engine.join()


def test_nobody_looks_for_garbage_unasked_while_it_dances() -> None:
    switch_s = sys.getswitchinterval()
    with Undisturbed() as undisturbed:
        assert not gc.isenabled() and gc.get_freeze_count() > 0
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
        loop: list[object] = []
        loop.append(loop)
        del loop
        assert undisturbed.take_out() >= 1
    assert gc.isenabled() and gc.get_freeze_count() == 0 and sys.getswitchinterval() == pytest.approx(switch_s)


def test_what_becomes_garbage_later_is_found_later() -> None:
    """A device that danced for minutes, and was replaced."""

    class Device:
        def __init__(self) -> None:
            self.port = self

    with Undisturbed() as undisturbed:
        device = Device()
        frozen, seen = gc.get_freeze_count(), weakref.ref(device)
        for _ in range(3):
            undisturbed.take_out()
        assert seen() is device and gc.get_freeze_count() == frozen
        del device
        assert seen() is not None
        undisturbed.take_out()
        assert seen() is None


def test_sight_goes_before_pictures_and_after_the_dance() -> None:
    dance, sight, picture = (process(name).rank.value[0] for name in ("duet", "duet-tracker", "duet-picture"))
    assert dance < sight < picture
