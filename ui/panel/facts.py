"""What the panel has to say, gathered from everything that runs, as a record that the picture is drawn from.

``Panel`` gathers ``Facts`` beside the dance; what follows from the moment of showing (the beat's phase, the follower's
source, how old a camera's picture is) is reckoned where it is drawn, by ``hud_values`` and ``SightPicture``.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from duet.beat_scores import SHOWN_CONFIDENCE
from duet.contract import FollowerContract
from duet.frames import FollowerPose, LeaderFrame, LeaderStatus, MusicFrame, PoseSource
from realtime.budget import exceeded
from realtime.glance import Glance
from realtime.health import Snapshot
from realtime.law import trouble
from realtime.sight.preview import Sight
from realtime.sound.level import Level
from ui.controls import Controls
from ui.drawing.hud import HudValues, SightValues
from ui.drawing.inset import inset_box
from ui.drawing.preview import with_skeleton
from ui.staging import Staging

_NEW_LINE = "\n"
WAITING = "waiting for a leader"

SETTLED_S = 30.0
"""Before that one hiccup of the start stands for the whole show: budgets are not judged yet."""


@dataclass(frozen=True)
class Facts:
    """What is known at one moment, whenever it will be shown. Words are cut where a record has no room for them."""

    budget_ms: float = 0.0
    """A tick's time."""
    music_s: float = np.nan
    """Session time of what is known of the music; NaN while nothing is."""
    tempo_bpm: float = 0.0
    beat_phase: float = 0.0
    bar_phase: float = 0.0
    metre: int = 4
    tick_ms: float = 0.0
    ticks: int = 0
    late_ticks: int = 0
    """Of the last minutes."""
    level: Level | None = None
    shows_sight: bool = False
    """Whether the camera's picture is wanted."""
    beat_giver: str = ""
    message: str = ""
    camera_trouble: str = ""
    troubles: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    staging: Staging | None = None
    """What is to be seen by now; None: as it began."""
    sight_name: str = ""
    """Of the shared memory in which lies what the camera sees by now; empty: as it began."""

    def values(self) -> NDArray[np.float32]:
        """As a record (FACTS_WIDTH,)."""
        record = np.zeros(1, _RECORD)
        for name in _NUMBERS:
            record[name] = getattr(self, name)
        record["has_level"] = self.level is not None
        if self.level is not None:
            record["level"] = [getattr(self.level, name) for name in _LEVEL]
        for name in _WORDS:
            words = getattr(self, name)
            text = words if isinstance(words, str) else _NEW_LINE.join(words)
            record[name] = text.encode()[: _RECORD[name].itemsize]
        if self.staging is not None:
            record["staging"] = self.staging.words().encode()
        return record.view(np.float32)

    @classmethod
    def of_values(cls, values: NDArray[np.float32]) -> "Facts":
        """From a record."""
        (record,) = values.view(_RECORD)
        level = [record["level"][i].item() for i in range(len(_LEVEL))]
        words = {name: bytes(record[name]).decode(errors="ignore") for name in _WORDS}
        return cls(
            **{name: record[name].item() for name in _NUMBERS},
            level=Level(*level[:3], *map(bool, level[3:])) if record["has_level"] else None,
            beat_giver=words["beat_giver"],
            sight_name=words["sight_name"],
            message=words["message"],
            camera_trouble=words["camera_trouble"],
            troubles=tuple(words["troubles"].split(_NEW_LINE)) if words["troubles"] else (),
            rows=tuple(words["rows"].split(_NEW_LINE)) if words["rows"] else (),
            staging=Staging.of_words(staging) if (staging := bytes(record["staging"]).decode()) else None,
        )


_NUMBERS = {
    "budget_ms": "<f4", "music_s": "<f8", "tempo_bpm": "<f4", "beat_phase": "<f4", "bar_phase": "<f4", "metre": "<i4",
    "tick_ms": "<f4", "ticks": "<i4", "late_ticks": "<i4", "shows_sight": "?",
}  # fmt: skip
_WORDS = {"beat_giver": "S16", "message": "S239", "camera_trouble": "S256", "troubles": "S768", "rows": "S1024",
    "sight_name": "S64",
}  # fmt: skip
_LEVEL = tuple(field.name for field in fields(Level))
_RECORD = np.dtype(
    [*_NUMBERS.items(), ("has_level", "?"), ("level", "<f4", len(_LEVEL)), *_WORDS.items(), ("staging", "S512")]
)
_SPARE = -_RECORD.itemsize % 4
_RECORD = np.dtype([*_RECORD.descr, ("spare", f"S{_SPARE}")]) if _SPARE else _RECORD
FACTS_WIDTH = _RECORD.itemsize // 4


@dataclass
class Panel:
    """Owned by the thread that looks after the show."""

    contract: FollowerContract
    controls: Controls
    beat_giver: str
    """Of the port that may give the beat: ``MIDI``, ``OSC``, or nothing."""
    rows: Callable[[], tuple[str, ...]]
    """What was calibrated, by now."""
    camera_trouble: Callable[[], str] = str
    """What is wrong with the camera now; empty for nothing."""
    sound_trouble: Callable[[], str] = str
    """What is wrong with the sound now; empty for nothing."""
    sound_level: Callable[[], Level | None] = lambda: None
    """How loud the music comes in; None without music."""
    snapshot: Callable[[], Snapshot] = lambda: Snapshot(0.0)
    """The loop's health by now."""
    sight_name: Callable[[], str] = str
    """Of the shared memory in which lies what the camera sees; empty for none."""
    kept_troubles: Callable[[], tuple[str, ...]] = tuple
    """What is not written any more, of log, session, pictures and sound."""

    def facts(self, time_s: float, glance: Glance, *, is_led: bool) -> Facts:
        """What is known at ``time_s``; ``is_led``: whether a leader was seen."""
        music, camera_trouble = glance.music, self.camera_trouble()
        # In silence music runs on at a tempo that nobody hears.
        has_beat = music is not None and (music.confidence >= SHOWN_CONFIDENCE or self.giver != "")
        known = _of_music(music) if music is not None and has_beat else Facts()
        return replace(
            known,
            budget_ms=1e3 * self.contract.token_frames / self.contract.fps,
            tick_ms=glance.tick_ms,
            ticks=glance.ticks,
            late_ticks=self.snapshot().present.counters.get("late_ticks", 0),
            level=self.sound_level(),
            shows_sight=self.controls.show_preview,
            beat_giver=self.giver,
            message=self.controls.message(time_s) or ("" if is_led else WAITING),
            camera_trouble=camera_trouble,
            troubles=self._troubles(camera_trouble, glance),
            rows=(*self.rows(), *_over_budget(self.snapshot())),
            staging=self.controls.staging,
            sight_name=self.sight_name(),
        )

    def _troubles(self, camera_trouble: str, glance: Glance) -> tuple[str, ...]:
        of_devices, pace = (camera_trouble, self.sound_trouble()), trouble(self.contract, glance.pace)
        return tuple(said for said in (*of_devices, pace, *self.kept_troubles()) if said)

    @property
    def giver(self) -> str:
        """Who gives the beat now; nothing when it is heard."""
        if self.controls.is_tapped:
            return "tapped"
        return self.beat_giver if self.controls.override.pulse is not None else ""


def _over_budget(snapshot: Snapshot) -> tuple[str, ...]:
    """A line for what is beyond its bound; nothing while all is within, and while it has just begun."""
    if snapshot.time_s < SETTLED_S:
        return ()
    over = exceeded(snapshot.present)
    return (f"over budget: {', '.join(figure.name for figure in over)}",) if over else ()


def _of_music(music: MusicFrame) -> Facts:
    return Facts(
        music_s=music.time_s,
        tempo_bpm=music.tempo_bpm,
        beat_phase=music.beat_phase,
        bar_phase=music.bar_phase,
        metre=music.metre,
    )


def hud_values(
    facts: Facts,
    time_s: float,
    leader: LeaderFrame | None,
    pose: FollowerPose,
    lag_s: float,
    shown: SightValues | None,
) -> HudValues:
    """The panel of a picture that is shown at ``time_s``; ``shown`` is the inset's line."""
    heard, danced = not np.isnan(facts.music_s), facts.ticks > 0
    beats = (time_s - facts.music_s) * facts.tempo_bpm / 60.0 if heard else 0.0
    return HudValues(
        tempo_bpm=facts.tempo_bpm if heard else None,
        beat_phase=(facts.beat_phase + beats) % 1.0 if heard else 0.0,
        beat_in_bar=int((facts.bar_phase * facts.metre + beats) % facts.metre) + 1 if heard else None,
        # Who rests follows nobody.
        lag_ms=lag_s * 1e3 if danced and pose.source is not PoseSource.HOLD else None,
        tick_ms=facts.tick_ms if danced else None,
        budget_ms=facts.budget_ms or None,
        late_ticks=facts.late_ticks,
        leader=leader.status if leader else None,
        source=pose.source,
        beat_giver=facts.beat_giver,
        rows=facts.rows,
        sound=facts.level,
        troubles=facts.troubles,
        sight=shown,
        message=facts.message,
    )


def drawn_of(hud: HudValues, signs: str) -> HudValues | None:
    """What is drawn of it under the ``signs`` that are wanted, one of ``ui.staging.HUDS``; None for nothing.

    What a show tells its visitors and what a key did are no signs: they are drawn in any case.
    """
    if signs == "off":
        return replace(hud, is_message_only=True) if hud.message not in ("", WAITING) else None
    return replace(hud, is_for_audience=signs == "audience")


class SightPicture:
    """The camera's picture with its skeleton and its line, drawn once a picture."""

    def __init__(self) -> None:
        self._drawn: tuple[tuple[float, LeaderStatus], NDArray[np.uint8]] | None = None

    def of(
        self, sight: Sight, now_s: float, leader: LeaderFrame | None, screen: tuple[int, int], trouble: str
    ) -> tuple[NDArray[np.uint8], SightValues]:
        """For a ``screen`` (width, height)."""
        # As the stage has it by now: a picture that is too old tracks nobody any more.
        status = leader.status if leader is not None else sight.status
        if self._drawn is None or self._drawn[0] != (sight.time_s, status):
            self._drawn = (sight.time_s, status), with_skeleton(replace(sight, status=status))
        picture = self._drawn[1]
        box = inset_box((picture.shape[1], picture.shape[0]), screen)
        age_ms = max(0.0, now_s - sight.time_s) * 1e3
        return picture, SightValues(box, status, sight.fps, age_ms, trouble)
