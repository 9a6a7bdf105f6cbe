"""``duet bench faults``: things go wrong at random on a clock that is moved, and what is seen of it is judged."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from duet.errors import InputError
from duet.terminal import new_console
from ui.limits import check_within

if TYPE_CHECKING:
    from rich.table import Table

    from realtime.bench.faults import FaultPlan, Verdict

_EPILOG = """\
Nothing of this machine is used but its processor: the real conductor, playout, law, guards and follower dance on a
clock that moves only when told, with a built-in leader and built-in music, and one to three things go wrong in each
dance of some six seconds: leader and music pulled, frozen, torn and mad, a follower that is slow, fails or speaks
nonsense, a machine that stalls or sleeps, commands at any moment. Judged is what a display shows.

examples:
  duet bench faults                      1000 sequences, half an hour on a quick core
  duet bench faults --sequences 29       each kind of fault, and each command, once
  duet bench faults --only 412           one of them again, told in words
  duet bench faults --keep found.jsonl   go on where it was broken off
"""


def add_faults(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench faults`` to the parser; ``follower`` is the usual one."""
    faults = kinds.add_parser(
        "faults",
        help="what is seen when things go wrong: steps, stillness, and how soon the dance is back",
        description="Let things go wrong at random, and judge what is seen of it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    faults.add_argument("--sequences", type=int, default=1000, metavar="N", help="how many (default 1000)")
    faults.add_argument("--only", type=int, metavar="I", help="only sequence I")
    faults.add_argument("--seed", type=int, default=0, metavar="N", help="of what happens (default 0)")
    faults.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    faults.add_argument(
        "--keep", type=Path, metavar="FILE", help="verdicts, one a line; those in it are not danced again"
    )
    faults.add_argument("--choreographed", action="store_true", help="dance without a network: ten times as fast")
    faults.set_defaults(run=_faults)


def _faults(arguments: argparse.Namespace) -> int:
    from rich.progress import Progress

    from duet.files import check_writable
    from realtime.bench.choreographed import ChoreographedRunner
    from realtime.bench.faults import KINDS, LEAPS, own_leap_m, plan, run
    from realtime.bench.faulty_stage import TEMPO_BPM
    from realtime.inference.runner_ort import OrtRunner

    check_within("--sequences", arguments.sequences, 1, 100_000)
    if arguments.keep is not None:
        check_writable(arguments.keep)
    if arguments.seed < 0 or (arguments.only or 0) < 0:
        raise InputError(f"--seed, --only: expected 0 or more, got {arguments.seed}, {arguments.only}.")
    console = new_console()
    real = OrtRunner(arguments.follower)
    runner = ChoreographedRunner(real.contract, TEMPO_BPM) if arguments.choreographed else real
    numbers = range(arguments.sequences) if arguments.only is None else [arguments.only]
    kept = _Kept(
        arguments.keep,
        f"seed {arguments.seed}, {'choreographed' if arguments.choreographed else real.contract.name}, {LEAPS}",
    )
    found: list[tuple[FaultPlan, Verdict]] = []
    with console.status("dancing undisturbed"):
        allowed_m = kept.allowed_m or own_leap_m(runner.contract, runner, real.forecaster, arguments.seed)
    kept.allow(allowed_m)
    with Progress(console=console, transient=True) as progress:
        for number in progress.track(numbers, description="going wrong"):
            sequence = plan(arguments.seed, number)
            verdict = kept.verdicts.get(number)
            if verdict is None:
                verdict = run(runner.contract, runner, real.forecaster, arguments.seed + number, sequence, allowed_m)
                kept.add(number, verdict)
            found.append((sequence, verdict))
            if not verdict.good or arguments.only is not None:
                console.print(f"{number}: {sequence.names}: {_words(verdict)}", soft_wrap=True)
    console.print(_table(found))
    for kind in KINDS:
        if kind.untold_because:
            console.print(f"Of '{kind.name}' nobody need be told: {kind.untold_because}.", soft_wrap=True)
    bad = sum(not verdict.good for _, verdict in found)
    console.print(
        f"A leap of the dance itself is up to {100 * allowed_m:.1f} cm, a step of the pelvis or of a rest up to 5 cm."
    )
    console.print(f"{len(found)} sequences, seed {arguments.seed}: {len(found) - bad} as they should be, {bad} not.")
    return 0 if not bad else 1


class _Kept:
    """Verdicts in a file of JSON lines, so that a long run goes on where it was broken off; nothing without a file."""

    def __init__(self, path: Path | None, of: str) -> None:
        """``of`` says which sequences these are: others are refused."""
        self._path, self._of = path, of
        self.allowed_m = 0.0
        self.verdicts: dict[int, Verdict] = {}
        if path is not None and path.is_file() and path.stat().st_size:
            self._read(path)

    def _read(self, path: Path) -> None:
        import json

        from realtime.bench.faults import Verdict

        *lines, last = path.read_text().split("\n")
        try:
            head = json.loads(lines[0]) if lines else {}
            if head["of"] != self._of:
                raise InputError(
                    f"--keep {path}: expected verdicts of {self._of}, got {head['of']:.80}. Name another file."
                )
            self.allowed_m = float(head["allowed_m"])
            for line in lines[1:]:
                values = json.loads(line)
                number, untold = int(values.pop("number")), tuple(values.pop("untold"))
                self.verdicts[number] = Verdict(**values, untold=untold)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"--keep {path}: expected verdicts, got {error!r:.80}. Name another file.") from error
        if last:
            # Cut off in the middle of a verdict.
            path.write_text("\n".join([*lines, ""]))

    def allow(self, allowed_m: float) -> None:
        """Sequences are judged by this."""
        if not self.allowed_m:
            self.allowed_m = allowed_m
            self._write({"of": self._of, "allowed_m": allowed_m})

    def add(self, number: int, verdict: "Verdict") -> None:
        """Sequence ``number`` was danced."""
        from dataclasses import asdict

        self._write({"number": number, **asdict(verdict)})

    def _write(self, values: dict[str, object]) -> None:
        import json

        if self._path is None:
            return
        try:
            with self._path.open("a") as file:
                file.write(json.dumps(values) + "\n")
        except OSError as error:
            raise InputError(
                f"--keep {self._path}: expected to write a verdict there, got: {error.strerror or error}. "
                "Make room: the same command goes on from there."
            ) from error


def _words(verdict: "Verdict") -> str:
    words = [
        f"leap of {100 * verdict.leap_m:.1f} cm at {verdict.leap_at_s:.2f} s ({verdict.leap_in})",
        f"steps of {100 * verdict.step_m:.1f} cm, {100 * verdict.rest_step_m:.1f} cm in a rest",
        f"still for {verdict.lifeless_s:.1f} s",
        f"back after {verdict.back_s:.1f} s",
    ]
    return "; ".join([*words, *(f"no trace of '{kind}'" for kind in verdict.untold)])


def _table(found: "Sequence[tuple[FaultPlan, Verdict]]") -> "Table":
    """One row per kind of fault, over the sequences that have it."""
    import numpy as np
    from rich.table import Table

    from realtime.bench.faults import ALIVE_S, BACK_S, KINDS

    table = Table(box=None, pad_edge=False)
    for heading in (
        "fault",
        "n",
        "step cm",
        "rest cm",
        "leap cm",
        "steady",
        "alive",
        "back s p95",
        "max",
        "in time",
        "told",
    ):
        table.add_column(heading, justify="left" if heading == "fault" else "right", no_wrap=True)
    for name in [*(kind.name for kind in KINDS), "all"]:
        rows = [v for s, v in found if name == "all" or any(f.kind == name for f in s.faults)]
        if not rows:
            continue
        back_s = np.sort([v.back_s for v in rows])
        cells = (
            f"{100 * max(v.step_m for v in rows):.1f}",
            f"{100 * max(v.rest_step_m for v in rows):.1f}", f"{100 * max(v.leap_m for v in rows):.1f}",
            f"{sum(v.is_steady for v in rows)}", f"{sum(v.lifeless_s <= ALIVE_S for v in rows)}",
            f"{back_s[int(0.95 * (len(rows) - 1))]:.2f}", f"{back_s[-1]:.2f}",
            f"{sum(v.back_s <= BACK_S for v in rows)}", f"{sum(not v.untold for v in rows)}",
        )  # fmt: skip
        table.add_row(name, str(len(rows)), *cells)
    return table
