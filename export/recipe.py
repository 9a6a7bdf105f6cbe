"""How a run came to be: the commands that repeat it, and what the model card says of it."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from duet.errors import InputError
from duet.features import Placement
from duet.files import written_whole
from export.provenance import FINISHED, LIMITS, datasets_of, finishings, with_data
from export.settings_text import settable
from models.config import PRESETS
from models.data.corpus import STYLES
from models.data.couples import CMU
from models.data.sequences import DELAYS_FRAMES
from models.release import BEST_FOLDER, Release
from models.training.bank_stage import BANK_FILE
from models.training.distil_stage import SCHEDULE
from models.training.overrides import flat
from models.training.settings import FREE, Settings, plain, read_settings


def describe_run(
    run: Path, name: str, *, results: str = "", limits: str = "", former: Release | None = None
) -> Release:
    """Write down beside a run's best weights what contract and model card need, all of it from the run itself.

    ``former``: of what it began with, where the settings do not tell all (``provenance.release_before``).
    """
    values, bank = read_settings(run), ""
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
        training_data="",
        licence="",
        command=recipe(values, name),
        seeds=(values["seed"],),
        bank=bank,
        results=results,
        limits=limits or LIMITS,
    )
    release = with_data(release, values, former, run / BANK_FILE if bank else None)
    release.write(run / BEST_FOLDER)
    return release


def recipe(values: dict[str, Any], name: str = "") -> str:
    """The commands that repeat the run whose frozen settings are ``values``, earlier runs it builds on first."""
    return " && ".join(_commands(values, "RUN", name))


def _commands(values: dict[str, Any], out: str, name: str) -> list[str]:
    """The commands, without the paths of the machine they ran on: the earlier runs are RUN-1, RUN-1-1 and so on."""
    origin = values.get("origin") or {}
    if goes := finishings(origin):
        *former, last = goes
        run = {**values, "origin": {**origin, FINISHED: former}}
        finish = shlex.join([*finish_words(f"{out}-1", out), *last])
        return [*_commands(run, f"{out}-1", name), finish]
    if "distillation" in origin:
        return _distilled(values, out)
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
    if origin.get("forecaster") or (_waves(values) and not _waves(origin.get("start_settings") or {})):
        others = datasets_of(origin.get("forecaster_settings") or {})
        told = ["--dataset", ",".join(others)] if others not in ((), (CMU,)) else []
        before = [*before, shlex.join(["duet-lab", "forecast", "--data", "DATA", "--out", "FORECASTER", *told])]
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


def _distilled(values: dict[str, Any], out: str) -> list[str]:
    """The commands of a student whose frozen settings are ``values``; see ``_commands``."""
    origin = values["origin"]
    teacher = origin.get("start_settings") or {}
    words = ["duet-lab", "distil", f"{out}-1", "--data", "DATA", "--out", out]
    words += ["--calls", str(values["follower"]["sampler"]["calls"]), "--seed", str(values["seed"])]
    words += ["--teacher-calls", str(origin["distillation"]["teacher"]["calls"])]
    steps, own = values["schedule"]["steps"], datasets_of(values)
    words += ["--steps", str(steps)] if steps != SCHEDULE.steps else []
    words += ["--dataset", ",".join(own)] if own not in ((), datasets_of(teacher) or (CMU,)) else []
    return [*(_commands(teacher, f"{out}-1", "") if teacher else []), shlex.join(words)]


def names_in(command: str) -> str:
    """What the names in a recipe stand for, in a sentence or two; says which of its runs it does not make."""
    words = shlex.split(command)
    made = {words[i + 1] for i, word in enumerate(words[:-1]) if word == "--out"}
    used = {words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--from", "--codec", "distil")}
    text = "DATA is the folder of the recordings, RUN this run, RUN-1 the one it began with, and so on."
    if "BANK" in words:
        text += " BANK is the file bank.npz of the first run that made one."
    if "FORECASTER" in words:
        text += " FORECASTER is the file that duet-lab forecast writes."
    if lost := sorted(used - made):
        text += f" How {' and '.join(lost)} came to be was not kept: these commands repeat the rest."
        if any(words[i : i + 2] == ["--codec", name] for name in lost for i in range(len(words))):
            text += " Without the option --codec a run trains a codec of its own."
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


def _waves(values: dict[str, Any]) -> int:
    """Of the forecaster in a run's settings; 0 for none."""
    return values.get("follower", {}).get("forecaster", {}).get("waves", 0)


def _written(value: Any) -> str:
    """A value as ``--set`` reads it."""
    if isinstance(value, list):
        return ",".join(_written(part) for part in value)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
