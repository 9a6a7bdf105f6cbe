"""Two followers: the other takes over at a downbeat, warm, in a recorded show too, and the body does not leap."""

from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph
from duet.clock import ManualClock
from duet.contract import load_contract
from duet.errors import InputError
from duet.features import FOLLOWER_SIZE, Placement, Standing
from duet.frames import MusicFrame
from duet.music import FEATURES
from realtime.cast import BESIDE, MOST_WAIT_S, WARM_TICKS, Cast, CastState, Member, check_alike, has_downbeat
from realtime.commands import Command, CommandInbox, Panic, Resume, SwitchFollower
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.law import Pace, PaceSource, SteadyPace
from realtime.playout import Playout
from realtime.sessions.session import Recording
from realtime.sessions.session_replay import Session
from realtime.sight.leader_take import TakeLeader
from realtime.tick import FollowerState, Tensors
from realtime.wishes import Wishes

CONTRACT = load_contract(Path(__file__).resolve().parents[2] / "followers" / "salsa-s")
BAR_S = 4 / 3
TAKE = choreograph(np.arange(0.0, 14.0, 1 / 3), 3, fps=30.0, seconds=13.0).leader


class Counting:
    """A body that turns ``by`` radians a frame at the elbows, and remembers how often it was asked."""

    def __init__(self, mark: float) -> None:
        self.mark, self.asked = mark, list[float]()

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        assert not any(name.startswith(BESIDE) for name in inputs) and {t.name for t in CONTRACT.inputs} == set(inputs)
        past = state.tensors["past"] + 1
        self.asked.append(float(past[0]))
        frames = np.zeros((1, CONTRACT.plan_frames, FOLLOWER_SIZE), np.float32)
        frames[..., :132:6] = np.cos(self.mark)
        frames[..., 1:132:6] = np.sin(self.mark)
        frames[..., 3:132:6] = -np.sin(self.mark)
        frames[..., 4:132:6] = np.cos(self.mark)
        return {"frames": frames}, FollowerState({"past": past})


class Bars:
    """Bars of four beats at 180 bpm, the first at 0."""

    def __init__(self, confidence: float = 0.9) -> None:
        self.next, self.confidence = 0, confidence

    def take_new(self, until_s: float) -> list[MusicFrame]:
        frames = []
        while (time_s := self.next / 30.0) <= until_s:
            nothing = np.zeros(FEATURES.size, np.float32)
            frames.append(
                MusicFrame(self.next, time_s, nothing, time_s * 3 % 1, time_s / BAR_S % 1, 180.0, self.confidence)
            )
            self.next += 1
        return frames


def nothing_remembered() -> CastState:
    fresh = FollowerState({"past": np.zeros(1, np.float32)})
    return CastState(fresh.tensors, members=(fresh, fresh))


def show(
    at: dict[int, Command],
    ticks: int = 80,
    *,
    confidence: float = 0.9,
    record: Path | None = None,
    law: PaceSource | None = None,
) -> tuple[Conductor, Counting, Counting, list[str]]:
    first, second, clock, inbox = Counting(0.0), Counting(0.15), ManualClock(), CommandInbox()
    conductor = Conductor(
        CONTRACT, InlineEngine(Cast(first, second, nothing_remembered()), nothing_remembered()), TakeLeader(TAKE, 30.0),
        Bars(confidence), Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)), clock,
        Wishes(Placement(CONTRACT.distance_m)), Health(), seed=3, commands=inbox, also=Member(CONTRACT),
        law=law or SteadyPace(),
    )  # fmt: skip
    recording = None if record is None else Recording(record, conductor)
    who = []

    def is_over() -> bool:
        tick = len(who) + 1
        if tick in at:
            inbox.ask(at[tick])
        who.append("second" if conductor._casting.who else "first")
        return tick >= ticks

    conductor.run(is_over)
    if recording is not None:
        recording.close()
    return conductor, first, second, who


def test_the_other_takes_over_at_a_downbeat_and_is_warm() -> None:
    conductor, first, second, who = show({20: SwitchFollower()})
    changed = who.index("second")
    # The token of tick k begins at k * 4 / 30 s: one of its frames is a one.
    begins_s = changed * 4 / 30
    assert (begins_s / BAR_S) % 1 > 1 - 4 / 30 / BAR_S - 1e-6 or (begins_s / BAR_S) % 1 < 1e-6
    assert second.asked[:WARM_TICKS] == [float(i + 1) for i in range(WARM_TICKS)] and second.asked[-1] > 40
    assert changed - 20 >= WARM_TICKS and set(who[changed:]) == {"second"}
    assert len(first.asked) == changed - 1 or len(first.asked) == changed
    assert conductor.health.counter("follower_switches") == 1 and conductor.health.counter("late_ticks") == 0


def test_who_asks_again_while_they_wait_postpones_nothing() -> None:
    changed = show({20: SwitchFollower()})[3].index("second")
    assert show({20: SwitchFollower(), 24: SwitchFollower(), 28: SwitchFollower()})[3].index("second") == changed


class EverySecondToken(SteadyPace):
    def pace(self, tick: int, now: Pace) -> Pace:
        return Pace(2, 4)


def test_a_slow_machine_sees_downbeats_too() -> None:
    # It is asked in odd ticks, and a bar is ten of them.
    who = show({20: SwitchFollower()}, law=EverySecondToken())[3]
    assert WARM_TICKS <= who.index("second") - 20 < (MOST_WAIT_S - 1.0) * 30 / 4
    assert (who.index("second") + 1) % 10 in (0, 1), "the asked token before a bar, or the bar's own"


def test_without_a_beat_it_takes_over_all_the_same() -> None:
    _, _, _, who = show({10: SwitchFollower("second")}, confidence=0.0)
    assert 40 < who.index("second") - 10 < 55


def test_who_dances_already_is_not_switched_to_and_a_cue_can_be_taken_back() -> None:
    _, _, second, who = show({10: SwitchFollower("first")}, 40)
    assert set(who) == {"first"} and not second.asked
    _, _, second, who = show({10: SwitchFollower("second"), 12: SwitchFollower("first")}, 60)
    assert set(who) == {"first"} and len(second.asked) == 2


def test_back_again_it_begins_with_no_memory_of_long_ago() -> None:
    _, first, _, who = show({10: SwitchFollower(), 38: SwitchFollower()}, 66)
    assert who[-1] == "first" and who.count("second") > 10
    begun_again = [i for i, past in enumerate(first.asked) if past == 1.0]
    assert len(begun_again) == 2


def test_a_panic_meanwhile_costs_the_warmth_not_the_cue() -> None:
    _, _, second, who = show({10: SwitchFollower(), 14: Panic(), 22: Resume()}, 70)
    assert who[-1] == "second" and second.asked.count(1.0) == 2


def test_a_show_with_one_follower_refuses_the_cue() -> None:
    inbox = CommandInbox()
    fresh = FollowerState({"past": np.zeros(1, np.float32)})
    conductor = Conductor(
        CONTRACT, InlineEngine(Counting(0.0), fresh), TakeLeader(TAKE, 30.0), Bars(),
        Playout(CONTRACT.timeline, Standing(np.zeros(3), 0.0)), ManualClock(), Wishes(Placement(1.0)), Health(),
        commands=inbox,
    )  # fmt: skip
    inbox.ask(SwitchFollower())
    conductor.tick(1)
    assert conductor.health.counter("refused_commands") == 1


def test_a_recorded_show_of_two_is_replayed_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show({12: SwitchFollower(), 45: SwitchFollower("first")}, 80, record=tmp_path)
    monkeypatch.setattr(CastState, "of", lambda first, second: nothing_remembered())
    session = Session(tmp_path)
    with pytest.raises(InputError, match="Name it with --also"):
        session.replay(CONTRACT, Counting(0.0), None)
    verdict = session.replay(CONTRACT, Counting(0.0), None, also=(Member(CONTRACT), Counting(0.15)))
    session.close()
    assert verdict.is_equal and verdict.complete and verdict.ticks > 60


def test_downbeats_are_where_bars_begin() -> None:
    music = MusicFrame(0, 10.0, np.zeros(1), 0.0, 0.5, 120.0, 0.9)
    assert has_downbeat(11.0, 0.1, music) and has_downbeat(10.95, 0.1, music) and has_downbeat(13.0, 0.1, music)
    assert not has_downbeat(10.5, 0.1, music) and not has_downbeat(10.9, 0.1, music)
    assert not has_downbeat(11.0, 0.1, None)


def test_followers_that_were_made_otherwise_are_refused() -> None:
    import dataclasses

    check_alike(CONTRACT, CONTRACT)
    with pytest.raises(InputError, match="--also: expected a follower with fps 30"):
        check_alike(CONTRACT, dataclasses.replace(CONTRACT, fps=60.0))
