"""How steady a tracked body is: the jitter of somebody who stands still, and the lag that smoothing adds.

Both belong together: any filter can be quiet that is late. On synthetic landmarks the truth is known, so both are
measured through the whole of ``Lifter``; of a real camera only the jitter can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from duet.errors import InputError
from duet.frames import LeaderFrame, LeaderStatus
from duet.kinematics import forward
from duet.rotations import Array, matrix_from_rotvec
from duet.skeleton import BODY
from realtime.sight.filters import STAGE, Smoothing
from realtime.sight.lifting import Lifter
from realtime.sight.placement import StageMap
from realtime.sight.synthetic import Filmed

JITTER_GOAL_MM, LAG_GOAL_MS = 3.0, 33.0
SWING_HZ, SWAY_HZ = 1.5, 1.0
_SECONDS, _SETTLE_S = 8.0, 4.0
_SWING_RAD, _SWAY_M = 0.5, 0.15
SWINGS_M = (0.05, 0.15, 0.30)
"""How far a wrist swings to either side: a filter that is quick in large movements may swallow small ones."""
_REACH_M = 0.455
"""From the shoulder to the wrist of an arm held out, seen from above."""
_WRIST = BODY.index("left_wrist")
_WINDOW_S = 1.0
_STILL_M = 0.12
_LEAST_S = 3.0


@dataclass(frozen=True)
class Jitter:
    """How much a body trembles that stands still: standard deviations per axis, in millimetres."""

    body_mm: float
    """Root mean square over all joints and axes, on the stage."""
    pose_mm: float
    """The same relative to the pelvis."""
    worst_mm: float
    """Of the joint that trembles most."""
    worst_joint: str

    @classmethod
    def of(cls, joints_m: Array) -> "Jitter":
        """Of joints (T, 22, 3) about their mean; trembling only, when what is slower was taken off before."""
        deviation = joints_m - joints_m.mean(axis=0)
        joints_mm = 1e3 * np.sqrt(np.mean(deviation**2, axis=(0, 2)))
        posed = joints_m - joints_m[:, :1]
        posed_mm = 1e3 * float(np.sqrt(np.mean((posed - posed.mean(axis=0))[:, 1:] ** 2)))
        worst = int(np.argmax(joints_mm))
        return cls(1e3 * float(np.sqrt(np.mean(deviation**2))), posed_mm, float(joints_mm[worst]), BODY.names[worst])


@dataclass(frozen=True)
class Swing:
    """A wrist that swings at 1.5 Hz."""

    amplitude_m: float
    lag_ms: float
    """Negative: ahead of it."""
    gain: float
    """Size of the swing, 1 as it was."""


@dataclass(frozen=True)
class Steadiness:
    """Rest jitter beside added lag, at one picture rate."""

    fps: float
    noise_mm: float
    rest: Jitter
    swing_lag_ms: float
    """Of a wrist, the arm swinging at 1.5 Hz by half a radian; negative: ahead of it."""
    swing_gain: float
    """Size of that swing, 1 as it was."""
    sway_lag_ms: float
    """Of the pelvis, the body swaying across the picture at 1 Hz."""
    depth_lag_ms: float
    """The same toward the camera and away."""
    swings: tuple[Swing, ...] = ()
    """The wrist's at each of ``SWINGS_M``."""

    @property
    def is_good(self) -> bool:
        """Whether both aims hold together, however small the swing."""
        lags = (self.swing_lag_ms, *(swing.lag_ms for swing in self.swings))
        return self.rest.body_mm <= JITTER_GOAL_MM and max(abs(lag) for lag in lags) <= LAG_GOAL_MS

    def __str__(self) -> str:
        return f"still {self.rest.body_mm:.1f} mm, lag {self.swing_lag_ms:.0f} ms"


def measure(
    fps: float = 30.0, noise_m: float = 0.008, smoothing: Smoothing = STAGE, *, seed: int = 0, seconds: float = _SECONDS
) -> Steadiness:
    """Both numbers for landmarks with white noise of ``noise_m`` per axis, ``fps`` pictures a second."""
    times = np.arange(int(seconds * fps)) / fps
    late = times >= min(_SETTLE_S, 0.5 * seconds)
    filmed = Filmed(noise_m=noise_m)

    def lifted(root: Array, rotations: Array) -> Array:
        rng = np.random.default_rng(seed)
        stage = StageMap(mark_m=(0.0, -filmed.distance_m))
        lifter = Lifter(lens=filmed.lens, stage=stage, height_m=1.66, smoothing=smoothing)
        frames = (
            lifter.step(filmed.landmarks(BODY, r, m, rng), float(t))
            for r, m, t in zip(root, rotations, times, strict=True)
        )
        return np.array([frame.joints_m for frame in frames], dtype=np.float64)[late]

    root, rotations = _standing(len(times))
    rest = Jitter.of(lifted(root, rotations))

    def swing(angle_rad: float) -> tuple[float, float]:
        swung = _swinging(times, angle_rad)
        truth = forward(BODY, root, swung)[0][late]
        return phase_lag(lifted(root, swung)[:, _WRIST], truth[:, _WRIST], times[late], SWING_HZ)

    lag_ms, gain = swing(_SWING_RAD)
    swings = tuple(Swing(size, *swing(float(np.arcsin(size / _REACH_M)))) for size in SWINGS_M)
    lags = []
    for axis in (0, 2):
        swayed = root.copy()
        swayed[:, axis] += _SWAY_M * np.sin(2.0 * np.pi * SWAY_HZ * times)
        lags.append(phase_lag(lifted(swayed, rotations)[:, 0], swayed[late], times[late], SWAY_HZ)[0])
    return Steadiness(fps, 1e3 * noise_m, rest, lag_ms, gain, lags[0], lags[1], swings)


def phase_lag(measured: Array, truth: Array, times: Array, hz: float) -> tuple[float, float]:
    """(lag in ms, gain) of a swing at ``hz`` between two paths (T, 3), along the axis that moves most."""
    axis = int(np.argmax(np.ptp(truth, axis=0)))
    carrier = np.exp(-2j * np.pi * hz * times)
    seen = np.sum((measured[:, axis] - measured[:, axis].mean()) * carrier)
    true = np.sum((truth[:, axis] - truth[:, axis].mean()) * carrier)
    ratio = seen / true
    return float(-np.angle(ratio) / (2.0 * np.pi * hz) * 1e3), float(abs(ratio))


def rest_jitter(frames: Sequence[LeaderFrame]) -> Jitter:
    """The jitter of a real person who tries to stand still: what is quicker than a second's mean.

    Breathing and swaying are slower than that and no fault of the tracker's. Raises InputError when nobody stood
    still in view for long enough.
    """
    seen = [frame for frame in frames if frame.status is LeaderStatus.TRACKED]
    span_s = seen[-1].time_s - seen[0].time_s if seen else 0.0
    if span_s < _LEAST_S:
        raise InputError(
            f"Standing still: expected somebody in view for {_LEAST_S:.0f} s, got {span_s:.1f} s. "
            "Step back until the whole body is in the picture."
        )
    times = np.array([frame.time_s for frame in seen])
    joints = np.array([frame.joints_m for frame in seen], dtype=np.float64)
    slow = np.array([joints[np.abs(times - t) <= 0.5 * _WINDOW_S].mean(axis=0) for t in times])
    inner = (times - times[0] >= 0.5 * _WINDOW_S) & (times[-1] - times >= 0.5 * _WINDOW_S)
    moved_m = float(np.linalg.norm(np.ptp(slow[inner, 0], axis=0)))
    if moved_m > _STILL_M:
        raise InputError(
            f"Standing still: expected a person who does, got one who moved {moved_m:.2f} m. Stand still, and again."
        )
    return Jitter.of((joints - slow)[inner])


def _standing(frames: int) -> tuple[Array, Array]:
    """Roots (T, 3) and rotations (T, 22, 3, 3) of somebody at ease."""
    turns = np.zeros((frames, len(BODY), 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns[:, BODY.index(f"{side}_shoulder"), 2] = -1.2 * sign
        turns[:, BODY.index(f"{side}_elbow"), 1] = -0.4 * sign
        turns[:, BODY.index(f"{side}_hip"), 0], turns[:, BODY.index(f"{side}_knee"), 0] = -0.07, 0.15
    return np.tile([0.0, float(BODY.rest_joints_m[0, 1]), 0.0], (frames, 1)), matrix_from_rotvec(turns)


def _swinging(times: Array, angle_rad: float) -> Array:
    """Rotations (T, 22, 3, 3) of somebody at ease whose arms, held out, swing by ``angle_rad`` to and fro."""
    _, rotations = _standing(len(times))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turns = np.zeros((len(times), 3))
        turns[:, 1] = -sign * angle_rad * np.sin(2.0 * np.pi * SWING_HZ * times)
        turns[:, 2] = -0.3 * sign
        rotations[:, BODY.index(f"{side}_shoulder")] = matrix_from_rotvec(turns)
    return rotations
