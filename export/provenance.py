"""What a follower learned from, over all the runs that led to it: whose couples, under which terms, and so told."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from duet.bank_file import load_bank
from models.data.bank import CHOREOGRAPHED
from models.data.corpus import Multiplication
from models.data.couples import CMU, Couples
from models.data.sources import SOURCES
from models.follower import WEIGHTS_FILE
from models.release import RELEASE_FILE, Release, read_release
from models.training.run import settings_beside
from models.training.settings import weights_digest

FINISHED = "finished"
"""In the origin of a follower that was finished: the options of every ``duet-lab finish``, in order."""
LIMITS = """\
It learned from minutes of one couple dancing salsa. With other dances, other partners, or a leader who does not
dance, expect it to sway, drift or repeat itself. Fingers and faces are not moved; hands do not meet."""
OTHER_LIMITS = """\
It knows the dances of the couples it learned from. With others, or a leader who does not dance, expect it to sway,
drift or repeat itself. Fingers and faces are not moved; hands do not meet."""
FREE_DATA = "The recordings are free for use in research and commercial projects worldwide."
BOUND_DATA = "The terms of the recordings hold for what learned from them, too."
UNTOLD = "What it began with learned from recordings whose names were not kept."
_FREE, _BOUND = (f"Apache-2.0 (weights). {terms}" for terms in (FREE_DATA, BOUND_DATA))
_BEGAN_UNDER = " What it began with: "
_NONE_HELD = "Nothing of the recordings is in this folder."
_HELD = "The bank in this folder holds motion of"
_BEGINNINGS = ("start", "codec", "forecaster")
"""In a run's origin: digests of the weights that it began with. Their settings lie beside, where they were known."""


def with_data(
    release: Release, values: dict[str, Any], former: Release | None = None, bank: Path | None = None
) -> Release:
    """``release`` with the data, the licence and the usual limits of a run whose frozen settings are ``values``.

    All runs that led to it count. ``former``: the release of what the run began with, which speaks for what the
    settings do not tell. ``bank``: the reference dances in the follower's folder.
    """
    runs, before, licence = _runs(values), "", _BOUND
    names = tuple(dict.fromkeys(name for run in runs for name in _names(run) if name in SOURCES))
    lost = any(_lost(run) for run in runs)
    free = names == (CMU,) and (not lost or (former is not None and former.licence == _FREE))
    if lost:
        before = UNTOLD if former is None else _told_before(former)
    if free:
        licence = _FREE
    elif lost and former is not None and (words := former.licence.rpartition(_BEGAN_UNDER)[2]) not in (_FREE, _BOUND):
        licence = f"{_BOUND}{_BEGAN_UNDER}{words}"
    return replace(
        release,
        training_data=" ".join(text for text in (_text(runs, names, free=free), before, _held(bank)) if text),
        licence=licence,
        limits=OTHER_LIMITS if release.limits == LIMITS and not free else release.limits,
    )


def release_before(start: Path | None) -> Release | None:
    """The release of what a run begins with, the folder ``start``, where its settings do not tell all of its data."""
    if start is None or not (start / RELEASE_FILE).is_file():
        return None
    known = settings_beside(start / WEIGHTS_FILE)
    return read_release(start) if known is None or any(_lost(run) for run in _runs(known)) else None


def going_on(weights: Path, couples: Couples, multiply: Multiplication) -> dict[str, Any]:
    """Settings, as far as a card tells of them, of what learned from ``couples`` after the follower in ``weights``."""
    known = settings_beside(weights / WEIGHTS_FILE)
    origin = {"datasets": list(couples.datasets), "start": weights_digest(weights / WEIGHTS_FILE)}
    return {"multiply": asdict(multiply), "origin": origin | ({"start_settings": known} if known else {})}


def datasets_of(values: dict[str, Any]) -> tuple[str, ...]:
    """The data sets of a run whose frozen settings are ``values``; none where it does not say."""
    return tuple((values.get("origin") or {}).get("datasets") or ())


def datasets_named(weights: Path) -> str:
    """The data sets of the run whose weights lie in ``weights``, as ``--dataset`` names them; "" for no word of it."""
    return ",".join(datasets_of(settings_beside(weights / WEIGHTS_FILE) or {}))


def other_datasets(weights: Path, couples: Couples) -> str:
    """The data sets of ``couples``, as ``--dataset`` names them; "" where they follow from the run of ``weights``."""
    usual = datasets_of(settings_beside(weights / WEIGHTS_FILE) or {}) or (CMU,)
    return "" if couples.datasets == usual else ",".join(couples.datasets)


def multiplied(weights: Path) -> Multiplication:
    """How the couples of the run of ``weights`` were multiplied, where it says so: what goes on from it learns beside
    the same ones."""
    values: dict[str, Any] = (settings_beside(weights / WEIGHTS_FILE) or {}).get("multiply") or {}
    known = {field.name for field in fields(Multiplication)}
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return Multiplication(**{name: value for name, value in given.items() if name in known})


def finishings(origin: dict[str, Any]) -> list[list[str]]:
    """The options of every ``duet-lab finish`` in a run's origin, in order; older settings hold one, and no list."""
    given = origin.get(FINISHED) or []
    return [given] if given and isinstance(given[0], str) else given


def _runs(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The settings of every run that led to the one of ``values``: the first ones first, itself last."""
    origin = values.get("origin") or {}
    before = [known for source in _BEGINNINGS if (known := origin.get(f"{source}_settings"))]
    return [*(run for known in before for run in _runs(known)), values]


def _names(run: dict[str, Any]) -> list[str]:
    """The data sets of one run and of its finishings. What says nothing is older than all data sets but CMU."""
    origin = run.get("origin") or {}
    own = datasets_of(run) or (() if _says_nothing(origin) else (CMU,))
    later = [words[words.index("--dataset") + 1] for words in finishings(origin) if "--dataset" in words]
    return [*own, *(name.strip() for names in later for name in names.split(","))]


def _lost(run: dict[str, Any]) -> bool:
    """Whether something that one run learned from is not told: weights without settings, or a name that is no name."""
    origin = run.get("origin") or {}
    unknown = any(origin.get(source) and not origin.get(f"{source}_settings") for source in _BEGINNINGS)
    of_this_age = "datasets" in origin or _says_nothing(origin)
    return (of_this_age and unknown) or any(name not in SOURCES for name in _names(run))


def _says_nothing(origin: dict[str, Any]) -> bool:
    """Whether a run is a student's that names no data sets, which those of its teacher need not be."""
    return "distillation" in origin and "datasets" not in origin


def _told_before(former: Release) -> str:
    """What a follower that others began with learned from; what lay in its own folder is left out."""
    text = former.training_data.partition(_HELD)[0].replace(_NONE_HELD, "").strip()
    return f"It began with a follower that learned from this: {text}" if text else UNTOLD


def _text(runs: list[dict[str, Any]], names: tuple[str, ...], *, free: bool) -> str:
    """What was learned from in ``runs``, in sentences; ``free``: from the CMU takes alone."""
    ways = [run.get("multiply") or {} for run in runs]
    text = " ".join([*(SOURCES[name].licence for name in names), "Mirrored"])
    if any(how.get("swapped") for how in ways):
        text += ", with exchanged roles"
    text += " and varied in tempo and distance; "
    no_music = "no music was recorded, beats were put on the steps."
    text += no_music if free else "where no music was recorded, beats were put on the steps."
    # A forecaster's run tells of no multiplication: it makes leaders in code, and no couples.
    counts = {(how.get("choreographed", 0) + how.get("everyday", 0), how.get("everyday", 0)) for how in ways if how}
    coded, everyday = max(counts, default=(0, 0))
    if coded:
        up_to, to_a_run = ("Up to ", " to a run") if len(counts) > 1 else ("", "")
        text += (
            f" {up_to}{coded} couples choreographed in code by this project were added{to_a_run}, {everyday} of "
            "them beside a leader who does everyday things."
        )
    return text


def _held(bank: Path | None) -> str:
    """Whose recorded motion lies in the bank of a follower's folder; a bank may be all made in code."""
    origin = CHOREOGRAPHED if bank is None else load_bank(bank).origin
    return _NONE_HELD if CHOREOGRAPHED in origin else f"{_HELD} {origin}: the terms of the recordings hold for it."
