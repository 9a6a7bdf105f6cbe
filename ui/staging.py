"""How a performance is shown: stage, camera, bodies, screen. Plain values, and the options that give them."""

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from duet.errors import InputError
from ui.drawing.cameras import CAMERAS
from ui.drawing.stages import STAGES
from ui.drawing.wardrobe import avatar_names, avatar_says, check_avatar, own_file

LEADER_AS = {
    "body": "as the dancer they are",
    "ghost": "see-through",
    "skeleton": "as bones of light",
    "none": "not at all: the leader is there in person",
}


HUDS = {
    "rehearsal": "everything, for who dances",
    "audience": "beat, lag, tick and who leads, small, along the foot",
    "off": "nothing but what a key did and what a show tells its visitors",
}
NEAREST_DISPLAY = -1
"""Of the displays, the one that the window is on."""


@dataclass(frozen=True)
class Staging:
    """What is to be seen; each a name of its table. Small, frozen and picklable: it goes to whoever draws."""

    stage: str = "studio"
    camera: str = "follow"
    leader_as: str = "body"
    leader: str = "leader"
    follower: str = "follower"
    display: int | None = None
    """Number of the display to fill, or ``NEAREST_DISPLAY``; None: a window."""
    hud: str = "rehearsal"

    def __post_init__(self) -> None:
        tables = (
            ("stage", STAGES),
            ("camera", CAMERAS),
            ("leader_as", LEADER_AS),
            ("hud", HUDS),
        )
        for name, table in tables:
            if (value := getattr(self, name)) not in table:
                raise InputError(f"{name}: expected one of {', '.join(table)}, got {value!r}. Choose one of these.")
        for name in ("leader", "follower"):
            check_avatar(getattr(self, name), name)

    def told(self, what: str) -> str:
        """One line about one of its names."""
        says = {
            "stage": STAGES[self.stage].says,
            "camera": CAMERAS[self.camera].says,
            "leader_as": LEADER_AS[self.leader_as],
            "leader": avatar_says(self.leader),
            "follower": avatar_says(self.follower),
            "hud": HUDS[self.hud],
        }[what]
        return f"{what.split('_')[0]} {getattr(self, what)}: {says}"

    def words(self) -> str:
        """As one line, for a record."""
        return json.dumps([getattr(self, field.name) for field in fields(self)])

    @classmethod
    def of_words(cls, words: str) -> "Staging":
        """From such a line. No file is looked for: it was checked when it was chosen, and may have gone since."""
        return cls().altered(**dict(zip((field.name for field in fields(cls)), json.loads(words), strict=True)))

    def altered(self, **values: Any) -> "Staging":
        """The same but for ``values``, which are known to be good: nothing is checked, neither they nor what stays."""
        staging = Staging()
        vars(staging).update(vars(self) | values)
        return staging

    def in_shipped_bodies(self) -> "Staging":
        """The same, with the usual body for whoever wears one of the user's, whose file may have gone."""
        own = [who for who in ("leader", "follower") if own_file(getattr(self, who)) is not None]
        return self.altered(**{who: getattr(Staging, who) for who in own})


def add_staging(parser: argparse.ArgumentParser, *, window: bool = True, hud: str = "rehearsal") -> None:
    """Add the options; ``window``: those of a performance on a screen, too; ``hud``: which one it is unless told."""
    group = parser.add_argument_group("what is seen")
    group.add_argument("--stage", choices=STAGES, default="studio", help=_said((n, s.says) for n, s in STAGES.items()))
    group.add_argument(
        "--camera", choices=CAMERAS, default="follow", help=_said((n, c.says) for n, c in CAMERAS.items())
    )
    group.add_argument("--leader-as", choices=LEADER_AS, default="body", help="how the leader is shown (default body)")
    names = ", ".join(avatar_names())
    for dancer, whose in (("leader", "leader's"), ("follower", "partner's")):
        group.add_argument(
            f"--{dancer}-avatar", metavar="NAME", default=dancer, help=f"the {whose} body: {names} (default {dancer})"
        )
    if window:
        group.add_argument("--hud", choices=HUDS, default=hud, help=f"{_said(HUDS.items())} (default {hud})")
        group.add_argument(
            "--display",
            type=int,
            metavar="N",
            help="fill this display, 0 for the first (key F: the one the window is on)",
        )


def staging_of(arguments: argparse.Namespace) -> Staging:
    """The values of the options that ``add_staging`` added. Raises ``InputError`` for a display below 0."""
    display = getattr(arguments, "display", None)
    if display is not None and display < 0:
        raise InputError(f"--display: expected 0 or more, got {display}.")
    for dancer in ("leader", "follower"):
        check_avatar(getattr(arguments, f"{dancer}_avatar"), f"--{dancer}-avatar")
    return Staging(
        arguments.stage,
        arguments.camera,
        arguments.leader_as,
        arguments.leader_avatar,
        arguments.follower_avatar,
        display,
        getattr(arguments, "hud", Staging.hud),
    )


def _said(rows: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {says}" for name, says in rows)
