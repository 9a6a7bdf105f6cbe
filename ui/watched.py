"""The watch over a performance: what its log calls its states."""

from collections.abc import Callable
from pathlib import Path

from duet.clock import Clock
from realtime.conductor import Conductor
from realtime.health_log import HealthLog
from realtime.health_watch import HealthWatch, States
from ui.kept import Kept
from ui.panel.facts import Panel


def begin_watch(conductor: Conductor, panel: Panel, clock: Clock, log: Path | None, kept: Kept) -> HealthWatch:
    """Watch ``conductor`` from now on, once a second; write ``log``, if one is asked for.

    ``clock`` is the session's own: a recording counts how often the conductor's is read.
    """
    written = None if log is None else HealthLog(log, clock)
    if written is not None:
        kept.watch(written, f"Wrote {written.path}")
    watch = HealthWatch(conductor.health, clock, states_of(conductor, panel, clock), written)
    panel.snapshot = lambda: watch.latest
    watch.start()
    return watch


def states_of(conductor: Conductor, panel: Panel, clock: Clock) -> Callable[[], States]:
    """What is the case at any moment, by name."""

    def states() -> States:
        glance = conductor.glance
        every = "token" if glance.pace.commit_tokens == 1 else f"{glance.pace.commit_tokens} tokens"
        return {
            "leader": "nobody yet" if glance.leader is None else str(glance.leader.status),
            "follower": str(conductor.playout.pose_at(clock.now()).source),
            "pace": f"every {every}, {glance.pace.delay_frames} frames ahead",
            "camera": panel.camera_trouble(),
            "sound": panel.sound_trouble(),
            "kept": " ".join(panel.kept_troubles()),
        }

    return states
