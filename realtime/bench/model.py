"""How fast a follower's tick is on this machine, and whether it is the right one: what ``duet bench model`` measures.

Parity first. Then ticks one after the other (closed loop: what the work costs), ticks as they are asked for on stage
(open loop: what is late), fresh processes (cold start), and the processor's own limit beside it.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract, GraphSpec
from duet.errors import InputError
from duet.golden import Golden, joint_distance_mm, load_golden, seeded_inputs
from realtime.bench.open_loop import OpenLoop, open_loop
from realtime.inference.graph_session import Feeds, GraphSession, Opener
from realtime.inference.runner_ort import OrtRunner
from realtime.tick import Tensors

WARM_UP_TICKS = 20
_DIFFERENT_INPUTS = 60
_DETERMINISM_TICKS = 12

Progress = Callable[[str, int, int], None]
"""Told (what is done now, done so far, of so many)."""


def untold(what: str, done: int, total: int) -> None:
    """A ``Progress`` that nobody watches."""


@dataclass(frozen=True)
class ClosedLoop:
    """Ticks one after the other."""

    tick_ms: NDArray[np.float64]
    graphs_ms: dict[str, NDArray[np.float64]]
    """By role; with the tick's own work (wiring, references looked up) they make up ``tick_ms``."""

    @property
    def rest_ms(self) -> NDArray[np.float64]:
        """What of each tick is no graph's."""
        return self.tick_ms - sum(self.graphs_ms.values())

    @property
    def stage_share(self) -> float:
        """What the graphs took of all time: 1 where a tick costs nothing of its own."""
        return float(sum(ms.sum() for ms in self.graphs_ms.values()) / self.tick_ms.sum())


@dataclass
class Stopwatch:
    """Times every graph that is opened through it."""

    opened: Opener
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def __call__(self, path: Path, graph: GraphSpec) -> GraphSession:
        """As an ``Opener``."""
        return _Timed(self.opened(path, graph), self.seconds.setdefault(graph.role, []))

    def clear(self) -> None:
        """Forget what was timed."""
        for seconds in self.seconds.values():
            seconds.clear()


@dataclass(frozen=True)
class _Timed:
    session: GraphSession
    seconds: list[float]

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """As the session's."""
        begin_s = time.perf_counter()
        results = self.session.run(feeds)
        self.seconds.append(time.perf_counter() - begin_s)
        return results


@contextmanager
def undisturbed_by_garbage() -> Iterator[None]:
    """Nothing searches for garbage meanwhile, as on stage."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def golden_of(folder: Path, contract: FollowerContract) -> Golden | None:
    """The golden answer of a follower folder whose contract was checked; nothing where it has none."""
    return load_golden(folder / contract.golden) if contract.golden else None


def bench_inputs(contract: FollowerContract, golden: Golden | None) -> list[Tensors]:
    """A minute of ticks' inputs or less, no two alike, in the units of the data where the folder says them."""
    shapes = {spec.name: spec.shape for spec in contract.inputs}
    units = {} if golden is None else golden.units
    return list(seeded_inputs(shapes, contract.past_tokens, units, _DIFFERENT_INPUTS))


def golden_distance(runner: OrtRunner, golden: Golden) -> tuple[float, float]:
    """(greatest difference of a frame's number as a share of its scale, of a joint in mm) from the golden answer."""
    contract = runner.contract
    shapes = {spec.name: spec.shape for spec in contract.inputs}
    bare, state = runner.without_bank(), runner.initial_state()
    wanted = dict(zip(golden.ticks, golden.frames, strict=True))
    relative = worst_mm = 0.0
    inputs = seeded_inputs(shapes, contract.past_tokens, golden.units, max(golden.ticks) + 1, golden.seed)
    for tick, asked in enumerate(inputs):
        outputs, state = bare.tick(asked, state)
        if tick in wanted:
            expected, got = wanted[tick], outputs["frames"][0]
            if expected.shape != got.shape or not np.isfinite(got).all():
                return np.inf, np.inf
            relative = max(relative, float(np.abs(got - expected).max()) / max(float(np.abs(expected).max()), 1.0))
            worst_mm = max(worst_mm, joint_distance_mm(expected, got))
    return relative, worst_mm


def repeats(runner: OrtRunner, inputs: list[Tensors]) -> bool:
    """Whether the same ticks give the same bits twice."""
    runs = []
    for _ in range(2):
        state, frames = runner.initial_state(), []
        for asked in inputs[:_DETERMINISM_TICKS]:
            outputs, state = runner.tick(asked, state)
            frames.append(outputs["frames"])
        runs.append(np.concatenate(frames))
    return bool(np.array_equal(runs[0], runs[1])) and bool(np.isfinite(runs[0]).all())


def closed_loop(
    runner: OrtRunner, watch: Stopwatch, inputs: list[Tensors], ticks: int, progress: Progress = untold
) -> ClosedLoop:
    """``ticks`` ticks one after the other, after ``WARM_UP_TICKS`` that do not count."""
    if ticks < 1:
        raise InputError(f"Ticks: expected at least 1, got {ticks}. Measure more.")
    state, tick_s = runner.initial_state(), []
    with undisturbed_by_garbage():
        for number, asked in enumerate(islice(cycle(inputs), WARM_UP_TICKS + ticks)):
            if number == WARM_UP_TICKS:
                watch.clear()
            begin_s = time.perf_counter()
            _, state = runner.tick(asked, state)
            if number >= WARM_UP_TICKS:
                tick_s.append(time.perf_counter() - begin_s)
            if number % 10 == 0:
                progress("ticks one after the other", number, WARM_UP_TICKS + ticks)
    graphs = {role: 1e3 * np.array(seconds) for role, seconds in watch.seconds.items()}
    return ClosedLoop(1e3 * np.array(tick_s), graphs)


def ticks_on_time(runner: OrtRunner, inputs: list[Tensors], seconds: float, progress: Progress = untold) -> OpenLoop:
    """Ticks asked for at the token rate for ``seconds``; late is who has not answered when the next token comes."""
    period_s = runner.contract.timeline.token_s
    arrivals = max(1, round(seconds / period_s))
    states = [runner.initial_state()]

    def work(number: int) -> None:
        _, states[0] = runner.tick(inputs[number % len(inputs)], states[0])
        progress("ticks as on stage", number, arrivals)

    with undisturbed_by_garbage():
        return open_loop(work, period_s, arrivals)
