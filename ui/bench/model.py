"""``duet bench model``: a follower's tick on this machine, right and in time, with a report that others can check."""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.bench.distribution import Distribution, doubts
from realtime.bench.record import Aim, BenchRecord, Figure, Series
from ui.bench.subject import follower_subject
from ui.limits import check_within

if TYPE_CHECKING:
    from duet.contract import FollowerContract
    from realtime.bench.model import ClosedLoop
    from realtime.bench.open_loop import OpenLoop
    from realtime.inference.runner_ort import OrtRunner
    from realtime.inference.runtimes import Choice

_EPILOG = """\
In this order: is it the right answer (held against the golden answer that torch gave, where the folder has one); ticks
one after the other, graph by graph; ticks asked for at the token rate, as on stage, and how many were late; fresh
processes until their first pose; and what share of the processor's own limit the arithmetic reaches.
The first 20 ticks warm up and do not count. A claim wants --ticks 10000 --seconds 600 on a machine that does nothing
else; the report says so where it doubts itself.

examples:
  duet bench model                                     the follower that ships, two minutes
  duet bench model --ticks 10000 --seconds 600 --json model.json --html model.html
  duet bench model --follower DIR --runtime openvino --threads 2
  duet bench compare before.json after.json            ratios of two runs
"""
_CPU_RUNTIMES = ("cpu", "openvino")
_TICK_MS = {"S": 15.0, "M": 35.0}
"""By the size of the network; a folder that does not say its size is of the one that ships, S."""
_TAIL, _PEAK_PERCENT, _MEMORY_MS, _WHOLE = 1.25, 60.0, 1.0, 1.15
_LATE_PERCENT, _LATE_RUN = 0.1, 2.0


@dataclass(frozen=True)
class Asked:
    """What ``duet bench model`` is asked for."""

    follower: Path
    runtime: str = "auto"
    threads: int = 1
    ticks: int = 1000
    seconds: float = 60.0
    cold: bool = True


def add_model(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe ``bench model`` to the parser."""
    from ui.bench.output import add_output

    model = kinds.add_parser(
        "model",
        help="a follower's tick: right, how fast, how often late",
        description="Measure a follower's tick on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    model.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    model.add_argument("--ticks", type=int, default=1000, metavar="N", help="one after the other (default 1000)")
    model.add_argument("--seconds", type=float, default=60.0, metavar="S", help="of ticks as on stage (default 60)")
    model.add_argument("--threads", type=int, default=1, metavar="N", help="of the runtime (default 1, as on stage)")
    model.add_argument("--runtime", default="auto", metavar="NAME", help="auto, cpu, cuda, tensorrt or openvino")
    model.add_argument("--no-cold-start", action="store_true", help="leave out the fresh processes")
    add_output(model)
    model.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ui.bench.output import told

    for name, value, least, most in (
        ("--ticks", arguments.ticks, 1, 10_000_000),
        ("--seconds", arguments.seconds, 0.1, 86_400),
        ("--threads", arguments.threads, 1, 256),
    ):
        check_within(name, value, least, most)
    asked = Asked(
        arguments.follower, arguments.runtime, arguments.threads, arguments.ticks, arguments.seconds,
        not arguments.no_cold_start,
    )  # fmt: skip
    return told(arguments, lambda console: _measured(asked, console))


def _measured(asked: Asked, console: Any) -> BenchRecord:
    from rich.progress import Progress, TimeRemainingColumn

    with Progress(*Progress.get_default_columns()[:3], TimeRemainingColumn(), console=console, transient=True) as bars:
        task = bars.add_task("loading", total=None)

        def progress(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        return measure_model(asked, progress)


def measure_model(asked: Asked, progress: Any = None) -> BenchRecord:
    """Everything ``bench model`` measures, as a record; FollowerError and InputError say what does not fit."""
    from realtime.bench.model import Stopwatch, bench_inputs, closed_loop, golden_of, ticks_on_time, untold
    from realtime.bench.provenance import doubts_of_machine, provenance
    from realtime.inference.runner_ort import OrtRunner
    from realtime.inference.runtimes import open_together, opener

    progress = progress or untold
    # Before any of our own work: what else ran on this machine.
    where = provenance()
    # Only its name is kept: a second follower would hold memory while the first is measured.
    choice = open_together([asked.follower], asked.runtime, threads=asked.threads, measuring=True)[1]
    watch = Stopwatch(opener(choice.name, asked.follower, asked.threads))
    runner = OrtRunner(asked.follower, opened=watch, measuring=True)
    contract, golden = runner.contract, golden_of(asked.follower, runner.contract)
    inputs = bench_inputs(contract, golden)
    progress("is it right", 0, 1)
    parity = _parity(runner, golden, inputs)
    closed = closed_loop(runner, watch, inputs, asked.ticks, progress)
    opened = ticks_on_time(runner, inputs, asked.seconds, progress)
    series, figures = _series(closed, opened), _figures(closed, opened, contract)
    if asked.cold:
        progress("fresh processes", 0, 1)
        figures |= _cold(asked, choice)
    warnings = [*doubts("the tick", series["tick"].measured), *doubts_of_machine(where)]
    if choice.name in _CPU_RUNTIMES and contract.precision == "fp32":
        progress("the processor's limit", 0, 1)
        figures |= _limit(series["tick"].measured, contract, asked.threads)
    if not contract.gflop:
        warnings.append("The follower's contract counts no arithmetic: export it again to see its share of the limit.")
    return BenchRecord(
        kind="model",
        command=_command(asked),
        provenance=where,
        subject=_subject(contract, choice, asked),
        verdict=_verdict(series["tick"].measured, opened, parity),
        series=series,
        figures=figures,
        parity=parity,
        warnings=tuple(warnings),
        aims=_aims(series, figures, contract, choice.name in _CPU_RUNTIMES and asked.threads == 1),
    )


def _aims(
    series: dict[str, Series], figures: dict[str, Figure], contract: "FollowerContract", on_one_core: bool
) -> tuple[Aim, ...]:
    """What a tick should be: on one core of a processor for a preset's size, and everywhere for the rest."""
    tick = series["tick"].measured
    found = [
        Aim("asked as on stage: late", "%", figures["missed"].value, _LATE_PERCENT),
        Aim("most late ticks in a row", "", figures["longest_run"].value, _LATE_RUN),
        Aim("p99 by p50 of the tick", "", tick.p99 / tick.p50, _TAIL),
    ]
    most_ms = _TICK_MS.get(contract.notes.get("size", "S"))
    if on_one_core and contract.precision == "fp32" and most_ms is not None:
        found.append(Aim("the tick, median", "ms", tick.p50, most_ms))
        if "share" in figures:
            found.append(Aim("of the matrix product's rate", "%", figures["share"].value, _PEAK_PERCENT, True))
    if "memory" in series and on_one_core:
        found.append(Aim("the memory's step, median", "ms", series["memory"].measured.p50, _MEMORY_MS))
    if "whole" in figures:
        found.append(Aim("whole tick by denoiser alone", "", figures["whole"].value, _WHOLE))
    return tuple(found)


def _parity(runner: "OrtRunner", golden: Any, inputs: Any) -> dict[str, Any]:
    """What was compared and what came out; ``holds`` decides the exit code."""
    from realtime.bench.model import golden_distance, repeats

    contract = runner.contract
    same = repeats(runner, inputs)
    if golden is None:
        return {"against": "itself: the folder has no golden answer", "equal_bits": same, "holds": same}
    relative, mm = golden_distance(runner, golden)
    found = {"against": f"torch, {max(golden.ticks) + 1} ticks of carried state", "equal_bits": same}
    if not math.isfinite(mm):
        return {**found, "holds": False, "sentence": "the answer has another shape, or is no number"}
    within = mm <= contract.tolerance_mm and (not contract.tolerance or relative <= contract.tolerance)
    measured = {"relative": relative, "joints_mm": mm}
    allowed = {"allowed_relative": contract.tolerance, "allowed_joints_mm": contract.tolerance_mm}
    return {**found, **measured, **allowed, "holds": within}


def _series(closed: "ClosedLoop", opened: "OpenLoop") -> dict[str, Series]:
    found = {"tick": Series("a whole tick, one after the other", "ms", Distribution.of(closed.tick_ms))}
    found |= {role: Series(f"its graph {role}", "ms", Distribution.of(ms)) for role, ms in closed.graphs_ms.items()}
    found["rest"] = Series("of a tick, what is no graph: wiring, references", "ms", Distribution.of(closed.rest_ms))
    found["response"] = Series(
        "asked as on stage: from the token to the plan", "ms", Distribution.of(opened.response_ms)
    )
    found["age"] = Series("asked as on stage: age of the input when work began", "ms", Distribution.of(opened.age_ms))
    return found


def _figures(closed: "ClosedLoop", opened: "OpenLoop", contract: "FollowerContract") -> dict[str, Figure]:
    import numpy as np

    found = {
        "budget": Figure("a token lasts", "ms", 1e3 * contract.timeline.token_s),
        "asked": Figure("ticks asked for as on stage", "", opened.arrivals),
        "missed": Figure("of these answered after the next token", "%", 100.0 * opened.miss_rate),
        "longest_run": Figure("most of them in a row", "", opened.longest_run),
        "dropped": Figure("never begun, a newer one had come", "", opened.dropped),
        "stages": Figure("of the ticks' time, what the graphs took", "%", 100.0 * closed.stage_share),
    }
    if "denoise" in closed.graphs_ms:
        alone = float(np.median(closed.graphs_ms["denoise"]))
        found["whole"] = Figure("whole tick by denoiser alone, medians", "", float(np.median(closed.tick_ms)) / alone)
    return found


def _cold(asked: Asked, choice: "Choice") -> dict[str, Figure]:
    from realtime.bench.cold_start import cold_start

    found = {}
    for name, what, forget in (
        ("first", "first: the follower's files not in memory", True),
        ("cached", "again", False),
    ):
        at_s = cold_start(asked.follower, choice.name, asked.threads, forget=forget)
        found[f"cold_{name}"] = Figure(f"process start to first pose, {what}", "s", at_s["posed"])
        found[f"cold_{name}_loaded"] = Figure(f"process start to follower loaded, {what}", "s", at_s["loaded"])
    return found


def _limit(tick: Distribution, contract: "FollowerContract", threads: int) -> dict[str, Figure]:
    from realtime.bench.gemm_peak import gemm_peak

    peak = gemm_peak(threads)
    found = {"peak": Figure("float32 matrix product, best of several", "GFLOP/s", peak)}
    if contract.gflop:
        rate = contract.gflop / (1e-3 * tick.p50)
        found["gflop"] = Figure("arithmetic of a tick", "GFLOP", contract.gflop)
        found["rate"] = Figure("a tick's arithmetic by its median time", "GFLOP/s", rate)
        found["share"] = Figure("of the matrix product's rate", "%", 100.0 * rate / peak)
    return found


def _subject(contract: "FollowerContract", choice: "Choice", asked: Asked) -> dict[str, Any]:
    from realtime.bench.model import WARM_UP_TICKS

    return {
        **follower_subject(contract, choice),
        "threads": asked.threads,
        "warm_up_ticks": WARM_UP_TICKS,
        "garbage": "collected before, not during",
    }


def _command(asked: Asked) -> str:
    words = ["duet bench model", f"--follower {asked.follower.name}", f"--runtime {asked.runtime}"]
    words += [f"--threads {asked.threads}", f"--ticks {asked.ticks}", f"--seconds {asked.seconds:g}"]
    return " ".join(words + ([] if asked.cold else ["--no-cold-start"]))


def _verdict(tick: Distribution, opened: "OpenLoop", parity: dict[str, Any]) -> str:
    right = "right" if parity["holds"] else "NOT RIGHT"
    if "joints_mm" in parity:
        right += f" to {parity['joints_mm']:.3g} mm of torch"
    elif parity["holds"]:
        right = "it repeats itself to the bit, and has no golden answer to be right by"
    late = int(opened.missed.sum())
    return (
        f"A tick takes {tick.p50:.1f} ms (p99 {tick.p99:.1f}, {tick.p99_low:.1f} to {tick.p99_high:.1f}); "
        f"{late} of {opened.arrivals} were late at {1 / opened.period_s:.3g} a second; {right}."
    )
