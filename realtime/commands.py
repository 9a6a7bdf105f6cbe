"""What a performer or a show may ask of a running follower: one closed set, each obeyed at the next tick's beginning.

``Panic`` does not wait for it: with all that was asked before it, it is obeyed at the next frame.

Threading: anybody may ``ask``; the conductor's thread takes.
"""

import math
import queue
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from duet.errors import InputError
from duet.features import Placement

MOST_GUIDANCE = 20.0
FADE_S = (0.2, 30.0)
"""Shortest and longest fade: a body that rests sooner would jump."""
MOST_SEED = 2**63 - 1
_FARTHEST_M = 20.0
_LONGEST_STYLE = 256


@dataclass(frozen=True)
class SetPlacement:
    """Dance at another distance, in another direction."""

    placement: Placement

    def __post_init__(self) -> None:
        numbers = (self.placement.distance_m, self.placement.bearing_rad)
        if not all(map(math.isfinite, numbers)) or not 0.0 <= numbers[0] <= _FARTHEST_M:
            raise InputError(f"Placement: expected 0 to {_FARTHEST_M:g} m in some direction, got {self.placement}.")


@dataclass(frozen=True)
class SetStyle:
    """Dance in another style; () is the follower's own."""

    style: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.style) > _LONGEST_STYLE or not all(map(math.isfinite, self.style)):
            raise InputError(f"Style: expected up to {_LONGEST_STYLE} numbers, got {self.style[:8]}.")


@dataclass(frozen=True)
class SetGuidance:
    """How strictly to dance what is asked: LDCFG scale of streams (upper, lower, root) x levels."""

    guidance: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        flat = [number for row in self.guidance for number in row]
        shaped = len(self.guidance) == 3 and all(len(row) == 2 for row in self.guidance)
        if not shaped or not all(math.isfinite(n) and abs(n) <= MOST_GUIDANCE for n in flat):
            raise InputError(f"Guidance: expected 3 x 2 numbers up to {MOST_GUIDANCE:g}, got {self.guidance}.")


@dataclass(frozen=True)
class LockSeed:
    """Draw from now on what was drawn from the moment this seed was locked before: a piece on cue as in rehearsal."""

    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MOST_SEED:
            raise InputError(f"Seed: expected 0 to {MOST_SEED}, got {self.seed}.")


@dataclass(frozen=True)
class UnlockSeed:
    """Go back to what the session's own seed draws."""


@dataclass(frozen=True)
class Freeze:
    """Come to a stop in the pose that is being danced, and stay in it."""


@dataclass(frozen=True)
class Fade:
    """Come to rest on the spot."""

    seconds: float = 2.0

    def __post_init__(self) -> None:
        if not FADE_S[0] <= self.seconds <= FADE_S[1]:
            raise InputError(f"Fade: expected {FADE_S[0]:g} to {FADE_S[1]:g} seconds, got {self.seconds:g}.")


@dataclass(frozen=True)
class Panic:
    """Rest within a second, whatever happens, and stay so until ``Resume``."""


@dataclass(frozen=True)
class Resume:
    """Dance again after ``Freeze``, ``Fade`` or ``Panic``."""


@dataclass(frozen=True)
class Rest(Fade):
    """Come to rest until ``Begin``: nobody leads. What was stopped by hand stays so, whatever a show asks."""


@dataclass(frozen=True)
class Begin:
    """Somebody else leads: forget the leader, the dance and all that was wished, and dance by this seed."""

    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MOST_SEED:
            raise InputError(f"Seed: expected 0 to {MOST_SEED}, got {self.seed}.")


@dataclass(frozen=True)
class SwitchFollower:
    """Let the ``first``, the ``second`` or the ``other`` of two followers dance, from a downbeat on."""

    to: str = "other"

    def __post_init__(self) -> None:
        if self.to not in ("first", "second", "other"):
            raise InputError(f"Follower: expected first, second or other, got {self.to[:40]!r}. Name one of them.")


Command = (
    SetPlacement
    | SetStyle
    | SetGuidance
    | LockSeed
    | UnlockSeed
    | Freeze
    | Fade
    | Panic
    | Resume
    | Rest
    | Begin
    | SwitchFollower
)
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Command)}


class CommandInbox:
    """Where commands wait for the next tick, in the order they came."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._is_urgent = False

    def ask(self, command: Command) -> None:
        """Have a command obeyed at the next tick's beginning; never waits."""
        self._waiting.put(command)
        if isinstance(command, Panic):
            self._is_urgent = True

    def take_urgent(self, tick: int) -> Sequence[Command]:
        """Between two ticks: all that waits for tick ``tick``, where a panic does; otherwise nothing."""
        return self.take_new(tick) if self._is_urgent else ()

    def take_new(self, tick: int) -> Sequence[Command]:
        """Commands that tick ``tick`` obeys before anything else, oldest first."""
        taken: list[Command] = []
        # First: a panic that comes meanwhile is taken now or at the next frame.
        self._is_urgent = False
        # Those that come meanwhile wait for the next tick: whoever floods the inbox does not hold the dance up.
        for _ in range(self._waiting.qsize()):
            taken.append(self._waiting.get_nowait())
        return taken


def command_as_values(command: Command) -> dict[str, Any]:
    """A command as what JSON can hold; ``command_of`` reads it back."""
    return {"command": type(command).__name__, **asdict(command)}


def command_of(values: object) -> Command:
    """The command that plain values describe; InputError for any that is none."""
    name = values.get("command") if isinstance(values, Mapping) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not isinstance(values, Mapping):
        raise InputError(f"Command: expected one of {', '.join(_KINDS)}, got {str(name or values)[:80]!r}.")
    given = {key: value for key, value in values.items() if key != "command"}
    wanted = {field.name for field in fields(kind)}
    if given.keys() != wanted:
        raise InputError(f"Command {name}: expected {sorted(wanted)}, got {sorted(map(str, given))[:8]}.")
    try:
        return kind(**{key: _read(key, value) for key, value in given.items()})
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise InputError(f"Command {name}: expected fitting values, got {str(given)[:80]} ({error}).") from error


def _read(key: str, value: Any) -> Any:
    if key == "placement":
        return Placement(float(value["distance_m"]), float(value["bearing_rad"]))
    if key == "style":
        return tuple(float(number) for number in value)
    if key == "guidance":
        return tuple(tuple(float(number) for number in row) for row in value)
    if key == "to":
        return str(value)
    return int(value) if key == "seed" else float(value)
