"""``duet-lab evaluate``: numbers of an exported follower beside its baselines."""

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import Commands, add_couples, check_file, check_folder, count, couples_of, new_command

if TYPE_CHECKING:
    from models.data.couples import Couples
    from models.evaluation.evaluate import Evaluation, Options
    from models.evaluation.report import Report

MORE = """\
Needs the exported folder and the recorded couples, not the run. Dances every take as on stage, once per seed, beside
holding still, mirroring the leader and replaying what a partner once did (retrieval). Where all validation takes were
danced beside all of these, three times or more, it replaces the numbers in FOLLOWER/MODEL_CARD.md, if the follower
learned from this data. The page of --html needs nothing else and prints well.

  duet-lab evaluate followers/salsa-s --data DATA
  duet-lab evaluate followers/salsa-s --takes 12 --seeds 1 --baselines retrieval --html salsa.html
  duet-lab evaluate followers/duets --data DATA --dataset dd100 --takes test
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "evaluate", "Dance takes live-causally beside baselines and measure everything.", run, more=MORE
    )
    command.add_argument("follower", type=Path, metavar="FOLLOWER", help="an exported folder")
    add_couples(command)
    command.add_argument(
        "--takes", help="numbers of the CMU takes, such as 12,13, names of others, or a split (default: validation)"
    )
    command.add_argument(
        "--baselines", default="hold,mirror,retrieval", help="some of hold, mirror, retrieval; '' for none"
    )
    command.add_argument("--seeds", type=count, default=3, help="goes at each take (default 3)")
    command.add_argument("--no-warm", action="store_true", help="leave out the dances that begin from 48 real frames")
    command.add_argument("--json", type=Path, metavar="F", help="write all numbers there")
    command.add_argument("--html", type=Path, metavar="F", help="write a page with tables and pictures there")
    command.add_argument(
        "--stress", type=Path, metavar="F", help="numbers of duet-lab stress --json F, to be shown in the page"
    )
    command.add_argument(
        "--film", type=Path, metavar="DIR", help="write the couples there, as npz, and say how to film"
    )
    command.set_defaults(stopped="Nothing was written.")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from models.evaluation.evaluate import Options

    _check(options)
    couples = couples_of(options)
    takes = _takes(couples, options.takes)
    asked = Options(takes, _names(options.baselines), options.seeds, warm=not options.no_warm)
    more = _stress_tables(options.stress) if options.stress else {}
    found = _dance(options.follower, couples, asked, console)
    if _is_whole(asked, _takes(couples, None)):
        _into_card(options.follower, couples, found.report, console)
    _tell(found.report, console)
    if options.json is not None:
        from models.evaluation.report import write_whole

        write_whole(options.json, found.report.to_json())
    if options.html is not None:
        from models.evaluation.html import page
        from models.evaluation.report import write_whole

        write_whole(options.html, page(found, more))
        console.print(f"{options.html} shows it.", soft_wrap=True)
    if options.film is not None:
        _film(found, options.film, console)


def _takes(couples: "Couples", asked: str | None) -> tuple[str, ...]:
    """The takes that are asked for, by name or as a split; the validation takes unless any are."""
    from models.data.couples import SPLITS
    from models.data.pairs import VALIDATION_TAKES

    wanted = _names("validation" if asked is None else asked)
    takes = tuple(take for name in wanted for take in (couples.takes(name) if name in SPLITS else (name,)))
    if wanted and not takes and couples.datasets:
        raise InputError(
            f"--takes: expected takes for {', '.join(wanted)}, got none in {couples.folder}. Name takes, or add some."
        )
    return takes or (VALIDATION_TAKES if asked is None else ())


def _is_whole(asked: "Options", validation: tuple[str, ...]) -> bool:
    """Whether so much was danced that it may replace what the card says: a trial does not."""
    from models.evaluation.dancers import BASELINES
    from models.evaluation.evaluate import Options

    is_all = set(asked.takes) == set(validation) and set(asked.baselines) == set(BASELINES)
    return is_all and asked.seeds >= Options().seeds


def check_measurable(couples: "Couples") -> None:
    """InputError where ``measure`` would find no takes to dance."""
    if not couples.datasets:
        raise InputError(f"{couples.folder}: expected couples to measure with, got none. Give another --data.")
    _takes(couples, None)


def measure(folder: Path, couples: "Couples", console: Console) -> "Report":
    """Dance the validation takes and put the numbers into the card of ``folder``, where it learned from their data."""
    from models.evaluation.evaluate import Options

    report = _dance(folder, couples, Options(_takes(couples, None)), console).report
    _into_card(folder, couples, report, console)
    _tell(report, console)
    return report


def _dance(folder: Path, couples: "Couples", asked: "Options", console: Console) -> "Evaluation":
    from export.progress import bars
    from models.evaluation.evaluate import evaluate, steps_to_watch

    with bars(console) as progress:
        task = progress.add_task("dancing", total=steps_to_watch(asked), note="listening")

        def watch(what: str) -> None:
            progress.update(task, advance=1, note=what)

        return evaluate(folder, couples, asked, watch)


def _into_card(folder: Path, couples: "Couples", report: "Report", console: Console) -> None:
    """Put the numbers into the card, which tells of the couples a follower learned from and of no others."""
    from duet.contract import load_contract
    from export.card import put_results
    from models.evaluation.evaluate import learned_from

    if learned_from(load_contract(folder), couples.datasets):
        put_results(folder, report.markdown())
        return
    console.print(
        f"{folder}: these numbers stay out of its card, which says nothing of learning from "
        f"{', '.join(couples.datasets)}.",
        highlight=False,
        soft_wrap=True,
    )


def _tell(report: "Report", console: Console) -> None:
    console.print(report.markdown(), highlight=False, soft_wrap=True)


def _film(found: "Evaluation", folder: Path, console: Console) -> None:
    from models.evaluation.evaluate import write_couples

    for path in write_couples(found, folder):
        film = shlex.join(["duet", "film", str(path), "--out", str(path.with_suffix(".mp4"))])
        console.print(f"{path} holds what was measured. As a film:\n  {film}", soft_wrap=True)


def _stress_tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Tables of what ``duet-lab stress`` wrote."""
    try:
        found = json.loads(path.read_text())
        parts = {
            "When something else had been the case": found["counterfactuals"]["verdicts"],
            "Strange leads": [
                {k: v for k, v in lead.items() if not isinstance(v, list | dict)} for lead in found["strange_leads"]
            ],
            "Half an hour": found["endurance"]["verdicts"],
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: expected what duet-lab stress --json wrote, got {error}. Write it again.") from error
    return parts


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _check(options: argparse.Namespace) -> None:
    """Find out before the dance, not after it."""
    check_file("--json", options.json)
    check_file("--html", options.html)
    check_folder("--film", options.film)
    if options.stress is not None and not options.stress.is_file():
        raise InputError(f"--stress: expected a file, got no {options.stress}. Run duet-lab stress --json first.")
