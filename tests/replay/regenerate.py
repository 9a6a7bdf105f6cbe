"""Records the golden session anew: ``python -m tests.replay.regenerate``, after a change that changes poses.

Twenty seconds of the shipped follower with a choreographed leader, the built-in groove and a few commands, on a clock
that moves only when told. What it sees and hears is rounded to whole steps, which changes no dance and packs well.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from duet.choreography import choreograph
from duet.clock import ManualClock
from duet.features import Placement, Standing
from duet.frames import LeaderFrame, MusicFrame
from duet.groove import render_groove
from realtime.commands import CommandInbox, Freeze, LockSeed, Resume, SetPlacement
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.feeds import LeaderSource, MusicSource
from realtime.health import Health
from realtime.inference.runner_ort import OrtRunner
from realtime.playout import Playout
from realtime.sessions.session import Recording
from realtime.sessions.session_file import SESSION_FILE
from realtime.sight.leader_take import TakeLeader
from realtime.sound.audio import GrooveMusic, InlineEar
from realtime.tick import FollowerState
from realtime.wishes import Wishes

GOLDEN = Path(__file__).parent / "golden"
FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
SECONDS, SEED = 20.0, 7
_COMMANDS = (
    (8.0, SetPlacement(Placement(1.0, 0.2))),
    (11.0, LockSeed(3)),
    (15.0, Freeze()),
    (16.0, Resume()),
)


def _rounded(values: np.ndarray, steps: float) -> np.ndarray:
    return np.round(values * steps) / steps


class RoundedLeader:
    """A leader to a quarter of a millimetre."""

    def __init__(self, source: LeaderSource) -> None:
        self._source = source

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        return [
            replace(
                f,
                root_m=_rounded(f.root_m, 4096.0),
                joints_m=_rounded(f.joints_m, 4096.0),
                rotations_6d=_rounded(f.rotations_6d, 4096.0),
            )
            for f in self._source.take_new(until_s)
        ]


class RoundedMusic:
    """Music to a sixteenth of a decibel."""

    def __init__(self, source: MusicSource) -> None:
        self._source = source

    def take_new(self, until_s: float) -> Sequence[MusicFrame]:
        return [replace(f, features=_rounded(f.features, 16.0)) for f in self._source.take_new(until_s)]


def record(folder: Path, seconds: float = SECONDS) -> Path:
    """Dance the golden session into ``folder``."""
    runner, clock, inbox = OrtRunner(FOLLOWER), ManualClock(), CommandInbox()
    contract, groove = runner.contract, render_groove(seconds + 1, 180.0, seed=SEED)
    ear = InlineEar(GrooveMusic(groove))
    ear.start(clock)
    conductor = Conductor(
        contract,
        InlineEngine(runner, FollowerState.initial(contract)),
        RoundedLeader(TakeLeader(choreograph(groove.beat_times_s, SEED, fps=30.0, seconds=seconds).leader, 30.0)),
        RoundedMusic(ear),
        Playout(contract.timeline, Standing(np.zeros(3), 0.0)),
        clock,
        Wishes(Placement(contract.distance_m)),
        Health(),
        seed=SEED,
        forecaster=runner.forecaster,
        commands=inbox,
    )
    recording, due = Recording(folder, conductor), list(_COMMANDS)

    def stop() -> bool:
        now = clock.now()
        while due and now >= due[0][0]:
            inbox.ask(due.pop(0)[1])
        return now >= seconds

    conductor.run(stop)
    recording.close()
    if recording.failure:
        sys.exit(recording.failure)
    return recording.path


if __name__ == "__main__":
    with TemporaryDirectory(dir=GOLDEN.parent) as folder:
        new = record(Path(folder) / "new")
        GOLDEN.mkdir(exist_ok=True)
        path = new.replace(GOLDEN / SESSION_FILE)
    size_kb = path.stat().st_size / 1e3
    sys.stdout.write(f"Recorded {path.name}: {size_kb:.0f} kB. Commit it with what changed the dance.\n")
