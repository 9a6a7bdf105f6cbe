"""``duet-lab bench-peers``: a plan as papers' code makes it beside ours, as ratios."""

import argparse
from pathlib import Path

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import Commands, above_none, count, new_command, weights_folder

MORE = """\
Times the denoiser three ways in turns: a Python loop that computes everything anew in every call (torch, eager), ours
in torch, and the exported graph. Needs the weights (RUN, or the same --preset and --random-weights that were exported)
and their float32 export. Only ratios are printed: they hold elsewhere, milliseconds do not. docs/proof.md says how to
hold code of others beside it.

  duet-lab bench-peers runs/salsa --follower followers/salsa-s
  duet-lab bench-peers --preset M --random-weights 0 --calls 4 --follower out/m-4
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(commands, "bench-peers", "Time a plan the naive way, and ours, as ratios.", run, more=MORE)
    command.set_defaults(stopped="No ratios were measured.")
    command.add_argument("run_folder", type=Path, nargs="?", metavar="RUN", help="folder of a finished training run")
    command.add_argument("--follower", type=Path, required=True, help="its export")
    command.add_argument("--preset", help="with --random-weights: XS, S, M or L")
    command.add_argument("--random-weights", type=count, metavar="SEED", help="of a follower that learned nothing")
    command.add_argument(
        "--calls", type=above_none, help="network calls a tick of the export (default: as it was made)"
    )
    command.add_argument("--rounds", type=above_none, default=50, metavar="N", help="of all three (default 50)")
    command.add_argument("--threads", type=above_none, default=1, help="of torch (default 1, as the exported graph)")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    if (options.run_folder is None) == (options.random_weights is None):
        got = "neither" if options.run_folder is None else "both"
        raise InputError(f"RUN: expected a run or --preset with --random-weights, got {got}. Give one of them.")
    import torch

    from export.peers import LEAST_RATIO, compare
    from export.progress import bars
    from export.untrained import untrained
    from models.follower import load_follower, with_calls

    torch.set_num_threads(options.threads)
    if options.run_folder is None:
        follower, _ = untrained(options.preset, options.random_weights, options.calls)
    else:
        follower = load_follower(weights_folder(options.run_folder))
        follower = follower if options.calls is None else with_calls(follower, options.calls)
    with bars(console) as shown:
        task = shown.add_task("in turns", total=options.rounds, note="")
        peers = compare(follower, options.follower, options.rounds, lambda done: shown.update(task, completed=done))
    console.print(
        f"One plan of {peers.calls} calls, medians of {peers.rounds} rounds; the plans agree to {peers.apart:.1e}."
    )
    for way, ratio in peers.ratios().items():
        console.print(f"{way}: {ratio:.2f} times as fast as the naive way")
    met = "met" if list(peers.ratios().values())[-1] >= LEAST_RATIO else "missed"
    console.print(f"wanted of the exported graph: at least {LEAST_RATIO:g}: {met}")
