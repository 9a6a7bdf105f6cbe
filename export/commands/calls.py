"""``duet-lab calls``: what a follower's dance is worth by sampler and number of calls."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import (
    Commands,
    above_none,
    add_couples,
    check_file,
    couples_of,
    new_command,
    weights_folder,
)

if TYPE_CHECKING:
    from models.evaluation.calls import Dancer

MORE = """\
Dances the validation takes live-causally with the weights of RUN under every sampler, and with those of students
(duet-lab distil) in one and two calls. "seeds apart" says how far two dances of other noise are from each other, "cost"
how long a tick takes beside one of a single call. Nothing is written unless --json says so.

  duet-lab calls runs/salsa --data DATA
  duet-lab calls runs/salsa --student runs/salsa-fast --only ddim:2,ddim:8 --json calls.json
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "calls", "Measure the dance by sampler and number of network calls.", run, more=MORE
    )
    command.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished training run")
    command.add_argument(
        "--student", type=Path, action="append", default=[], metavar="RUN", help="a distilled run; may be repeated"
    )
    command.add_argument("--only", metavar="KIND:N,...", help="some of the samplers, such as ddim:2,dpm:8")
    command.add_argument("--seeds", type=above_none, default=2, help="dances of each take (default 2)")
    command.add_argument("--json", type=Path, metavar="F", help="write the numbers there")
    command.set_defaults(stopped="No numbers were written.")
    add_couples(command)


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    folder = weights_folder(options.run_folder)
    check_file("--json", options.json)
    from duet.bank_file import load_bank
    from duet.files import written_whole
    from export.progress import bars
    from models.data.couples import recorded_couples
    from models.evaluation.calls import dancers_of, markdown, measure_calls
    from models.evaluation.closed_loop import example_of
    from models.follower import load_follower
    from models.release import read_release

    couples, release = couples_of(options), read_release(folder)
    dancers = dancers_of(release.name, load_follower(folder))
    if options.only:
        dancers = chosen(dancers, options.only)
    for student in options.student:
        best = weights_folder(student)
        dancers += dancers_of(read_release(best).name, load_follower(best))
    bank = load_bank(folder / release.bank) if release.bank else None
    with console.status("reading couples"):
        examples = [example_of(pair) for pair in recorded_couples(couples, "validation")]
    with bars(console) as shown:
        task = shown.add_task("samplers", total=len(dancers), note="")
        rows = measure_calls(
            dancers, examples, leak=release.root_leak, bank=bank, seeds=tuple(range(options.seeds)),
            done=lambda name, _: shown.update(task, advance=1, note=name),
        )  # fmt: skip
    console.print(markdown(rows), highlight=False, soft_wrap=True)
    if options.json is not None:
        with written_whole(options.json) as part:
            part.write_text(json.dumps(rows, indent=1) + "\n")


def chosen(dancers: "list[Dancer]", only: str) -> "list[Dancer]":
    """Those of ``dancers`` that ``--only`` names; InputError for a name that none has."""
    there = {f"{d.sampler.kind}:{d.sampler.calls}": d for d in dancers}
    names = [name.strip() for name in only.split(",")]
    if missing := [name for name in names if name not in there]:
        raise InputError(f"--only: expected some of {', '.join(there)}, got {missing[0]!r}. Choose among them.")
    return [there[name] for name in names]
