"""Where ticks are computed: inline (replay, tests), on a thread of its own (live), or inline with a time it takes.

A tick that was not asked for, because the machine is slow, is made up for at the next: its token is committed as it was
planned, where the runner can (``CarryingRunner``), so that the follower's past holds what was danced.

Threading: ``submit`` and ``collect`` are called by the conductor's thread only. ``ThreadedEngine``
owns one worker thread; the two meet in two queues, in each of which one tick waits at most. The conductor
cannot tell which engine it drives, nor that a tick will never come back: that is for who looks after the
show, by the engine's pulse.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from duet.clock import ManualClock
from duet.errors import DuetError
from realtime.supervisor import Pulse
from realtime.tick import CarryingRunner, FollowerState, Runner, Tensors, TickResult, earlier


class Engine(Protocol):
    """Computes one tick at a time and owns the follower's state between ticks."""

    def submit(self, tick: int, inputs: Tensors) -> bool:
        """Begin tick ``tick``; False when one is still being computed. Ticks left out since the last are made up for;
        after ``reset`` there are none."""
        ...

    def collect(self, timeout_s: float) -> TickResult | None:
        """The finished tick, waiting for it at most ``timeout_s``; its state becomes the current one."""
        ...

    def reset(self) -> None:
        """Forget the performance, a tick that is still being computed too: the next starts from the first state."""
        ...

    def close(self) -> None:
        """Stop computing; safe to call twice."""
        ...


class InlineEngine:
    """Computes inside ``submit``: every run gives the same result in the same order."""

    def __init__(self, runner: Runner, state: FollowerState) -> None:
        self._runner = runner
        self._first = self._past = _Past(state)
        self._ready: TickResult | None = None

    def submit(self, tick: int, inputs: Tensors) -> bool:
        if self._ready is not None:
            return False
        self._ready = _compute(self._runner, tick, inputs, self._past)
        return True

    def collect(self, timeout_s: float) -> TickResult | None:
        result, self._ready = self._ready, None
        if result is not None:
            self._past = _Past(result.state, result.tick)
        return result

    def reset(self) -> None:
        self._past, self._ready = self._first, None

    def close(self) -> None:
        self._ready = None


class DelayedEngine(InlineEngine):
    """Computes inline, and has the answer so long later on a clock that moves only when told: any machine, made up."""

    def __init__(
        self, runner: Runner, state: FollowerState, clock: ManualClock, latency_s: Callable[[int], float]
    ) -> None:
        """``latency_s`` says how long a tick takes, by its number."""
        super().__init__(runner, state)
        self._clock, self._latency_s = clock, latency_s
        self._ready_s = 0.0

    def submit(self, tick: int, inputs: Tensors) -> bool:
        accepted = super().submit(tick, inputs)
        if accepted:
            self._ready_s = self._clock.now() + self._latency_s(tick)
        return accepted

    def collect(self, timeout_s: float) -> TickResult | None:
        if self._ready is None:
            return None
        until_s = self._clock.now() + max(timeout_s, 0.0)
        self._clock.sleep_until(min(until_s, self._ready_s))
        return super().collect(0.0) if self._ready_s <= until_s else None


class ThreadedEngine:
    """Computes on one worker thread, so that a slow tick never stops the conductor."""

    def __init__(self, runner: Runner, state: FollowerState) -> None:
        self.runner = runner
        """Whoever computes; another one may be set between ticks."""
        self.pulse = Pulse(rests=lambda: not self._is_computing)
        """Beats with each tick that begins, and rests once it is answered: silent as long as a tick takes."""
        self._first = self._past = _Past(state)
        self._busy = False
        self._is_computing = False
        self._is_forgotten = False
        """Whether the tick that is being computed began before a reset."""
        # One tick at a time, and behind it what ends it.
        self._asked: queue.Queue[tuple[int, Tensors, _Past] | None] = queue.Queue()
        self._done: queue.Queue[TickResult | BaseException] = queue.Queue(1)
        self._thread = threading.Thread(target=self._work, name="duet-engine", daemon=True)
        self._thread.start()

    def submit(self, tick: int, inputs: Tensors) -> bool:
        if self._busy:
            return False
        self._busy = self._is_computing = True
        self.pulse.beat()
        self._asked.put((tick, inputs, self._past))
        return True

    def collect(self, timeout_s: float) -> TickResult | None:
        if not self._busy:
            return None
        try:
            result = self._done.get(timeout=max(timeout_s, 0.0)) if timeout_s > 0 else self._done.get_nowait()
        except queue.Empty:
            return None
        self._busy = False
        if isinstance(result, BaseException):
            raise DuetError(f"Follower: expected a tick, got {result}. Try another follower or restart.") from result
        forgotten, self._is_forgotten = self._is_forgotten, False
        if forgotten:
            return None
        self._past = _Past(result.state, result.tick)
        return result

    def reset(self) -> None:
        self._past, self._is_forgotten = self._first, self._busy

    def close(self) -> None:
        if self._thread.is_alive():
            self._asked.put(None)
            self._thread.join(timeout=5.0)

    def _work(self) -> None:
        while (job := self._asked.get()) is not None:
            try:
                answer = _compute(self.runner, *job)
            except Exception as error:  # handed to the conductor's thread, which raises it
                answer = error
            # First: who takes the answer may ask again at once.
            self._is_computing = False
            self._done.put(answer)


@dataclass(frozen=True)
class _Past:
    """What a follower remembers, and the tick that it remembers last; None before the first."""

    state: FollowerState
    tick: int | None = None

    def until(self, tick: int, inputs: Tensors, runner: Runner) -> FollowerState:
        """The state before ``tick``."""
        missed = 0 if self.tick is None else tick - self.tick - 1
        if not missed or not isinstance(runner, CarryingRunner):
            return self.state
        state = self.state
        for tokens in range(missed, 0, -1):
            state = runner.carry(earlier(inputs, tokens), state)
        return state


def _compute(runner: Runner, tick: int, inputs: Tensors, past: _Past) -> TickResult:
    start = time.perf_counter()
    outputs, new_state = runner.tick(inputs, past.until(tick, inputs, runner))
    return TickResult(tick, outputs, new_state, time.perf_counter() - start)
