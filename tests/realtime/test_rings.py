"""Hand-over through shared memory, also with a second process."""

import multiprocessing
import subprocess
import sys
from multiprocessing import shared_memory
from multiprocessing.synchronize import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.rings import HistoryCell, LatestCell, SpscRing

WIDTH = 200


def _write_until(name: str, stop: Event) -> None:
    with LatestCell.attach(name) as cell:
        i = 0
        while not stop.is_set():
            for _ in range(100):
                cell.write(float(i), np.full(WIDTH, i, dtype=np.float32))
                i += 1


def _push_many(name: str, count: int) -> None:
    with SpscRing.attach(name) as ring:
        i = 0
        while i < count:
            if ring.push(i * 0.5, np.full(WIDTH, i, dtype=np.float32)):
                i += 1


def test_latest_cell_returns_newest_record_and_none_before_first() -> None:
    with LatestCell.create(width=3) as cell:
        assert cell.latest() is None
        cell.write(1.5, np.array([1.0, 2.0, 3.0], dtype=np.float32))
        cell.write(2.5, np.array([4.0, 5.0, 6.0], dtype=np.float32))
        record = cell.latest()
        assert record is not None
        assert (record.index, record.stamp_s) == (1, 2.5)
        np.testing.assert_array_equal(record.values, [4.0, 5.0, 6.0])


def test_stamp_keeps_double_precision() -> None:
    with LatestCell.create(width=1) as cell:
        cell.write(36000.000123, np.zeros(1, dtype=np.float32))
        record = cell.latest()
        assert record is not None and record.stamp_s == 36000.000123


@settings(max_examples=20, deadline=None)
@given(written=st.integers(0, 40), asked=st.integers(0, 20))
def test_history_is_the_newest_records_in_order(written: int, asked: int) -> None:
    with HistoryCell.create(width=2, capacity=8) as cell:
        for i in range(written):
            cell.write(float(i), np.array([i, -i], dtype=np.float32))
        got = [record.index for record in cell.history(asked)]
        assert got == list(range(max(0, written - min(asked, 8)), written))


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.booleans(), max_size=60))
def test_ring_gives_every_accepted_record_once_and_in_order(steps: list[bool]) -> None:
    with SpscRing.create(width=1, capacity=4) as ring:
        accepted: list[float] = []
        taken: list[float] = []
        refused = 0
        for i, push in enumerate(steps):
            if push:
                if ring.push(0.0, np.array([i], dtype=np.float32)):
                    accepted.append(float(i))
                else:
                    refused += 1
            elif (record := ring.pop()) is not None:
                taken.append(float(record.values[0]))
        assert len(ring) <= 4
        taken += [float(record.values[0]) for record in ring.drain()]
        assert taken == accepted
        assert ring.refused == refused


def test_reader_never_sees_a_torn_record_from_another_process() -> None:
    with LatestCell.create(width=WIDTH) as cell:
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        writer = context.Process(target=_write_until, args=(cell.name, stop))
        writer.start()
        last = -1
        seen = 0
        while seen < 500:
            record = cell.latest()
            if record is None:
                assert writer.is_alive()
                continue
            assert record.stamp_s == record.index
            assert np.all(record.values == record.index)
            assert record.index >= last
            seen += record.index > last
            last = record.index
        stop.set()
        writer.join(30.0)
        assert writer.exitcode == 0
        newest = cell.latest()
        assert newest is not None and newest.index == cell.written - 1 >= last


def test_ring_carries_everything_from_another_process() -> None:
    with SpscRing.create(width=WIDTH, capacity=16) as ring:
        context = multiprocessing.get_context("spawn")
        writer = context.Process(target=_push_many, args=(ring.name, 2_000))
        writer.start()
        got: list[int] = []
        while len(got) < 2_000:
            for record in ring.drain():
                assert record.stamp_s == record.index * 0.5
                assert np.all(record.values == record.index)
                got.append(record.index)
            assert writer.is_alive() or len(ring) or len(got) == 2_000
        writer.join(10.0)
        assert got == list(range(2_000))


def test_close_removes_the_memory_and_may_be_repeated() -> None:
    cell = LatestCell.create(width=1)
    name = cell.name
    cell.close()
    cell.close()
    with pytest.raises(FileNotFoundError):
        shared_memory.SharedMemory(name=name)


def test_owner_that_only_exits_leaves_no_memory_behind() -> None:
    code = "from realtime.rings import LatestCell\ncell = LatestCell.create(width=8)\nprint(cell.name, flush=True)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    with pytest.raises(FileNotFoundError):
        shared_memory.SharedMemory(name=done.stdout.strip())


def test_wrong_width_and_foreign_memory_are_refused() -> None:
    with LatestCell.create(width=4) as cell:
        with pytest.raises(ValueError, match=r"expected a record \(4,\), got \(3,\)"):
            cell.write(0.0, np.zeros(3, dtype=np.float32))
        with pytest.raises(ValueError, match="SpscRing: expected memory made by its create"):
            SpscRing.attach(cell.name)
    with pytest.raises(ValueError, match="capacity"):
        SpscRing.create(width=0, capacity=4)
