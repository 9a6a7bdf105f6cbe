"""What a training run says about itself, beside its weights: everything a contract and a model card need to know."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from duet.errors import InputError
from duet.files import written_whole

RELEASE_FILE = "release.json"
BEST_FOLDER = "best"
"""In a run's folder: the weights that danced best so far, and their release."""


@dataclass(frozen=True)
class Release:
    """Written by training as ``release.json`` in the run's folder, read by export."""

    name: str
    """As in ``followers/<name>``."""
    style: tuple[float, ...]
    """The style token a performance starts with."""
    observed_delay_frames: int
    """Greatest age of the newest leader measurement in training, counted from the plan's first frame."""
    root_leak: float
    distance_m: float
    training_data: str
    """What it was trained on, with the acknowledgement the data asks for."""
    licence: str
    command: str
    """The command that repeats the training."""
    seeds: tuple[int, ...]
    bank: str = ""
    """Retrieval bank, a file name in the run's folder; "" for none. May hold only motion made by this project."""
    results: str = ""
    """Markdown: what was measured on validation takes, and against what."""
    limits: str = ""
    """Markdown: what it cannot do."""

    def write(self, folder: Path) -> None:
        """Save into ``folder``."""
        with written_whole(folder / RELEASE_FILE) as part:
            part.write_text(json.dumps(asdict(self), indent=2) + "\n")


def read_release(folder: Path) -> Release:
    """The release of a training run; InputError names what is missing."""
    path = folder / RELEASE_FILE
    if not path.is_file():
        raise InputError(
            f"{folder}: expected {RELEASE_FILE} in it, got none. Give the folder of a finished training run."
        )
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        known = {field.name for field in fields(Release)}
        if not isinstance(values, dict) or set(values) != known:
            raise ValueError(f"fields {sorted(values)}")
        values |= {name: tuple(values[name]) for name in ("style", "seeds")}
        return Release(**values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected the fields of a release, got {error}. Train again with this version."
        ) from error
