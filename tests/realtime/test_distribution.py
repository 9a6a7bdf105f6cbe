"""Numbers that are claimed carry what they rest on."""

import numpy as np
import pytest

from duet.errors import InputError
from realtime.bench.distribution import ENOUGH_FOR_P999, Distribution, doubts, p99_interval


def normal(n: int, spread: float = 1.0) -> np.ndarray:
    return 20.0 + spread * np.random.default_rng(0).standard_normal(n)


def test_percentiles_are_those_of_numpy() -> None:
    x = normal(5000)
    found = Distribution.of(x)
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx(np.percentile(x, [50, 90, 95, 99]))
    assert (found.n, found.min, found.max) == (5000, x.min(), x.max())
    assert found.cov == pytest.approx(x.std() / x.mean())
    assert sum(found.counts) == 5000 and len(found.edges) == len(found.counts) + 1
    assert max(found.course_max) == x.max()


def test_the_interval_of_p99_holds_it_and_shrinks_with_more() -> None:
    low, high = p99_interval(normal(500))
    assert low < np.percentile(normal(500), 99) < high
    truth = 20.0 + 2.326
    low, high = p99_interval(normal(20_000))
    assert low < truth < high
    assert high - low < 0.2
    assert p99_interval(normal(500)) == p99_interval(normal(500))


def test_a_tail_that_is_not_there_is_not_told() -> None:
    assert Distribution.of(normal(2000)).p999 is None
    assert Distribution.of(normal(ENOUGH_FOR_P999)).p999 == pytest.approx(20 + 3.09, abs=0.15)


def test_one_measurement_is_a_distribution_too() -> None:
    found = Distribution.of([3.0])
    assert (found.p50, found.p99, found.max, found.cov, found.drift) == (3.0, 3.0, 3.0, 0.0, 0.0)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_what_is_no_measurement_is_refused(values: list) -> None:
    with pytest.raises(InputError, match="expected finite numbers in a row"):
        Distribution.of(values)


def test_an_unsteady_and_a_drifting_machine_are_told() -> None:
    steady = doubts("the tick", Distribution.of(normal(10_000, 0.2)))
    assert steady == []
    assert "Unsteady" in doubts("the tick", Distribution.of(normal(10_000, 5.0)))[0]
    warming = normal(10_000, 0.2) * np.linspace(1.0, 1.1, 10_000)
    (said,) = doubts("the tick", Distribution.of(warming))
    assert said.startswith("Drifting: the tick changed by +")
    (few,) = doubts("the tick", Distribution.of(normal(200, 0.2)))
    assert "rests on 200 measurements" in few
