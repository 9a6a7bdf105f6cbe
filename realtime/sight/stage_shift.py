"""The performer's place on the stage, moved by hand while dancing: a live offset on top of the mark on the floor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from duet.clock import MonotonicClock
from duet.errors import InputError
from duet.frames import LeaderFrame
from duet.rotations import Array, matrix_from_6d, six_d_from_matrix, yaw_matrix
from duet.skeleton import BODY

EASE_M_S = 0.5
EASE_RAD_S = 0.8
"""A body on stage is moved no faster than this: the follower answers a leap as if the leader had leapt."""
_LEAST_S = 0.1
FURTHEST_M = 10.0


@dataclass(frozen=True)
class Shift:
    """A turn about the middle of the stage, then a step: metres and radians, +x to the audience's right, +z to them."""

    x_m: float = 0.0
    z_m: float = 0.0
    turn_rad: float = 0.0

    @property
    def is_none(self) -> bool:
        """Whether it changes nothing."""
        return self == Shift()

    def place(self, points_m: Array) -> Array:
        """Points (..., 3) of the stage, shifted."""
        return points_m @ yaw_matrix(self.turn_rad).T + np.array([self.x_m, 0.0, self.z_m])

    def of(self, frame: LeaderFrame) -> LeaderFrame:
        """The leader, shifted."""
        if self.is_none:
            return frame
        turns = matrix_from_6d(frame.rotations_6d.astype(np.float64))
        turns[0] = yaw_matrix(self.turn_rad) @ turns[0]
        return replace(
            frame,
            root_m=self.place(frame.root_m.astype(np.float64)),
            joints_m=self.place(frame.joints_m.astype(np.float64)),
            rotations_6d=six_d_from_matrix(turns),
        )

    def toward(self, goal: "Shift", share: float) -> "Shift":
        """A ``share`` (0..1) of the way to another."""
        x, z, turn = goal.x_m - self.x_m, goal.z_m - self.z_m, goal.turn_rad - self.turn_rad
        return Shift(self.x_m + share * x, self.z_m + share * z, self.turn_rad + share * turn)


def mirrored(frame: LeaderFrame) -> LeaderFrame:
    """The leader as in a mirror: x to -x, left and right limbs change places."""
    flip, order = np.diag([-1.0, 1.0, 1.0]), list(BODY.mirror)
    turns = matrix_from_6d(frame.rotations_6d.astype(np.float64))[order]
    return replace(
        frame,
        root_m=frame.root_m @ flip,
        joints_m=frame.joints_m[order] @ flip,
        rotations_6d=six_d_from_matrix(flip @ turns @ flip),
        visibility=frame.visibility[order],
    )


def shift_of(text: str) -> Shift:
    """``x,z`` in metres, or ``x,z,turn`` with the turn in degrees, positive to the leader's left."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(math.isfinite(n) for n in numbers):
        raise InputError(f"Offset: expected X,Z or X,Z,DEGREES such as 0.3,-0.5,15, got {text!r}.")
    if max(abs(n) for n in numbers[:2]) > FURTHEST_M or abs(sum(numbers[2:])) > 180.0:
        raise InputError(f"Offset: expected at most {FURTHEST_M:g} m and 180 degrees, got {text!r}.")
    return Shift(numbers[0], numbers[1], math.radians(sum(numbers[2:])))


@dataclass(frozen=True)
class Glide:
    """From one shift to another, begun at ``start_s``; never changed, only replaced."""

    start: Shift = Shift()
    goal: Shift = Shift()
    start_s: float = 0.0

    @property
    def length_s(self) -> float:
        """How long it takes."""
        way_m = math.hypot(self.goal.x_m - self.start.x_m, self.goal.z_m - self.start.z_m)
        return max(way_m / EASE_M_S, abs(self.goal.turn_rad - self.start.turn_rad) / EASE_RAD_S, _LEAST_S)

    def at(self, time_s: float) -> Shift:
        """Where it is at ``time_s``."""
        share = min(max((time_s - self.start_s) / self.length_s, 0.0), 1.0)
        return self.goal if share >= 1.0 else self.start.toward(self.goal, share)

    def to(self, goal: Shift, now_s: float) -> "Glide":
        """On from here to another goal."""
        return Glide(self.at(now_s), goal, now_s)


class Leader(Protocol):
    """Who can be shifted."""

    def start(self, clock: MonotonicClock, begin_s: float) -> None: ...
    def take_new(self, until_s: float) -> Sequence[LeaderFrame]: ...
    def shown(self, time_s: float) -> LeaderFrame | None: ...
    def stop(self) -> None: ...


class ShiftedLeader:
    """A leader whose place on the stage can be moved at any time. ``glide`` is replaced whole, so no lock is needed."""

    def __init__(self, leader: Leader, shift: Shift | None = None, *, mirrored: bool = False) -> None:
        self._leader = leader
        self.mirrored = mirrored
        """Whether left and right change places, about the middle of the stage, before the shift."""
        self.glide = Glide(shift or Shift(), shift or Shift())

    @property
    def shift(self) -> Shift:
        """Where it is, or is going to."""
        return self.glide.goal

    def move(self, goal: Shift, now_s: float) -> None:
        """Go to another shift, smoothly, from now on."""
        self.glide = self.glide.to(goal, now_s)

    def lead_by(self, leader: Leader) -> Leader:
        """Another one leads from now on, at the same place; the one before, for who stops it."""
        before, self._leader = self._leader, leader
        return before

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """As the leader's."""
        self._leader.start(clock, begin_s)

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """The leader's new frames, each shifted as of its own time."""
        glide, frames = self.glide, self._leader.take_new(until_s)
        if self.mirrored:
            frames = [mirrored(frame) for frame in frames]
        return [glide.at(frame.time_s).of(frame) for frame in frames]

    def shown(self, time_s: float) -> LeaderFrame | None:
        """The leader to draw, shifted."""
        frame = self._leader.shown(time_s)
        if frame is not None and self.mirrored:
            frame = mirrored(frame)
        return None if frame is None else self.glide.at(time_s).of(frame)

    def stop(self) -> None:
        """As the leader's."""
        self._leader.stop()
