"""The music on the frame grid: what was heard, frame by frame.

Owned by the conductor's thread. The ring is fixed in size.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.forecast import BEATS_PER_BAR, music_window
from duet.frames import MusicFrame
from duet.music import MUSIC_LAYOUT, music_condition
from duet.timeline import Timeline

MUSIC_SIZE = len(MUSIC_LAYOUT.split())


class MusicTrack:
    """Heard frames as conditions on the grid of ``timeline``."""

    def __init__(self, timeline: Timeline, keep_frames: int) -> None:
        self._timeline = timeline
        self._keep = keep_frames
        self._conditions = np.zeros((0, MUSIC_SIZE), dtype=np.float32)
        self._newest_index = -1
        self._metre = BEATS_PER_BAR

    def push(self, frame: MusicFrame) -> None:
        """Take a newer heard frame: it becomes the nearest frame of the grid, its phases moved there."""
        index = round(frame.time_s * self._timeline.fps)
        if index <= self._newest_index:
            return
        shift_beats = (index / self._timeline.fps - frame.time_s) * frame.tempo_bpm / 60.0
        there = replace(
            frame,
            beat_phase=(frame.beat_phase + shift_beats) % 1.0,
            bar_phase=(frame.bar_phase + shift_beats / frame.metre) % 1.0,
        )
        # A hop that was lost is filled with what came after it: silence would be a lie about the music.
        missing = index - self._newest_index if len(self._conditions) else 1
        row = music_condition(there)[None]
        self._conditions = np.concatenate([self._conditions, np.repeat(row, min(missing, self._keep), axis=0)])
        self._conditions = self._conditions[-self._keep :]
        self._newest_index, self._metre = index, frame.metre

    def window(self, first_frame: int, contract: FollowerContract) -> NDArray[np.float32]:
        """(W, token_frames * 8) as the tick hears it whose plan begins at ``first_frame``."""
        surplus = max(self._newest_index - (first_frame - 1), 0)
        return music_window(
            self._conditions[: max(len(self._conditions) - surplus, 0)],
            fps=contract.fps,
            delay_frames=max(first_frame - self._newest_index, 1),
            past_tokens=contract.past_tokens,
            plan_tokens=contract.plan_tokens,
            token_frames=contract.token_frames,
            metre=self._metre,
        )
