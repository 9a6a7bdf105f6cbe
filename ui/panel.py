"""What the panel and the inset say at one moment, gathered from everything that runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.frames import FollowerPose, LeaderFrame, LeaderStatus, MusicFrame
from realtime.budget import exceeded
from realtime.conductor import Glance
from realtime.health import Snapshot
from realtime.law import trouble
from realtime.level import Level
from realtime.preview import Sight
from ui.controls import Controls
from ui.hud import HudValues, SightValues
from ui.inset import inset_box
from ui.preview import with_skeleton


@dataclass
class Panel:
    """Owned by the drawing thread."""

    contract: FollowerContract
    controls: Controls
    beat_giver: str
    """Of the port that may give the beat: ``MIDI``, ``OSC``, or nothing."""
    rows: Callable[[], tuple[str, ...]]
    """What was calibrated, by now."""
    sight: Callable[[], Sight | None] | None
    camera_trouble: Callable[[], str] = str
    """What is wrong with the camera now; empty for nothing."""
    sound_trouble: Callable[[], str] = str
    """What is wrong with the sound now; empty for nothing."""
    sound_level: Callable[[], Level | None] = lambda: None
    """How loud the music comes in; None without music."""
    snapshot: Callable[[], Snapshot] = lambda: Snapshot(0.0)
    """The loop's health by now."""

    def __post_init__(self) -> None:
        self._drawn: tuple[tuple[float, LeaderStatus], NDArray[np.uint8]] | None = None

    def values(
        self,
        time_s: float,
        glance: Glance,
        leader: LeaderFrame | None,
        pose: FollowerPose,
        lag_s: float,
        shown: SightValues | None,
    ) -> HudValues:
        """The panel at ``time_s``; ``shown`` is the inset's line."""
        music = glance.music
        beats = 0.0 if music is None else (time_s - music.time_s) * music.tempo_bpm / 60.0
        return HudValues(
            tempo_bpm=music.tempo_bpm if music else None,
            beat_phase=(music.beat_phase + beats) % 1.0 if music else 0.0,
            beat_in_bar=_beat_in_bar(music, beats) if music else None,
            lag_ms=lag_s * 1e3 if glance.ticks else None,
            tick_ms=glance.tick_ms if glance.ticks else None,
            budget_ms=1e3 * self.contract.token_frames / self.contract.fps,
            late_ticks=glance.late_ticks,
            leader=leader.status if leader else None,
            source=pose.source,
            beat_giver=self.giver,
            rows=(*self.rows(), *_over_budget(self.snapshot())),
            sound=self.sound_level(),
            troubles=tuple(
                t for t in (self.camera_trouble(), self.sound_trouble(), trouble(self.contract, glance.pace)) if t
            ),
            sight=shown,
            message=self.controls.message(time_s) or ("" if leader else "waiting for a leader"),
        )

    @property
    def giver(self) -> str:
        """Who gives the beat now; nothing when it is heard."""
        if self.controls.is_tapped:
            return "tapped"
        return self.beat_giver if self.controls.override.pulse is not None else ""

    def inset(
        self, now_s: float, leader: LeaderFrame | None, screen: tuple[int, int]
    ) -> tuple[NDArray[np.uint8], SightValues] | None:
        """The camera's picture with its skeleton, and its line, for a ``screen`` (width, height); None: not shown."""
        sight = self.sight() if self.sight is not None and self.controls.show_preview else None
        if sight is None:
            return None
        # As the stage has it by now: a picture that is too old tracks nobody any more.
        status = leader.status if leader is not None else sight.status
        if self._drawn is None or self._drawn[0] != (sight.time_s, status):
            self._drawn = (sight.time_s, status), with_skeleton(replace(sight, status=status))
        picture = self._drawn[1]
        box = inset_box((picture.shape[1], picture.shape[0]), screen)
        age_ms = max(0.0, now_s - sight.time_s) * 1e3
        return picture, SightValues(box, status, sight.fps, age_ms, self.camera_trouble())


def _over_budget(snapshot: Snapshot) -> tuple[str, ...]:
    """A line for what is beyond its bound; nothing while all is within."""
    over = exceeded(snapshot)
    return (f"over budget: {', '.join(figure.name for figure in over)}",) if over else ()


def _beat_in_bar(music: MusicFrame, beats: float) -> int:
    return int((music.bar_phase * music.metre + beats) % music.metre) + 1
