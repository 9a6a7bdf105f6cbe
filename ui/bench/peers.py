"""``duet bench peers``: a plan as published samplers make it beside ours, by the learning half."""

import argparse
import importlib.util
import subprocess
import sys

from duet.errors import InputError
from duet.extras import how_to_install


def add_peers(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe ``bench peers`` to the parser: whatever follows, --help too, is the learning half's."""
    peers = kinds.add_parser(
        "peers",
        help="a plan beside the way that published samplers make it: duet-lab bench-peers",
        add_help=False,
        prefix_chars="\0",
    )
    peers.add_argument("words", nargs=argparse.REMAINDER)
    peers.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("torch") is None:
        raise InputError(f"Peers: expected torch, got none. Install the learning half: {how_to_install('lab')}")
    # A process of its own: what dances never imports what learns.
    words = [sys.executable, "-m", "export.cli", "bench-peers", *arguments.words]
    return subprocess.run(words, check=False).returncode
