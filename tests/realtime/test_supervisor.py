"""A keeper keeps a process going, by a clock that the test moves."""

import errno
import os
from dataclasses import dataclass, field

import pytest

from realtime.supervisor import BACK_OFF_S, SETTLED_S, Keeper, Pulse, WardState


@dataclass
class Ward:
    """A process in name only: the test says how it is."""

    name: str = "duet-test"
    is_ready: bool = False
    wrong: str | None = None
    done: list[str] = field(default_factory=list)
    no_room: int = 0
    """So many starts fail."""

    def start(self) -> None:
        if self.no_room:
            self.no_room -= 1
            self.done.append("no room")
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        self.done.append("start")
        self.is_ready, self.wrong = False, None

    def end(self) -> None:
        self.done.append("end")

    def trouble(self, now_s: float) -> str | None:
        return self.wrong


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def ward() -> Ward:
    return Ward()


@pytest.fixture
def keeper(ward: Ward, told: list[str]) -> Keeper:
    return Keeper(ward, told.append)


def _run(keeper: Keeper, ward: Ward, from_s: float, to_s: float) -> float:
    """Look sixty times a second; a process is ready as soon as it is started."""
    steps = int((to_s - from_s) * 60)
    for step in range(steps):
        keeper.look(from_s + step / 60)
        ward.is_ready = ward.is_ready or keeper.state is WardState.STARTING
    return to_s


def test_a_process_that_dies_is_ended_and_started_again(keeper: Keeper, ward: Ward, told: list[str]) -> None:
    _run(keeper, ward, 0.0, 5.0)
    assert keeper.state is WardState.RUNNING and told == []
    ward.wrong = "signal 9"
    _run(keeper, ward, 5.0, 6.0)
    assert keeper.state is WardState.RUNNING and ward.done == ["end", "start"]
    assert keeper.restarts == 1 and keeper.problem == "signal 9"
    assert told[0] == "duet-test: signal 9; it is started again"
    assert told[1].startswith("duet-test: back after 0.")


def test_pauses_grow_and_what_stays_the_same_is_told_once(keeper: Keeper, ward: Ward, told: list[str]) -> None:
    starts_s = []
    for step in range(60 * 60):
        before = len(ward.done)
        keeper.look(step / 60)
        if "start" in ward.done[before:]:
            starts_s.append(step / 60)
        ward.wrong = "no display"
    pauses_s = [b - a for a, b in zip(starts_s, starts_s[1:], strict=False)]
    assert pauses_s[0] < 1.0 and all(a <= b + 0.05 for a, b in zip(pauses_s, pauses_s[1:], strict=False))
    assert pauses_s[-1] == pytest.approx(BACK_OFF_S[1], abs=0.1)
    assert told == ["duet-test: no display; it is started again"]


def test_who_has_lived_for_long_is_back_soon(keeper: Keeper, ward: Ward, told: list[str]) -> None:
    now_s = 0.0
    for _ in range(8):
        now_s = _run(keeper, ward, now_s, now_s + 9.0)
        ward.wrong = "signal 11"
    now_s = _run(keeper, ward, now_s, now_s + 2.0 * BACK_OFF_S[1] + SETTLED_S + 1.0)
    assert keeper.state is WardState.RUNNING
    ward.wrong = "signal 11"
    _run(keeper, ward, now_s, now_s + 2.0 * BACK_OFF_S[0])
    assert keeper.state is WardState.RUNNING


def test_a_start_for_which_there_is_no_room_is_tried_again_later(keeper: Keeper, ward: Ward, told: list[str]) -> None:
    _run(keeper, ward, 0.0, 5.0)
    ward.wrong, ward.no_room = "signal 9", 2
    _run(keeper, ward, 5.0, 15.0)
    assert ward.done == ["end", "no room", "no room", "start"]
    assert keeper.state is WardState.RUNNING and keeper.restarts == 1
    assert told[0] == "duet-test: signal 9; it is started again"
    assert told[1] == f"duet-test: no room to start it ({os.strerror(errno.ENOMEM)}); it is tried again"
    assert told[2].startswith("duet-test: back after 1.") and len(told) == 3


def test_a_first_start_for_which_there_is_no_room_is_tried_again(keeper: Keeper, ward: Ward, told: list[str]) -> None:
    ward.no_room = 1
    keeper.begin(1e5)
    assert keeper.state is WardState.AWAY, "and nothing is raised"
    _run(keeper, ward, 1e5, 1e5 + 2.0)
    assert ward.done == ["no room", "start"] and keeper.state is WardState.RUNNING and keeper.restarts == 0
    assert told[0] == f"duet-test: no room to start it ({os.strerror(errno.ENOMEM)}); it is tried again"
    assert told[1].startswith("duet-test: back after 0.") and len(told) == 2


def test_one_that_dies_before_it_was_ready_is_away_since_it_was_begun(
    keeper: Keeper, ward: Ward, told: list[str]
) -> None:
    keeper.begin(1e5)
    keeper.look(1e5 + 1.0)
    ward.wrong = "signal 9"
    _run(keeper, ward, 1e5 + 1.5, 1e5 + 4.0)
    assert keeper.state is WardState.RUNNING and keeper.restarts == 1
    assert told[0] == "duet-test: signal 9; it is started again"
    assert told[1].startswith("duet-test: back after 1.") and len(told) == 2


def test_one_that_starts_at_once_is_nothing_to_tell(keeper: Keeper, ward: Ward, told: list[str]) -> None:
    keeper.begin(1e5)
    _run(keeper, ward, 1e5, 1e5 + 2.0)
    assert keeper.state is WardState.RUNNING and ward.done == ["start"] and told == []


def test_an_end_is_an_end(keeper: Keeper, ward: Ward, told: list[str]) -> None:
    _run(keeper, ward, 0.0, 1.0)
    keeper.end()
    keeper.end()
    ward.wrong = "signal 15"
    _run(keeper, ward, 1.0, 20.0)
    assert ward.done == ["end"] and told == [] and keeper.state is WardState.ENDED


def test_a_thread_is_silent_as_long_as_somebody_looked_for_it() -> None:
    pulse, now_s = Pulse(), 100.0
    assert pulse.look(now_s) == 0.0
    for _ in range(180):
        now_s += 1 / 60
        pulse.look(now_s)
    assert pulse.silent_s == pytest.approx(3.0)
    pulse.beat()
    assert pulse.look(now_s + 1.0) == 0.0
    assert pulse.look(now_s + 1.05) == pytest.approx(0.05)


def test_a_machine_that_slept_is_no_thread_that_hangs() -> None:
    pulse = Pulse()
    pulse.look(100.0)
    assert pulse.look(3700.0) < 0.2, "the one who looks woke first"
    pulse.beat()
    assert pulse.look(3700.1) == 0.0
