"""A couple dancing salsa, in code: both takes, for any beats and any seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from duet.choreography.body import Torso, finish, look_at, torso
from duet.choreography.hands import join_hands
from duet.choreography.legs import floor_path, keep_apart, lower_body
from duet.choreography.score import BeatGrid, CoupleScore, Staging
from duet.choreography.style import CoupleStyle, draw_style
from duet.errors import InputError
from duet.motion import Motion
from duet.rotations import Array

SLOWEST_BEAT_S, FASTEST_BEAT_S = 1.2, 0.2
"""Beat periods that can be stepped on: 50 to 300 beats a minute."""
_LEAST_DISTANCE_M = 0.47
"""Pelvis to pelvis."""


@dataclass(frozen=True)
class Couple:
    """Both dancers' takes, frame by frame of the same clock."""

    leader: Motion
    follower: Motion
    figures: list[tuple[str, float]]
    """Name and start in seconds of each figure."""


def choreograph(
    beat_times_s: ArrayLike,
    seed: int,
    *,
    style: CoupleStyle | None = None,
    fps: float = 30.0,
    seconds: float | None = None,
) -> Couple:
    """A salsa whose steps land on ``beat_times_s`` (N,), the first of which is a count 1.

    The same arguments give the same dance. ``seconds`` is the length of the takes; by default they
    end one beat after the last. Raises InputError for beats nobody can step on.
    """
    grid = BeatGrid(checked_beats(beat_times_s))
    rng = np.random.default_rng(seed)
    drawn = draw_style(rng, tempo_bpm=60.0 / grid.beat_s)
    style = style or drawn
    times_s = frame_times(grid, fps, seconds)
    score = Staging(grid, style, rng, start_s=min(0.0, float(grid.times_s[0])) - 2.0).run()
    return perform(score, style, grid, times_s, fps, rng)


def choreograph_tempo(
    seconds: float, tempo_bpm: float, seed: int, *, style: CoupleStyle | None = None, fps: float = 30.0
) -> Couple:
    """A salsa of ``seconds`` at a steady tempo, with the first count 1 at time 0."""
    return choreograph(steady_beats(seconds, tempo_bpm), seed, style=style, fps=fps, seconds=seconds)


def perform(
    score: CoupleScore,
    style: CoupleStyle,
    grid: BeatGrid,
    times_s: Array,
    fps: float,
    rng: np.random.Generator,
) -> Couple:
    """Give a score its bodies."""
    parts = (score.leader, score.follower)
    paths = floor_path(parts[0], grid, times_s, fps, rng), floor_path(parts[1], grid, times_s, fps, rng)
    keep_apart(paths, _LEAST_DISTANCE_M, fps)
    lowers = [lower_body(path, part, grid, times_s, fps, rng) for path, part in zip(paths, parts, strict=True)]
    bodies: list[Torso] = []
    for k in (0, 1):
        bodies.append(torso(lowers[k], parts[k].style, lowers[1 - k].root_m, fps, rng))
    for k in (0, 1):
        look_at(bodies[k], bodies[1 - k].positions_m["neck"] + np.array([0.0, 0.1, 0.0]), fps, rng)
    hands = join_hands(score, bodies[0], bodies[1], style, times_s, beat_s=grid.beat_s, fps=fps, rng=rng)
    leader, follower = (finish(body, wrists, fps) for body, wrists in zip(bodies, hands, strict=True))
    return Couple(leader, follower, score.figures)


def steady_beats(seconds: float, tempo_bpm: float) -> Array:
    """Beat times (N,) of ``seconds`` at one tempo, from 0. Raises InputError unless both are above 0."""
    if not (np.isfinite(seconds) and seconds > 0 and np.isfinite(tempo_bpm) and tempo_bpm > 0):
        raise InputError(
            f"choreograph: expected a length and a tempo above 0, got {seconds} s at {tempo_bpm} BPM. Give both."
        )
    return np.arange(max(2, int(np.ceil(seconds * tempo_bpm / 60.0)))) * 60.0 / tempo_bpm


def frame_times(grid: BeatGrid, fps: float, seconds: float | None) -> Array:
    """(T,) seconds of each frame; up to one beat after the last, unless a length is given."""
    if not (np.isfinite(fps) and 10.0 <= fps <= 240.0):
        raise InputError(f"choreograph: expected 10 to 240 frames a second, got {fps}. Resample the take instead.")
    length_s = grid.seconds(len(grid)) if seconds is None else seconds
    return np.arange(max(2, int(np.floor(length_s * fps + 1e-6)))) / fps


def checked_beats(beat_times_s: ArrayLike) -> Array:
    """Beat times (N,) one can step on. Raises InputError for others."""
    beats = np.asarray(beat_times_s, dtype=np.float64)
    if beats.ndim != 1 or len(beats) < 2 or not np.isfinite(beats).all():
        raise InputError(
            f"choreograph: expected two finite beat times or more, got shape {beats.shape}. Track the beats."
        )
    gaps = np.diff(beats)
    if gaps.min() < FASTEST_BEAT_S or gaps.max() > SLOWEST_BEAT_S:
        raise InputError(
            f"choreograph: expected beats {FASTEST_BEAT_S} to {SLOWEST_BEAT_S} s apart and in order, "
            f"got {gaps.min():.3f} to {gaps.max():.3f} s. Halve or double the tempo, or fill the gaps."
        )
    return beats
