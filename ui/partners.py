"""The follower of a performance, or two of them: opened, checked and timed before it begins."""

from dataclasses import dataclass

from rich.console import Console

from duet.forecast import Forecaster
from realtime.cast import Cast, CastState, Member, check_alike
from realtime.engine import ThreadedEngine
from realtime.guards import GuardedForecaster, GuardedRunner
from realtime.health import Health
from realtime.inference.runner_ort import OrtRunner
from realtime.inference.runtimes import open_together
from realtime.law import Law, p95, start_pace
from realtime.tick import FollowerState, time_ticks
from ui.options import Output

_WARM_UP_TICKS = 20


@dataclass(frozen=True)
class Partners:
    """Who dances, who takes over, and how often they are asked."""

    runner: OrtRunner
    other: OrtRunner | None
    law: Law
    runtime: str
    """What their graphs run on."""

    def forecaster(self, health: Health) -> Forecaster | None:
        """Foresees the leader for who begins."""
        return _guarded(self.runner, health)

    def also(self, health: Health) -> Member | None:
        """The one who takes over; None where nobody does."""
        return None if self.other is None else Member(self.other.contract, _guarded(self.other, health))

    def engine(self, health: Health) -> ThreadedEngine:
        """What computes their ticks."""
        first = GuardedRunner(self.runner, self.runner.contract, health)
        if self.other is None:
            return ThreadedEngine(first, FollowerState.initial(self.runner.contract))
        nothing = CastState.of(self.runner.contract, self.other.contract)
        return ThreadedEngine(Cast(first, GuardedRunner(self.other, self.other.contract, health), nothing), nothing)


def _guarded(runner: OrtRunner, health: Health) -> Forecaster | None:
    return None if runner.forecaster is None else GuardedForecaster(runner.forecaster, health)


def open_partners(output: Output, console: Console) -> tuple[Partners, str]:
    """Load them, both warm; and a sentence where the dance will suffer, "" else. Raises what a folder's check does."""
    with console.status("Loading the follower"):
        folders = [folder for folder in (output.follower, output.also) if folder is not None]
        (runner, *others), choice = open_together(folders, output.runtime)
        timed = [(runner.contract, list(time_ticks(runner, runner.contract, _WARM_UP_TICKS)))]
        other = others[0] if others else None
        if other is not None:
            check_alike(runner.contract, other.contract)
            timed.append((other.contract, list(time_ticks(other, other.contract, _WARM_UP_TICKS))))
        # Either may dance: the slower one sets the pace.
        law, slow = start_pace(*max(timed, key=lambda times: p95(times[1])))
    if choice.name != "cpu" or choice.unexpected:
        console.print(choice.sentence())
    return Partners(runner, other, law, choice.name), slow
