"""A performance that runs: everything it consists of."""

from dataclasses import dataclass, field

from duet.clock import MonotonicClock
from duet.contract import FollowerContract
from realtime.commands import CommandInbox
from realtime.conductor import Conductor
from realtime.guards import DrawnLeader
from realtime.health import Health
from realtime.supervisor import Pulse
from ui.controls import Controls
from ui.drawing.picture_port import PicturePort
from ui.panel.desk import Desk
from ui.panel.facts import Panel
from ui.sources import Sources


@dataclass
class Show:
    """Put together by ``ui.app``, looked after by ``ui.looking_after``."""

    contract: FollowerContract
    clock: MonotonicClock
    conductor: Conductor
    sources: Sources
    leader: DrawnLeader
    picture: PicturePort
    health: Health
    seconds: float | None
    panel: Panel
    commands: CommandInbox
    desk: Desk
    engine_pulse: Pulse
    """Of who computes the ticks, however slowly: silent while one is not answered."""
    runtime: str = "cpu"
    """What the follower's graphs run on."""
    pulse: Pulse = field(default_factory=Pulse)
    """Of the conductor, which beats with each tick."""

    @property
    def controls(self) -> Controls:
        """What the performer sets."""
        return self.panel.controls
