"""The ``duet-lab`` command: prepare, train, export, verify, evaluate.

    duet-lab prepare  --data DATA
    duet-lab train    --data DATA --out runs/salsa
    duet-lab export   runs/salsa --out followers/salsa-s --data DATA
    duet-lab verify   runs/salsa --follower followers/salsa-s
    duet-lab evaluate followers/salsa-s --data DATA

DATA is the folder that holds the recorded couples (see the README); the variable DUET_DATA names it once and for all.
"""

import argparse
import math
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from duet import __version__
from duet.errors import DuetError, InputError

# Torch and the training code are imported by the commands that use them: help and errors come at once.
if TYPE_CHECKING:
    from models.evaluation.report import Report

BEST_FOLDER = "best"

PREPARE_MORE = """\
DATA holds cmu_salsa/60_NN.bvh and 61_NN.bvh (leader and follower of take NN); the README says where to find them.
Nothing is written.

  duet-lab prepare --data DATA
"""
TRAIN_MORE = """\
Two stages: the codec, then the follower, which is judged in closed loop as it learns; the best weights so far lie in
OUT/best. To go on with a run, give the same command again; with more --steps or --minutes it goes on for longer.
XS tries the whole way in minutes and dances badly; S is what ships.

  duet-lab train --data DATA --out runs/trial --preset XS --codec-steps 50 --steps 50
  duet-lab train --data DATA --out runs/salsa --minutes 90
"""
EXPORT_MORE = """\
Writes *.onnx, MODEL_CARD.md and, last and only when torch and ONNX Runtime agree, contract.json.

  duet-lab export runs/salsa --out followers/salsa-s --data DATA
"""
VERIFY_MORE = """\
Runs torch and ONNX Runtime side by side on equal inputs, each with its own state, and fails when they part.

  duet-lab verify runs/salsa --follower followers/salsa-s
"""
EVALUATE_MORE = """\
Needs the exported folder and the recorded couples, not the run. Replaces the numbers in FOLLOWER/MODEL_CARD.md.

  duet-lab evaluate followers/salsa-s --data DATA
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all went well, 2 when something the user can change stood in the way."""
    console = Console()
    try:
        options = _parser().parse_args(arguments)
        options.run(options, console)
    except DuetError as error:
        print(f"duet-lab: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = error.filename or "A file"
        print(
            f"duet-lab: {where}: expected a path that can be read and written, got: {error.strerror or error}. "
            "Choose another path, or make room for it.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("duet-lab: stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="duet-lab",
        description="Train a follower, export it, and prove it.",
        epilog="Every command says what it needs: duet-lab COMMAND --help.",
    )
    parser.add_argument("--version", action="version", version=f"duet-lab {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_prepare(commands)
    _add_train(commands)
    _add_export(commands)
    _add_verify(commands)
    _add_evaluate(commands)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str, run: object, *, more: str
) -> argparse.ArgumentParser:
    """``more``: what it needs and leaves behind, and an example, under its options."""
    command = commands.add_parser(
        name, help=what, description=what, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.set_defaults(run=run)
    return command


def _add_data(command: argparse.ArgumentParser, *, needed: bool = True) -> None:
    text = "folder with the recorded couples" + ("" if needed else "; without it nothing is measured in closed loop")
    command.add_argument(
        "--data", type=Path, default=os.environ.get("DUET_DATA"), help=f"{text} (default: the variable DUET_DATA)"
    )


def _above_zero(text: str) -> float:
    """A number of the command line; InputError at once, not after the work it belongs to."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"Duration: expected a number above 0, got {text!r}. Give seconds or minutes, such as 60.")
    return number


def _count(text: str) -> int:
    """A whole number of the command line that is not negative."""
    if not text.isdecimal():
        raise InputError(f"Count: expected a whole number of at least 0, got {text!r}. Give one, such as 2.")
    return int(text)


def _data_of(options: argparse.Namespace) -> Path:
    if options.data is None:
        raise InputError("--data: expected the folder with the recorded couples, got none. Give it, or set DUET_DATA.")
    return Path(options.data)


def _add_prepare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        commands, "prepare", "Read every couple and say what a training would learn from.", _prepare, more=PREPARE_MORE
    )
    _add_data(command)


def _prepare(options: argparse.Namespace, console: Console) -> None:
    from models.data.prepare import prepare

    table = Table("couple", "for", "seconds", "steps a minute", "mean distance m", title="Recorded couples")
    seconds = 0.0
    with console.status("reading"):
        takes = prepare(_data_of(options))
    for take in takes:
        seconds += take.seconds
        table.add_row(
            take.name, take.split, f"{take.seconds:.1f}", f"{take.steps_per_minute:.0f}", f"{take.distance_m:.2f}"
        )
    console.print(table)
    console.print(f"{len(takes)} couples, {seconds:.0f} s. Next: duet-lab train --out runs/salsa")


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        commands, "train", "Train a follower; a run that was stopped goes on where it was.", _train, more=TRAIN_MORE
    )
    _add_data(command)
    command.add_argument("--out", type=Path, required=True, help="folder of the run")
    command.add_argument("--preset", default="S", help="XS, S, M or L (default S)")
    command.add_argument("--name", default="salsa-s", help="what the follower is called (default salsa-s)")
    command.add_argument(
        "--seed", type=_count, default=0, help="equal seeds, data and code give equal weights (default 0)"
    )
    command.add_argument("--steps", type=_count, metavar="N", help="steps of the second stage")
    command.add_argument("--codec-steps", type=_count, metavar="N", help="steps of the first stage")
    command.add_argument(
        "--minutes", type=_above_zero, help="stop the second stage after so long; it can be gone on with"
    )
    command.add_argument(
        "--choreographed", type=_count, default=0, metavar="N", help="couples danced in code to add (default 0)"
    )
    command.add_argument("--sampler", default="ddim", choices=["ddim", "dpm", "pipelined"], help="(default ddim)")
    command.add_argument("--calls", type=_count, default=2, help="network calls a tick (default 2)")
    command.add_argument("--threads", type=_count, default=0, help="processor threads (default: all)")


def _train(options: argparse.Namespace, console: Console) -> None:
    from dataclasses import replace

    import torch

    from export.progress import TrainingBars
    from export.resume import check_resumable
    from models.config import PRESETS, SamplerConfig
    from models.data.corpus import Multiplication, build_corpus
    from models.training.run import Schedule, train

    if options.preset not in PRESETS:
        raise InputError(f"--preset: expected one of {', '.join(PRESETS)}, got {options.preset!r}. Choose one of them.")
    if options.threads:
        torch.set_num_threads(options.threads)
    sampler = SamplerConfig(options.sampler, options.calls)
    config = replace(PRESETS[options.preset], sampler=sampler)
    schedule = Schedule(sampler=sampler)
    chosen = {"steps": options.steps, "codec_steps": options.codec_steps}
    chosen["seconds"] = options.minutes * 60.0 if options.minutes else None
    schedule = replace(schedule, **{name: value for name, value in chosen.items() if value is not None})
    data = _data_of(options)
    check_resumable(options.out, config)
    how = Multiplication(choreographed=options.choreographed)
    with console.status("reading couples"):
        corpus = build_corpus(data, config, how=how, seed=options.seed)
    progress = TrainingBars(console, schedule.codec_steps)
    try:
        best = train(options.out, corpus, config, schedule=schedule, seed=options.seed, progress=progress)
    finally:
        progress.stop()
    _release(options, schedule.leak, best)
    console.print(
        f"The best follower lies in {best}. Next: duet-lab export {options.out} --out followers/{options.name}"
    )


def _release(options: argparse.Namespace, leak: float, best: Path) -> None:
    """Write down beside the weights what the model card will say of them."""
    from duet.features import Placement
    from models.config import PRESETS
    from models.data.corpus import STYLES
    from models.data.pairs import CMU_DATA
    from models.data.sequences import DELAYS_FRAMES
    from models.release import Release

    width = PRESETS[options.preset].style_width
    data = f"{CMU_DATA} Mirrored and varied in tempo and distance; no music was recorded, beats were put on the steps."
    if options.choreographed:
        data += f" {options.choreographed} couples choreographed in code by this project were added."
    Release(
        name=options.name,
        style=tuple(float(i == STYLES.index("recorded")) for i in range(width)),
        observed_delay_frames=DELAYS_FRAMES[1],
        root_leak=leak,
        distance_m=Placement().distance_m,
        training_data=f"{data} Nothing of the recordings is in this folder.",
        licence="Apache-2.0 (weights). The recordings are free for use in research and commercial projects worldwide.",
        command=shlex.join(_repeatable(options)),
        seeds=(options.seed,),
        limits=LIMITS,
    ).write(best)


def _repeatable(options: argparse.Namespace) -> list[str]:
    """The command that repeats a training, without the paths of this machine."""
    words = ["duet-lab", "train", "--data", "DATA", "--out", "RUN"]
    for name in ("preset", "name", "seed", "steps", "codec_steps", "minutes", "choreographed", "sampler", "calls"):
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


LIMITS = """\
It learned from minutes of one couple dancing salsa. With other dances, other partners, or a leader who does not
dance, expect it to sway, drift or repeat itself. Fingers and faces are not moved; hands do not meet."""


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        commands, "export", "Write the folder the live half plays, and prove it there.", _export, more=EXPORT_MORE
    )
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished training run")
    command.add_argument("--out", type=Path, required=True, help="the follower's folder, for example followers/salsa-s")
    command.add_argument("--seconds", type=_above_zero, default=60.0, help="of carried state to compare (default 60)")
    _add_data(command, needed=False)


def _export(options: argparse.Namespace, console: Console) -> None:
    from export.progress import timing_table
    from export.to_onnx import export_follower
    from models.follower import load_follower
    from models.release import read_release

    folder = _weights_folder(options.run_folder)
    release = read_release(folder)
    with console.status("loading") as status:
        follower = load_follower(folder)
        bank = folder / release.bank if release.bank else None
        contract, parity = export_follower(
            follower, release, options.out, bank=bank, seconds=options.seconds, progress=status.update
        )
    console.print(timing_table(parity.milliseconds))
    console.print(f"{contract.name}: torch and ONNX Runtime differ by {parity.sentence()}.")
    if options.data is not None:
        _measure(options.out, Path(options.data), console)
    console.print(f"{options.out} is ready. Next: duet play --follower {options.out}", soft_wrap=True)


def _weights_folder(run: Path) -> Path:
    """A run's best weights, or the folder itself when it holds weights."""
    best = run / BEST_FOLDER
    return best if best.is_dir() else run


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        commands, "verify", "Hold an exported follower against the weights it came from.", _verify, more=VERIFY_MORE
    )
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the training run")
    command.add_argument("--follower", type=Path, required=True, help="the exported folder")
    command.add_argument("--seconds", type=_above_zero, default=60.0, help="of carried state to compare (default 60)")


def _verify(options: argparse.Namespace, console: Console) -> None:
    from export.progress import timing_table
    from export.verify import verify_folder
    from models.follower import load_follower

    with console.status("comparing"):
        parity = verify_folder(
            load_follower(_weights_folder(options.run_folder)), options.follower, seconds=options.seconds
        )
    console.print(timing_table(parity.milliseconds))
    console.print(
        f"Torch and ONNX Runtime differ by {parity.sentence()}; {parity.tick_ms:.1f} ms a tick.", soft_wrap=True
    )


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(
        commands,
        "evaluate",
        "Dance the validation takes live-causally and write the numbers into the card.",
        _evaluate,
        more=EVALUATE_MORE,
    )
    command.add_argument("follower", type=Path, metavar="FOLLOWER", help="an exported folder")
    _add_data(command)


def _evaluate(options: argparse.Namespace, console: Console) -> None:
    _measure(options.follower, _data_of(options), console)


def _measure(folder: Path, data: Path, console: Console) -> "Report":
    from duet.contract import load_contract
    from export.card import put_results
    from models.evaluation.report import evaluate

    contract = load_contract(folder)
    with console.status("dancing the validation takes"):
        report = evaluate(folder, data, leak=contract.root_leak)
    put_results(folder, report.markdown())
    console.print(report.markdown(), highlight=False, soft_wrap=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
