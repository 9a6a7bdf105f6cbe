"""``duet bench beats``: the beat tracker on generated music whose beats are known, scored and tabled.

The tracker hears each piece once, from its start, as on a stage.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from duet.beat_scores import Announced, BeatScore, announced, false_lock_share, score_beats
from duet.beats import BeatTracker
from duet.drumkit import crowd, voice
from duet.groove import Groove
from duet.instruments import RATE_HZ
from duet.pieces import JUMP_S, SECONDS, SILENT_S, Piece, Trial, play
from realtime.bench.record import Aim

STEPS = "duet, live, and steps"
STEP_S, TOLD_S = 0.04, 0.1  # how uneven a dancer's steps are, and how late a camera tells of them
STEP_SHARE, LISTENED_BEATS = 0.8, 4  # of the beats are stepped on, after so many that are only listened to
DISTURBED_S = {Trial.SILENCE: SILENT_S[1], Trial.JUMP: JUMP_S}
TRACKER = "duet, live"
VOICES, CROWDS = 4, 2
Track = Callable[[Groove], Announced]


@dataclass(frozen=True)
class Judged:
    """One piece and its score by one tracker."""

    piece: Piece
    tracker: str
    score: BeatScore


def track_live(groove: Groove) -> Announced:
    """What Duet's tracker announces."""
    return announced(BeatTracker(rate_hz=groove.rate_hz).push(groove.samples))


def track_with_steps(groove: Groove) -> Announced:
    """What it announces while a leader steps to the music, as unevenly as people do, before a camera."""
    tracker, states, heard = BeatTracker(rate_hz=groove.rate_hz), [], 0
    for landed_s in _steps(groove.beat_times_s):
        until = round((landed_s + TOLD_S) * groove.rate_hz)
        states += tracker.push(groove.samples[heard:until])
        tracker.witness(landed_s)
        heard = max(heard, until)
    return announced(states + tracker.push(groove.samples[heard:]))


def _steps(beats_s: np.ndarray) -> np.ndarray:
    """Rising times of a dancer's steps: on most beats, once they have listened to a few since the music began."""
    rng = np.random.default_rng(0)
    begins = np.flatnonzero(np.diff(beats_s, prepend=-np.inf) > 2.0)
    since = np.arange(len(beats_s)) - begins[np.searchsorted(begins, np.arange(len(beats_s)), side="right") - 1]
    stepped = (since >= LISTENED_BEATS) & (rng.uniform(size=len(beats_s)) < STEP_SHARE)
    return np.sort(beats_s[stepped] + rng.normal(0.0, STEP_S, int(stepped.sum())))


def judge(pieces: Iterable[Piece], track: dict[str, Track], done: Callable[[], None] = lambda: None) -> list[Judged]:
    """Every piece by every tracker; ``done`` is called after each piece."""
    judged = []
    for piece in pieces:
        groove = play(piece)
        ones = groove.beat_times_s[groove.downbeats]
        for name, listen in track.items():
            score = score_beats(listen(groove), groove.beat_times_s, ones, disturbed_s=DISTURBED_S.get(piece.trial))
            judged.append(Judged(piece, name, score))
        done()
    return judged


def no_music(seed: int = 0, seconds: float = SECONDS) -> Iterator[tuple[str, np.ndarray]]:
    """Sounds in which there is no beat: name and (N,) samples; each seed has speakers and crowds of its own."""
    samples = round(seconds * RATE_HZ)
    noise = np.random.default_rng(seed).normal(size=samples)
    yield from {"silence": np.zeros(samples), "hiss": 1e-4 * noise, "loud noise": 0.1 * noise}.items()
    for k in range(VOICES):
        yield f"voice {k + 1}", 0.3 * voice(seconds, np.random.default_rng(VOICES * seed + k))
    for k in range(CROWDS):
        yield f"crowd {k + 1}", 0.1 * crowd(seconds, np.random.default_rng((seed, k)))


def false_locks(seed: int = 0, seconds: float = SECONDS) -> dict[str, float]:
    """[0, 1] share of the time in which a beat was announced where there is none, by sound."""
    return {name: false_lock_share(BeatTracker().push(sound)) for name, sound in no_music(seed, seconds)}


@dataclass(frozen=True)
class Summary:
    """Scores of several pieces together."""

    pieces: int
    f: float
    amlt: float
    downbeat_f: float
    lock_median_s: float
    locked_in_time: float
    """Share of pieces that were locked within ``IN_TIME_S``."""
    recovery_median_s: float
    recovered_in_time: float
    predicted_median_s: float
    predicted_p90_s: float


IN_TIME_S = 4.0
USUAL = "usual tempi"


def aims(found: Summary, locks: dict[str, float]) -> list[Aim]:
    """What was measured beside what it should be; ``locks`` as ``false_locks`` has them."""
    held = [
        Aim("F of the beats (70 ms)", "", found.f, 0.92, at_least=True),
        Aim("AMLt", "", found.amlt, 0.96, at_least=True),
        Aim(f"locked after, median ({found.locked_in_time:.0%} within)", "s", found.lock_median_s, IN_TIME_S),
        Aim("F of the downbeats", "", found.downbeat_f, 0.7, at_least=True),
        Aim("announced next beat off, median", "ms", 1e3 * found.predicted_median_s, 25.0),
        Aim("a beat where there is none, most of a sound", "%", 100.0 * max(locks.values()), 0.0),
    ]
    if not math.isnan(found.recovery_median_s):
        what = f"back after a jump or a silence, median ({found.recovered_in_time:.0%} within)"
        held.insert(3, Aim(what, "s", found.recovery_median_s, IN_TIME_S))
    return held


def summarise(judged: list[Judged]) -> Summary:
    """Means of the scores; medians of times. Not a number where nothing was to recover from."""
    scores = [each.score for each in judged]
    locks = np.array([score.lock_s for score in scores])
    recoveries = np.array([score.recovery_s for score in scores if score.recovery_s is not None])
    some = len(recoveries) > 0
    return Summary(
        pieces=len(scores),
        f=float(np.mean([score.f for score in scores])),
        amlt=float(np.mean([score.amlt for score in scores])),
        downbeat_f=float(np.mean([score.downbeat_f for score in scores])),
        lock_median_s=float(np.median(locks)),
        locked_in_time=float(np.mean(locks < IN_TIME_S)),
        recovery_median_s=float(np.median(recoveries)) if some else float("nan"),
        recovered_in_time=float(np.mean(recoveries < IN_TIME_S)) if some else float("nan"),
        predicted_median_s=float(np.median([score.predicted_median_s for score in scores])),
        predicted_p90_s=float(np.median([score.predicted_p90_s for score in scores])),
    )


def tables(judged: list[Judged]) -> dict[str, dict[str, Summary]]:
    """Summaries by tracker, then by style, by trial, of the usual tempi alone and of all."""
    found: dict[str, dict[str, Summary]] = {}
    for tracker in dict.fromkeys(each.tracker for each in judged):
        own = [each for each in judged if each.tracker == tracker]
        groups: dict[str, list[Judged]] = {}
        for each in own:
            groups.setdefault(each.piece.style, []).append(each)
        for each in own:
            groups.setdefault(f"({each.piece.trial})", []).append(each)
        if usual := [each for each in own if each.piece.trial is not Trial.BEYOND]:
            groups[USUAL] = usual
        found[tracker] = {name: summarise(group) for name, group in groups.items()} | {"all": summarise(own)}
    return found
