"""When ticks begin, and what is drawn by then."""

from dataclasses import dataclass

from duet.timeline import Timeline


@dataclass(frozen=True)
class TickTimes:
    """The moments of a dance whose poses are seen ``display_lead_s`` after they were drawn."""

    timeline: Timeline
    display_lead_s: float = 0.0

    def start_s(self, tick: int, delay_frames: int) -> float:
        """When tick ``tick`` begins: ``delay_frames`` before the first frame of its answer is drawn."""
        begin = self.timeline.first_frame(tick) - delay_frames
        return self.timeline.time_of_frame(begin) - self.display_lead_s

    def drawn_at(self, now_s: float) -> int:
        """The newest frame that may have been drawn at ``now_s``."""
        return self.timeline.frame_at(now_s + self.display_lead_s)

    def next_frame_s(self, now_s: float) -> float:
        """When the first frame after ``now_s`` begins."""
        return self.timeline.time_of_frame(self.timeline.frame_at(now_s) + 1)
