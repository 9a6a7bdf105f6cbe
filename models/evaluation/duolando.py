"""The metrics of the duet literature (Duolando, arXiv 2403.18811; ReactDance, arXiv 2505.05589), asked in two ways.

``duolando_compat`` repeats published code slip by slip, so that its numbers mean what the tables' numbers mean;
``si`` asks the same with the true rate, the true up and metres and seconds. With 22 joints instead of 55 neither can be
set beside a published table: hands are guessed, and every number is labelled ``LABEL``.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.ndimage import gaussian_filter1d

from duet.errors import InputError
from duet.rotations import Array
from duet.skeleton import BODY
from models.evaluation.bodies import overlapping
from models.evaluation.geometric import geometric_features

Floats = NDArray[np.float64]
Mode = Literal["duolando_compat", "si"]

MODES: tuple[Mode, ...] = ("duolando_compat", "si")
LABEL = "22-joint variant, not comparable"
COUPLE_JOINTS = (0, 7, 8, 10, 11, 15, 16, 17, 20, 21)
HAND_M = 0.08
"""Where a hand is guessed to be: so far beyond the wrist, along the forearm."""
_LEFT_FINGERS, _RIGHT_FINGERS = (25, 28, 31, 34, 37), (40, 43, 46, 49, 52)
_WINDOW = 2
_PUBLISHED_FRAME_S = 1.0 / 60.0
_BEAT_BLUR_FRAMES, _BEAT_SPREAD_FRAMES = 5.0, 3.0
_BEAT_RATE_HZ = 30.0
"""At which the two numbers above were meant."""
_SLIP_PELVIS, _SLIP_ANKLE = 0.03, 0.01
"""Called metres a second in published code, compared with metres a frame."""


@dataclass(frozen=True)
class Duet:
    """A couple on one clock, +Y up, metres."""

    follower_m: Array
    """(T, 22, 3), or (T, 55, 3) in SMPL-X order."""
    leader_m: Array
    fps: float
    music_beats_s: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for joints in (self.follower_m, self.leader_m):
            if joints.ndim != 3 or joints.shape[1] not in (len(BODY), 55) or len(joints) < 6:
                raise InputError(
                    f"Duet: expected joints (T, 22 or 55, 3), T at least 6, got {joints.shape}. Give a longer take."
                )


@dataclass(frozen=True)
class Reference:
    """The couples that others are held against, and normalised by."""

    mode: Mode
    features: dict[str, Floats]
    """(N, D) by kind."""

    @classmethod
    def of(cls, real: Sequence[Duet], mode: Mode) -> "Reference":
        """Of real couples."""
        return cls(mode, _features(real, mode))


def duolando(made: Sequence[Duet], reference: Reference) -> dict[str, float]:
    """Numbers of the followers ``made`` by name, in the reference's mode.

    The covariances of fewer than about 100 couples are guesses: NaN for fewer than three.
    """
    mode = reference.mode
    numbers: dict[str, float] = {}
    for name, features in _features(made, mode).items():
        known = reference.features[name]
        if mode != MODES[0]:
            # What never varies among the real ones has no scale; published code divides by 1e-10.
            varies = known.std(axis=0) > 1e-6
            known, features = known[:, varies], features[:, varies]
        theirs, ours = normalised(known, features)
        enough = min(len(theirs), len(ours)) > 2
        numbers[f"fid_{name}"] = frechet(ours, theirs, exact=mode == MODES[0]) if enough else float("nan")
        numbers[f"div_{name}"] = diversity(ours) if len(ours) > 1 else float("nan")
        numbers[f"div_{name}_real"] = diversity(theirs) if len(theirs) > 1 else float("nan")
    numbers["bed"] = _mean([beat_echo(d, mode) for d in made])
    numbers["bas"] = _mean([beat_alignment(d, mode) for d in made if d.music_beats_s is not None])
    numbers["pfc"] = _mean([foot_contact_score(d, mode) for d in made])
    numbers["slipping_percent"] = slipping_percent(made, mode)
    numbers["capsule_contact_percent"] = _percent([contact_frames(d) for d in made])
    numbers["joint_contact_percent"] = 100.0 * _mean([joint_contact_share(d) for d in made])
    numbers["interpenetration_percent"] = _percent([overlapping(*_bodies(d), deeper_m=0.02) for d in made])
    return numbers


def _features(duets: Sequence[Duet], mode: Mode) -> dict[str, Floats]:
    kinds = {"k": kinetic, "g": geometric, "cd": couple_distances}
    return {name: np.array([features(d, mode) for d in duets]) for name, features in kinds.items()}


def with_hands(joints_m: Array) -> Floats:
    """(T, 24, 3): body joints and two hands, of fingers where there are any, else guessed."""
    joints = np.asarray(joints_m, dtype=np.float64)
    if joints.shape[1] == 55:
        hands = [joints[:, list(fingers)].mean(axis=1) for fingers in (_LEFT_FINGERS, _RIGHT_FINGERS)]
    else:
        hands = []
        for side in ("left", "right"):
            elbow, wrist = (joints[:, BODY.index(f"{side}_{part}")] for part in ("elbow", "wrist"))
            forearm = wrist - elbow
            hands.append(wrist + HAND_M * forearm / np.linalg.norm(forearm, axis=-1, keepdims=True))
    return np.concatenate([joints[:, :22], np.stack(hands, axis=1)], axis=1)


def as_published(joints_m: Array) -> Floats:
    """Our +Y up as DD100's +Z up: (x, -z, y)."""
    x, y, z = np.moveaxis(np.asarray(joints_m, dtype=np.float64), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def _solo(duet: Duet, mode: Mode) -> Floats:
    """(T, 24, 3) from where the root begins; in the axes that the mode's code is given."""
    joints = with_hands(duet.follower_m)
    joints = as_published(joints) if mode == MODES[0] else joints
    return joints - joints[:1, :1]


def kinetic(duet: Duet, mode: Mode) -> Floats:
    """(72,): per joint the mean square of horizontal and of vertical speed, and the mean size of acceleration.

    Published code reckons with 60 frames a second, takes +Y for up though its data have +Z up, and divides only the
    second term of the earlier velocity by the frame time.
    """
    joints = _solo(duet, mode)
    exact = mode == MODES[0]
    frame_s = _PUBLISHED_FRAME_S if exact else 1.0 / duet.fps
    velocity = _windowed(np.diff(joints, axis=0) / frame_s, len(joints))
    flat = np.square(velocity[..., [0, 2]]).sum(axis=-1).mean(axis=0)
    vertical = np.square(velocity[..., 1]).mean(axis=0)
    later = (joints[2:] - joints[1:-1]) / frame_s
    earlier = joints[1:-1] - joints[:-2] / frame_s if exact else (joints[1:-1] - joints[:-2]) / frame_s
    acceleration = _windowed((later - earlier) / frame_s, len(joints))
    effort = np.linalg.norm(acceleration, axis=-1).mean(axis=0)
    return np.stack([flat, vertical, effort], axis=1).ravel()


def _windowed(values: Floats, frames: int) -> Floats:
    """(T - 1, ...) means of ``values``, whose row k is of frame k + 1, over two frames to either side of frames
    1 .. T - 1, as far as there are any."""
    sums = np.cumsum(np.concatenate([np.zeros_like(values[:1]), values]), axis=0)
    at = np.arange(frames - 1)
    low, high = np.clip(at - _WINDOW, 0, len(values)), np.clip(at + _WINDOW + 1, 0, len(values))
    return (sums[high] - sums[low]) / (high - low).reshape(-1, *[1] * (values.ndim - 1))


def geometric(duet: Duet, mode: Mode) -> Floats:
    """(32,), see ``models.evaluation.geometric``; published code takes +Y for up though its data have +Z up."""
    return geometric_features(_solo(duet, mode), duet.fps, exact=mode == MODES[0])


def couple_distances(duet: Duet, mode: Mode) -> Floats:
    """(100,) mean distances of ten joints of the follower from ten of the leader; alike in both modes."""
    frames = min(len(duet.follower_m), len(duet.leader_m))
    one, other = (np.asarray(j, dtype=np.float64)[:frames, COUPLE_JOINTS] for j in (duet.follower_m, duet.leader_m))
    return np.linalg.norm(one[:, :, None] - other[:, None], axis=-1).mean(axis=0).ravel()


def normalised(real: Floats, made: Floats) -> tuple[Floats, Floats]:
    """Both (N, D) by mean and standard deviation of the real ones."""
    mean, spread = real.mean(axis=0), real.std(axis=0) + 1e-10
    return (real - mean) / spread, (made - mean) / spread


def frechet(made: Floats, real: Floats, *, exact: bool = False) -> float:
    """Frechet distance of Gaussians fitted to (N, D) and (M, D).

    ``exact`` takes the matrix root of the product, which is noise where covariances are rank-deficient; otherwise the
    root of the symmetric product, which is at least 0 (equal up to rounding for full rank).
    """
    one, other = np.cov(made, rowvar=False), np.cov(real, rowvar=False)
    gap = made.mean(axis=0) - real.mean(axis=0)
    apart = float(gap @ gap + np.trace(one) + np.trace(other))
    if not exact:
        values, vectors = np.linalg.eigh(one)
        root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
        shared = np.linalg.eigvalsh(root @ other @ root)
        return apart - 2.0 * float(np.sqrt(np.maximum(shared, 0.0)).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        product = np.asarray(linalg.sqrtm(one @ other))
        if not np.isfinite(product).all():
            little = 1e-5 * np.eye(len(one))
            product = np.asarray(linalg.sqrtm((one + little) @ (other + little)))
    return apart - 2.0 * float(np.trace(product).real)


def diversity(features: Floats) -> float:
    """Mean distance of all pairs of rows (N, D)."""
    first, second = np.triu_indices(len(features), k=1)
    return float(np.linalg.norm(features[first] - features[second], axis=1).mean())


def motion_beats(joints_m: Array, fps: float, mode: Mode) -> Floats:
    """Frames (N,) at which the smoothed mean joint speed is least; in ``si`` between the frames it is measured from."""
    speed = np.linalg.norm(np.diff(np.asarray(joints_m, dtype=np.float64), axis=0), axis=-1).mean(axis=1)
    exact = mode == MODES[0]
    speed = gaussian_filter1d(speed, _BEAT_BLUR_FRAMES * (1.0 if exact else fps / _BEAT_RATE_HZ), mode="reflect")
    low = (speed[1:-1] < speed[:-2]) & (speed[1:-1] < speed[2:])
    return np.asarray(np.flatnonzero(low) + (1.0 if exact else 1.5), dtype=np.float64)


def _answered(asked: Floats, answers: Floats, spread: float) -> float:
    """How near, on average, an answer is to each beat asked for: 1 on it, 0 far from it."""
    if not len(asked) or not len(answers):
        return 0.0
    gaps = np.abs(asked[:, None] - answers).min(axis=1)
    return float(np.exp(-np.square(gaps) / (2.0 * spread**2)).mean())


def beat_echo(duet: Duet, mode: Mode) -> float:
    """BED: how well the follower's motion beats answer the leader's. Holding still can beat a real dancer at it."""
    leader, follower = (motion_beats(j, duet.fps, mode) for j in (duet.leader_m, duet.follower_m))
    return _answered(leader, follower, _spread(duet.fps, mode))


def beat_alignment(duet: Duet, mode: Mode) -> float:
    """BAS: how well the follower's motion beats answer those of the music."""
    assert duet.music_beats_s is not None
    frames = duet.music_beats_s * duet.fps
    frames = frames[frames < len(duet.follower_m) - 1]
    asked = np.round(frames) if mode == MODES[0] else frames
    return _answered(asked, motion_beats(duet.follower_m, duet.fps, mode), _spread(duet.fps, mode))


def _spread(fps: float, mode: Mode) -> float:
    return _BEAT_SPREAD_FRAMES * (1.0 if mode == MODES[0] else fps / _BEAT_RATE_HZ)


def foot_contact_score(duet: Duet, mode: Mode) -> float:
    """PFC of EDGE (arXiv 2211.10658): how much the root is pushed while no foot stands. 0 is best.

    Published: metres a frame times metres a frame, times 10000, at 30 frames a second. ``si``: m^2/s^2.
    """
    joints, exact = np.asarray(duet.follower_m, dtype=np.float64), mode == MODES[0]
    fps = _BEAT_RATE_HZ if exact else duet.fps
    push = np.diff(joints[:, 0], n=2, axis=0) * fps**2
    push[:, 1] = np.maximum(push[:, 1], 0.0)
    push = np.linalg.norm(push, axis=-1)
    feet = np.diff(joints[:, [7, 10, 8, 11]][..., [0, 2]], axis=0)[1:]
    slow = np.linalg.norm(feet, axis=-1).reshape(-1, 2, 2).min(axis=-1) * (1.0 if exact else duet.fps)
    score = float((slow.prod(axis=1) * push / max(push.max(), 1e-12)).mean())
    return 10000.0 * score if exact else score


def slipping_percent(duets: Sequence[Duet], mode: Mode) -> float:
    """Share of frames in which the pelvis glides while both ankles keep their place beside it.

    Published code counts both dancers, leaves out the first step but not its frame, and takes its thresholds per frame.
    """
    exact = mode == MODES[0]
    slips = frames = 0
    for duet in duets:
        for joints in (duet.follower_m, duet.leader_m) if exact else (duet.follower_m,):
            steps = np.diff(np.asarray(joints, dtype=np.float64), axis=0) * (1.0 if exact else duet.fps)
            glides = np.hypot(steps[:, 0, 0], steps[:, 0, 2]) > _SLIP_PELVIS
            stays = (np.linalg.norm(steps[:, [7, 8]] - steps[:, :1], axis=-1) < _SLIP_ANKLE).all(axis=1)
            slips += int((glides & stays)[1 if exact else 0 :].sum())
            frames += len(steps)
    return 100.0 * slips / max(1, frames)


def contact_frames(duet: Duet) -> NDArray[np.bool_]:
    """(T,) whether the bodies, as capsules, are within 1 cm: stands in for meshes blown up by 1 cm."""
    return overlapping(*_bodies(duet), deeper_m=-0.01)


def joint_contact_share(duet: Duet) -> float:
    """Share of frames in which two joints of different dancers are within 1 cm."""
    one, other = _bodies(duet)
    return float((np.linalg.norm(one[:, :, None] - other[:, None], axis=-1).min(axis=(1, 2)) < 0.01).mean())


def _bodies(duet: Duet) -> tuple[Array, Array]:
    frames = min(len(duet.follower_m), len(duet.leader_m))
    return duet.follower_m[:frames, :22], duet.leader_m[:frames, :22]


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _percent(frames: list[NDArray[np.bool_]]) -> float:
    return 100.0 * float(np.concatenate(frames).mean())
