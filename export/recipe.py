"""How a run came to be: the commands that repeat it, and what the model card says of it."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from duet.errors import InputError
from duet.features import Placement
from duet.files import written_whole
from export.commands.command_line import BEST_FOLDER
from export.settings_text import settable
from models.config import PRESETS
from models.data.corpus import STYLES
from models.data.pairs import CMU_DATA
from models.data.sequences import DELAYS_FRAMES
from models.release import Release
from models.training.bank_stage import BANK_FILE
from models.training.settings import FREE, Settings, flat, plain, read_settings

LIMITS = """\
It learned from minutes of one couple dancing salsa. With other dances, other partners, or a leader who does not
dance, expect it to sway, drift or repeat itself. Fingers and faces are not moved; hands do not meet."""


def describe_run(run: Path, name: str, *, results: str = "", limits: str = LIMITS) -> Release:
    """Write down beside a run's best weights what contract and model card need, all of it from the run itself."""
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
        training_data=_data(values["multiply"]),
        licence="Apache-2.0 (weights). The recordings are free for use in research and commercial projects worldwide.",
        command=recipe(values, name),
        seeds=(values["seed"],),
        bank=bank,
        results=results,
        limits=limits,
    )
    release.write(run / BEST_FOLDER)
    return release


def recipe(values: dict[str, Any], name: str = "") -> str:
    """The commands that repeat the run whose frozen settings are ``values``, earlier runs it builds on first."""
    return " && ".join(_commands(values, "RUN", name))


def _commands(values: dict[str, Any], out: str, name: str) -> list[str]:
    """The commands, without the paths of the machine they ran on: the earlier runs are RUN-1, RUN-1-1 and so on."""
    preset = values["follower"]["name"]
    if preset not in PRESETS:
        raise InputError(f"Settings: expected a preset's name, got {preset!r}. Train again with this version.")
    words = ["duet-lab", "train", "--data", "DATA", "--out", out, "--preset", preset]
    words += ["--name", name] if name else []
    origin, before = values.get("origin") or {}, []
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
    words += ["--seed", str(values["seed"])]
    for key, value in flat({k: v for k, v in values.items() if k not in ("origin", "seed")}).items():
        if settable(key) and key not in FREE and usual.get(key) != value:
            words += ["--set", f"{key}={_written(value)}"]
    return [*before, shlex.join(words)]


def _waves(values: dict[str, Any]) -> int:
    """Of the forecaster in a run's settings; 0 for none."""
    return values.get("follower", {}).get("forecaster", {}).get("waves", 0)


def _written(value: Any) -> str:
    """A value as ``--set`` reads it."""
    if isinstance(value, list):
        return ",".join(_written(part) for part in value)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _data(multiply: dict[str, Any]) -> str:
    """What it was trained on, in sentences."""
    text = f"{CMU_DATA} Mirrored"
    if multiply.get("swapped"):
        text += ", with exchanged roles"
    text += " and varied in tempo and distance; no music was recorded, beats were put on the steps."
    coded = multiply.get("choreographed", 0) + multiply.get("everyday", 0)
    if coded:
        text += (
            f" {coded} couples choreographed in code by this project were added, {multiply.get('everyday', 0)} of "
            "them beside a leader who does everyday things."
        )
    return f"{text} Nothing of the recordings is in this folder."
