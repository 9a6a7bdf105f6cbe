"""``duet-lab ablate``: what each idea is worth, as a table of short, equal trainings."""

import argparse
import math
from pathlib import Path

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import (
    Commands,
    add_couples,
    check_folder,
    count,
    couples_of,
    new_command,
    weights_folder,
)
from export.commands.train import add_machine, add_settings, settings_of

MORE = """\
Trains the whole follower, then the same without reference tokens, memory, forecast, beat phase, own dances and couples
danced in code, and with what is optional: all from one codec and one seed, for equally many steps, each in a
folder of its own under OUT; with --from all go on from one trained follower, and the table says what it loses that
has to do without. Their closed-loop numbers on the validation takes go to OUT/ablation.md and
OUT/ablation.json, row by row. To go on with a table that was stopped, give the same command again. Short runs rank
ideas only weakly; more --steps and --seeds say more. The settings of duet-lab train are those of the whole follower.

  duet-lab ablate --data DATA --out runs/ablation --steps 600
  duet-lab ablate --data DATA --out runs/without --from runs/salsa --steps 300 --set schedule.own_from=0
  duet-lab ablate --data DATA --out runs/ablation --curve --only full,no-memory --seeds 3
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(commands, "ablate", "Train short variants and say what each idea is worth.", run, more=MORE)
    add_couples(command)
    command.add_argument("--out", type=Path, required=True, help="folder of the table and its runs")
    command.add_argument(
        "--steps", dest="length", type=count, default=600, metavar="N", help="of each row (default 600)"
    )
    command.add_argument("--seeds", type=count, default=1, metavar="N", help="runs of each row (default 1)")
    command.add_argument("--only", metavar="NAMES", help="rows to make, with commas between (default: all)")
    command.add_argument(
        "--curve", type=_shares, nargs="?", const="0.25,0.5", metavar="SHARES",
        help="also with some of the recorded takes only (default .25,.5); 0 leaves couples danced in code",
    )  # fmt: skip
    command.add_argument("--preset", help="XS, S, M or L (default S)")
    command.add_argument("--codec-steps", type=count, metavar="N", help="steps of the codec that all rows share")
    command.add_argument("--codec", type=Path, metavar="RUN", help="take the codec of another run")
    command.add_argument(
        "--from", dest="start", type=Path, metavar="RUN", help="let every row go on from a trained follower"
    )
    add_settings(command)
    add_machine(command)


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    import torch

    from export.progress import AblationBars
    from models.data.corpus import build_corpus
    from models.data.couples import digest_of, recorded_couples
    from models.follower import load_follower
    from models.training import ablation
    from models.training.distributed import choose_device
    from models.training.run import CODEC_FILE

    if not options.length or not options.seeds:
        raise InputError("--steps and --seeds: expected at least 1 of each, got 0. Raise them.")
    check_folder("--out", options.out)
    if options.threads:
        torch.set_num_threads(options.threads)
    device, data = choose_device(options.device), couples_of(options)
    base = ablation.shortened(settings_of(options), options.length)
    given = options.codec / CODEC_FILE if options.codec is not None and options.codec.is_dir() else options.codec
    codec, start = given or options.out / CODEC_FILE, options.start and weights_folder(options.start)
    if start and given:
        raise InputError("--codec: expected it without --from, which brings its own, got both. Leave one out.")
    with console.status("reading couples"):
        told = digest_of([pair for split in ("train", "validation") for pair in recorded_couples(data, split)])
    rows, seeds = _rows(options, base), tuple(range(options.seeds))
    study = ablation.Study(options.out, base, rows, seeds, codec, device, start, told)
    todo = list(study.todo())
    foresight = load_follower(start).foresight if start else None
    corpus_of = ablation.corpora(
        lambda how: build_corpus(data, base.follower, how=how, seed=base.seed, forecaster=foresight)
    )
    progress = AblationBars(console, len(todo))
    try:
        if todo and given is None and start is None:
            ablation.fit_shared_codec(options.out, base, corpus_of(base.multiply), progress.codec)
        for row, seed in todo:
            progress.begin(row.title if options.seeds == 1 else f"{row.title}, seed {seed}")
            study.run(row, seed, corpus_of(study.settings(row, seed).multiply), progress)
            study.write()
            progress.end()
    finally:
        progress.stop()
    console.print(study.write(), highlight=False, soft_wrap=True)


def _shares(text: str) -> tuple[float, ...]:
    """Shares of the recorded takes, each from 0 to below 1."""
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = (math.nan,)
    if not all(0.0 <= share < 1.0 for share in shares):
        raise InputError(f"--curve: expected shares from 0 to below 1, got {text!r}. Give some, such as 0.1,0.5.")
    return shares


def _rows(options: argparse.Namespace, base: object) -> list:
    """The rows that are asked for, the full one first."""
    from models.training import ablation

    rows = ablation.variants(base)  # type: ignore[arg-type]
    if options.curve is not None:
        rows[:1] = ablation.data_curve(options.curve)
    if options.only is None:
        return rows
    wanted = [name.strip() for name in options.only.split(",") if name.strip()]
    known = {row.name: row for row in rows}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InputError(f"--only: expected some of {', '.join(known)}, got {', '.join(unknown)}. Choose among them.")
    return [known[name] for name in wanted]
