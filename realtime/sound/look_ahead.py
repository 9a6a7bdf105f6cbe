"""Frames of music that has not sounded yet: known where the application plays it, handed out when they sound.

A tracker needs some seconds of a piece before it is sure of the beat. Of music that is known beforehand those seconds
are heard before they sound, so that frames which came before the certainty get the beat that it found, carried back at
its tempo. Silence gets none: nobody could have known.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from duet.beat_scores import KNOWN_CONFIDENCE
from duet.frames import MusicFrame

AHEAD_S = 4.0
STRIDE_S = 0.05
"""Read so much more at a time on the way there: the thread that listens is not to be busy for long."""


class LookAhead:
    """Keeps what was heard beforehand. Owned by one thread."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[MusicFrame, bool]] = deque()
        self._heard_s = -math.inf

    def read_until(self, until_s: float) -> float:
        """How far to listen now, at ``until_s``."""
        return min(until_s + AHEAD_S, max(self._heard_s, until_s) + STRIDE_S)

    def push(self, frames: Sequence[MusicFrame], heard_s: float, *, silent: bool) -> None:
        """What was heard, in order, up to ``heard_s``; ``silent``: nothing sounded meanwhile."""
        self._heard_s = heard_s
        for frame in frames:
            if frame.confidence >= KNOWN_CONFIDENCE:
                self._carry_back(frame)
            self._waiting.append((frame, silent))

    def due(self, until_s: float) -> list[MusicFrame]:
        """What has sounded by ``until_s``, oldest first."""
        taken = []
        while self._waiting and self._waiting[0][0].time_s <= until_s:
            taken.append(self._waiting.popleft()[0])
        return taken

    def _carry_back(self, known: MusicFrame) -> None:
        """Give the unsure frames just before ``known`` its beat."""
        for i in range(len(self._waiting) - 1, -1, -1):
            frame, silent = self._waiting[i]
            if silent or frame.confidence >= KNOWN_CONFIDENCE:
                return
            self._waiting[i] = _carried(known, frame), silent


def _carried(known: MusicFrame, frame: MusicFrame) -> MusicFrame:
    """``frame`` with the beat of ``known``, which comes later, at its tempo."""
    beats = (frame.time_s - known.time_s) * known.tempo_bpm / 60.0
    return replace(
        frame,
        beat_phase=(known.beat_phase + beats) % 1.0,
        bar_phase=(known.bar_phase + beats / known.metre) % 1.0,
        tempo_bpm=known.tempo_bpm,
        confidence=known.confidence,
        metre=known.metre,
    )
