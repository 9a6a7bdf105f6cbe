"""How a run came to be: the commands that repeat it, and what the model card says of it."""

import json
import shlex
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from duet.bank_file import load_bank
from duet.errors import InputError
from duet.features import Placement
from duet.files import written_whole
from export.settings_text import settable
from models.config import PRESETS
from models.data.bank import CHOREOGRAPHED
from models.data.corpus import STYLES, Multiplication
from models.data.couples import CMU
from models.data.sequences import DELAYS_FRAMES
from models.data.sources import SOURCES
from models.release import BEST_FOLDER, Release
from models.training.bank_stage import BANK_FILE
from models.training.overrides import flat
from models.training.settings import FREE, SETTINGS_FILE, Settings, plain, read_settings

FINISHED = "finished"
"""In the origin of a follower that was finished: the options of ``duet-lab finish``."""
LIMITS = """\
It learned from minutes of one couple dancing salsa. With other dances, other partners, or a leader who does not
dance, expect it to sway, drift or repeat itself. Fingers and faces are not moved; hands do not meet."""
OTHER_LIMITS = """\
It knows the dances of the couples it learned from. With others, or a leader who does not dance, expect it to sway,
drift or repeat itself. Fingers and faces are not moved; hands do not meet."""
FREE_DATA = "The recordings are free for use in research and commercial projects worldwide."
BOUND_DATA = "The terms of the recordings hold for what learned from them, too."


def describe_run(run: Path, name: str, *, results: str = "", limits: str = "") -> Release:
    """Write down beside a run's best weights what contract and model card need, all of it from the run itself."""
    values, bank = read_settings(run), ""
    datasets = datasets_of(values) or (CMU,)
    free = datasets == (CMU,)
    if values["how"].get("references"):
        bank = BANK_FILE
        with written_whole(run / BEST_FOLDER / BANK_FILE) as part:
            shutil.copyfile(run / BANK_FILE, part)
    release = Release(
        name=name,
        style=tuple(float(i == STYLES.index("recorded")) for i in range(values["follower"]["style_width"])),
        observed_delay_frames=DELAYS_FRAMES[1],
        root_leak=values["schedule"]["leak"],
        distance_m=Placement().distance_m,
        training_data=_data(values["multiply"], datasets, _carried(run / BANK_FILE) if bank else ""),
        licence=f"Apache-2.0 (weights). {FREE_DATA if free else BOUND_DATA}",
        command=recipe(values, name),
        seeds=(values["seed"],),
        bank=bank,
        results=results,
        limits=limits or (LIMITS if free else OTHER_LIMITS),
    )
    release.write(run / BEST_FOLDER)
    return release


def datasets_of(values: dict[str, Any]) -> tuple[str, ...]:
    """The data sets of a run whose frozen settings are ``values``; none where it does not say."""
    return tuple((values.get("origin") or {}).get("datasets") or ())


def datasets_named(run_folder: Path) -> str:
    """The data sets of the run in ``run_folder``, as ``--dataset`` names them; "" where it does not say."""
    return ",".join(datasets_of(read_settings(run_folder))) if (run_folder / SETTINGS_FILE).is_file() else ""


def recipe(values: dict[str, Any], name: str = "") -> str:
    """The commands that repeat the run whose frozen settings are ``values``, earlier runs it builds on first."""
    return " && ".join(_commands(values, "RUN", name))


def _commands(values: dict[str, Any], out: str, name: str) -> list[str]:
    """The commands, without the paths of the machine they ran on: the earlier runs are RUN-1, RUN-1-1 and so on."""
    origin = values.get("origin") or {}
    if FINISHED in origin:
        run = {**values, "origin": {key: value for key, value in origin.items() if key != FINISHED}}
        finish = shlex.join([*finish_words(f"{out}-1", out), *origin[FINISHED]])
        return [*_commands(run, f"{out}-1", name), finish]
    preset = values["follower"]["name"]
    if preset not in PRESETS:
        raise InputError(f"Settings: expected a preset's name, got {preset!r}. Train again with this version.")
    words = ["duet-lab", "train", "--data", "DATA", "--out", out, "--preset", preset]
    words += ["--name", name] if name else []
    others = datasets_of(values)
    words += ["--dataset", ",".join(others)] if others not in ((), (CMU,)) else []
    before: list[str] = []
    for option, source in (("--from", "start"), ("--codec", "codec")):
        if origin.get(source):
            words += [option, f"{out}-1"]
            known = origin.get(f"{source}_settings")
            before = _commands(known, f"{out}-1", "") if known else []
    if _waves(values) and not _waves(origin.get("start_settings") or {}):
        before = [*before, "duet-lab forecast --data DATA --out FORECASTER"]
        words += ["--forecaster", "FORECASTER"]
    words += ["--bank", "BANK"] if origin.get("bank") else []
    config = PRESETS[preset]
    usual = flat(plain(Settings(follower=config)))
    usual |= {key.replace("follower.", "schedule."): v for key, v in usual.items() if "follower.sampler" in key}
    if origin.get("start"):
        usual |= inherited(origin.get("start_settings") or {})
    words += ["--seed", str(values["seed"])]
    for key, value in flat({k: v for k, v in values.items() if k not in ("origin", "seed")}).items():
        if settable(key) and key not in FREE and usual.get(key) != value:
            words += ["--set", f"{key}={_written(value)}"]
    return [*before, shlex.join(words)]


def names_in(command: str) -> str:
    """What the names in a recipe stand for, in a sentence or two; says which of its runs it does not make."""
    words = shlex.split(command)
    made = {words[i + 1] for i, word in enumerate(words[:-1]) if word == "--out"}
    used = {words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--from", "--codec")}
    text = "DATA is the folder of the recordings, RUN this run, RUN-1 the one it began with, and so on."
    if "BANK" in words:
        text += " BANK is the file bank.npz of the first run that made one."
    if lost := sorted(used - made):
        text += f" How {' and '.join(lost)} came to be was not kept: these commands repeat the rest."
    return text


def inherited(values: dict[str, Any]) -> dict[str, Any]:
    """Of a run's frozen settings those, by dotted name, that a run which begins with it takes over unless told.

    How the follower is built and sampled is said by its weights; the seed and where a run stops are its own.
    """
    own = ("origin", "seed", "follower", "hide")
    told = flat({key: value for key, value in values.items() if key not in own})
    return {key: v for key, v in told.items() if not key.startswith("schedule.sampler.") and key not in FREE}


def finish_words(run: str, out: str) -> list[str]:
    """The command that finishes ``run``, without its options."""
    return ["duet-lab", "finish", run, "--data", "DATA", "--out", out]


def multiplied(run_folder: Path) -> Multiplication:
    """How the run's couples were multiplied, where it says so: what goes on from it learns beside the same ones."""
    if not (run_folder / SETTINGS_FILE).is_file():
        return Multiplication()
    values: dict[str, Any] = read_settings(run_folder).get("multiply") or {}
    known = {field.name for field in fields(Multiplication)}
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return Multiplication(**{name: value for name, value in given.items() if name in known})


def _waves(values: dict[str, Any]) -> int:
    """Of the forecaster in a run's settings; 0 for none."""
    return values.get("follower", {}).get("forecaster", {}).get("waves", 0)


def _written(value: Any) -> str:
    """A value as ``--set`` reads it."""
    if isinstance(value, list):
        return ",".join(_written(part) for part in value)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _carried(bank: Path) -> str:
    """Whose recorded motion lies in a bank; "" where all of it was made in code."""
    origin = load_bank(bank).origin
    return "" if CHOREOGRAPHED in origin else origin


def _data(multiply: dict[str, Any], datasets: tuple[str, ...], carried: str = "") -> str:
    """What it was trained on, in sentences; ``carried``: whose motion its bank holds."""
    text = " ".join(SOURCES[name].licence for name in datasets) + " Mirrored"
    if multiply.get("swapped"):
        text += ", with exchanged roles"
    text += " and varied in tempo and distance; "
    no_music = "no music was recorded, beats were put on the steps."
    text += no_music if datasets == (CMU,) else "where no music was recorded, beats were put on the steps."
    coded = multiply.get("choreographed", 0) + multiply.get("everyday", 0)
    if coded:
        text += (
            f" {coded} couples choreographed in code by this project were added, {multiply.get('everyday', 0)} of "
            "them beside a leader who does everyday things."
        )
    if carried:
        return f"{text} The bank in this folder holds motion of {carried}: the terms of the recordings hold for it."
    return f"{text} Nothing of the recordings is in this folder."
