"""A show's cues: what is asked of the follower at its time, or when somebody calls for it. From ``[[cue]]`` in a show's
file.

Owned by the thread that looks after the show, save ``call``: any thread may.
"""

import difflib
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


@dataclass(frozen=True)
class CuesFound:
    """What a show's file says of cues."""

    cues: tuple[Cue, ...] = ()
    """Those that are right."""
    wrong: tuple[str, ...] = ()
    """A sentence for each thing that is not."""
    open: tuple[str, ...] = ()
    """Those whose style only a follower can tell, as ``cue 3``."""


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


def read_cues(path: Path, contract: FollowerContract, *, in_exhibit: bool = False) -> tuple[Cue, ...]:
    """The cues of a show's file. InputError with a sentence for each thing that is wrong, or where there is none.

    ``in_exhibit``: nobody calls them, and there is one follower.
    """
    found = look_over_cues(path, contract, in_exhibit=in_exhibit)
    if found.wrong:
        raise InputError("\n".join(found.wrong))
    return found.cues


def look_over_cues(path: Path, contract: FollowerContract | None, *, in_exhibit: bool = False) -> CuesFound:
    """As ``read_cues``, with all that is wrong. ``contract``: None where it is not known. InputError for no TOML."""
    given = read_show(path).get("cue", [])
    if not isinstance(given, list) or not given:
        return CuesFound(
            wrong=(f"{path}: expected cues, each below a line [[cue]], got none. docs/on-stage.md shows some.",)
        )
    cues, wrong, unsaid = list[Cue](), list[str](), list[str]()
    for number, values in enumerate(given, start=1):
        meant, faults = _as_meant(values)
        at_s = command = None
        if meant is not None:
            try:
                at_s = _at_s(meant, in_exhibit)
            except InputError as error:
                faults.append(str(error))
            try:
                command = _command(meant, contract, in_exhibit)
                unsaid += [f"cue {number}"] if command is None else []
            except InputError as error:
                faults.append(str(error))
        wrong += [f"{path}: cue {number}: {fault}" for fault in faults]
        if command is not None and not faults:
            cues.append(Cue(command, at_s))
    return CuesFound(tuple(cues), tuple(wrong), tuple(unsaid))


def _as_meant(values: Any) -> tuple[dict[str, Any] | None, list[str]]:
    """A cue with what stands under a mistyped key where it was meant to, and a sentence for each key that is none."""
    if not isinstance(values, Mapping):
        return None, [f"expected [[cue]] and lines below it, got {values!r:.40}."]
    meant, wrong = {key: values[key] for key in _KNOWN if key in values}, []
    for key in sorted(values.keys() - set(_KNOWN)):
        near = difflib.get_close_matches(key, [known for known in _KNOWN if known not in meant], 1)
        meant |= {name: values[key] for name in near}
        advice = f" Did you mean {near[0]}?" if near else ""
        wrong.append(f"expected {', '.join(_KNOWN)}, got {key!r}.{advice}")
    return meant, wrong


def _at_s(values: Mapping[str, Any], in_exhibit: bool) -> float | None:
    at_s = values.get("at")
    if at_s is None:
        if in_exhibit:
            raise InputError("expected at, in seconds, got none. Nobody calls cues in an exhibit.")
        return None
    if not (isinstance(at_s, int | float) and 0.0 <= at_s <= 864_000.0):
        raise InputError(f"at: expected seconds since the beginning, got {at_s!r:.40}.")
    return float(at_s)


def _command(values: Mapping[str, Any], contract: FollowerContract | None, in_exhibit: bool) -> Command | None:
    """What is asked for; None for a style without a contract, which would tell whether there is one of that name."""
    do = values.get("do")
    if isinstance(do, str) and do in _PLAIN:
        return _PLAIN[do]
    if not isinstance(do, str) or do not in _WITH:
        raise InputError(f"do: expected one of {', '.join((*_PLAIN, *_WITH))}, got {do!r:.40}.")
    if do == "follower" and in_exhibit:
        raise InputError("expected what one follower can do, got another one. Leave it out.")
    key = _WITH[do]
    given = values.get(key)
    if given is None and do != "fade":
        raise InputError(f"expected {key} beside do = {do!r}, got none.")
    try:
        match do:
            case "fade":
                return Fade() if given is None else Fade(float(given))
            case "style":
                return SetStyle(contract.style_named(str(given))) if contract else None
            case "guidance":
                return SetGuidance(tuple((float(one), float(two)) for one, two in given or ()))
            case "follower":
                return SwitchFollower(str(given))
        return LockSeed(int(given or 0))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{key}: expected what fits do = {do!r}, got {given!r:.40}.") from error
