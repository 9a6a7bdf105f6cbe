"""Which key and which MIDI knob turns which control: the table's own keys, and what was learned for a show."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from duet.errors import InputError
from ui.control_table import CONTROLS
from ui.drawing.letters import UNBROKEN
from ui.key_names import KEY_NAMES

USUAL_KEYS: Mapping[str, str] = MappingProxyType({c.key: name for name, c in CONTROLS.items() if c.key})
_TOLD = (
    "freeze", "fade", "panic", "dance", "tap", "stage", "camera", "leader_as", "sight", "hud", "display", "panel",
    "learn",
)  # fmt: skip
"""What is told of them in the window: where there is room for one look."""
_ENDS = "Escape or Q ends"
_MIDI = re.compile(r"(note|cc) ([1-9]|1[0-6]) (\d|[1-9]\d|1[01]\d|12[0-7])\Z")


@dataclass(frozen=True)
class Bindings:
    """Keys and MIDI messages (``cc 1 7``, ``note 10 36``: channel, number) to names of controls."""

    keys: Mapping[str, str] = field(default_factory=lambda: dict(USUAL_KEYS))
    midi: Mapping[str, str] = field(default_factory=dict)

    def with_key(self, key: str, control: str) -> Self:
        """``key`` turns ``control`` from now on, and no other key does."""
        return replace(self, keys=_rebound(self.keys, key, control))

    def with_midi(self, event: str, control: str) -> Self:
        """``event`` turns ``control`` from now on, and no other knob does."""
        return replace(self, midi=_rebound(self.midi, event, control))

    def of(self, control: str) -> tuple[str, ...]:
        """Keys and knobs that turn a control."""
        both = (*self.keys.items(), *self.midi.items())
        return tuple(source for source, name in both if name == control)

    def told(self) -> str:
        """The keys for the stage, and those that end it, in a few words.

        No line is broken between a key and what it does: the blanks there are ``UNBROKEN``.
        """
        named = [(self.of(name), CONTROLS[name].label.lower()) for name in _TOLD]
        told = [f"{sources[0].capitalize()} {label}".replace(" ", UNBROKEN) for sources, label in named if sources]
        return f"{', '.join(told)}; {_ENDS.replace(' ', UNBROKEN)}"

    def values(self) -> dict[str, dict[str, str]]:
        """As a show's file keeps them: keys that are not the usual ones, and every knob."""
        keys = {k: n for k, n in self.keys.items() if USUAL_KEYS.get(k) != n}
        keys |= {k: "" for k in USUAL_KEYS if k not in self.keys}
        return {"keys": keys, "midi": dict(self.midi)}

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> Self:
        """From a show's file. InputError for a control, or a key, that is not there, or a knob that cannot be."""
        given = {part: values.get(part, {}) for part in ("keys", "midi")}
        for part, table in given.items():
            if not isinstance(table, dict):
                raise InputError(f'[panel.{part}]: expected lines such as x = "panic", got {table!r}.')
            for source, name in table.items():
                if not isinstance(name, str) or (name not in CONTROLS and not (part == "keys" and name == "")):
                    raise InputError(f"[panel.{part}] {source}: expected a control, got {name!r}.")
                if part == "keys" and source not in KEY_NAMES:
                    raise InputError(_no_key(source))
                if part == "midi" and not _MIDI.match(source):
                    raise InputError(f'[panel.midi]: expected "cc CHANNEL NUMBER" or "note ...", got {source!r}.')
        keys = {**USUAL_KEYS, **given["keys"]}
        return cls({k: n for k, n in keys.items() if n}, dict(given["midi"]))


def _no_key(source: str) -> str:
    near = difflib.get_close_matches(source.lower(), KEY_NAMES, 1)
    advice = f"Did you mean {near[0]}?" if near else f"Write one of {', '.join(KEY_NAMES)}."
    return f"[panel.keys]: expected a key by its name, such as x, f5, space or page_up, got {source!r}. {advice}"


def _rebound(table: Mapping[str, str], source: str, control: str) -> dict[str, str]:
    return {**{k: n for k, n in table.items() if n != control}, source: control}
