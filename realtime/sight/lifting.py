"""From pose landmarks to LeaderFrames: a body of fixed bones, on the stage, without jumps.

``Lifter.step`` takes what the pose model saw in one picture (or None) and gives the leader's frame.
Landmarks are gated and smoothed, then fitted by inverse kinematics on the person's own skeleton; the
root comes from projection. A frame that cannot be true, or none at all, is bridged: first ``held``
(the last pose drifts to rest), then ``lost``; when the person is back, the body glides to the new pose.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from duet.frames import LeaderFrame, LeaderStatus
from duet.kinematics import forward
from duet.rotations import (
    Array,
    matrix_from_6d,
    matrix_from_rotvec,
    normalise,
    quaternion_wxyz_from_matrix,
    rotvec_from_quaternion_wxyz,
    six_d_from_matrix,
    wrap_angle,
)
from duet.skeleton import BODY, FEET, Skeleton
from realtime.sight import pose_ik
from realtime.sight.filters import STAGE, OneEuroState, Smoothing
from realtime.sight.landmarks import HIPS, SHOULDERS, Landmarks, joint_visibility, upright
from realtime.sight.people import GONE_S
from realtime.sight.placement import Floor, Lens, Mark, StageMap, locate
from realtime.sight.proportions import Proportions
from realtime.sight.sightlines import along_camera, on_sightlines

HOLD_S = 0.5
"""After so long without a measurement the leader is lost."""
_COAST_S = 0.15
_COAST_MAX_M_S = 2.0
# Faster than a dancer: whole body relative to the hips, one limb, the root, a turn.
_BODY_MAX_M_S, _LIMB_MAX_M_S, _ROOT_MAX_M_S, _TURN_MAX_RAD_S = 6.0, 15.0, 4.0, 25.0
_LEAP_M, _LEAP_RAD = 0.3, 1.2
_DOUBT_FRAMES = 3
_DOUBT_S = 0.3
# A landmark less visible than the first keeps its place, above the second it is taken as seen.
_UNSEEN, _SEEN, _LEAST_TRUST = 0.2, 0.5, 0.02
_PRESENT = 0.3
_GLIDE_S = (0.25, 6.0)
_GLIDE_M_S = 1.2
"""No joint glides back faster than this, limbs included: 4 cm a frame at 30 fps, on top of its own motion."""
_UNSURE_S = 1.0
"""For so long after a return, what is seen may still leap: a pose model that finds somebody anew has yet to settle."""
_UNSURE_M_S = 1.5
"""How fast the hips may move then before the body glides anew."""
_GLIDE_SAMPLES = 9
_USUAL_S = (1.0 / 30.0, 0.2)
_USUAL_COUNT = 5
_MARK_FRAMES = 10
_OTHER_BONES = 0.03
"""Mean difference of bone lengths, as shares, beyond which who came back is somebody else."""


@dataclass(frozen=True)
class _Body:
    """A pose on the stage."""

    root_m: Array
    rotations: Array


@dataclass(frozen=True)
class _Glide:
    """What is left of the way from the pose shown last to the one measured."""

    start_s: float
    length_s: float
    root_m: Array
    rotvecs: Array


@dataclass(frozen=True)
class _Seen:
    """The measurement accepted last, relative to the hips and in the room."""

    time_s: float
    points: OneEuroState
    place: OneEuroState
    heading_rad: float


@dataclass(frozen=True)
class _Change:
    """What happened between two pictures."""

    impossible: bool
    """The whole body moved or turned faster than anybody can: mistaken limbs, another person."""
    leap: bool
    """Possible, because much time passed, but too far to follow without a glide."""


class Lifter:
    """One performer, frame by frame. Owned by one thread."""

    def __init__(
        self,
        *,
        lens: Lens | None = None,
        stage: StageMap | None = None,
        height_m: float | None = None,
        resume: LeaderFrame | None = None,
        smoothing: Smoothing = STAGE,
        gone_s: float = math.inf,
    ) -> None:
        """``resume``: the frame shown last by a tracker that went away; the body glides on from there.

        ``gone_s``: nobody seen for so long, whoever comes next is somebody else, whose bones are learned anew.
        """
        self._gone_s, self._height_m = gone_s, height_m
        self._smoothing = smoothing
        self._lens = lens or Lens()
        self._stage = stage or StageMap()
        self._room_from_camera = self._lens.room_from_camera
        self._stage_from_room = self._stage.stage_from_room
        self._proportions = Proportions.of_body(height_m)
        self._skeleton = self._proportions.skeleton()
        self._returned: Proportions | None = None
        self._floor = Floor.unknown()
        self._mark = Mark.of(self._stage, _MARK_FRAMES)
        self._seen: _Seen | None = None
        self._doubts = 0
        self._glide: _Glide | None = None
        self._shown: _Body | None = None
        self._shown_s = 0.0
        self._published_s = -np.inf
        self._bridged = True
        self._intervals_s: deque[float] = deque(maxlen=_USUAL_COUNT)
        self._measured_s = -np.inf
        self._returned_s = -np.inf
        self._index = -1
        if resume is not None:
            rotations = matrix_from_6d(resume.rotations_6d.astype(np.float64))
            self._shown = _Body(resume.root_m.astype(np.float64), rotations)
            self._shown_s = self._published_s = resume.time_s

    @property
    def stage(self) -> StageMap:
        """The stage with the mark that was found, once it is fixed."""
        return self._mark.fixed_on(self._stage)

    @property
    def proportions(self) -> Proportions:
        """The performer's bones, as far as they are known."""
        return self._proportions

    def meet(self) -> None:
        """Whoever is seen next may be somebody else, with other bones."""
        self._returned = Proportions.of_body(self._height_m)

    def away_m(self, landmarks: Landmarks) -> float:
        """How far somebody stands from the middle of the stage; 0 while that is not known yet."""
        if self.stage.mark_m is None:
            return 0.0
        place = locate(along_camera(landmarks, self._lens), self._lens, self._proportions.metres)
        x_m, _, z_m = self._mark.on_stage(self._room_from_camera @ place, 0.0)
        return math.hypot(float(x_m), float(z_m))

    def step(self, landmarks: Landmarks | None, time_s: float) -> LeaderFrame:
        """The leader at ``time_s`` from one picture's landmarks; None when nobody was found in it."""
        self._index += 1
        if landmarks is None or not _is_usable(landmarks):
            return self._bridge(time_s)
        landmarks = along_camera(landmarks, self._lens)
        points = upright(landmarks.world_m) @ self._room_from_camera.T
        metres = self._proportions.metres
        heading = _heading(points)
        seen = self._seen
        fresh = seen is not None and time_s - seen.time_s < _DOUBT_S
        if seen is not None and fresh:
            change = _change(seen, points * metres, heading, time_s)
            if change.impossible and self._doubts < _DOUBT_FRAMES:
                self._doubts += 1
                return self._bridge(time_s)
            fresh = not (change.impossible or change.leap)
        self._doubts = 0
        if seen is not None and time_s - seen.time_s >= self._gone_s:
            self._proportions = Proportions.of_body(self._height_m)
            self._skeleton = self._proportions.skeleton()
        elif seen is not None and time_s - seen.time_s >= GONE_S:
            self.meet()
        self._bridged = self._bridged or not fresh
        measured = self._measure(landmarks, points, metres, heading, time_s, fresh=fresh)
        self._learn(points, landmarks.visibility)
        return self._publish(measured, time_s, joint_visibility(landmarks.visibility))

    def _measure(
        self, landmarks: Landmarks, points: Array, metres: float, heading: float, time_s: float, *, fresh: bool
    ) -> _Body:
        """The body on the stage that one picture shows."""
        seen = self._seen if fresh else None
        trust = np.clip((landmarks.visibility - _UNSEEN) / (_SEEN - _UNSEEN), _LEAST_TRUST, 1.0)
        room = self._room_from_camera
        place = room @ locate(landmarks, self._lens, metres)
        elapsed_s = max(time_s - seen.time_s, 1e-3) if seen is not None else 0.0
        if seen is not None:
            place = _within(place, seen.place.value, _ROOT_MAX_M_S * elapsed_s)
        place_state, centre = self._smoothing.place.step(seen.place if seen else None, place, time_s)
        # From where the smoothed place is: the depth of one picture would stretch the body and shrink it.
        wanted = on_sightlines(points @ room * metres, centre @ room, landmarks, self._lens) @ room.T
        if seen is not None:
            wanted = seen.points.value + trust[:, None] * (wanted - seen.points.value)
            wanted = _within(wanted, seen.points.value, _LIMB_MAX_M_S * elapsed_s)
        point_state, smooth = self._smoothing.points.step(seen.points if seen else None, wanted, time_s)
        self._seen = _Seen(time_s, point_state, place_state, heading)
        rotations, pelvis = pose_ik.solve(self._skeleton, smooth, trust, self._proportions.size, centre)
        root = centre + pelvis
        joints, _ = forward(self._skeleton, root, rotations)
        self._floor = self._floor.observe(float(np.min(joints[list(FEET), 1] - self._sole_heights)))
        self._mark = self._mark.observe(root)
        rotations[0] = self._stage_from_room @ rotations[0]
        return _Body(self._stage_from_room @ self._mark.on_stage(root, self._floor.height_m), rotations)

    @property
    def _usual_s(self) -> float:
        """Between two measurements, as a rule: one absence does not change it."""
        return float(np.clip(np.median(self._intervals_s), *_USUAL_S)) if self._intervals_s else _USUAL_S[0]

    @property
    def _sole_heights(self) -> Array:
        """(4,) how high the joints of ``FEET`` lie above the floor when the person stands."""
        return BODY.rest_joints_m[list(FEET), 1] * self._proportions.size

    def _learn(self, points: Array, visibility: Array) -> None:
        """Let the person's bones settle. Who came back is measured beside: other bones are another person's."""
        before = self._proportions
        if self._returned is not None:
            self._returned = self._returned.observe(points, visibility)
            if self._returned.settled:
                if before.differ(self._returned) > _OTHER_BONES:
                    self._proportions = self._returned._replace(ratios=before.ratios)
                self._returned = None
        self._proportions = self._proportions.observe(points, visibility)
        if np.max(np.abs(self._proportions.ratios - before.ratios)) > 1e-4:
            self._skeleton = self._proportions.skeleton()

    def _bridge(self, time_s: float) -> LeaderFrame:
        """A frame without a measurement: the last pose, its drift dying away; lost after a while."""
        self._bridged = True
        if self._shown is None:
            rest = _Body(np.array([0.0, BODY.offsets_m[0, 1], 0.0]), np.broadcast_to(np.eye(3), (len(BODY), 3, 3)))
            return self._frame(rest, time_s, np.zeros(len(BODY)), LeaderStatus.LOST)
        age_s = HOLD_S if self._seen is None else time_s - self._seen.time_s
        if self._seen is None or age_s > HOLD_S:
            return self._frame(self._shown, time_s, np.zeros(len(BODY)), LeaderStatus.LOST)
        drift = self._stage_from_room @ (self._seen.place.velocity * np.array([1.0, 0.0, 1.0]))
        drift *= min(1.0, _COAST_MAX_M_S / max(float(np.linalg.norm(drift)), 1e-6))
        elapsed_s = time_s - self._shown_s
        body = _Body(self._shown.root_m + drift * np.exp(-age_s / _COAST_S) * elapsed_s, self._shown.rotations)
        return self._frame(body, time_s, np.zeros(len(BODY)), LeaderStatus.HELD)

    def _publish(self, measured: _Body, time_s: float, visibility: Array) -> LeaderFrame:
        """A tracked frame, gliding from what was shown when tracking had been interrupted."""
        if self._bridged:
            self._returned_s = time_s
        leaps = time_s - self._returned_s < _UNSURE_S and self._leaps(measured, time_s)
        if (self._bridged or leaps) and self._shown is not None:
            # Already one usual picture on: were it from now, pictures that come rarely would never be arrived at;
            # were it from the last frame on, a long absence would be made up for by a leap.
            start_s = max(self._published_s, time_s - self._usual_s)
            self._glide = _glide(self._skeleton, self._shown, measured, start_s)
        self._bridged = False
        if np.isfinite(self._measured_s):
            self._intervals_s.append(time_s - self._measured_s)
        self._measured_s = time_s
        return self._frame(self._on_the_way(measured, time_s), time_s, visibility, LeaderStatus.TRACKED)

    def _on_the_way(self, measured: _Body, time_s: float) -> _Body:
        """The measured pose, or what the glide to it shows now."""
        glide = self._glide
        if glide is None:
            return measured
        left = 1.0 - (time_s - glide.start_s) / glide.length_s
        if left <= 0.0:
            self._glide = None
            return measured
        return _gliding(measured, glide, left * left * (3.0 - 2.0 * left))

    def _leaps(self, measured: _Body, time_s: float) -> bool:
        """Whether the hips would move faster than they may while tracking is unsure."""
        if self._shown is None:
            return False
        way_m = float(np.linalg.norm(self._on_the_way(measured, time_s).root_m - self._shown.root_m))
        return way_m > _UNSURE_M_S * max(time_s - self._published_s, 1e-3)

    def _frame(self, body: _Body, time_s: float, visibility: Array, status: LeaderStatus) -> LeaderFrame:
        joints, _ = forward(self._skeleton, body.root_m, body.rotations)
        if status is not LeaderStatus.LOST:
            self._shown, self._shown_s = body, time_s
        self._published_s = time_s
        return LeaderFrame(
            index=self._index,
            time_s=time_s,
            root_m=body.root_m.astype(np.float32),
            joints_m=joints.astype(np.float32),
            rotations_6d=six_d_from_matrix(body.rotations).astype(np.float32),
            visibility=np.clip(visibility, 0.0, 1.0).astype(np.float32),
            status=status,
        )


def _change(seen: _Seen, points: Array, heading: float, time_s: float) -> _Change:
    """How a picture's body (33, 3) relates to the one accepted last."""
    elapsed_s = max(time_s - seen.time_s, 1e-3)
    moved_m = float(np.median(np.linalg.norm(points - seen.points.value, axis=-1)))
    turned_rad = abs(float(wrap_angle(heading - seen.heading_rad)))
    return _Change(
        impossible=moved_m > _BODY_MAX_M_S * elapsed_s or turned_rad > _TURN_MAX_RAD_S * elapsed_s,
        leap=moved_m > _LEAP_M or turned_rad > _LEAP_RAD,
    )


def _is_usable(landmarks: Landmarks) -> bool:
    """Whether there are finite numbers of somebody whose trunk is in the picture."""
    finite = np.isfinite(landmarks.world_m).all() and np.isfinite(landmarks.image).all()
    return bool(finite and landmarks.visibility[list(HIPS + SHOULDERS)].mean() > _PRESENT)


def _heading(points: Array) -> float:
    """Where upright landmarks (33, 3) face: 0 toward +Z, pi/2 toward +X."""
    across = normalise(points[HIPS[0]] - points[HIPS[1]]) + normalise(points[SHOULDERS[0]] - points[SHOULDERS[1]])
    return float(np.arctan2(-across[2], across[0]))


def _within(wanted: Array, before: Array, reach: float) -> Array:
    """``wanted`` (..., 3), but no further than ``reach`` from ``before``."""
    way = wanted - before
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    return before + way * np.minimum(1.0, reach / np.maximum(length, 1e-9))


def _gliding(measured: _Body, glide: _Glide, share: float) -> _Body:
    """The measured pose with a ``share`` of the way back to the one shown before."""
    turns = matrix_from_rotvec(glide.rotvecs * share)
    return _Body(measured.root_m + share * glide.root_m, turns @ measured.rotations)


def _glide(skeleton: Skeleton, shown: _Body, measured: _Body, start_s: float) -> _Glide:
    """The way from the measured pose back to the one shown, and how long to take for it."""
    back = shown.rotations @ np.swapaxes(measured.rotations, -1, -2)
    rotvecs = rotvec_from_quaternion_wxyz(quaternion_wxyz_from_matrix(back))
    glide = _Glide(start_s, 0.0, shown.root_m - measured.root_m, rotvecs)
    # By the joint that is fastest on the way: a hand may have to turn far while the hips stay.
    left = np.linspace(0.0, 1.0, _GLIDE_SAMPLES)
    poses = [_gliding(measured, glide, float(share)) for share in left * left * (3.0 - 2.0 * left)]
    joints, _ = forward(skeleton, np.array([p.root_m for p in poses]), np.array([p.rotations for p in poses]))
    fastest_m = float(np.linalg.norm(np.diff(joints, axis=0), axis=-1).max()) * (len(left) - 1)
    return replace(glide, length_s=float(np.clip(fastest_m / _GLIDE_M_S, *_GLIDE_S)))
