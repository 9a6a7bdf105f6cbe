"""Arrivals do not wait: what is late is counted, what is overtaken is dropped, on a clock that the test moves."""

import numpy as np
import pytest

from realtime.bench.open_loop import OpenLoop, open_loop


class Clock:
    """Moves when waited on or worked on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        return self.now_s

    def wait_until(self, when_s: float) -> None:
        self.now_s = max(self.now_s, when_s)


def run(durations: dict[int, float], arrivals: int, usual: float = 0.25) -> tuple[OpenLoop, list[int]]:
    clock, served = Clock(), []

    def work(number: int) -> None:
        served.append(number)
        clock.now_s += durations.get(number, usual)

    return open_loop(work, 1.0, arrivals, now=clock.now, wait_until=clock.wait_until), served


def test_on_time_is_on_time() -> None:
    loop, served = run({}, 5)
    assert served == [0, 1, 2, 3, 4]
    assert loop.arrivals == 5 and loop.miss_rate == 0.0 and loop.longest_run == 0 and loop.dropped == 0
    np.testing.assert_allclose(loop.response_ms, 250.0)
    np.testing.assert_allclose(loop.age_ms, 0.0)


def test_a_slow_one_makes_the_next_one_old_and_drops_what_was_overtaken() -> None:
    loop, served = run({1: 3.5}, 7)
    # Arrival 1 is answered at 4.5: 2 and 3 were overtaken, 4 is begun half a second late.
    assert served == [0, 1, 4, 5, 6]
    assert loop.dropped == 2
    assert loop.missed.tolist() == [False, True, True, True, False, False, False]
    assert loop.longest_run == 3 and loop.miss_rate == pytest.approx(3 / 7)
    assert loop.age_ms[2] == pytest.approx(500.0)
    assert loop.response_ms[1] == pytest.approx(3500.0)


def test_a_little_late_is_late_and_nothing_is_dropped() -> None:
    loop, served = run({2: 1.2}, 5)
    assert served == [0, 1, 2, 3, 4]
    assert loop.missed.tolist() == [False, False, True, False, False]
    assert loop.age_ms[3] == pytest.approx(200.0)


def test_slow_to_the_end_does_not_run_over_it() -> None:
    loop, served = run({0: 100.0}, 4)
    assert served[-1] == 3 and loop.arrivals == 4 and loop.missed.all()
    assert loop.dropped == 4 - len(served)
