"""The leader ahead of the newest measurement, and the window of leader features a tick sees.

A follower that answers in time plans for frames the leader has not danced yet. Here they are
extrapolated: pose, path and heading each run on with the velocity they have and come to rest, and a
follower that learned to foresee leaders adds what that misses. The same functions cut the windows of
the training data and those of the stage.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.features import LEADER_SIZE, Standing, leader_features
from duet.rotations import Array, wrap_angle, yaw_matrix

VELOCITY_FRAMES = 3
"""Frames the velocity is measured over: fewer follow tracking noise, more lag behind a turn."""
POSE_TIME_CONSTANT_S = 0.07
PATH_TIME_CONSTANT_S = 0.30
HEADING_TIME_CONSTANT_S = 0.50
"""How fast each motion comes to rest: the best of a sweep on the training couples at 4 to 16 frames ahead."""
BEATS_PER_BAR = 4

FORESEEN_FROM_FRAMES = 32
"""Measured frames that a learned forecast is made from. It starts afresh at every tick: nothing is carried, so
nothing can go wrong for longer than a second."""
FORESEEN_POSE = slice(0, 66)
"""What is added to the joints (22, 3) relative to the pelvis, in the heading frame of the frame ahead, metres."""
FORESEEN_PATH = slice(66, 69)
"""What is added to the pelvis' way, in the heading frame of the newest measured frame, metres."""
FORESEEN_TURN = 69
"""What is added to the heading, radians."""
FORESEEN_SIZE = 70


class Forecaster(Protocol):
    """What learned how a leader goes on."""

    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the damped forecast misses, (h, FORESEEN_SIZE) for frames 1 to h after the newest; h may be 0.

        ``leader`` (FORESEEN_FROM_FRAMES, 72) are the features of the newest measured frames.
        """
        ...


def forecast_leader(
    joints_m: Array, heading_rad: Array, frames_ahead: int, fps: float, foreseen: Array | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Joints (..., H, 22, 3) and smoothed headings (..., H) of the ``frames_ahead`` frames after the last.

    ``joints_m`` (..., T, 22, 3) and ``heading_rad`` (..., T) are the newest measured frames, oldest first; only
    the last ``VELOCITY_FRAMES + 1`` count. With a single frame the leader stands still. ``foreseen`` (h, 70), as a
    ``Forecaster`` gives it, is added; past its last frame, if it has one, it stays as it is there.
    """
    joints = np.asarray(joints_m, dtype=np.float64)[..., -VELOCITY_FRAMES - 1 :, :, :]
    heading = np.asarray(heading_rad, dtype=np.float64)[..., -VELOCITY_FRAMES - 1 :]
    if joints.shape[-3] == 0:
        raise InputError("Forecast: expected at least one measured frame, got none. Wait for the leader.")
    into_heading = yaw_matrix(-heading)[..., None, :, :]
    root = joints[..., 0, :]
    pose = (into_heading @ (joints - root[..., None, :])[..., None])[..., 0]
    span_s = (joints.shape[-3] - 1) / fps
    per_s = 1.0 / span_s if span_s > 0 else 0.0
    later_s = np.arange(1, frames_ahead + 1) / fps
    path = root[..., -1:, :] + _travel(later_s, PATH_TIME_CONSTANT_S)[:, None] * (
        (root[..., -1:, :] - root[..., :1, :]) * per_s
    )
    turned = heading[..., -1:] + _travel(later_s, HEADING_TIME_CONSTANT_S) * (
        wrap_angle(heading[..., -1:] - heading[..., :1]) * per_s
    )
    moved = pose[..., -1:, :, :] + _travel(later_s, POSE_TIME_CONSTANT_S)[:, None, None] * (
        (pose[..., -1:, :, :] - pose[..., :1, :, :]) * per_s
    )
    if foreseen is not None and len(foreseen) and frames_ahead:
        added = np.asarray(foreseen, dtype=np.float64)[np.minimum(np.arange(frames_ahead), len(foreseen) - 1)]
        from_heading = np.swapaxes(into_heading[..., -1, 0, :, :], -1, -2)
        path = path + added[:, FORESEEN_PATH] @ np.swapaxes(from_heading, -1, -2)
        turned = turned + added[:, FORESEEN_TURN]
        moved = moved + added[:, FORESEEN_POSE].reshape(frames_ahead, -1, 3)
    world = (yaw_matrix(turned)[..., None, :, :] @ moved[..., None])[..., 0]
    return world + path[..., None, :], turned


def _travel(later_s: Array, time_constant_s: float) -> NDArray[np.float64]:
    """Seconds of full speed that a motion still covers by ``later_s`` (H,) while it comes to rest."""
    return time_constant_s * (1.0 - np.exp(-np.asarray(later_s) / time_constant_s))


@dataclass(frozen=True)
class ForeseenLeader:
    """The leader in the frames of a plan."""

    now: Standing
    """Where the leader stands in the frame before the plan: the same moment as the follower's last committed frame."""
    plan_joints_m: NDArray[np.float64]
    """(F * token_frames, 22, 3) the leader in the plan's frames."""
    plan_heading_rad: NDArray[np.float64]
    """(F * token_frames,) the leader's smoothed heading in the plan's frames."""
    gap_joints_m: NDArray[np.float64]
    """(G, 22, 3) the leader in the frames that were foreseen before the plan's first."""

    @property
    def plan_root_m(self) -> NDArray[np.float64]:
        """(F * token_frames, 3) the leader's pelvis in the plan's frames."""
        return self.plan_joints_m[:, 0]


@dataclass(frozen=True)
class LeaderWindow(ForeseenLeader):
    """The leader as one tick sees them: W tokens that end with the plan."""

    features: NDArray[np.float32]
    """(W, token_frames * 72) measured, then forecast."""
    flags: NDArray[np.float32]
    """(W, 3) one-hot observed / partial / forecast."""


@dataclass(frozen=True)
class LeaderCourse:
    """The leader through a window, measured, then forecast, after one frame that gives the first its velocity."""

    joints_m: NDArray[np.float64]
    """(1 + W * token_frames, 22, 3)."""
    heading_rad: NDArray[np.float64]
    confidence: NDArray[np.float64]
    fps: float
    delay_frames: int
    past_tokens: int
    plan_tokens: int
    token_frames: int

    def foreseen(self) -> ForeseenLeader:
        """The leader in the plan's frames: all that is needed where no network is asked."""
        plan, ahead = 1 + self.past_tokens * self.token_frames, self.delay_frames - 1
        return ForeseenLeader(
            now=Standing(self.joints_m[plan - 1, 0], float(self.heading_rad[plan - 1])),
            plan_joints_m=self.joints_m[plan:],
            plan_heading_rad=self.heading_rad[plan:],
            gap_joints_m=self.joints_m[plan - ahead : plan],
        )

    def window(self) -> LeaderWindow:
        """What a tick sees of it."""
        joints, heading, sure = self.joints_m, self.heading_rad, self.confidence
        before = (joints[0], float(heading[0]))
        rows = leader_features(joints[1:], heading[1:], self.fps, confidence=sure[1:], before=before)
        return LeaderWindow(
            **vars(self.foreseen()),
            features=rows.reshape(-1, self.token_frames * LEADER_SIZE),
            flags=leader_flags(self.delay_frames, self.past_tokens, self.plan_tokens, self.token_frames),
        )


def leader_course(
    joints_m: Array,
    heading_rad: Array,
    confidence: Array,
    *,
    fps: float,
    delay_frames: int,
    past_tokens: int,
    plan_tokens: int,
    token_frames: int,
    forecaster: Forecaster | None = None,
) -> LeaderCourse:
    """The course of a tick whose plan begins ``delay_frames`` frames after the newest measured frame.

    ``joints_m`` (T, 22, 3), ``heading_rad`` (T,), ``confidence`` (T,): measured frames on the frame grid, oldest
    first; older ones than the window holds are ignored, missing ones are a leader standing still. A leader who was
    not measured for longer than the window reaches back stands where the forecast came to rest. ``forecaster`` adds
    what it foresees.
    """
    if delay_frames < 1:
        raise InputError(
            f"Leader window: expected a delay of at least 1 frame, got {delay_frames}. Plan further ahead."
        )
    past, plan = past_tokens * token_frames, plan_tokens * token_frames
    delay_frames = min(delay_frames, past)
    # One measured frame more than the window holds gives the first one its velocity.
    wanted = past - delay_frames + 2
    joints, heading, sure = (np.asarray(a, dtype=np.float64)[-wanted:] for a in (joints_m, heading_rad, confidence))
    measured = (joints, heading)
    if (missing := wanted - len(joints)) > 0:
        joints, heading, sure = (
            np.concatenate([np.repeat(a[:1], missing, axis=0), a]) for a in (joints, heading, sure)
        )
    foreseen = None if forecaster is None else forecaster(_newest_features(joints, heading, sure, fps))
    ahead_joints, ahead_heading = forecast_leader(*measured, delay_frames - 1 + plan, fps, foreseen)
    return LeaderCourse(
        joints_m=np.concatenate([joints, ahead_joints]),
        heading_rad=np.concatenate([heading, ahead_heading]),
        confidence=np.concatenate([sure, np.repeat(sure[-1:], len(ahead_heading))]),
        fps=fps,
        delay_frames=delay_frames,
        past_tokens=past_tokens,
        plan_tokens=plan_tokens,
        token_frames=token_frames,
    )


def _newest_features(joints_m: Array, heading_rad: Array, confidence: Array, fps: float) -> NDArray[np.float32]:
    """(FORESEEN_FROM_FRAMES, 72) of the newest frames; where there are fewer, the first one was there before."""
    since = max(len(joints_m) - FORESEEN_FROM_FRAMES, 1)
    last = (joints_m[since - 1], float(heading_rad[since - 1]))
    rows = leader_features(joints_m[since:], heading_rad[since:], fps, confidence=confidence[since:], before=last)
    return np.concatenate([np.repeat(rows[:1], FORESEEN_FROM_FRAMES - len(rows), axis=0), rows])


def leader_flags(delay_frames: int, past_tokens: int, plan_tokens: int, token_frames: int) -> NDArray[np.float32]:
    """(W, 3): which tokens of a window are observed, partial (measured in part) and forecast."""
    first = np.arange(past_tokens + plan_tokens) * token_frames
    measured = np.clip(past_tokens * token_frames - delay_frames + 1 - first, 0, token_frames)
    kind = np.where(measured == token_frames, 0, np.where(measured > 0, 1, 2))
    return np.eye(3, dtype=np.float32)[kind]


def music_window(
    conditions: Array,
    *,
    fps: float,
    delay_frames: int,
    past_tokens: int,
    plan_tokens: int,
    token_frames: int,
    metre: int = BEATS_PER_BAR,
) -> NDArray[np.float32]:
    """(W, token_frames * 8) the music as one tick hears it: heard, then with beat and bar running on.

    ``conditions`` (T, 8): ``duet.music.music_condition`` of the frames heard so far on the frame grid, the newest
    ``delay_frames`` frames older than the plan's first; ``metre`` beats make a bar. What is not heard yet has no onset
    and no loudness; before the first frame there is silence, and so there is when nothing was heard for longer than
    the window reaches back.
    """
    past, plan = past_tokens * token_frames, plan_tokens * token_frames
    if delay_frames > past:
        conditions, delay_frames = np.asarray(conditions)[:0], past
    heard = np.asarray(conditions, dtype=np.float32)[-(past - delay_frames + 1) :]
    size = heard.shape[-1]
    if not len(heard):
        return np.zeros((past_tokens + plan_tokens, token_frames * size), dtype=np.float32)
    silence = np.zeros((past - delay_frames + 1 - len(heard), size), dtype=np.float32)
    newest = heard[-1].astype(np.float64)
    later = np.arange(1, delay_frames + plan)
    beats = later / fps * 120.0 * 2.0 ** newest[4] / 60.0
    ahead = np.zeros((len(later), size), dtype=np.float32)
    for column, beats_per_turn in ((0, 1), (2, metre)):
        phase = np.arctan2(newest[column], newest[column + 1]) + 2.0 * np.pi * beats / beats_per_turn
        ahead[:, column], ahead[:, column + 1] = np.sin(phase), np.cos(phase)
    ahead[:, 4:6] = newest[4:6]
    # Without a beat (silence: all zero) there is nothing to run on.
    ahead[:, :4] *= np.hypot(newest[[0, 2]], newest[[1, 3]]).repeat(2)
    return np.concatenate([silence, heard, ahead]).reshape(past_tokens + plan_tokens, -1)
