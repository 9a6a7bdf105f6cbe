"""What the panel's window is told, many times a second: everything it shows, in one value that becomes JSON."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.budget import judged
from realtime.glance import Glance
from realtime.sound.level import Level
from ui.control_table import CONTROLS
from ui.controls import Controls
from ui.panel.facts import Panel

STATE_WIDTH = 8192
"""Numbers of shared memory for it: 32 KB."""
NOBODY = "nobody yet"
_MOST_WORDS = 300


@dataclass(frozen=True)
class PanelState:
    """One moment of a performance, for who looks after it. Plain values only."""

    time_s: float = 0.0
    values: dict[str, Any] = field(default_factory=dict)
    """Of controls, by name."""
    choices: dict[str, list[str]] = field(default_factory=dict)
    """Of controls whose choices the table does not know."""
    bound: dict[str, str] = field(default_factory=dict)
    """The keys and knobs of each control, in words."""
    learning: str | None = None
    stopped: str = ""
    leader: str = NOBODY
    source: str = ""
    """How the partner's pose comes to be shown; empty before the first."""
    giver: str = ""
    """Who gives the beat when it is not heard."""
    tempo_bpm: float | None = None
    """None while nothing is known of the music."""
    confidence: float = 0.0
    music_s: float = 0.0
    beat_phase: float = 0.0
    bar_phase: float = 0.0
    metre: int = 4
    tick_ms: float = 0.0
    budget_ms: float = 0.0
    ticks: int = 0
    late_ticks: int = 0
    lag_ms: float | None = None
    pictures_s: float | None = None
    """Pictures a second."""
    level: dict[str, Any] | None = None
    budgets: list[tuple[str, str, float, float | None]] = field(default_factory=list)
    """Figures of ``realtime.budget``: name, unit, most, got."""
    message: str = ""
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    show: str = ""
    """Name of the show's file; empty without one."""
    sight_name: str = ""
    """Of the shared memory in which lies what the camera sees; empty for none."""

    def record(self) -> NDArray[np.float32]:
        """For shared memory: JSON, padded with blanks."""
        data = json.dumps(asdict(self), separators=(",", ":")).encode()
        return np.frombuffer(data + b" " * (-len(data) % 4), dtype=np.float32)

    @classmethod
    def of_record(cls, values: NDArray[np.float32]) -> "PanelState":
        """From shared memory."""
        return cls(**json.loads(values.tobytes()))

    @property
    def sound(self) -> Level | None:
        """How loud the music comes in."""
        return None if self.level is None else Level(**self.level)


def gather(
    time_s: float, panel: Panel, glance: Glance, *, source: str, pictures_s: float | None, show: str
) -> PanelState:
    """Everything there is to tell at ``time_s``."""
    controls, level = panel.controls, panel.sound_level()
    facts = panel.facts(time_s, glance, is_led=glance.leader is not None)
    heard, snapshot = glance.music, panel.snapshot()
    lag = snapshot.recent.get("lag")
    return PanelState(
        round(time_s, 3),
        controls.values(),
        {name: list(controls.choices(name)) for name in ("style", "leader_avatar", "follower_avatar")},
        bound_in_words(controls),
        controls.learning,
        controls.stopped,
        NOBODY if glance.leader is None else str(glance.leader.status),
        source,
        facts.beat_giver,
        None if heard is None else round(heard.tempo_bpm, 1),
        0.0 if heard is None else round(heard.confidence, 3),
        0.0 if heard is None else heard.time_s,
        facts.beat_phase,
        facts.bar_phase,
        facts.metre,
        facts.tick_ms,
        facts.budget_ms,
        facts.ticks,
        glance.late_ticks,
        round(lag.p50_ms, 1) if lag is not None and lag.n else None,
        pictures_s,
        None if level is None else asdict(level),
        [(figure.name, figure.unit, figure.most, figure.got) for figure in judged(snapshot.present)],
        facts.message,
        [trouble[:_MOST_WORDS] for trouble in facts.troubles],
        [row[:_MOST_WORDS] for row in facts.rows],
        show,
        facts.sight_name,
    )


def bound_in_words(controls: Controls) -> dict[str, str]:
    """The keys and knobs of every control that has some."""
    told = {name: " · ".join(map(_in_words, controls.bindings.of(name))) for name in CONTROLS}
    return {name: words for name, words in told.items() if words}


def _in_words(source: str) -> str:
    signs = {"left_bracket": "[", "right_bracket": "]", "comma": ",", "period": "."}
    return signs.get(source, source.replace("_", " ").title() if " " not in source else source)
