"""The options of the performer's panel, knobs and show's file."""

import argparse
from pathlib import Path
from typing import Any

from duet.errors import InputError
from ui.limits import check_within

_SCALES = 0.5, 4.0


def add_panel(parser: argparse.ArgumentParser) -> None:
    """Describe them to a parser."""
    group = parser.add_argument_group("panel (opens beside the window; Tab hides it)")
    group.add_argument("--no-panel", action="store_true", help="the stage's window only")
    group.add_argument(
        "--panel-scale", type=float, metavar="S", help="of the panel's writing, 2 for twice (default: the display's)"
    )
    group.add_argument(
        "--show", type=Path, metavar="FILE.toml", help="keep what is set and learned there, and begin with it"
    )
    group.add_argument(
        "--midi-controls",
        metavar="PORT",
        help="turn everything by a MIDI controller: /dev/snd/midiC1D0, or part of a port's name (learn: F2)",
    )


def panel_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, checked, as the fields of ``Output``."""
    scale = arguments.panel_scale
    check_within("--panel-scale", scale, *_SCALES)
    if arguments.show is not None and arguments.show.suffix.lower() != ".toml":
        raise InputError(f"--show {arguments.show}: expected a name ending in .toml. Rename it.")
    return {
        "panel": not arguments.no_panel,
        "panel_scale": scale,
        "show": arguments.show,
        "midi_controls": arguments.midi_controls,
    }
