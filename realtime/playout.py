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
from duet.kinematics import forward
from duet.poses import RELAXED_PELVIS_HEIGHT_M, relaxed_quaternions_wxyz
from duet.rotations import Array, matrix_from_quaternion_wxyz, quaternion_wxyz_from_matrix, slerp_wxyz, yaw_matrix
from duet.skeleton import BODY
from duet.timeline import Timeline
from realtime.feet import FootLock, lock_feet
from realtime.halting import resting, stopping
from realtime.pose_line import SOURCES, PoseLine
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
    own_m: NDArray[np.float64]
    """(N, 22, 3) steps that the plans themselves make, see ``realtime.steps``; none where the follower is held."""


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
        self._held = self._sample(-1)
        self._back_at, self._return_frames = -RETURN_FRAMES, RETURN_FRAMES

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
        count = len(plan.root_m) - skip
        if count <= 0:
            return
        planned, before = plan.rotations[skip:], [self._sample(join - 2), self._sample(join - 1)]
        root, quaternions, fade, returning = self._handed_over(
            join, plan.root_m[skip:].copy(), quaternion_wxyz_from_matrix(planned), eager=eager
        )
        self._entry = None
        turns_before = _turns(before)
        root, rotations = bounded_place(
            root, matrix_from_quaternion_wxyz(quaternions), np.array([p.root_m for p in before]), turns_before
        )
        line = self._line
        first = max(join - _KEEP_FRAMES, line.first_frame)
        kept = slice(first - line.first_frame, max(join - line.first_frame, 0))
        # Frames that no plan covered, as they were shown.
        gap = [self._sample(f) for f in range(max(line.last_frame + 1, first), join)]
        lock = line.locks[min(join - 1 - line.first_frame, len(line.locks) - 1)] if not gap else FootLock()
        rotations, locks = lock_feet(root, rotations, plan.contacts[skip:], lock)
        own, was = own_steps_m(planned, plan.rotations[skip - 1] if skip else None), self._own_m(join, fade)
        rests = before[1].source is PoseSource.HOLD
        rested_m = float(np.linalg.norm(root[0] - before[1].root_m)) if rests else None
        rotations = bounded_pose(rotations, planned, own, was, turns_before[1], rested_m)
        own[:fade] += (1 - (np.arange(fade) + 1) / (fade + 1))[:, None, None] * (was - own[:fade])
        quaternions = quaternion_wxyz_from_matrix(rotations)
        # The hand-over from plan to plan is the model at work; only the way back from a held pose is not.
        source = np.where(
            np.arange(count) < returning, SOURCES.index(PoseSource.BLEND), SOURCES.index(PoseSource.MODEL)
        )
        shown = line.quaternions[kept], *(p.quaternions_wxyz[None] for p in gap)
        self._show(
            _Line(
                fps=line.fps,
                first_frame=first,
                root_m=np.concatenate([line.root_m[kept], *(p.root_m[None] for p in gap), root]).astype(np.float32),
                quaternions=np.concatenate([*shown, quaternions]).astype(np.float32),
                contacts=np.concatenate([line.contacts[kept], *(p.contacts[None] for p in gap), plan.contacts[skip:]]),
                source=np.concatenate([line.source[kept], [SOURCES.index(p.source) for p in gap], source]).astype(
                    np.uint8
                ),
                leader_time_s=np.concatenate([line.leader_time_s[kept], np.full(len(gap) + count, plan.leader_time_s)]),
                locks=(*line.locks[kept], *(FootLock() for _ in gap), *locks),
                own_m=np.concatenate([line.own_m[kept], np.zeros((len(gap), len(BODY), 3)), own]),
            )
        )

    def halt(self, shown_frame: int, rest_frames: int | None = None) -> None:
        """Leave the plan after ``shown_frame``: stop in the pose that is danced, or come to rest in ``rest_frames``.

        So it stays until the next ``merge``, which comes back as from any held pose.
        """
        join = shown_frame + 1
        poses = stopping(self._sample, join) if rest_frames is None else resting(self._sample, join, rest_frames)
        # What was shown since the line began is kept for those who ask for it a little late.
        first = max(join - _KEEP_FRAMES, self._line.first_frame)
        poses = [*(self._sample(f) for f in range(first, join)), *poses]
        self._show(
            _Line(
                fps=self._timeline.fps,
                first_frame=first,
                root_m=np.stack([p.root_m for p in poses]),
                quaternions=np.stack([p.quaternions_wxyz for p in poses]),
                contacts=np.stack([p.contacts for p in poses]),
                source=np.array([SOURCES.index(p.source) for p in poses], dtype=np.uint8),
                leader_time_s=np.full(len(poses), self._line.leader_time_s[-1]),
                locks=tuple(FootLock() for _ in poses),
                own_m=np.zeros((len(poses), len(BODY), 3)),
                stays=True,
            )
        )

    def _handed_over(self, join: int, root: Array, quaternions: Array, *, eager: bool) -> tuple[Array, Array, int, int]:
        """Root (N, 3) and quaternions (N, 22, 4) of a plan from frame ``join`` on, in place, as they are shown.

        They come back from a held pose, and over from the plan before. Also returns in how many frames they come over,
        and how many are still on the way back.

        The plan that ends a hold may begin elsewhere than the body stands (see ``enter``), and the body glides there.
        Those after it begin where the body is shown: they have a pose to come back to, and no way any more.
        """
        now = self._sample(join)
        glides = now.source is PoseSource.HOLD
        if glides:
            self._held, self._back_at = now, join
            end = min(RETURN_FRAMES, len(root) - 1)
            # Eased in and out, a way is at its fastest half as fast again as on average.
            frames = 1.5 * max(_apart_m(now, root[i], quaternions[i]) for i in (0, end)) / MOST_STEP_M
            self._return_frames = max(RETURN_FRAMES, math.ceil(frames))
        returning = min(max(self._back_at + self._return_frames - join, 0), len(root))
        for i in range(returning):
            held = self._held if glides else _moved(self._held, root[i], _yaw(quaternions[i, 0]))
            x = np.float32((join + i + 1 - self._back_at) / (self._return_frames + 1))
            root[i], quaternions[i] = _between(held, root[i], quaternions[i], x * x * (3 - 2 * x))
        fade = math.ceil(_apart_m(now, root[0], quaternions[0]) / FADE_STEP_M) - 1
        fade = int(np.clip(fade, 1 if eager and not returning else FADE_FRAMES, min(MOST_FADE_FRAMES, len(root))))
        weights = ((np.arange(fade) + 1) / (fade + 1)).astype(np.float32)
        was = [self._sample(join + i) for i in range(fade)]
        root[:fade] = np.array([p.root_m for p in was]) * (1 - weights)[:, None] + root[:fade] * weights[:, None]
        turns_before = np.array([p.quaternions_wxyz for p in was])
        quaternions[:fade] = slerp_wxyz(turns_before, quaternions[:fade], weights[:, None])
        return root, quaternions, fade, returning

    def pose_at(self, time_s: float) -> FollowerPose:
        """The pose to show at ``time_s``: interpolated, or eased toward rest where no plan reaches."""
        return self._line.pose_at(time_s)

    def leader_age_s(self, time_s: float) -> float:
        """How old, when shown at ``time_s``, the newest leader frame is that the shown pose knew."""
        return self._line.leader_age_s(time_s)

    def _own_m(self, join: int, count: int) -> NDArray[np.float64]:
        """(count, 22, 3) steps that the plan in hand makes from frame ``join`` on; none where it is over."""
        own, first = np.zeros((count, len(BODY), 3)), join - self._line.first_frame
        planned = self._line.own_m[first : first + count]
        own[: len(planned)] = planned
        return own

    def _sample(self, frame: float) -> FollowerPose:
        return self._line.sample(frame)


def _apart_m(pose: FollowerPose, root_m: Array, quaternions: Array) -> float:
    """How far the joint is from where root (3,) and quaternions (22, 4) have it that is furthest."""
    roots = np.stack([pose.root_m, root_m]).astype(np.float64)
    turns = matrix_from_quaternion_wxyz(np.stack([pose.quaternions_wxyz, quaternions]).astype(np.float64))
    joints = forward(BODY, roots, turns)[0]
    return float(np.linalg.norm(joints[1] - joints[0], axis=-1).max())


def _turns(poses: Sequence[FollowerPose]) -> Array:
    return matrix_from_quaternion_wxyz(np.array([p.quaternions_wxyz for p in poses], dtype=np.float64))


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
