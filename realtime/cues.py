"""A show's cues: what is asked of the follower at its time, or when somebody calls for it. From ``[[cue]]`` in a show's
file.

Owned by the thread that looks after the show, save ``call``: any thread may.
"""

import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duet.contract import FollowerContract
from duet.errors import InputError
from realtime.commands import (
    Command,
    Fade,
    Freeze,
    LockSeed,
    Panic,
    Resume,
    SetGuidance,
    SetStyle,
    SwitchFollower,
    UnlockSeed,
)
from realtime.show_file import read_show

_PLAIN: dict[str, Command] = {
    "freeze": Freeze(), "resume": Resume(), "panic": Panic(), "free seed": UnlockSeed(),
}  # fmt: skip
_WITH = {"fade": "seconds", "style": "name", "guidance": "scales", "follower": "to", "seed": "seed"}
"""What needs a word more, and under which key."""
_KNOWN = ("at", "do", "note", *_WITH.values())


@dataclass(frozen=True)
class Cue:
    """One cue."""

    command: Command
    at_s: float | None = None
    """Session time; None where it waits to be called."""


@dataclass
class CueList:
    """Cues by their numbers, from 1 on."""

    cues: Sequence[Cue] = ()
    ask: Callable[[Command], None] = lambda _: None
    _called: "queue.SimpleQueue[int]" = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self._due = sorted((cue for cue in self.cues if cue.at_s is not None), key=lambda cue: cue.at_s or 0.0)

    def call(self, number: int) -> None:
        """Cue ``number`` now; one that there is not changes nothing."""
        self._called.put(number)

    def look(self, now_s: float) -> None:
        """Ask for what is due by ``now_s``, in its order, and for what was called."""
        while self._due and (self._due[0].at_s or 0.0) <= now_s:
            self.ask(self._due.pop(0).command)
        for _ in range(self._called.qsize()):
            number = self._called.get_nowait()
            if 1 <= number <= len(self.cues):
                self.ask(self.cues[number - 1].command)


def read_cues(path: Path, contract: FollowerContract) -> tuple[Cue, ...]:
    """The cues of a show's file. InputError with one sentence for each that is wrong, or where there is none."""
    found = read_show(path).get("cue", [])
    if not isinstance(found, list) or not found:
        raise InputError(f"{path}: expected cues, each below a line [[cue]], got none. docs/on-stage.md shows some.")
    cues, wrong = [], list[str]()
    for number, values in enumerate(found, start=1):
        try:
            cues.append(_cue(values, contract))
        except InputError as error:
            wrong.append(f"{path}: cue {number}: {error}")
    if wrong:
        raise InputError("\n".join(wrong))
    return tuple(cues)


def _cue(values: Any, contract: FollowerContract) -> Cue:
    if not isinstance(values, Mapping):
        raise InputError(f"expected [[cue]] and lines below it, got {values!r:.40}.")
    if strange := sorted(set(values) - set(_KNOWN)):
        raise InputError(f"expected {', '.join(_KNOWN)}, got {strange[0]!r}.")
    at_s = values.get("at")
    if at_s is not None and not (isinstance(at_s, int | float) and 0.0 <= at_s <= 864_000.0):
        raise InputError(f"at: expected seconds since the beginning, got {at_s!r:.40}.")
    return Cue(_command(values, contract), None if at_s is None else float(at_s))


def _command(values: Mapping[str, Any], contract: FollowerContract) -> Command:
    do = values.get("do")
    if isinstance(do, str) and do in _PLAIN:
        return _PLAIN[do]
    if not isinstance(do, str) or do not in _WITH:
        raise InputError(f"do: expected one of {', '.join((*_PLAIN, *_WITH))}, got {do!r:.40}.")
    key = _WITH[do]
    given = values.get(key)
    if given is None and do != "fade":
        raise InputError(f"expected {key} beside do = {do!r}, got none.")
    try:
        match do:
            case "fade":
                return Fade() if given is None else Fade(float(given))
            case "style":
                return SetStyle(contract.style_named(str(given)))
            case "guidance":
                return SetGuidance(tuple((float(one), float(two)) for one, two in given or ()))
            case "follower":
                return SwitchFollower(str(given))
        return LockSeed(int(given or 0))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{key}: expected what fits do = {do!r}, got {given!r:.40}.") from error
