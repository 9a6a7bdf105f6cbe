"""The live part of ``duet bench perception``: a leader tracked, music heard by a microphone, a follower that dances."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from duet.clock import MonotonicClock
from duet.frames import LeaderFrame, LeaderStatus
from realtime.health import Health, StageStats
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sight.tracking import TrackingTask
from realtime.sound.audio import MusicThread
from ui.app import perform
from ui.bench.microphone import NAME, microphone
from ui.bench.perception_tables import Live
from ui.options import Output
from ui.sources import Sources


class Ages(Health):
    """Also notes, at each tick that asks the follower, how old the newest picture of the leader is that it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: MonotonicClock | None = None
        self.newest_s: float | None = None
        """Mid-exposure of the newest picture with a leader in it that the conductor has taken."""
        self.ages_ms: list[float] = []

    def count(self, name: str, by: int = 1) -> None:
        """See ``Health``: a tick is counted when its inputs were gathered."""
        super().count(name, by)
        if name == "ticks" and self.clock is not None and self.newest_s is not None:
            self.ages_ms.append(1e3 * (self.clock.now() - self.newest_s))

    def forget(self) -> None:
        """See ``Health``."""
        super().forget()
        self.ages_ms.clear()


class Watched(ShiftedLeader):
    """A tracked leader; what it costs is counted from the clock's start on."""

    def __init__(self, leader: CameraLeader, health: Ages) -> None:
        super().__init__(leader)
        self._health = health
        self.begin_s = self.end_s = 0.0

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """Begin to count."""
        super().start(clock, begin_s)
        self._health.clock = clock
        self._health.forget()
        self.begin_s = self.end_s = time.monotonic()

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """As the leader's."""
        frames = super().take_new(until_s)
        seen = [frame.time_s for frame in frames if frame.status is LeaderStatus.TRACKED]
        self._health.newest_s = seen[-1] if seen else self._health.newest_s
        return frames

    def stop(self) -> None:
        """The count ends with the performance."""
        if self.begin_s and self.end_s == self.begin_s:
            self.end_s = time.monotonic()
        super().stop()


def run_live(source: str, seconds: float, follower: Path, *, model: Path, height_m: float | None = None) -> Live:
    """Track ``source`` for ``seconds`` beside a sound device and a dancing follower; almost nothing is drawn."""
    ages, kept = Ages(), []
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder:

        def make(health: Health) -> Sources:
            leader = Watched(CameraLeader(TrackingTask(source, 0.0, model, height_m=height_m), health), ages)
            kept.append(leader)
            music = MusicThread(microphone(Path(folder)), automatic_gain=True)
            return Sources(leader, music, None, {"leader": source, "music": f"device:{NAME}"})

        report = Path(folder) / "report.json"
        output = Output(follower, True, None, seconds, 0, (64, 64), 1.0, report=report)
        if perform(make, output, ages) != 0:
            raise KeyboardInterrupt
    stages, elapsed = ages.stages(), max(kept[0].end_s - kept[0].begin_s, 1e-3)
    return Live(
        seconds=elapsed,
        frame_ms=stages["frame"],
        taken_ms=stages["camera"],
        asked_ms=StageStats.of(ages.ages_ms),
        fps=stages["frame"].n / elapsed,
        dropped=ages.counter("camera_dropped") / max(ages.counter("camera_frames"), 1),
        ticks=ages.counter("ticks"),
        late_ticks=ages.counter("late_ticks"),
        heard=stages["music"].n / elapsed,
        xruns=ages.counter("xruns"),
    )
