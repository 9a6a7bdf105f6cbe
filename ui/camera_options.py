"""The options of every command that looks through a camera."""

import argparse
import os
from dataclasses import dataclass

from realtime.sight.view import TURNS_DEG, View, region_of
from ui.limits import check_within

MODELS = ("lite", "full", "heavy")
USUAL_PEOPLE = 2 if (os.cpu_count() or 1) >= 4 else 1
"""So that a passer-by does not become the leader. To look for a second person takes the pose model half as long again
in every picture, which two cores do not have to spare."""


@dataclass(frozen=True)
class Look:
    """How a camera's pictures are looked at."""

    view: View = View()
    people: int = 1
    """The most people told apart; one of them leads."""
    model: str = "full"


def add_look(parser: argparse.ArgumentParser) -> None:
    """Describe them to a parser."""
    group = parser.add_argument_group("camera and video")
    group.add_argument("--region", metavar="X,Y,W,H", help="look at this part only, in shares: 0.25,0,0.5,1")
    group.add_argument("--mirror-camera", action="store_true", help="the camera delivers a mirrored picture; undo it")
    group.add_argument(
        "--turn", type=int, default=0, choices=TURNS_DEG, help="turn its picture clockwise (portrait cameras)"
    )
    group.add_argument(
        "--people",
        type=int,
        default=USUAL_PEOPLE,
        metavar="N",
        help=f"tell up to N in view apart; the nearest leads (default 2 with four cores or more, here {USUAL_PEOPLE})",
    )
    group.add_argument("--pose-model", choices=MODELS, default="full", help="lite is faster, heavy slower and surer")


def look_of(arguments: argparse.Namespace) -> Look:
    """What was asked for, checked."""
    check_within("--people", arguments.people, 1, 6, hint="Each takes time in every picture.")
    region = region_of(arguments.region) if arguments.region is not None else None
    return Look(View(arguments.turn, arguments.mirror_camera, region), arguments.people, arguments.pose_model)


def camera_source(text: str) -> str:
    """``camera:N`` for a bare number; everything else as it is."""
    return f"camera:{text}" if text.isdecimal() else text
