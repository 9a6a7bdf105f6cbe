"""The files that are written, held apart from each other and from those that are read."""

import os
from collections.abc import Mapping
from pathlib import Path

from duet.errors import InputError
from ui.drawing.wardrobe import own_file
from ui.options import Output


def outputs_of(output: Output) -> dict[str, Path]:
    """What a performance writes, by the options that ask for it."""
    asked = {
        "--out": output.film if output.headless else None,
        "--save-motion": output.motion,
        "--report": output.report,
        "--log": output.log,
        "--record": output.record,
    }
    return {name: path for name, path in asked.items() if path is not None}


def inputs_of(output: Output) -> dict[str, Path]:
    """What a performance reads beside leader and music, by the options that name it."""
    asked = {"--follower": output.follower, "--also": output.also, "--show": output.show}
    bodies = {"--leader-avatar": output.staging.leader, "--follower-avatar": output.staging.follower}
    asked |= {name: own_file(body) for name, body in bodies.items()}
    return {name: path for name, path in asked.items() if path is not None}


def check_apart(outputs: Mapping[str, Path | None], inputs: Mapping[str, str | Path | None]) -> None:
    """InputError where two outputs are one file, or where one would take the place of an input, or of a file that is in
    it already.

    Both by what asks for them; inputs that are no files, such as devices, are told apart from anything.
    """
    seen: dict[str, Path] = {}
    for name, path in outputs.items():
        if path is None:
            continue
        for other, there in seen.items():
            if _is_same(path, there):
                raise InputError(
                    f"{path}: expected a file for each output, got one for {other} and {name}. "
                    "Give them different names."
                )
        for other, there in inputs.items():
            if there is not None and os.path.exists(there) and _is_same(path, Path(there)):
                raise InputError(
                    f"{name} {path}: expected a file of its own to write, got what {other} names. Name another file."
                )
        seen[name] = path


def _is_same(path: Path, there: Path) -> bool:
    """Whether they are one file, by whatever names, or ``path`` is one of the files in the folder ``there``."""
    if os.path.exists(path) and os.path.exists(there) and os.path.samefile(path, there):
        return True
    path, there = path.expanduser().resolve(), there.expanduser().resolve()
    return path == there or (os.path.isfile(path) and there in path.parents)
