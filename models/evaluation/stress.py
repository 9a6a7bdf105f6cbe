"""A follower under stress: counterfactuals, strange leads and endurance, as one result with one verdict."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from duet.contract import FollowerContract, load_contract
from duet.features import Placement
from models.data.couples import Data, recorded_couples
from models.evaluation.counterfactuals import Counterfactuals, Forgetful, cases_of, measure_counterfactuals
from models.evaluation.endurance import Endurance, measure_endurance
from models.evaluation.report import json_text, write_whole
from models.evaluation.strange import AWAY_S, INSIDE_S, Behaviour, measure_strange
from models.evaluation.strange_leads import LEADS
from models.evaluation.verdicts import Verdict
from models.rollout import OnnxPartner


class Watcher(Protocol):
    """Is told how far it is."""

    def stage(self, name: str, steps: int) -> None:
        """A stage begins, of so many steps."""
        ...

    def step(self, what: str, done: int) -> None:
        """``done`` steps of the stage are done; what is being done now."""
        ...


@dataclass(frozen=True)
class Stress:
    """Everything that was measured."""

    follower: str
    counterfactuals: Counterfactuals
    behaviours: list[Behaviour]
    endurance: Endurance

    @property
    def broken(self) -> list[str]:
        """Where the follower did what no dancer does."""
        found = [f"{b.name}: {b.broken}" for b in self.behaviours if b.broken]
        return found + ([f"endurance: {self.endurance.broken}"] if self.endurance.broken else [])

    @property
    def missed(self) -> list[str]:
        """Targets that were missed."""
        verdicts = [*self.counterfactuals.verdicts, *self.strange_verdicts, *self.endurance.verdicts]
        return [v.what.strip() for v in verdicts if v.met is False]

    @property
    def strange_verdicts(self) -> list[Verdict]:
        """The worst of all strange leads against the targets."""
        leads = self.behaviours
        return [
            Verdict.at_most("strange leads in which the follower breaks", float(sum(bool(b.broken) for b in leads)), 0),
            Verdict.at_most("longest inside the leader", _worst([b.inside_s for b in leads]), INSIDE_S, "s"),
            Verdict.at_most("longest away from the leader", _worst([b.away_s for b in leads]), AWAY_S, "s"),
        ]

    def to_json(self) -> str:
        """All numbers, unrounded; what is not a number is null."""
        whole = {
            "follower": self.follower,
            "broken": self.broken,
            "missed": self.missed,
            "counterfactuals": asdict(self.counterfactuals),
            "strange_leads": [asdict(b) | {"broken": b.broken, "missed": b.missed} for b in self.behaviours],
            "strange_verdicts": [asdict(v) for v in self.strange_verdicts],
            "endurance": asdict(self.endurance) | {"verdicts": [asdict(v) for v in self.endurance.verdicts]},
        }
        return json_text(whole)

    def write(self, path: Path) -> None:
        """The JSON, whole or not at all."""
        write_whole(path, self.to_json())


@dataclass(frozen=True)
class Extent:
    """How much of it."""

    minutes: float = 30.0
    choreographed: int = 2
    """Couples danced in code among the counterfactuals' cases."""
    leads: tuple[str, ...] = LEADS
    seeds: tuple[int, ...] = (0, 1)
    """Of the strange leads."""


def stress(folder: Path, data: Data | None, extent: Extent, watcher: Watcher, out: Path | None = None) -> Stress:
    """Put an exported follower under stress. With ``data`` the recorded validation couples lead, too.

    With ``out`` the couples of the strange leads are written there.
    """
    contract = load_contract(folder)
    partner = OnnxPartner(folder)
    return Stress(
        follower=contract.name,
        counterfactuals=_counterfactuals(folder, partner, data, extent, watcher),
        behaviours=_strange(partner, contract, extent, watcher, out),
        endurance=_endurance(folder, contract, extent, watcher),
    )


def _counterfactuals(
    folder: Path, partner: OnnxPartner, data: Data | None, extent: Extent, watcher: Watcher
) -> Counterfactuals:
    watcher.stage("counterfactuals", 0)
    watcher.step("listening", 0)
    cases = cases_of(recorded_couples(data, "validation") if data else [], extent.choreographed)
    # Two base dances, nine changes and a lost memory.
    watcher.stage("counterfactuals", 12 * len(cases))
    return measure_counterfactuals(
        partner,
        cases,
        leak=partner.config.root_leak,
        forgetful=Forgetful(folder),
        progress=_counted(watcher),
    )


def _strange(
    partner: OnnxPartner, contract: FollowerContract, extent: Extent, watcher: Watcher, out: Path | None
) -> list[Behaviour]:
    watcher.stage("strange leads", len(extent.leads) * len(extent.seeds))
    return measure_strange(
        partner,
        leak=contract.root_leak,
        wish=Placement(contract.distance_m),
        seeds=extent.seeds,
        names=extent.leads,
        out=out,
        progress=_counted(watcher),
    )


def _endurance(folder: Path, contract: FollowerContract, extent: Extent, watcher: Watcher) -> Endurance:
    ticks = round(extent.minutes * 60.0 * contract.fps) // contract.token_frames
    watcher.stage("endurance", ticks)
    watcher.step("choreographing the leader", 0)
    return measure_endurance(
        folder,
        leak=contract.root_leak,
        minutes=extent.minutes,
        wish=Placement(contract.distance_m),
        progress=lambda done, of: watcher.step(f"{done * contract.token_frames / contract.fps / 60:.1f} min", done),
    )


def _counted(watcher: Watcher) -> Callable[[str], None]:
    done = 0

    def progress(what: str) -> None:
        nonlocal done
        watcher.step(what, done)
        done += 1

    return progress


def _worst(values: list[float]) -> float:
    """The greatest; NaN if any is."""
    return float("nan") if any(math.isnan(v) for v in values) else max(values)
