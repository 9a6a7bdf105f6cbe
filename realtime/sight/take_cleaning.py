"""From what a pose model saw to a clean take: the offline quality pass.

Live, a body is smoothed by what came before. A recording knows what came after as well: outliers are dropped, short
gaps are filled and all paths smoothed from both sides (local quadratics with Gaussian weights, which neither lag nor
flatten a turning point as a mean does), bones are fixed from the whole recording, planted feet are pinned by
two-bone inverse kinematics, and the floor is level.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.errors import MediaError
from duet.kinematics import forward
from duet.motion import Motion
from duet.rotations import Array
from duet.skeleton import Skeleton
from realtime.feet import LEGS, bend_legs
from realtime.sight import pose_ik
from realtime.sight.landmarks import HIPS, SHOULDERS, Landmarks, upright
from realtime.sight.placement import Lens, locate
from realtime.sight.proportions import Proportions
from realtime.sight.sightlines import along_camera, on_sightlines

Sighting = tuple[float, Landmarks | None]
"""Seconds, and who was seen then."""

LEAST_S = 1.0
FILL_S = 1.0
"""Nobody seen for longer than this ends a stretch; the longest stretch becomes the take."""
_PRESENT = 0.3
_BODY_MAX_M_S = 6.0
_SMOOTH_S, _PLACE_SMOOTH_S = 0.06, (0.09, 0.09, 0.16)
_NEAREST = 5
_FPS = (10.0, 60.0)
# A foot rests where a joint is slow and low; more slowly to begin with than to go on.
_PLANT_M_S, _LEAVE_M_S, _LOW_M = 0.35, 0.6, 0.08
_LEAST_PLANT_S, _HOLE_S, _BLEND_S = 0.12, 0.07, 0.12
_PULL_MAX_M = 0.12


@dataclass(frozen=True)
class Cleaned:
    """A take and what was done for it."""

    motion: Motion
    """On the performer's own bones, floor at 0, beginning in the middle of the stage."""
    planted: NDArray[np.bool_]
    """(T, 2) which foot rests on the floor, left and right."""
    start_s: float
    """When the take begins in the recording."""
    filled_frames: int
    """Made up, because nobody was seen or what was seen cannot be."""
    recorded_s: float
    """How long the whole recording is."""
    left_out_s: float
    """Of all other stretches in which somebody was seen, together."""


def clean(
    sightings: Sequence[Sighting],
    *,
    lens: Lens | None = None,
    height_m: float | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Cleaned:
    """The take of what was seen; ``progress`` is told the share done. MediaError when nobody was seen long enough."""
    lens = lens or Lens()
    longest, left_out_s = _stretch(sightings)
    seen = [(time_s, along_camera(landmarks, lens)) for time_s, landmarks in longest]
    proportions = Proportions.of_body(height_m)
    for _, landmarks in seen:
        proportions = proportions.observe(upright(landmarks.world_m), landmarks.visibility)
    for _ in range(60):  # the bones ease toward what was measured; a recording can wait for them
        proportions = proportions.observe(upright(seen[-1][1].world_m), seen[-1][1].visibility)
    skeleton, metres = proportions.skeleton(), proportions.metres
    times = np.array([time_s for time_s, _ in seen])
    fps = float(np.clip(1.0 / np.median(np.diff(times)), *_FPS))
    fps = round(fps) if abs(fps - round(fps)) < 0.1 else fps
    grid = times[0] + np.arange(int((times[-1] - times[0]) * fps + 1e-6) + 1) / fps
    room = lens.room_from_camera
    trust = np.array([np.clip(s.visibility, 0.05, 1.0) ** 2 for _, s in seen])
    places = np.array([locate(s, lens, metres) for _, s in seen])
    near = _smooth_places(times, places, trust, times)
    points = np.array(
        [on_sightlines(upright(s.world_m) * metres, near[i], s, lens) @ room.T for i, (_, s) in enumerate(seen)]
    )
    points = smoothed(times, points, trust, grid, _SMOOTH_S)
    centres = _smooth_places(times, places, trust, grid) @ room.T
    weights = smoothed(times, trust[..., None], np.ones_like(trust), grid, _SMOOTH_S)[..., 0].clip(0.02, 1.0)
    rotations, roots = [], []
    for t in range(len(grid)):
        local, pelvis = pose_ik.solve(skeleton, points[t], weights[t], proportions.size, centres[t])
        rotations.append(local)
        roots.append(centres[t] + pelvis)
        progress((t + 1) / len(grid))
    root = np.array(roots) - np.array([roots[0][0], 0.0, roots[0][2]])
    motion = Motion(fps, skeleton, root.astype(np.float32), np.array(rotations, dtype=np.float32)).levelled()
    planted = planted_feet(motion)
    filled, recorded_s = filled_frames(times, grid, fps), sightings[-1][0] - sightings[0][0]
    return Cleaned(_on_planted_feet(motion, planted), planted, float(times[0]), filled, recorded_s, left_out_s)


def filled_frames(times: Array, grid: Array, fps: float) -> int:
    """How many moments of ``grid`` (T,) are more than three quarters of a frame from all ``times`` (N,), which rise."""
    after = np.searchsorted(times, grid).clip(1, len(times) - 1)
    nearest = np.minimum(np.abs(grid - times[after - 1]), np.abs(grid - times[after]))
    return int(np.sum(nearest > 0.75 / fps))


def smoothed(times: Array, values: Array, trust: Array, grid: Array, sigma_s: float) -> Array:
    """``values`` (N, K, D) at ``times`` (N,) as paths (T, K, D) on ``grid`` (T,).

    At each moment a quadratic is fitted to the neighbours, weighted by ``trust`` (N, K) and by a Gaussian of
    ``sigma_s`` that widens where nothing is near (Savitzky and Golay 1964 with weights): gaps are bridged by what
    leads into and out of them.
    """
    out = np.empty((len(grid), *values.shape[1:]))
    for t, now in enumerate(grid):
        sigma = max(sigma_s, _reach_s(times, now) / 1.5)
        low, high = np.searchsorted(times, [now - 3.0 * sigma, now + 3.0 * sigma])
        x = (times[low:high] - now) / sigma
        basis = np.stack([np.ones_like(x), x, x * x], axis=-1)
        weights = np.exp(-0.5 * x * x)[:, None] * trust[low:high]
        normal = np.einsum("ni,nk,nj->kij", basis, weights, basis) + 1e-6 * np.eye(3)
        right = np.einsum("ni,nk,nkd->kid", basis, weights, values[low:high])
        out[t] = np.linalg.solve(normal, right)[:, 0]
    return out


def _reach_s(times: Array, now: float) -> float:
    """How far from ``now`` the nearest five of ``times`` (N,), which rise, reach; all where there are fewer."""
    at = int(np.searchsorted(times, now))
    # They are among as many before and as many after.
    near = np.abs(times[max(at - _NEAREST, 0) : at + _NEAREST] - now)
    return float(np.sort(near)[:_NEAREST][-1])


def _smooth_places(times: Array, places: Array, trust: Array, grid: Array) -> Array:
    """Where the hips are (T, 3) on ``grid``; depth smoothed harder than the rest."""
    axes = (smoothed(times, places[:, None, [k]], trust[:, :1], grid, s) for k, s in enumerate(_PLACE_SMOOTH_S))
    return np.concatenate([axis[:, 0] for axis in axes], axis=-1)


def planted_feet(motion: Motion) -> NDArray[np.bool_]:
    """(T, 2) which foot rests on the floor: ankle or toe low and slow, with hysteresis, never for an instant only."""
    joints = motion.joints_m.astype(np.float64)
    rest = motion.skeleton.rest_joints_m
    planted = np.zeros((motion.frames, 2), dtype=bool)
    for side, (_, _, ankle, toe) in enumerate(LEGS):
        slowest = np.full(motion.frames, np.inf)
        for joint in (ankle, toe):
            path = joints[:, joint]
            speed = np.linalg.norm(np.gradient(path, axis=0), axis=-1) * motion.fps if motion.frames > 1 else 0.0
            low = path[:, 1] - rest[joint, 1] < _LOW_M
            slowest = np.minimum(slowest, np.where(low, speed, np.inf))
        planted[:, side] = _runs(slowest, motion.fps)
    return planted


def skate_m_s(motion: Motion, planted: NDArray[np.bool_]) -> float:
    """Mean speed along the floor of the slower of ankle and toe while their foot is planted (T, 2)."""
    speeds = []
    for side, (_, _, ankle, toe) in enumerate(LEGS):
        both = planted[1:, side] & planted[:-1, side]
        steps = np.diff(motion.joints_m[:, [ankle, toe]][..., [0, 2]].astype(np.float64), axis=0)[both]
        speeds.append(np.linalg.norm(steps, axis=-1).min(axis=-1) * motion.fps)
    everything = np.concatenate(speeds)
    return float(everything.mean()) if len(everything) else 0.0


def tremble_m(motion: Motion) -> float:
    """What of all joints' paths is quicker than dancing: rms per axis of what a two-sided smoothing would take off."""
    times = np.arange(motion.frames) / motion.fps
    joints = motion.joints_m.astype(np.float64)
    calm = smoothed(times, joints, np.ones(joints.shape[:2]), times, 0.08)
    return float(np.sqrt(np.mean((joints - calm) ** 2)))


def _stretch(sightings: Sequence[Sighting]) -> tuple[list[tuple[float, Landmarks]], float]:
    """The longest stretch in which somebody is seen, without what cannot be, and the seconds of all others."""
    stretches: list[list[tuple[float, Landmarks]]] = [[]]
    for time_s, landmarks in sightings:
        if landmarks is None or not _is_usable(landmarks):
            continue
        now = stretches[-1]
        if now and time_s - now[-1][0] > FILL_S:
            stretches.append(now := [])
        if now and time_s - now[-1][0] < FILL_S / 3.0:
            moved_m = np.median(np.linalg.norm(landmarks.world_m - now[-1][1].world_m, axis=-1))
            if moved_m > _BODY_MAX_M_S * (time_s - now[-1][0]):
                continue
        now.append((time_s, landmarks))
    spans_s = [s[-1][0] - s[0][0] if s else 0.0 for s in stretches]
    span_s = max(spans_s)
    longest = stretches[spans_s.index(span_s)]
    if span_s < LEAST_S or len(longest) < 5:
        raise MediaError(
            f"Take: expected somebody in view for {LEAST_S:.0f} s on end, got {span_s:.1f} s. "
            "Film the whole body, with light on it, and again."
        )
    return longest, sum(spans_s) - span_s


def _is_usable(landmarks: Landmarks) -> bool:
    finite = np.isfinite(landmarks.world_m).all() and np.isfinite(landmarks.image).all()
    return bool(finite and landmarks.visibility[list(HIPS + SHOULDERS)].mean() > _PRESENT)


def _runs(speed: Array, fps: float) -> NDArray[np.bool_]:
    """(T,) planted or not, from the speed of a low foot (T,)."""
    out = np.zeros(len(speed), dtype=bool)
    on = False
    for t, v in enumerate(speed):
        on = bool(v < (_LEAVE_M_S if on else _PLANT_M_S))
        out[t] = on
    for value, least_s in ((True, _HOLE_S), (False, _LEAST_PLANT_S)):
        for start, stop in _segments(out != value):
            if stop - start < least_s * fps and start > 0 and stop < len(out):
                out[start:stop] = value
    return out


def _segments(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of every run of True in ``mask`` (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _on_planted_feet(motion: Motion, planted: NDArray[np.bool_]) -> Motion:
    """The take with planted ankles pinned where they rest on the whole, blended in and out."""
    root, local = motion.root_m.astype(np.float64), motion.rotations.astype(np.float64)
    joints, globals_ = forward(motion.skeleton, root, local)
    for side, leg in enumerate(LEGS):
        offset = np.zeros((motion.frames, 3))
        for start, stop in _segments(planted[:, side]):
            offset += _pull(joints[:, leg[2]], joints[:, leg[3], 1], motion.skeleton, leg, start, stop, motion.fps)
        offset[:, 1] += _sunk(joints[:, leg[2], 1] + offset[:, 1], joints[:, leg[3], 1] + offset[:, 1], motion, leg)
        moved = np.flatnonzero(np.abs(offset).max(axis=-1) > 1e-5)
        if len(moved):
            where = moved, np.tile(leg, (len(moved), 1))
            bend_legs(local, joints, globals_, where, joints[moved, leg[2]] + offset[moved])
    return Motion(motion.fps, motion.skeleton, motion.root_m, local.astype(np.float32))


def _pull(
    ankle: Array, toe_height: Array, skeleton: Skeleton, leg: tuple[int, ...], start: int, stop: int, fps: float
) -> Array:
    """(T, 3) how far the ankle (T, 3) must go to rest in frames [start, stop), fading before and after them."""
    rest = skeleton.rest_joints_m
    anchor = np.median(ankle[start:stop], axis=0)
    way = anchor - ankle[start:stop]
    # A foot's lowest point is its sole's: on the floor, whether the heel is up or not.
    above = np.minimum(ankle[start:stop, 1] - rest[leg[2], 1], toe_height[start:stop] - rest[leg[3], 1])
    way[:, 1] = -above
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    way *= np.minimum(1.0, _PULL_MAX_M / np.maximum(length, 1e-9))
    out = np.zeros_like(ankle)
    out[start:stop] = way
    fade = max(1, round(_BLEND_S * fps))
    for k in range(1, fade):
        share = 1.0 - k / fade
        share = share * share * (3.0 - 2.0 * share)
        if start - k >= 0:
            out[start - k] += share * way[0]
        if stop - 1 + k < len(out):
            out[stop - 1 + k] += share * way[-1]
    return out


def _sunk(ankle_height: Array, toe_height: Array, motion: Motion, leg: tuple[int, ...]) -> Array:
    """(T,) how far a foot is below the floor."""
    rest = motion.skeleton.rest_joints_m
    return np.maximum(np.maximum(0.85 * rest[leg[2], 1] - ankle_height, 0.5 * rest[leg[3], 1] - toe_height), 0.0)
