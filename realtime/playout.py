"""The follower's timeline: plans are merged into it, poses are read from it, and it never runs dry.

Threading: ``merge`` and ``standing`` belong to the conductor's thread; ``pose_at`` may be called from
any thread. The timeline is an immutable value replaced by one assignment, so readers need no lock.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.features import Standing, pelvis_yaw
from duet.frames import FollowerPose, PoseSource
from duet.poses import RELAXED_PELVIS_HEIGHT_M, relaxed_quaternions_wxyz
from duet.rotations import Array, matrix_from_quaternion_wxyz, quaternion_wxyz_from_matrix, slerp_wxyz, yaw_matrix
from duet.skeleton import BODY
from duet.timeline import Timeline
from realtime.feet import FootLock, lock_feet
from realtime.halting import resting, stopping
from realtime.pose_line import SOURCES, PoseLine, joints_of, turns_of
from realtime.steps import MOST_STEP_M, bounded_place, bounded_pose, own_steps_m

FADE_FRAMES = 3
"""Frames over which a new plan replaces the old one, or more where the two are far apart."""
MOST_FADE_FRAMES = 24
FADE_STEP_M = 0.025
"""A joint moves so far a frame from one plan to the other, beside what they move themselves."""
RETURN_FRAMES = 15
"""Frames over which the dance comes back from a held pose, or more: no joint goes there by longer steps than it may."""
_KEEP_FRAMES = 64
"""Frames kept before the newest plan."""


@dataclass(frozen=True)
class Plan:
    """Poses of consecutive frames as the follower intends them."""

    first_frame: int
    root_m: NDArray[np.float32]
    """(N, 3)."""
    rotations: NDArray[np.float32]
    """(N, 22, 3, 3) local, row 0 in the world."""
    contacts: NDArray[np.float32]
    """(N, 4)."""
    leader_time_s: float
    """Stamp of the newest leader frame that the plan knew."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Line(PoseLine):
    """The timeline at one moment, and what the next plan must know of it."""

    locks: tuple[FootLock, ...]
    meant: NDArray[np.float32]
    """(N, 22, 4) quaternions before feet were planted and steps bound: what the next plan is handed over from. Handed
    over from legs as they are shown, a foot on its way back from where it stood would be off twice."""
    own_m: NDArray[np.float64]
    """(N, 22, 3) steps that the plans themselves make, see ``realtime.steps``; none where the follower is held."""

    @classmethod
    def held(cls, line: PoseLine, first_frame: int, poses: Sequence[FollowerPose], *, stays: bool = False) -> "_Line":
        """Poses from ``first_frame`` on that no plan has, after those of ``line``."""
        count = len(poses)
        quaternions = np.array([p.quaternions_wxyz for p in poses], dtype=np.float32).reshape(count, len(BODY), 4)
        return cls(
            fps=line.fps,
            first_frame=first_frame,
            root_m=np.array([p.root_m for p in poses], dtype=np.float32).reshape(count, 3),
            quaternions=quaternions,
            meant=quaternions,
            contacts=np.array([p.contacts for p in poses], dtype=np.float32).reshape(count, 4),
            source=np.array([SOURCES.index(p.source) for p in poses], dtype=np.uint8),
            leader_time_s=np.full(count, line.leader_time_s[-1]),
            locks=(FootLock(),) * count,
            own_m=np.zeros((count, len(BODY), 3)),
            stays=stays,
        )

    def until(self, join: int) -> "_Line":
        """The newest frames before ``join`` as they were shown, with or without a plan, for those who ask a little
        late."""
        first = max(join - _KEEP_FRAMES, self.first_frame)
        kept = slice(first - self.first_frame, max(join - self.first_frame, 0))
        gap = [self.sample(frame) for frame in range(max(self.last_frame + 1, first), join)]
        rows = {name: getattr(self, name)[kept] for name in (*_ROWS, "locks")}
        return replace(self, first_frame=first, **rows).then(_Line.held(self, first, gap))

    def then(self, line: "_Line") -> "_Line":
        """These frames, and after them those of ``line``, which goes on after them as it does."""
        rows = {name: np.concatenate([getattr(self, name), getattr(line, name)]) for name in _ROWS}
        return replace(line, first_frame=self.first_frame, locks=(*self.locks, *line.locks), **rows)

    def meant_in(self, frame: int) -> NDArray[np.float32]:
        """(22, 4) quaternions, by the plan where one reaches so far."""
        planned = self.first_frame <= frame <= self.last_frame
        return self.meant[frame - self.first_frame] if planned else self.sample(frame).quaternions_wxyz

    def planned_m(self, join: int, count: int) -> NDArray[np.float64]:
        """(count, 22, 3) steps that the plan makes from frame ``join`` on; none where it is over."""
        own, first = np.zeros((count, len(BODY), 3)), join - self.first_frame
        planned = self.own_m[first : first + count]
        own[: len(planned)] = planned
        return own


_ROWS = ("root_m", "quaternions", "contacts", "source", "leader_time_s", "meant", "own_m")
"""What a line has a row of for each frame, beside its locks."""


@dataclass(frozen=True)
class _WayBack:
    """From a held pose into the dance."""

    held: FollowerPose
    begins: int
    """Its first frame."""
    frames: int = RETURN_FRAMES

    @classmethod
    def to(cls, held: FollowerPose, begins: int, root_m: Array, quaternions: Array) -> "_WayBack":
        """To roots (N, 3) and quaternions (N, 22, 4) of the frames it leads through."""
        end = min(RETURN_FRAMES, len(root_m) - 1)
        # Eased in and out, a way is at its fastest half as fast again as on average.
        frames = 1.5 * max(_apart_m(held, root_m[i], quaternions[i]) for i in (0, end)) / MOST_STEP_M
        return cls(held, begins, max(RETURN_FRAMES, math.ceil(frames)))

    def left(self, join: int) -> int:
        """Frames of it from ``join`` on."""
        return max(self.begins + self.frames - join, 0)

    def pose(self, frame: int, root_m: Array, quaternions: Array) -> tuple[Array, Array]:
        """Root (3,) and quaternions (22, 4) shown in ``frame``, where the dance has the given ones."""
        x = np.float32((frame + 1 - self.begins) / (self.frames + 1))
        return _between(self.held, root_m, quaternions, x * x * (3 - 2 * x))


class Playout:
    """Merges plans by what was already shown and answers ``pose_at`` for any time."""

    def __init__(self, timeline: Timeline, start: Standing, told: Callable[[PoseLine], None] | None = None) -> None:
        """``told``: called on the conductor's thread with every new line, the first one at once."""
        self._timeline = timeline
        self._told = told
        self.start = start
        """Where the follower waits at first."""
        self._rest = relaxed_quaternions_wxyz()
        self._show(self._resting_line(start))
        self._entry: Standing | None = None
        self._way_back = _WayBack(self._line.sample(-1), -RETURN_FRAMES)

    @property
    def awaits_entry(self) -> bool:
        """Whether a dance was to begin that has not begun yet."""
        return self._entry is not None

    def enter(self, start: Standing) -> None:
        """The leader has just come: the dance begins from ``start``, and the resting body glides there."""
        self._entry = start

    @property
    def line(self) -> PoseLine:
        """What is planned now."""
        return self._line

    def _show(self, line: _Line) -> None:
        self._line = line
        if self._told is not None:
            self._told(line)

    def _resting_line(self, start: Standing) -> _Line:
        quaternions = self._rest.copy()
        quaternions[0] = quaternion_wxyz_from_matrix(yaw_matrix(start.yaw_rad))
        root = np.array([[start.root_m[0], RELAXED_PELVIS_HEIGHT_M, start.root_m[2]]], dtype=np.float32)
        return _Line(
            fps=self._timeline.fps,
            first_frame=-1,
            root_m=root,
            quaternions=quaternions[None].astype(np.float32),
            meant=quaternions[None].astype(np.float32),
            contacts=np.ones((1, 4), dtype=np.float32),
            source=np.full(1, SOURCES.index(PoseSource.HOLD), dtype=np.uint8),
            leader_time_s=np.zeros(1),
            locks=(FootLock(),),
            own_m=np.zeros((1, len(BODY), 3)),
        )

    def standing(self, frame: int) -> Standing:
        """Where the follower stands in ``frame`` by the present timeline."""
        if self._entry is not None:
            return self._entry
        line = self._line
        i = int(np.clip(frame - line.first_frame, 0, len(line.root_m) - 1))
        return Standing(line.root_m[i].astype(np.float64), _yaw(line.quaternions[i, 0]))

    def merge(self, plan: Plan, shown_frame: int, *, eager: bool = False) -> None:
        """Take over a new plan after ``shown_frame``, the newest frame that may be on screen already.

        Frames of the plan up to it are dropped: they are past. The rest fades in over FADE_FRAMES or as many as move
        no joint by more than FADE_STEP_M a frame, from what the timeline said before or from the pose it was easing
        to when it had run dry; ``eager``, over fewer than FADE_FRAMES where these do. What comes of it, with its feet
        on the floor, keeps to the bounds of ``realtime.steps``.
        """
        join = max(plan.first_frame, shown_frame + 1)
        skip = join - plan.first_frame
        if skip >= len(plan.root_m):
            return
        line, kept, planned = self._line, self._line.until(join), plan.rotations[skip:]
        root, quaternions = plan.root_m[skip:].copy(), quaternion_wxyz_from_matrix(planned)
        returning = self._brought_back(join, root, quaternions)
        fade = self._faded_in(join, root, quaternions, least=FADE_FRAMES if returning or not eager else 1)
        self._entry = None
        before = [line.sample(join - 2), line.sample(join - 1)]
        turns_before = turns_of(before)
        root, rotations = bounded_place(
            root, matrix_from_quaternion_wxyz(quaternions), np.array([p.root_m for p in before]), turns_before
        )
        meant = quaternion_wxyz_from_matrix(rotations).astype(np.float32)
        rotations, locks = lock_feet(root, rotations, plan.contacts[skip:], kept.locks[-1])
        own, was = own_steps_m(plan.rotations)[skip:], line.planned_m(join, fade)
        rests = before[1].source is PoseSource.HOLD
        rested_m = float(np.linalg.norm(root[0] - before[1].root_m)) if rests else None
        rotations = bounded_pose(rotations, planned, own, was, turns_before[1], rested_m)
        own[:fade] += (1 - (np.arange(fade) + 1) / (fade + 1))[:, None, None] * (was - own[:fade])
        # The hand-over from plan to plan is the model at work; only the way back from a held pose is not.
        source = np.full(len(root), SOURCES.index(PoseSource.MODEL), dtype=np.uint8)
        source[:returning] = SOURCES.index(PoseSource.BLEND)
        coming = _Line(
            fps=line.fps,
            first_frame=join,
            root_m=root,
            quaternions=quaternion_wxyz_from_matrix(rotations).astype(np.float32),
            contacts=plan.contacts[skip:],
            source=source,
            leader_time_s=np.full(len(root), plan.leader_time_s),
            locks=tuple(locks),
            meant=meant,
            own_m=own,
        )
        self._show(kept.then(coming))

    def halt(self, shown_frame: int, rest_frames: int | None = None) -> None:
        """Leave the plan after ``shown_frame``: stop in the pose that is danced, or come to rest in ``rest_frames``.

        So it stays until the next ``merge``, which comes back as from any held pose.
        """
        line, join = self._line, shown_frame + 1
        poses = stopping(line.sample, join) if rest_frames is None else resting(line.sample, join, rest_frames)
        self._show(line.until(join).then(_Line.held(line, join, poses, stays=True)))

    def _brought_back(self, join: int, root: Array, quaternions: Array) -> int:
        """Lead root (N, 3) and quaternions (N, 22, 4) of a plan from frame ``join`` on, in place, back from a held
        pose.

        Returns how many of the frames are still on the way. The plan that ends a hold may begin elsewhere than the body
        stands (see ``enter``), and the body glides there. Those after it begin where the body is shown: they have a
        pose to come back to, and no way any more.
        """
        now = self._line.sample(join)
        glides = now.source is PoseSource.HOLD
        if glides:
            self._way_back = _WayBack.to(now, join, root, quaternions)
        way = self._way_back
        returning = min(way.left(join), len(root))
        for i in range(returning):
            there = way if glides else replace(way, held=_moved(way.held, root[i], _yaw(quaternions[i, 0])))
            root[i], quaternions[i] = there.pose(join + i, root[i], quaternions[i])
        return returning

    def _faded_in(self, join: int, root: Array, quaternions: Array, *, least: int) -> int:
        """Lead root (N, 3) and quaternions (N, 22, 4) of a plan from frame ``join`` on, in place, over from the plan
        before.

        Returns in how many frames: at ``least`` so many where the plan has them.
        """
        line = self._line
        fade = math.ceil(_apart_m(line.sample(join), root[0], quaternions[0]) / FADE_STEP_M) - 1
        fade = int(np.clip(fade, least, min(MOST_FADE_FRAMES, len(root))))
        weights = ((np.arange(fade) + 1) / (fade + 1)).astype(np.float32)
        was_m = np.array([line.sample(join + i).root_m for i in range(fade)])
        root[:fade] = was_m * (1 - weights)[:, None] + root[:fade] * weights[:, None]
        meant = np.array([line.meant_in(join + i) for i in range(fade)])
        quaternions[:fade] = slerp_wxyz(meant, quaternions[:fade], weights[:, None])
        return fade

    def pose_at(self, time_s: float) -> FollowerPose:
        """The pose to show at ``time_s``: interpolated, or eased toward rest where no plan reaches."""
        return self._line.pose_at(time_s)

    def leader_age_s(self, time_s: float) -> float:
        """How old, when shown at ``time_s``, the newest leader frame is that the shown pose knew."""
        return self._line.leader_age_s(time_s)


def _apart_m(pose: FollowerPose, root_m: Array, quaternions: Array) -> float:
    """How far the joint is from where root (3,) and quaternions (22, 4) have it that is furthest."""
    joints = joints_of([pose, replace(pose, root_m=root_m, quaternions_wxyz=quaternions)])
    return float(np.linalg.norm(joints[1] - joints[0], axis=-1).max())


def _yaw(pelvis_wxyz: Array) -> float:
    return float(pelvis_yaw(matrix_from_quaternion_wxyz(np.asarray(pelvis_wxyz, dtype=np.float64))))


def _moved(pose: FollowerPose, root_m: Array, yaw_rad: float) -> FollowerPose:
    """The pose at another place on the floor, heading another way."""
    quaternions = pose.quaternions_wxyz.copy()
    pelvis = matrix_from_quaternion_wxyz(quaternions[0].astype(np.float64))
    quaternions[0] = quaternion_wxyz_from_matrix(yaw_matrix(yaw_rad - float(pelvis_yaw(pelvis))) @ pelvis)
    there = np.array([root_m[0], pose.root_m[1], root_m[2]], dtype=np.float32)
    return replace(pose, root_m=there, quaternions_wxyz=quaternions)


def _between(start: FollowerPose, root_m: Array, quaternions: Array, weight: np.float32) -> tuple[Array, Array]:
    """Root (3,) and quaternions (22, 4) the fraction ``weight`` of the way from ``start`` to the given ones."""
    root = start.root_m * (1 - weight) + root_m * weight
    return root, slerp_wxyz(start.quaternions_wxyz, quaternions, np.full(len(quaternions), weight)).astype(np.float32)
