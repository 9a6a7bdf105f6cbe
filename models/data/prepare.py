"""Recordings made ready to learn from: read, measured, put on BODY, paired with music, and kept.

Every take is kept in one file that is named after all it follows from: the content of its files and the code that
reads them. So a prepare that was stopped goes on where it was, a changed source is done again, and nothing is ever half
there. What cannot be used is refused with a sentence; the others go on.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache as once
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet import asf, bvh, features, kinematics, motion, rotations, skeleton, sound_file
from duet.cache import cache_directory
from duet.errors import InputError
from duet.motion import Motion
from duet.music import RATE_HZ, mono
from duet.skeleton import BODY
from duet.sound_file import load_sound
from models.data import beats, checks, kept, landings, pairs, positions, recording, smpl, unpickle
from models.data import music as heard
from models.data.beats import step_beats
from models.data.checks import FPS, SHORTEST_S, landings_per_s, music_covers, settle
from models.data.pairs import Pair, together
from models.data.recording import SPLITS, Finding, Recording
from models.data.sources import AUTO, SOURCES, recordings

Floats = NDArray[np.float32]

FOLDER = "prepared"
"""Where prepared takes are kept, in the cache folder."""
MADE, REAL, NONE = "made", "recorded", "none"
FEWEST_BEATS = 8


@dataclass(frozen=True)
class Prepared:
    """A take as training will see it."""

    recording: Recording
    leader: Motion
    """The one who dances, in a solo."""
    follower: Motion | None
    findings: tuple[Finding, ...]
    music: str
    """``REAL``: a sound file of the data set; ``MADE``: none was recorded, the built-in salsa is put on the steps."""
    beats_s: NDArray[np.float64]
    """Of the music, in seconds from frame 0."""
    steps_per_minute: float
    """Tempo of the steps: of the beats found in them in a couple, of the landings in a solo."""
    conditions: Floats | None = None
    """(T, 8) the recorded music as heard live."""

    @property
    def pair(self) -> Pair:
        """The couple. Its beats and what it heard are set where there is recorded music."""
        assert self.follower is not None
        known = self.beats_s if self.music == REAL and len(self.beats_s) >= FEWEST_BEATS else None
        return Pair(self.recording.name, self.leader, self.follower, known, self.conditions)

    @property
    def seconds(self) -> float:
        """Length."""
        return self.leader.seconds

    @property
    def distance_m(self) -> float | None:
        """Mean distance of the two pelvises; None in a solo."""
        return None if self.follower is None else float(self.pair.distances_m().mean())


@dataclass(frozen=True)
class Refused:
    """A take that cannot be used."""

    recording: Recording
    why: str


def prepare(found: list[Recording], cache: Path | None = None) -> Iterator[Prepared | Refused]:
    """Every recording made ready, one after the other; those done before are only fetched. ``cache``: the folder."""
    folder = cache or cache_directory()
    kept.sweep(folder / FOLDER)
    for one in found:
        try:
            done = ready(one, folder)
        except InputError as error:
            yield Refused(one, str(error))
        else:
            yield done


def load_prepared(data_dir: str | Path, split: str, dataset: str = AUTO, cache: Path | None = None) -> list[Prepared]:
    """Every take of ``split``; InputError for the first that cannot be used."""
    if split not in SPLITS:
        raise InputError(f"Split: expected one of {', '.join(SPLITS)}, got {split!r}. Choose one of them.")
    folder = cache or cache_directory()
    return [ready(one, folder) for one in recordings(data_dir, dataset) if one.split == split]


def load_solos(
    data_dir: str | Path, split: str, dataset: str = AUTO, cache: Path | None = None
) -> list[tuple[str, Motion]]:
    """``(name, dancer)`` of every solo of ``split``, for the codec and the forecaster."""
    done = load_prepared(data_dir, split, dataset, cache)
    return [(one.recording.name, one.leader) for one in done if one.follower is None]


def ready(one: Recording, folder: Path) -> Prepared:
    """A recording made ready, fetched from the cache ``folder`` where it is there."""
    one.require()
    path = folder / FOLDER / one.dataset / f"{one.name}.{_key(one)}.npz"
    held = kept.fetch(path)
    done = None if held is None else _from_arrays(one, held)
    if done is None:
        done = _make(one)
        kept.keep(path, _to_arrays(done))
        for old in path.parent.glob(f"{one.name}.????????????????????????.npz"):
            if old != path:
                old.unlink(missing_ok=True)
    return done


def _key(one: Recording) -> str:
    genders = ("neutral", "male", "female") if one.dataset in ("dd100", "interdance") else ()
    models = dict.fromkeys(smpl.model_file(gender) for gender in genders)
    contents = [(path.name, kept.content_digest(path)) for path in (*one.files, *(m for m in models if m))]
    reader = sys.modules[SOURCES[one.dataset].read.__module__]
    return kept.key_of(_version(), kept.source_version(reader), one.name, one.split, contents)


@once
def _version() -> str:
    """Of all code between a file and a prepared take."""
    own = (beats, checks, landings, pairs, positions, recording, smpl, unpickle, sys.modules[__name__])
    return (
        kept.source_version(asf, bvh, features, kinematics, motion, rotations, skeleton, sound_file, *own)
        + heard.version()
    )


def _make(one: Recording) -> Prepared:
    source = SOURCES[one.dataset]
    dancers, findings = source.read(one)
    motions, measured = settle(one.name, dancers, up=source.up)
    findings = [*findings, *measured]
    frames = min(dancer.frames for dancer in motions.values())
    if max(dancer.frames for dancer in motions.values()) - frames > FPS:
        counts = " and ".join(f"{dancer.seconds:.1f} s" for dancer in motions.values())
        findings.append(Finding("uneven", f"The dancers were recorded for {counts}: cut to the shorter.", warning=True))
    start, stop = 0, frames
    conditions, beats_s = None, np.zeros(0)
    if one.music is not None:
        samples = mono(load_sound(one.music))
        music_s = len(samples) / RATE_HZ
        found = music_covers(one.name, music_s, frames / FPS)
        findings += found
        stop = min(frames, int(music_s * FPS)) if found else frames
        conditions, beats_s = heard.heard_recording(samples, frames, FPS)
    follower = motions.get("follower")
    if follower is not None:
        couple = Pair(one.name, motions["leader"].slice(0, stop), follower.slice(0, stop))
        start, stop = together(couple, one.flawed_start_s)
        if start or stop < couple.frames:
            cut = f"cut {start / FPS:.1f}+{(couple.frames - stop) / FPS:.1f} s"
            text = (
                f"{start / FPS:.1f} s before and {(couple.frames - stop) / FPS:.1f} s after the couple danced were cut."
            )
            findings.append(Finding(cut, text))
    cut_to = {role: dancer.slice(start, stop) for role, dancer in motions.items()}
    _long_enough(one, (stop - start) / FPS)
    done = Prepared(
        recording=one,
        leader=cut_to["leader"],
        follower=cut_to.get("follower"),
        findings=tuple(findings),
        music=NONE if conditions is None else REAL,
        beats_s=beats_s - start / FPS,
        steps_per_minute=60.0 * landings_per_s(cut_to["leader"]),
        conditions=None if conditions is None else conditions[start:stop],
    )
    return done if done.follower is None else _with_steps(done)


def _long_enough(one: Recording, seconds: float) -> None:
    if seconds < SHORTEST_S:
        what = "together" if one.couple else "of dance"
        raise InputError(
            f"{one.name}: expected at least {SHORTEST_S:g} s {what}, got {seconds:.1f} s. Leave the take out."
        )


def _with_steps(done: Prepared) -> Prepared:
    """With the tempo of the couple's steps, and their beats for the music where none was recorded."""
    steps = step_beats(done.pair)
    if len(steps) < FEWEST_BEATS:
        text = f"Only {len(steps)} beats were found in the steps: no music can be made on them."
        return replace(done, findings=(*done.findings, Finding("no beat", text, warning=True)))
    tempo = float(60.0 / np.median(np.diff(steps)))
    if done.music == REAL:
        return replace(done, steps_per_minute=tempo)
    text = f"No music was recorded: the built-in salsa is played on the {len(steps)} beats of the steps."
    found = (*done.findings, Finding("", text))
    return replace(done, music=MADE, beats_s=steps, steps_per_minute=tempo, findings=found)


def _to_arrays(done: Prepared) -> dict[str, NDArray]:
    about = {
        "music": done.music,
        "steps_per_minute": done.steps_per_minute,
        "findings": [[finding.short, finding.text, finding.warning] for finding in done.findings],
    }
    arrays: dict[str, NDArray] = {"about": np.array(json.dumps(about)), "beats_s": done.beats_s}
    if done.conditions is not None:
        arrays["conditions"] = done.conditions
    for role, dancer in (("leader", done.leader), ("follower", done.follower)):
        if dancer is not None:
            arrays |= {f"{role}_root_m": dancer.root_m, f"{role}_rotations": dancer.rotations}
    return arrays


def _from_arrays(one: Recording, arrays: dict[str, NDArray]) -> Prepared | None:
    """None for a file that is not what ``_to_arrays`` writes."""
    try:
        about = json.loads(str(arrays["about"]))
        dancers = {
            role: Motion(FPS, BODY, arrays[f"{role}_root_m"], arrays[f"{role}_rotations"])
            for role in ("leader", *(["follower"] if one.couple else []))
        }
        return Prepared(
            recording=one,
            leader=dancers["leader"],
            follower=dancers.get("follower"),
            findings=tuple(Finding(*finding) for finding in about["findings"]),
            music=about["music"],
            beats_s=arrays["beats_s"],
            steps_per_minute=about["steps_per_minute"],
            conditions=arrays.get("conditions"),
        )
    except (KeyError, ValueError, TypeError, InputError):
        return None
