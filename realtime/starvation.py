"""Whether the follower's timeline runs empty: frames in which the body eases to rest, though nobody wished it to.

Threading: belongs to the thread that looks after the show, so that a dance which hangs is counted, too.
"""

from realtime.conductor import Conductor


class Starvation:
    """Counts ``starved_frames``: shown after the last frame that is planned, once the dance has begun."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._seen: int | None = None

    def look(self, time_s: float) -> None:
        """At ``time_s`` of the session; often enough."""
        conductor = self._conductor
        frame = conductor.contract.timeline.frame_at(time_s + conductor.display_lead_s)
        seen, self._seen = self._seen, frame
        line = conductor.playout.line
        # A wished rest stays; before the first plan the body waits for its leader.
        if seen is None or line.stays or not conductor.glance.ticks:
            return
        starved = frame - max(seen, line.last_frame)
        if starved > 0:
            conductor.health.count("starved_frames", starved)
