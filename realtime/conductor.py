"""The live loop on one page: gather -> tick -> merge -> publish.

Threading: everything here runs on the conductor's thread; the drawing thread reads its ``Glance``. No devices, no
runner, no wall clock: they are handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from duet.clock import Clock
from duet.contract import FollowerContract
from duet.features import Standing, partner_standing
from duet.forecast import Forecaster, LeaderWindow
from duet.frames import LeaderStatus
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from duet.timeline import check_law
from realtime.anticipation import CALM_FRAMES, Anticipation, InHand
from realtime.asking import Asked, inputs_of, plan_of
from realtime.cast import Casting, Member
from realtime.commands import (
    Begin,
    Command,
    CommandInbox,
    Fade,
    Freeze,
    Panic,
    Rest,
    Resume,
    SwitchFollower,
)
from realtime.engine import Engine
from realtime.feeds import CommandSource, LeaderSource, Log, MusicSource
from realtime.glance import Glance
from realtime.halting import PANIC_S
from realtime.health import Health
from realtime.law import LEAST_DELAY_FRAMES, TAKE_OVER_S, Pace, PaceSource, SteadyPace
from realtime.leader_track import LeaderTrack
from realtime.music_track import MusicTrack
from realtime.playout import Plan, Playout
from realtime.tick import Tensors
from realtime.tick_times import TickTimes
from realtime.wishes import Wishes

SPARE_GIVING_TOKENS = 1
"""So much more of a plan gives way to the leader's body than is shown before the next: that one may be late. Further on
it costs most of the merging and is planned anew before it is seen."""
BEGIN_REST_S = 1.0
"""Where a dance begins anew out of a dance: the way to rest, from which it glides to the new leader."""
MOST_LOGGED_S = 60.0
"""Of a stall so much is logged: by then the plan was danced to its end and the body has long been at rest."""
MAX_CATCH_UP_TICKS = 4
"""Further behind than this, ticks are skipped and the follower begins anew: better a small break than a growing lag."""


@dataclass
class Conductor:
    """Drives one follower by the clock: it looks round at every token, and asks at each or, by ``law``, at some."""

    contract: FollowerContract
    engine: Engine
    leader: LeaderSource
    music: MusicSource
    playout: Playout
    clock: Clock
    wishes: Wishes
    health: Health
    seed: int = 0
    delay_frames: int = LEAST_DELAY_FRAMES
    """d of the law d <= s <= H - d until ``law`` sets another."""
    display_lead_s: float = 0.0
    """A pose is seen so long after it was drawn: what is drawn is of that moment, and ticks begin as much sooner."""
    law: PaceSource = field(default_factory=SteadyPace)
    """Sets the pace by how long ticks take."""
    log: Log | None = None
    forecaster: Forecaster | None = None
    """Foresees the leader, where the follower learned to be shown what it foresees."""
    glance: Glance = field(default_factory=Glance)
    commands: CommandSource = field(default_factory=CommandInbox)
    """What anybody asks of the follower while it dances."""
    also: Member | None = None
    """Another follower, that takes over when it is asked for; then ``engine`` runs a ``Cast``."""

    def __post_init__(self) -> None:
        c = self.contract
        check_law(plan_frames=c.plan_frames, commit_frames=c.token_frames, delay_frames=self.delay_frames)
        self._timeline = c.timeline
        self._first_wishes = self.wishes
        self._times = TickTimes(self._timeline, self.display_lead_s)
        self._casting = Casting()
        self.glance.follower = c.name
        self._leader_track = self._new_leader_track()
        self._music_track = MusicTrack(self._timeline, self._keep_frames)
        self._pace = Pace(1, self.delay_frames)
        self._asked: Asked | None = None
        self._newest_tick: int | None = None
        """The newest tick that the follower was asked for and has not forgotten."""
        self._ahead = Anticipation()
        self._known_frame = -1
        """The newest leader frame that the follower was asked with."""
        self._giving_m: dict[int, tuple[float, float]] = {}
        self._placed = False
        self._logged_to = 0

    def run(self, stop: Callable[[], bool]) -> None:
        """Tick by the clock until ``stop()``; what is due is done, what is too late is skipped."""
        tick = self._timeline.token_of_frame(self._times.drawn_at(self.clock.now())) + 1
        while True:
            self._wait_for(tick)
            if stop():
                break
            self.tick(tick)
            behind = (self.clock.now() - self._start_s(tick + 1)) / self._timeline.token_frames * self._timeline.fps
            if behind > MAX_CATCH_UP_TICKS:
                self.health.count("skipped_ticks", int(behind))
                tick += int(behind)
                # What it remembers is of another moment.
                self._forget()
            tick += 1
        self._merge_finished(timeout_s=1.0)
        self._log_shown(self.clock.now())

    def _wait_for(self, tick: int) -> None:
        """Sleep until tick ``tick`` begins; look at every frame on the way, while there is a plan to be shifted."""
        start_s = self._start_s(tick)
        while self._ahead.in_hand is not None:
            look_s = self._times.next_frame_s(self.clock.now())
            # With the tick comes a look of its own.
            if look_s > start_s - 0.5 * self._timeline.frame_s:
                break
            self.clock.sleep_until(look_s)
            self._look(tick, calm=True)
        self.clock.sleep_until(start_s)

    def _look(self, tick: int, *, calm: bool) -> None:
        """Before tick ``tick``: a panic is obeyed, and a leader who does what was not foreseen followed, at once; with
        ``calm``, one who does about that as well."""
        now = self.clock.now()
        self._log_shown(now)
        for command in self.commands.take_urgent(tick):
            self._obey(command, tick, now)
        now = self._take_in(now)
        surprised = self._ahead.is_surprised(self._leader_track)
        if surprised or (calm and self._ahead.is_behind(self._leader_track, CALM_FRAMES)):
            plan = self._shifted(now, surprised=surprised)
            if plan is not None:
                self.playout.merge(plan, self._times.drawn_at(now) + 1, eager=True)
                self.health.count("surprises", int(surprised))

    def _shifted(self, now: float, *, surprised: bool) -> Plan | None:
        # The frame after the one on screen is being interpolated toward already.
        join = self._times.drawn_at(now) + 2
        return self._ahead.shifted(self._leader_track, self.contract, self.forecaster, join, surprised=surprised)

    def tick(self, tick: int) -> None:
        """One token: take what is new, ask the follower where it is time to, merge its answer when it comes."""
        now = self.clock.now()
        self._log_shown(now)
        for command in self.commands.take_new(tick):
            self._obey(command, tick, now)
        self._keep_pace(tick)
        with self.health.measure("gather"):
            self._take_new(now)
        self._merge_finished(timeout_s=0.0)
        if self._leader_track.is_empty or self.wishes.is_still:
            return
        if not self._placed:
            self._enter(tick)
        if self._newest_tick is None or tick - self._newest_tick >= self._pace.commit_tokens:
            if now < self._start_s(tick + 1):
                self._ask(tick, now)
            else:
                # The next one is due as well, and can be in time.
                self.health.count("skipped_ticks")
        self._await_answer(tick)

    def _await_answer(self, tick: int) -> None:
        """Wait until just before the next token, and look at every frame meanwhile; a tick still running then is merged
        later."""
        end_s = self._start_s(tick + 1) - TAKE_OVER_S
        for _ in range(self._timeline.token_frames + 1):
            look_s = self._times.next_frame_s(self.clock.now()) if self._ahead.in_hand is not None else end_s
            self._merge_finished(timeout_s=max(min(look_s, end_s) - self.clock.now(), 0.0))
            if self._asked is None or look_s >= end_s:
                break
            self._look(tick + 1, calm=False)

    def _start_s(self, tick: int) -> float:
        return self._times.start_s(tick, self._pace.delay_frames)

    def _keep_pace(self, tick: int) -> None:
        pace = self.law.pace(tick, self._pace)
        if pace.commit_tokens != self._pace.commit_tokens:
            self.health.count("pace_changes")
        self._pace = self.glance.pace = pace

    def _ask(self, tick: int, now: float) -> None:
        if self._newest_tick is not None and tick - self._newest_tick > self.contract.plan_tokens:
            # All that it planned is over.
            self._forget()
        self._take_over(tick)
        asked, inputs = self._gather(tick, now)
        self.health.count("ticks")
        if self.engine.submit(tick, inputs):
            self._asked, self._newest_tick, self._known_frame = asked, tick, asked.newest_frame
            self._casting.asked()
        else:
            self._tally_late(True)

    def _tally_late(self, late: bool) -> None:
        self.health.tally("late_ticks", late)
        self.glance.late_ticks += late

    def _forget(self) -> None:
        """The follower begins anew with the next tick."""
        self.engine.reset()
        self._newest_tick = self._ahead.in_hand = None
        self._casting.forget()

    def _take_in(self, now: float) -> float:
        """Take what is new, and say what time it is then: on a machine that stalls meanwhile, frames went by that are
        not to be changed any more."""
        self._take_new(now)
        return self.clock.now()

    def _take_new(self, now: float) -> None:
        for frame in self.leader.take_new(now):
            grid = self._leader_track.push(frame)
            if self.log is not None and grid:
                self.log.add_leader(
                    self._leader_track.newest_index, self._leader_track.newest(grid), frame.rotations_6d
                )
            self.glance.leader = frame
            if frame.status is not LeaderStatus.TRACKED:
                self.health.count("held_frames" if frame.status is LeaderStatus.HELD else "lost_frames")
        for frame in self.music.take_new(now):
            self._music_track.push(frame)
            self.glance.music = frame

    def _obey(self, command: Command, tick: int, now: float) -> None:
        """Change what is wished; a stop begins after the frame that is on screen."""
        match command:
            case Rest(seconds):
                self._stop(now, seconds)
                self.wishes = replace(self.wishes, rests=True)
            case Begin(seed):
                self._begin(now, (seed, tick))
            case Freeze():
                self._halt(now, None)
            case Fade(seconds):
                self._halt(now, seconds)
            case Panic():
                self._halt(now, PANIC_S)
            case Resume():
                self._resume()
            case SwitchFollower(to) if self.also is not None:
                self._casting.cue(to, now)
            case SwitchFollower():
                self.health.count("refused_commands")
            case _:
                wishes = self.wishes.after(command, tick, self.contract.style_size)
                if wishes is None:
                    # Of another follower: a show does not end by it.
                    self.health.count("refused_commands")
                self.wishes = wishes or self.wishes

    def _halt(self, now: float, rest_s: float | None) -> None:
        self._stop(now, rest_s)
        self.wishes = replace(self.wishes, is_halted=True)

    def _stop(self, now: float, rest_s: float | None) -> None:
        """Leave the plan: in the pose that is danced, or at rest after ``rest_s``."""
        frames = None if rest_s is None else max(round(rest_s * self._timeline.fps), 1)
        self.playout.halt(self._times.drawn_at(now) + 1, frames)
        self._ahead.in_hand = None

    def _resume(self) -> None:
        if not self.wishes.is_halted:
            return
        self.wishes = replace(self.wishes, is_halted=False)
        # What it remembers is of another moment; a dance that had not begun begins where the leader is by now.
        self._forget()
        self._placed = self._placed and not self.playout.awaits_entry

    def _begin(self, now: float, lock: tuple[int, int]) -> None:
        """Somebody else leads, of whom nothing is known yet."""
        if not self.wishes.is_still:
            self._stop(now, BEGIN_REST_S)
        self.wishes = replace(self._first_wishes, lock=lock, is_halted=self.wishes.is_halted)
        self._leader_track, self._ahead = self._new_leader_track(), Anticipation()
        self._giving_m, self._placed, self.glance.leader = {}, False, None
        self.glance.begins += 1
        self._forget()

    @property
    def _keep_frames(self) -> int:
        members = (self.contract,) if self.also is None else (self.contract, self.also.contract)
        return (max(c.window_tokens for c in members) + 8) * self.contract.token_frames

    def _new_leader_track(self) -> LeaderTrack:
        return LeaderTrack(self._timeline, self._keep_frames)

    def _enter(self, tick: int) -> None:
        """The leader is here for the first time: stand before them."""
        first = self._timeline.first_frame(tick)
        leader = self._leader_track.foreseen(first, self.contract, self.forecaster).now
        start = partner_standing(leader, self.wishes.placement, RELAXED_PELVIS_HEIGHT_M)
        self.playout.enter(start)
        self._placed = True

    def _gather(self, tick: int, now: float) -> tuple[Asked, Tensors]:
        """Everything tick ``tick`` is asked with, as the contract's input tensors."""
        c, first = self.contract, self._timeline.first_frame(tick)
        leader = self._leader_track.window(first, c, self.forecaster)
        if first - self._leader_track.newest_index > c.observed_delay_frames:
            # Older than any leader of the training: the forecast carries further than it was learned to be trusted.
            self.health.count("stale_leader_ticks")
        standing = replace(self.playout.standing(first - 1), giving_m=self._giving_m.get(first - 1, (0.0, 0.0)))
        track, inputs = self._leader_track, self._inputs(tick, c, leader, standing)
        self._ahead.is_surprised(track)
        # Also by what was seen between two ticks.
        surprised, leak = self._ahead.was_surprised_after(self._known_frame), self._ahead.leak(c.root_leak)
        asked = Asked(tick, c, leader, standing, track.newest_index, track.newest_s, now, surprised, leak)
        return asked, {**inputs, **self._cast_inputs(tick, standing)}

    def _inputs(self, tick: int, c: FollowerContract, leader: LeaderWindow, standing: Standing) -> Tensors:
        seed, since = self.wishes.lock or (self.seed, 0)
        music = self._music_track.window(self._timeline.first_frame(tick), c)
        sure = self._leader_track.confidence
        return inputs_of(c, leader, music, standing, self.wishes, confidence=sure, draw=(seed, tick - since))

    def _cast_inputs(self, tick: int, standing: Standing) -> Tensors:
        """Of two followers: who dances, and what the other is asked beside."""
        other = self.also
        if other is None:
            return {}

        def beside() -> Tensors:
            first = self._timeline.first_frame(tick)
            leader = self._leader_track.window(first, other.contract, other.forecaster)
            return self._inputs(tick, other.contract, leader, standing)

        return self._casting.inputs(beside)

    def _take_over(self, tick: int) -> None:
        """On a downbeat the other dances, if it was asked for and is warm."""
        other, begins_s = self.also, self._timeline.time_of_frame(self._timeline.first_frame(tick))
        lasts_s = self._pace.commit_tokens * self._timeline.token_s
        if other is None or not self._casting.is_due(begins_s, lasts_s, self.glance.music):
            return
        self._casting.take_over()
        self.also = Member(self.contract, self.forecaster)
        self.contract, self.forecaster = other.contract, other.forecaster
        self.glance.follower = self.contract.name
        self.health.count("follower_switches")

    def _merge_finished(self, timeout_s: float) -> None:
        """Take the follower's answer, if it comes within ``timeout_s``, and dance by it, if it is fit to be danced."""
        result, asked = self.engine.collect(timeout_s), self._asked
        if result is None or asked is None:
            return
        self._asked = None
        # All this whatever the follower says: a replay by another one reads the clock as often.
        answered_s = self.clock.now()
        self.law.observe(answered_s - asked.begun_s)
        now = self._take_in(answered_s)
        frames = result.outputs["frames"][0]
        if not np.isfinite(frames).all():
            # Such a state would poison every later tick: forget it, and let the playout ease to rest meanwhile.
            self.health.count("broken_ticks")
            self._forget()
            return
        if self.wishes.is_still:
            return
        with self.health.measure("decode"):
            self._dance_by(frames, asked, now)
        self.health.record("tick", result.seconds * 1e3)
        self._tally_late(self._times.drawn_at(now) >= self._timeline.first_frame(asked.tick))
        self.glance.tick_ms = result.seconds * 1e3
        self.glance.ticks += 1

    def _dance_by(self, frames: NDArray[np.float32], asked: Asked, now: float) -> None:
        """Merge an answer, the decoded ``frames`` (N, 145), for the leader as known by now."""
        near = (self._pace.commit_tokens + SPARE_GIVING_TOKENS) * asked.contract.token_frames
        plan, self._giving_m = plan_of(frames, asked, near)
        self._ahead.in_hand = InHand(plan, frames, asked.leader, asked.newest_frame)
        # The leader did not stand still while it was computed.
        self._ahead.is_surprised(self._leader_track)
        surprised = self._ahead.was_surprised_after(asked.newest_frame)
        newer = self._shifted(now, surprised=surprised) if self._ahead.is_behind(self._leader_track, 1) else None
        self.playout.merge(newer or plan, self._times.drawn_at(now) + 1, eager=surprised or asked.surprised)

    def _log_shown(self, now: float) -> None:
        """Hand every frame of the grid that is past to the log, if one is kept; of a long stall only its beginning."""
        if self.log is None:
            return
        until = self._timeline.frame_at(now)
        for frame in range(self._logged_to, until + 1)[: round(MOST_LOGGED_S * self._timeline.fps)]:
            self.log.add_follower(frame, self.playout.pose_at(self._timeline.time_of_frame(frame)))
        self._logged_to = until + 1
