"""What the follower hears while a couple dances: the music condition on given beats.

``heard_condition`` renders the built-in groove on the beats and listens to it with the extractor that runs live:
nothing can be nearer to the stage, but it takes a few seconds a take and is therefore kept. ``heard_recording`` listens
to a real one. ``condition_from_beats`` draws in a millisecond what a groove gives on average, with the tracker's
early doubts.
"""

import sys
from functools import cache as once
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet import accents, barcount, barpointer, beats, groove, instruments, mixdown, music, rhythms
from duet.beats import MusicListener
from duet.cache import cache_directory
from duet.frames import MusicFrame
from duet.groove import render_groove
from duet.music import CONDITION_SIZE, RATE_HZ, extrapolate, music_condition
from models.data import kept
from models.data.beats import with_beats
from models.data.pairs import Pair

Floats = NDArray[np.float32]

BEATS_PER_BAR = 4
SOUND = slice(6, 8)
"""Onset and loudness in a condition: of the sound itself, not of its pulse."""
LEAD_IN_S = 4.0
"""Music plays for so long before a couple that is judged begins: dancers, too, listen before they start."""
CACHE_FOLDER = "music"
"""Where heard music is kept, in the cache folder."""


def condition_from_beats(beats_s: NDArray[np.float64], frames: int, fps: float, rng: np.random.Generator) -> Floats:
    """(T, 8) about what a beat tracker gives for music with these beats; the first is a downbeat.

    Half of the time the music has only just begun: for some seconds the tracker is unsure, and wrong.
    """
    time_s = np.arange(frames) / fps
    period_s = float(np.median(np.diff(beats_s)))
    before = int(np.ceil(beats_s[0] / period_s / BEATS_PER_BAR) + 1) * BEATS_PER_BAR
    after = int(np.ceil(max(0.0, time_s[-1] - beats_s[-1]) / period_s)) + 2
    lead_in, lead_out = np.arange(-before, 0), np.arange(1, after + 1)
    grid = np.concatenate([beats_s[0] + period_s * lead_in, beats_s, beats_s[-1] + period_s * lead_out])
    beat = np.interp(time_s, grid, np.arange(len(grid)) - before)
    since_s = (beat % 1.0) * period_s

    found_s = rng.uniform(0.5, 4.0) if rng.uniform() < 0.5 else 0.0
    lost = (time_s < found_s) * rng.uniform(-2.0, 2.0)
    wander = 0.03 * np.convolve(rng.normal(size=frames + 29), np.ones(30) / np.sqrt(30), "valid")
    phase = 2.0 * np.pi * (beat + wander + lost)
    sure = rng.uniform(0.85, 1.0) * np.clip((time_s - found_s + 3.0) / 3.0, 0.2, 1.0)
    accent = np.where(np.floor(beat) % BEATS_PER_BAR == 0, 1.2, 0.8) * rng.uniform(0.8, 3.0)

    condition = np.empty((frames, CONDITION_SIZE), dtype=np.float32)
    condition[:, 0], condition[:, 1] = np.sin(phase), np.cos(phase)
    condition[:, 2], condition[:, 3] = np.sin(phase / BEATS_PER_BAR), np.cos(phase / BEATS_PER_BAR)
    condition[:, 4] = np.log2(60.0 / period_s / 120.0) + 0.03 * rng.normal()
    condition[:, 5] = sure
    condition[:, 6] = np.minimum(accent * np.exp(-since_s / 0.05), 3.0) + 0.1 * rng.uniform(size=frames)
    condition[:, 7] = rng.uniform(0.55, 0.8) + 0.08 * np.exp(-since_s / 0.1)
    return condition


def condition_of(pair: Pair, rng: np.random.Generator) -> Floats:
    """(T, 8) what a couple danced to: its music as it was heard, or, where none was recorded, drawn on its beats."""
    if pair.heard is not None:
        return pair.heard
    beats_s = with_beats(pair).beats_s
    assert beats_s is not None
    return condition_from_beats(beats_s, pair.frames, pair.leader.fps, rng)


def heard_condition(
    beats_s: NDArray[np.float64], frames: int, fps: float, *, seed: int, lead_in_s: float, cache: Path | None = None
) -> Floats:
    """(T, 8) what the live listener hears of a groove on these beats that began ``lead_in_s`` before frame 0.

    ``cache``: folder in which results are kept by what they follow from, the code included; ``music`` in the cache
    folder unless given.
    """
    recipe = (version(), np.round(beats_s, 5).tolist(), frames, fps, seed, round(lead_in_s, 5))
    path = (cache or cache_directory() / CACHE_FOLDER) / f"{kept.key_of(*recipe)}.npz"
    held = kept.fetch(path)
    if held is not None and "condition" in held:
        return held["condition"]
    played = render_groove(frames / fps + lead_in_s + 0.5, beats_s + lead_in_s, seed=seed)
    condition = _on_grid(_heard(played.samples, lead_in_s), frames, fps)
    kept.keep(path, {"condition": condition})
    return condition


def heard_recording(samples: Floats, frames: int, fps: float) -> tuple[Floats, NDArray[np.float64]]:
    """What the live listener hears of sound (N,) that begins with frame 0: ``(condition (T, 8), beats (N,) in s)``.

    The beats are those it believed in when they came, from when it was first sure of them.
    """
    heard = _heard(samples, 0.0)
    return _on_grid(heard, frames, fps), beats_heard(heard)


def beats_heard(heard: list[MusicFrame]) -> NDArray[np.float64]:
    """Times (N,) at which the beat came round, the first a downbeat where one was heard."""
    sure = [frame for frame in heard if frame.confidence > 0.3]
    times, downbeats = [], []
    for before, after in zip(sure, sure[1:], strict=False):
        if after.beat_phase < before.beat_phase and after.time_s - before.time_s < 0.2:
            times.append(after.time_s - after.beat_phase * 60.0 / after.tempo_bpm)
            downbeats.append(after.bar_phase < before.bar_phase)
    first = downbeats.index(True) if True in downbeats else 0
    return np.array(times[first:], dtype=np.float64)


@once
def version() -> str:
    """Of all code between beats and condition."""
    own = sys.modules[__name__]
    return kept.source_version(groove, instruments, mixdown, rhythms, music, beats, barpointer, barcount, accents, own)


def _heard(samples: Floats, lead_in_s: float) -> list[MusicFrame]:
    return MusicListener(start_s=-lead_in_s, rate_hz=RATE_HZ).push(samples)


def _on_grid(heard: list[MusicFrame], frames: int, fps: float) -> Floats:
    """(T, 8): of every frame the hop whose middle is nearest, its phases moved to the frame's own time."""
    if not heard:
        return np.zeros((frames, CONDITION_SIZE), dtype=np.float32)
    times_s = np.array([frame.time_s for frame in heard])
    condition = np.empty((frames, CONDITION_SIZE), dtype=np.float32)
    for t in range(frames):
        frame = heard[int(np.argmin(np.abs(times_s - t / fps)))]
        condition[t] = extrapolate(frame, t / fps - frame.time_s)
        condition[t, SOUND] = music_condition(frame)[SOUND]
    return condition
