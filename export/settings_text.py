"""The settings of a training as text for ``--help``: names, defaults and meanings, read from the source.

Importing the classes would import torch, and a help that takes seconds is not asked for.
"""

import ast
import importlib.util
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = {
    "multiply": "Multiplication",
    "codec": "CodecTraining",
    "how": "DenoiserTraining",
    "schedule": "Schedule",
    "follower": "FollowerConfig",
}
"""Groups of settings as on the command line, and their classes."""
FIXED = frozenset(
    f"follower.{name}"
    for name in (
        "name", "fps", "token_frames", "leader_width", "leader_flags", "music_width", "place_width", "style_width",
        "codec.stream_widths", "codec.contacts", "denoiser.dropout", "denoiser.folded_guidance",
    )
)  # fmt: skip
"""What the features, the clock or another setting say: not to be set by itself."""
_FOLLOWING = ("follower.sampler.", "follower.forecaster.")
"""As schedule.sampler, with which the follower is judged; as the forecaster that is given."""
_MODULES = (
    "models.codec",
    "models.config",
    "models.data.corpus",
    "models.training.codec_stage",
    "models.training.denoiser_stage",
    "models.training.settings",
)
_WIDTH = 118


@dataclass(frozen=True)
class Setting:
    """One setting as its class declares it."""

    name: str
    default: str
    """As written in Python; "" where there is none."""
    meaning: str
    """The first sentence of what is said about it."""


def settings_text() -> str:
    """All settings, one a line."""
    lines = []
    for setting in all_settings():
        if not settable(setting.name):
            continue
        head = f"  {setting.name}" + (f" = {setting.default}" if setting.default else "")
        head = f"{head:<44}  "
        meaning = textwrap.shorten(setting.meaning, _WIDTH - len(head), placeholder=" ...")
        lines.append((head + meaning).rstrip())
    return "\n".join(lines)


def settable(name: str) -> bool:
    """Whether a setting may be given on the command line; what is hidden is for ablations, which keep no weights."""
    return name not in FIXED and name != "hide" and not name.startswith(_FOLLOWING)


def all_settings() -> list[Setting]:
    """Every setting by dotted name, group by group."""
    classes = _classes()
    return [setting for head, name in GROUPS.items() for setting in _settings(classes[name], f"{head}.", classes)]


def _settings(found: ast.ClassDef, head: str, classes: dict[str, ast.ClassDef]) -> Iterator[Setting]:
    following = [*found.body[1:], None]
    for statement, after in zip(found.body, following, strict=True):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        name, kind = head + statement.target.id, ast.unparse(statement.annotation)
        if kind in classes:
            yield from _settings(classes[kind], f"{name}.", classes)
            continue
        default, meaning = _default(statement.value)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            meaning = str(after.value.value)
        yield Setting(name, default, meaning.split(". ")[0].split("\n\n")[0].replace("\n", " ").rstrip("."))


def _default(value: ast.expr | None) -> tuple[str, str]:
    """The default as text, and what an option says of itself."""
    if value is None:
        return "", ""
    if isinstance(value, ast.Call):
        said = [a.value for a in value.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return ("False", said[0].capitalize()) if said else ("", "")
    return ast.unparse(value).strip("()").replace("'", ""), ""


def _classes() -> dict[str, ast.ClassDef]:
    found = {}
    for module in _MODULES:
        spec = importlib.util.find_spec(module)
        assert spec is not None and spec.origin is not None
        for statement in ast.parse(Path(spec.origin).read_text()).body:
            if isinstance(statement, ast.ClassDef):
                found[statement.name] = statement
    return found
