"""What happens between two ticks when the leader does what was not foreseen.

A tick is asked once a token, and its answer is on screen d frames later: whoever starts all of a sudden right after one
is answered a fifth of a second later. So at every frame in between the newest leader frame is held against what the
plan in hand was told to expect. A leader who is more than three sigma off is a surprise: the plan is shifted at once by
as much as the partner's place has moved, and the next plan comes in over fewer frames. Nothing is asked of the network.
Beside a leader who is none, a plan is shifted as it is taken over, by what was seen while it was computed, and once
between two ticks: by less of the way and in smaller steps.

A start is more than a surprise: who stands is expected to go on, and a network that was told so still plans little of
the way. So a leader whose speed leaves by three sigma what it was in the last second has the follower close the gap to
its place faster, for some ticks: less with each, and within the bounds of ``realtime.steps``.

The shift is a share of the way (the rest is left to the next plan), grows by no more than ``SHIFT_STEP_M`` a frame
however often the leader surprises, and ends with the plan that it was added to.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.features import FOLLOWER_ROOT, ROOT_PLACE
from duet.forecast import Forecaster, ForeseenLeader
from duet.rotations import Array
from realtime.leader_track import LeaderTrack
from realtime.playout import Plan

SIGMAS = 3.0
LEAST_SIGMA_M = 0.01
"""A leader who stands trembles by less; without it, breathing would be a surprise."""
_FIRST_SIGMA_M = 0.01
_MEMORY = 15
"""Looks over which the usual is learned: about a second."""
SHARE = 0.6
"""How much of the way the partner's place has moved is gone at once."""
SHIFT_STEP_M = 0.025
CALM_SHARE, CALM_STEP_M = 0.3, 0.01
"""The same beside a leader who does about what was foreseen."""
CALM_FRAMES = 2
"""Between two ticks a plan that knows a leader so many frames older than the newest is made to know that one."""
EAGER_LEAK = 0.2
"""After a sudden start the follower closes so much of the gap to its place a frame, instead of what the contract says:
the way that a network plans for who has just begun to go is far shorter than theirs, the place it names is right."""
_LEAST_STEP_M, _STEP_MEMORY = 0.003, 30
"""A tenth of a metre a second is no start; and the frames over which a leader's usual step is learned."""
_CALMER = 0.7
"""Of that eagerness, what is left after each tick."""


class Surprise:
    """How far leaders usually are from where they were foreseen, for each frame that was ahead."""

    def __init__(self) -> None:
        self._mean_square_m2 = _FIRST_SIGMA_M**2
        self._eagerness = 0.0
        self._step_m, self._step_square_m2 = 0.0, 0.0

    def see(self, ahead: int, off_m: float) -> bool:
        """Whether ``off_m``, in a frame that was foreseen ``ahead`` frames before, is more than SIGMAS of the usual."""
        ahead = max(ahead, 1)
        usual = max(self._mean_square_m2**0.5 * ahead, LEAST_SIGMA_M)
        # A surprise is learned from as far as it is none: else the second would be none.
        learned = min(off_m, SIGMAS * usual) / ahead
        self._mean_square_m2 += (learned**2 - self._mean_square_m2) / _MEMORY
        return off_m > SIGMAS * usual

    def see_step(self, joints_m: Array) -> None:
        """A leader's joints (2, 22, 3) in two frames, or in the first: who goes off as they did not in the last second
        is hurried after.

        That need not be a surprise: one who stands in the middle of a dance is expected to go on.
        """
        step_m = float(np.linalg.norm(joints_m[-1] - joints_m[0], axis=-1).mean())
        spread_m = max(self._step_square_m2 - self._step_m**2, 0.0) ** 0.5
        if step_m > self._step_m + SIGMAS * max(spread_m, _LEAST_STEP_M):
            self._eagerness = 1.0
        self._step_m += (step_m - self._step_m) / _STEP_MEMORY
        self._step_square_m2 += (step_m**2 - self._step_square_m2) / _STEP_MEMORY

    def leak(self, usual: float) -> float:
        """How much of the gap to its place the follower of the next tick closes in a frame; asked once a tick."""
        leak = usual + self._eagerness * max(EAGER_LEAK - usual, 0.0)
        self._eagerness *= _CALMER
        return leak


@dataclass(frozen=True)
class InHand:
    """The plan that is danced, and the leader it was made for."""

    plan: Plan
    rows: NDArray[np.float32]
    """(N, 145) the follower's frames of the plan as decoded."""
    leader: ForeseenLeader
    """Its ``plan_joints_m`` begin with the plan's first frame."""
    known_frame: int
    """The newest leader frame that was known to it."""
    goal_m: Array | None = None
    """(N, 3) by how much the plan should be shifted by now; None: not at all."""
    shift_m: Array | None = None
    """(N, 3) by how much it is."""

    def off_m(self, frame: int, joints_m: Array) -> float | None:
        """How far joints (22, 3) in ``frame`` are from where they were foreseen, on average; None for other frames."""
        at, gap = frame - self.plan.first_frame, self.leader.gap_joints_m
        if not -len(gap) <= at < len(self.rows) - 1:
            return None
        foreseen = self.leader.plan_joints_m[at] if at >= 0 else gap[at]
        return float(np.linalg.norm(joints_m - foreseen, axis=-1).mean())

    def shifted(
        self, leader: ForeseenLeader, first_frame: int, join: int, newest: tuple[int, float], *, surprised: bool = True
    ) -> "InHand":
        """The rest of the plan from ``first_frame`` on, for a ``leader`` whose plan frames begin there.

        ``join`` is the first frame that may still be changed; ``newest`` the newest leader frame and its stamp. Who
        was not ``surprised`` goes a smaller share of the way, in smaller steps.
        """
        share, most_m = (SHARE, SHIFT_STEP_M) if surprised else (CALM_SHARE, CALM_STEP_M)
        gone, plan, before = first_frame - self.plan.first_frame, self.plan, self.leader
        rows = self.rows[gone:]
        old = _places(rows, before.plan_root_m[gone:], before.plan_heading_rad[gone:])
        new = _places(rows, leader.plan_root_m, leader.plan_heading_rad)
        nowhere = np.zeros((len(self.rows), 3))
        shift = nowhere if self.shift_m is None else self.shift_m
        goal = (nowhere if self.goal_m is None else self.goal_m)[gone:] + share * (new - old)
        moved = _led(shift, goal, max(join - plan.first_frame, gone, 1), most_m)
        rest = replace(
            plan,
            first_frame=first_frame,
            root_m=(plan.root_m + (moved - shift))[gone:].astype(np.float32),
            rotations=plan.rotations[gone:],
            contacts=plan.contacts[gone:],
            leader_time_s=newest[1],
        )
        return InHand(rest, rows, leader, newest[0], goal, moved[gone:])


class Anticipation:
    """The plan in hand, and how usual the leader is that it was made for; the conductor's thread's."""

    def __init__(self) -> None:
        self.in_hand: InHand | None = None
        """The plan that is danced; None while there is none to be shifted."""
        self._surprise, self._looked_at, self._surprised_at = Surprise(), -1, -1

    def is_surprised(self, track: LeaderTrack) -> bool:
        """Whether the newest leader frame, if it was not looked at yet, is far from where the plan in hand has it."""
        newest = track.newest_index
        if self.in_hand is None or newest <= self._looked_at:
            return False
        self._looked_at = newest
        self._surprise.see_step(track.newest(2))
        off_m = self.in_hand.off_m(newest, track.newest(1)[0])
        if off_m is None or not self._surprise.see(newest - self.in_hand.known_frame, off_m):
            return False
        self._surprised_at = newest
        return True

    def was_surprised_after(self, frame: int) -> bool:
        """Whether a leader frame newer than ``frame`` was a surprise, whoever looked at it."""
        return self._surprised_at > frame

    def leak(self, usual: float) -> float:
        """See ``Surprise``."""
        return self._surprise.leak(usual)

    def is_behind(self, track: LeaderTrack, frames: int) -> bool:
        """Whether the plan in hand knows a leader at least so many frames older than the newest."""
        return self.in_hand is not None and track.newest_index - self.in_hand.known_frame >= frames

    def shifted(
        self,
        track: LeaderTrack,
        contract: FollowerContract,
        forecaster: Forecaster | None,
        join: int,
        *,
        surprised: bool,
    ) -> Plan | None:
        """The plan in hand for the leader as known now, from ``join`` on; None where too little of it is left."""
        if self.in_hand is None:
            return None
        first = max(track.newest_index + 1, self.in_hand.plan.first_frame)
        if max(first, join) - self.in_hand.plan.first_frame > len(self.in_hand.rows) - contract.token_frames:
            return None
        newest = track.newest_index, track.newest_s
        leader = track.foreseen(first, contract, forecaster)
        self.in_hand = self.in_hand.shifted(leader, first, join, newest, surprised=surprised)
        return self.in_hand.plan


def _led(shift_m: Array, goal_m: Array, begin: int, most_m: float) -> Array:
    """``shift_m`` (N, 3), whose rows from ``begin`` on go to ``goal_m``, that of its last M, by ``most_m`` at most."""
    moved, gone = np.array(shift_m), len(shift_m) - len(goal_m)
    x, _, z = moved[begin - 1].tolist()
    way = []
    # Plain numbers, as it runs between two frames.
    for goal_x, _, goal_z in goal_m[begin - gone :].tolist():
        step_x, step_z = goal_x - x, goal_z - z
        some = min(1.0, most_m / max(math.hypot(step_x, step_z), 1e-9))
        x, z = x + some * step_x, z + some * step_z
        way.append((x, 0.0, z))
    moved[begin:] = np.array(way).reshape(-1, 3)
    return moved


def _places(rows: Array, leader_root_m: Array, heading_rad: Array) -> Array:
    """(N, 3) on the floor: where follower frames ``rows`` (N, 145) have their place before such a leader (M >= N)."""
    leader_root_m, heading_rad = leader_root_m[: len(rows)], heading_rad[: len(rows)]
    place = np.asarray(rows[:, FOLLOWER_ROOT][:, ROOT_PLACE], dtype=np.float64)
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    x, z = c * place[:, 0] + s * place[:, 1], c * place[:, 1] - s * place[:, 0]
    return np.stack([leader_root_m[:, 0] + x, np.zeros(len(x)), leader_root_m[:, 2] + z], axis=-1)
