import threading
import time

import numpy as np
import pytest

from duet.errors import DuetError
from realtime.engine import InlineEngine, ThreadedEngine
from realtime.tick import FollowerState, Tensors


class Counting:
    """Adds its input to its state: shows the order of ticks and which state they saw."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.gate = gate

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        if self.gate is not None:
            assert self.gate.wait(5.0)
        total = state.tensors["total"] + inputs["x"]
        return {"y": total}, FollowerState({"total": total})


class Failing:
    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        raise RuntimeError("graph broke")


def state() -> FollowerState:
    return FollowerState({"total": np.zeros(1, np.float32)})


def one(value: float = 1.0) -> Tensors:
    return {"x": np.full(1, value, np.float32)}


@pytest.mark.parametrize("kind", [InlineEngine, ThreadedEngine])
def test_ticks_see_the_state_of_the_tick_before(kind) -> None:
    engine = kind(Counting(), state())
    seen = []
    for tick in range(5):
        assert engine.submit(tick, one())
        result = engine.collect(5.0)
        assert result is not None and result.tick == tick and result.seconds >= 0
        seen.append(float(result.outputs["y"][0]))
    engine.close()
    engine.close()
    assert seen == [1, 2, 3, 4, 5]


def test_a_busy_engine_refuses_and_does_not_block() -> None:
    gate = threading.Event()
    engine = ThreadedEngine(Counting(gate), state())
    assert engine.submit(0, one())
    start = time.perf_counter()
    assert not engine.submit(1, one())
    assert engine.collect(0.0) is None
    assert engine.collect(0.02) is None
    assert time.perf_counter() - start < 2.0
    gate.set()
    result = engine.collect(5.0)
    assert result is not None and result.tick == 0
    assert engine.submit(2, one())
    engine.close()


def test_a_result_not_collected_leaves_the_state_alone() -> None:
    start = state()
    engine = InlineEngine(Counting(), start)
    engine.submit(0, one())
    assert float(start.tensors["total"][0]) == 0.0


def test_a_failing_graph_is_told_to_the_conductor() -> None:
    engine = ThreadedEngine(Failing(), state())
    engine.submit(0, one())
    with pytest.raises(DuetError, match="graph broke"):
        engine.collect(5.0)
    engine.close()


def test_a_tick_that_was_being_computed_is_forgotten_with_the_rest() -> None:
    gate = threading.Event()
    engine = ThreadedEngine(Counting(gate), state())
    assert engine.submit(0, one())
    engine.reset()
    gate.set()
    assert engine.collect(5.0) is None
    assert engine.submit(1, one())
    result = engine.collect(5.0)
    assert result is not None and result.tick == 1 and float(result.outputs["y"][0]) == 1.0
    engine.close()
    inline = InlineEngine(Counting(), state())
    assert inline.submit(0, one())
    inline.reset()
    assert inline.collect(0.0) is None and inline.submit(1, one())


def test_a_tick_that_never_comes_back_is_silence_and_one_that_was_answered_is_not() -> None:
    gate = threading.Event()
    engine = ThreadedEngine(Counting(gate), state())
    now_s = 100.0

    def silent_after(seconds: float) -> float:
        nonlocal now_s
        for _ in range(round(seconds * 50)):
            now_s += 0.02
            engine.pulse.look(now_s)
        return engine.pulse.silent_s

    assert silent_after(10.0) == 0.0, "it was asked for nothing"
    assert engine.submit(0, one())
    assert silent_after(3.0) > 2.9
    engine.reset()
    assert not engine.submit(1, one()) and silent_after(1.0) > 3.9, "to forget a tick does not bring it back"
    gate.set()
    assert engine.collect(5.0) is None
    assert silent_after(10.0) == 0.0
    assert engine.submit(2, one())
    assert engine.collect(5.0) is not None
    assert silent_after(10.0) == 0.0, "an answer that nobody took yet, or took, is no silence"
    engine.close()


def test_an_engine_that_hangs_can_be_closed_again_and_again() -> None:
    gate = threading.Event()
    engine = ThreadedEngine(Counting(gate), state())
    engine._thread.join = lambda timeout=None: None  # type: ignore[method-assign]
    assert engine.submit(0, one())
    for _ in range(3):
        engine.close()
    gate.set()
