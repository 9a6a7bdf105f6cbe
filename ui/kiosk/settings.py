"""What an exhibit is set to: the ``[kiosk]`` sections of a show's file; one table of keys reads and teaches them."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from duet.errors import InputError
from realtime.kiosk.presence import Rules
from realtime.show_file import read_show
from ui.camera_options import USUAL_PEOPLE
from ui.drawing.cameras import CAMERAS
from ui.drawing.stages import STAGES
from ui.staging import HUDS, LEADER_AS

Value = str | float | int | bool
BUILT_IN = "built-in"
"""Music that Duet has in itself."""


@dataclass(frozen=True)
class Key:
    """A key of a show's file: its name, what it is unless said, what it is for, and what it may be."""

    name: str
    usual: Value
    says: str
    least: float = -math.inf
    most: float = math.inf
    among: tuple[str, ...] = ()

    def wrong(self, value: Any) -> str:
        """What is wrong with a value, as ``expected x, got y``; "" for nothing."""
        if self.among:
            return "" if value in self.among else f"expected one of {', '.join(self.among)}, got {value!r}"
        match self.usual:
            case bool():
                return "" if isinstance(value, bool) else f"expected true or false, got {value!r}"
            case str():
                return "" if isinstance(value, str) else f"expected text in quotes, got {value!r}"
        whole = isinstance(self.usual, int)
        is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if is_number and self.least <= value <= self.most:
            return ""
        return f"expected a {'whole ' if whole else ''}number from {self.least:g} to {self.most:g}, got {value!r}"


_SECONDS = Rules()
SECTIONS: dict[str, tuple[Key, ...]] = {
    "kiosk": (
        Key("leader", "camera:0", "who is seen: camera:N, the address of a stream, or a video file"),
        Key("music", BUILT_IN, "a sound file (played in a loop), device:NAME (heard), built-in, or none"),
        Key("follower", "", "folder of the partner; empty: the one that ships"),
        Key("style", "", "one of the partner's styles; empty: its own"),
        Key("tempo", 180.0, "beats a minute of the ghost's dance and of the built-in music", 90.0, 230.0),
        Key("zone", 2.0, "metres around the mark within which somebody is a visitor, and no passer-by", 0.3, 10.0),
        Key(
            "people", USUAL_PEOPLE,
            "how many in view are told apart (2 from four cores on); the nearest in the zone leads", 1, 6,
        ),
        Key("mirror", False, "dance as the visitor's mirror image"),
        Key("seed", 0, "of everything drawn at random; the n-th dance is drawn by seed + n", 0, 10**9),
    ),
    "kiosk.visit": (
        Key("enter", _SECONDS.enter_s, "seconds that somebody stays before the partner turns to them", 0.2, 60.0),
        Key("welcome", _SECONDS.welcome_s, "seconds in which the partner comes to rest before them", 2.0, 20.0),
        Key("leave", _SECONDS.leave_s, "seconds without anybody that end a dance", 1.0, 120.0),
        Key("farewell", _SECONDS.farewell_s, "seconds in which the partner comes to rest and forgets", 2.0, 30.0),
        Key("attract", _SECONDS.attract_s, "seconds that the ghost leads in one piece", 5.0, 120.0),
        Key("longest", _SECONDS.longest_s, "seconds of the longest dance: others wait", 10.0, 86400.0),
    ),
    "kiosk.words": (
        Key("invite", "Step onto the mark, and dance", "shown while nobody is there"),
        Key("greet", "Hello! Lead, and I follow", "shown while the partner turns to somebody"),
        Key("thank", "Thank you for the dance", "shown while it comes to rest"),
    ),
    "kiosk.picture": (
        Key("stage", "studio", "where the dance takes place", among=tuple(STAGES)),
        Key("camera", "follow", "from where it is seen", among=tuple(CAMERAS)),
        Key("leader_as", "ghost", "how the leader is shown", among=tuple(LEADER_AS)),
        Key("hud", "audience", "what is written beside the dance", among=tuple(HUDS)),
        Key("display", 0, "number of the display to fill", 0, 16),
        Key("window", False, "a window instead of a filled display"),
        Key("size", "1280x720", "of a window at first, and of a picture without a display"),
        Key("fps", 30.0, "pictures a second", 5.0, 240.0),
        Key("display_lead", 0.0, "milliseconds by which the screen is late", 0.0, 500.0),
        Key("headless", False, "draw without a display: to try it out"),
    ),
    "kiosk.keep": (
        Key("log", "", "file for the show's health, each second, and for what happens; empty: none"),
        Key("report", "", "file that sums it up at the end; empty: none"),
    ),
}  # fmt: skip
_USUAL = {f"{section}.{key.name}": key.usual for section, keys in SECTIONS.items() for key in keys}
_SHOWN = "`duet kiosk --example` shows them all."
_OURS = ("kiosk.follower", "kiosk.keep.log", "kiosk.keep.report")
"""Keys that name files."""
_PERHAPS = ("kiosk.leader", "kiosk.music")
"""Keys that may name a file, or a device."""
_TOP = ("kiosk", "panel", "cue")
"""What a show's file may hold, for one part of the application or another."""


@dataclass(frozen=True)
class KioskSettings:
    """Every key's value, by ``section.key``."""

    values: Mapping[str, Value]

    def text(self, name: str) -> str:
        """A value that is text."""
        return str(self.values[name])

    def number(self, name: str) -> float:
        """A value that is a number."""
        return float(self.values[name])

    def is_on(self, name: str) -> bool:
        """A value that is true or false."""
        return bool(self.values[name])

    def path(self, name: str) -> Path | None:
        """A file or folder; None where it is left empty."""
        return Path(self.text(name)) if self.values[name] else None

    @property
    def rules(self) -> Rules:
        """How long things last."""
        return Rules(**{f"{key.name}_s": self.number(f"kiosk.visit.{key.name}") for key in SECTIONS["kiosk.visit"]})


@dataclass(frozen=True)
class Complaint:
    """Something wrong in a show's file: a sentence, and the key or section, ``kiosk.keep.log``, that it is about."""

    about: str
    says: str

    def casts_doubt_on(self, name: str) -> bool:
        """Whether a key's value may be another than what was meant."""
        return f"{name}.".startswith(f"{self.about}.")


def read_settings(path: Path) -> KioskSettings:
    """The ``[kiosk]`` sections of ``path``. InputError with one sentence for each key that is wrong.

    Files are named from the folder that the show's file is in. What others keep in the file is left alone.
    """
    settings, wrong = look_over(path)
    if wrong:
        raise InputError("\n".join(complaint.says for complaint in wrong))
    return settings


def look_over(path: Path) -> tuple[KioskSettings, tuple[Complaint, ...]]:
    """As ``read_settings``, with what is usual where a key is wrong, and all that is wrong. InputError for no TOML."""
    show = read_show(path)
    wrong = _astray(show)
    values: dict[str, Value] = {}
    for name, keys in SECTIONS.items():
        given = _table(show, name)
        if isinstance(given, Mapping):
            wrong += _wrong(given, keys, name)
        else:
            advice = f"Write [{name}] and lines below it."
            wrong.append(Complaint(name, f"[{name}]: expected a section, got {given!r}. {advice}"))
            given = {}
        for key in keys:
            value = given.get(key.name, key.usual)
            values[f"{name}.{key.name}"] = key.usual if key.wrong(value) else value
    wrong += _found(values, path.parent)
    told = tuple(replace(complaint, says=f"{path}: {complaint.says}") for complaint in wrong)
    return KioskSettings(MappingProxyType(values)), told


def _found(values: dict[str, Value], folder: Path) -> list[Complaint]:
    """Name every file in ``values`` from ``folder``, or from a home (``~/song.mp3``)."""
    wrong = []
    for name in (*_OURS, *_PERHAPS):
        text = str(values[name])
        try:
            file = folder / Path(text).expanduser()
        except RuntimeError:
            section, _, key = name.rpartition(".")
            says = f"[{section}] {key}: expected the home of somebody who is known here, got {text!r}. Check the name."
            wrong.append(Complaint(name, says))
            values[name] = _USUAL[name]
            continue
        if (text and name in _OURS) or file.is_file():
            values[name] = str(file)
    return wrong


def example() -> str:
    """A show's file with every key, what it is for, and its usual value."""
    lines = [
        "# A show for `duet kiosk --config show.toml`. Every line may be left out: what is here is what is usual.",
        "# Files are named from the folder that this file is in. Nothing is recorded unless [kiosk.keep] says so.",
    ]
    for name, keys in SECTIONS.items():
        lines += ["", f"[{name}]"]
        for key in keys:
            among = f" ({', '.join(key.among)})" if key.among else ""
            lines.append(f"# {key.says}{among}")
            lines.append(f"{key.name} = {_toml(key.usual)}")
    return "\n".join(lines) + "\n"


def _table(show: Mapping[str, Any], name: str) -> Any:
    found: Any = show
    for part in name.split("."):
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return found


def _astray(show: Mapping[str, Any]) -> list[Complaint]:
    """What stands where nothing looks for it."""
    said = []
    for name in show.keys() - set(_TOP):
        is_key = not isinstance(show[name], Mapping | list)
        homes = [
            section
            for section, keys in SECTIONS.items()
            if (any(key.name == name for key in keys) if is_key else section.endswith(f".{name}"))
        ]
        home = homes[0] if homes else name
        advice = f"Write {'it below ' if is_key else ''}[{home}]." if homes else _SHOWN
        what = name if is_key else f"[{name}]"
        said.append(
            Complaint(
                f"{home}.{name}" if is_key else home,
                f"{what}: expected it in [kiosk] or a section of that, got it outside. {advice}",
            )
        )
    return sorted(said, key=lambda complaint: complaint.says)


def _wrong(given: Mapping[str, Any], keys: tuple[Key, ...], section: str) -> list[Complaint]:
    known = {key.name: key for key in keys}
    inner = {name.rpartition(".")[2] for name in SECTIONS if name.startswith(f"{section}.")}
    said = []
    for name, value in given.items():
        if name in known:
            if trouble := known[name].wrong(value):
                says = f"{name}: {trouble}. {known[name].says.capitalize()}."
                said.append(Complaint(f"{section}.{name}", f"[{section}] {says}"))
        elif name not in inner:
            near = difflib.get_close_matches(name, [*known, *inner], 1)
            advice = f"Did you mean {near[0]}?" if near else _SHOWN
            says = f"{name}: expected one of {', '.join(known)}, got an unknown key. {advice}"
            said.append(Complaint(f"{section}.{near[0] if near else name}", f"[{section}] {says}"))
    return said


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, int) else f"{value:.1f}"
