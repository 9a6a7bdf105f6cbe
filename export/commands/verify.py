"""``duet-lab verify``: an exported follower against the weights it came from."""

import argparse
from pathlib import Path

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import Commands, above_zero, new_command, weights_folder

TENSORRT = ("NvTensorRTRTXExecutionProvider", "TensorrtExecutionProvider")
MORE = """\
RUN with --follower: torch and ONNX Runtime side by side on equal inputs, each with its own state; fails when they part.
A follower folder alone: its graphs of a tick against the answer of torch that it carries (golden.npz), as long as that
is. A folder with weights is a RUN, too: only beside one the graph that foresees leaders is asked.
--runtime says who runs the graphs; duet bench model holds every other runtime against the same answer.

  duet-lab verify followers/salsa-s
  duet-lab verify runs/salsa --follower followers/salsa-s
  duet-lab verify followers/salsa-s --follower followers/salsa-s --seconds 300
  duet-lab verify followers/salsa-s --runtime cuda
"""
PROVIDERS = {"cpu": ("CPUExecutionProvider",), "cuda": ("CUDAExecutionProvider",), "tensorrt": TENSORRT}


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "verify", "Hold an exported follower against the weights it came from.", run, more=MORE
    )
    command.set_defaults(stopped="Nothing was compared to its end.")
    command.add_argument(
        "folder", type=Path, metavar="RUN|FOLLOWER", help="folder of the training run, or an exported one"
    )
    command.add_argument("--follower", type=Path, help="the exported folder, with a run")
    command.add_argument(
        "--seconds",
        type=above_zero,
        help="of carried state to compare, with a run (default 60; alone: as it was exported)",
    )
    command.add_argument("--runtime", default="cpu", help="cpu, cuda or tensorrt, of ONNX Runtime (default cpu)")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    provider = provider_of(options.runtime)
    from duet.contract import CONTRACT_FILE, load_contract
    from export.progress import timing_table
    from export.verify import LEAST_SECONDS, verify_folder, verify_golden
    from models.follower import load_follower

    alone = options.follower is None
    if alone and not (options.folder / CONTRACT_FILE).is_file():
        raise InputError(
            f"{options.folder}: expected an exported folder, or --follower beside a run, got neither. "
            "Give the folder with contract.json."
        )
    if alone and options.seconds is not None:
        raise InputError(
            f"--seconds: expected it beside RUN and --follower, got {options.folder} alone, whose answer has a length "
            "of its own. Give the run, too, or leave --seconds out."
        )
    with console.status("comparing"):
        if alone:
            parity = verify_golden(options.folder, provider=provider)
        else:
            follower = load_follower(weights_folder(options.folder))
            seconds = LEAST_SECONDS if options.seconds is None else options.seconds
            parity = verify_folder(follower, options.follower, seconds=seconds, provider=provider)
    console.print(timing_table(parity.milliseconds))
    console.print(
        f"Torch and ONNX Runtime differ by {parity.sentence()}; {parity.tick_ms:.1f} ms a tick.", soft_wrap=True
    )
    if alone and load_contract(options.folder).forecast is not None:
        console.print(
            "The graph that foresees leaders was not asked: its answers are not among those that a follower carries. "
            "Give RUN and --follower to have it held against torch, too.",
            soft_wrap=True,
        )


def provider_of(runtime: str) -> str:
    """ONNX Runtime's name of the provider that ``--runtime`` asks for; InputError where it is not there."""
    import onnxruntime

    if runtime not in PROVIDERS:
        raise InputError(
            f"--runtime: expected {', '.join(PROVIDERS)}, got {runtime!r}. For others: duet bench model --runtime."
        )
    there = [name for name in PROVIDERS[runtime] if name in onnxruntime.get_available_providers()]
    if not there:
        raise InputError(f"--runtime {runtime}: expected an ONNX Runtime with it, got one without. Use --runtime cpu.")
    return there[0]
