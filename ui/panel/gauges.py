"""What the panel tells without being touched: the three great tiles, meters, the latency graph and the lamps."""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from duet.beat_scores import SHOWN_CONFIDENCE
from realtime.sound.level import SILENT_DB
from ui.panel.pen import (
    BAD,
    CALM,
    CARD,
    FAINT,
    FIELD,
    GOOD,
    HUGE,
    INK,
    LARGE,
    QUIET,
    RAISED,
    SMALL,
    TEXT,
    WARN,
    Colour,
    Pen,
    dimmed,
)  # fmt: skip
from ui.panel.places import Place
from ui.panel.state import NOBODY, PanelState
from ui.words import times

if TYPE_CHECKING:
    from imgui_bundle import imgui

_POINTS = 240
"""Of the latency graph: half a minute of ticks."""
_LEADER: dict[str, tuple[str, Colour]] = {
    "tracked": ("tracked", GOOD),
    "held": ("held", WARN),
    "lost": ("lost", BAD),
    NOBODY: ("nobody", BAD),
}
_LEADER_SAYS = {
    "tracked": "the partner sees you",
    "held": "hidden for a moment: the last pose is carried on",
    "lost": "nobody is seen: step before the camera",
    NOBODY: "waiting for a leader",
}
_PARTNER: dict[str, tuple[str, Colour]] = {
    "model": ("dances", GOOD),
    "blend": ("joins in", WARN),
    "hold": ("rests", WARN),
}
_STOPPED = {"freeze": "frozen", "fade": "stopped", "panic": "stopped"}
_LATE_S = 4.0


@dataclass
class Gauges:
    """Draws what is told; keeps what the graph shows."""

    pen: Pen
    ticks_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_POINTS))
    late: deque[bool] = field(default_factory=lambda: deque(maxlen=_POINTS))
    _seen: tuple[int, int] = (0, 0)
    _late_until_s: float = -1.0
    _budget_ms: float = 0.0

    def see(self, state: PanelState) -> None:
        """Take a state's newest tick into the graph."""
        ticks, late = self._seen
        is_late = state.late_ticks > late
        if is_late:
            self._late_until_s = state.time_s + _LATE_S
        if state.ticks != ticks:
            self.ticks_ms.append(state.tick_ms)
            self.late.append(is_late)
        self._seen = state.ticks, state.late_ticks
        self._budget_ms = state.budget_ms

    def leader(self, state: PanelState, place: Place) -> None:
        """Whether somebody leads."""
        word, colour = _LEADER.get(state.leader, (state.leader, QUIET))
        self._tile(place, "LEADER", word, colour, _LEADER_SAYS.get(state.leader, ""))

    def beat(self, state: PanelState, place: Place, now_s: float) -> None:
        """The beat that is danced to, as a ring that fills over a beat, and where in the bar it is."""
        pen, sure = self.pen, state.confidence >= SHOWN_CONFIDENCE or bool(state.giver)
        known = state.tempo_bpm is not None and sure
        colour = GOOD if known else WARN
        tempo = f"{state.tempo_bpm:.0f}" if known else "no beat"
        says = {"": "heard in the music" if known else "nothing steady is heard: wait, or tap"}.get(
            state.giver, f"{state.giver}, not listened for"
        )
        has_ring = known and place.width > 210.0
        self._tile(place, "BEAT", tempo, colour, says, aside=80.0 if has_ring else 0.0)
        if has_ring and state.tempo_bpm:
            pen.text("bpm", place.left + 47.0 + pen.width(tempo, HUGE, bold=True), place.top + 47.0, FAINT, LARGE)
            beats = (now_s - state.music_s) * state.tempo_bpm / 60.0
            phase = (state.beat_phase + beats) % 1.0
            number = int((state.bar_phase * state.metre + beats) % state.metre) + 1
            x, y, radius = place.left + place.width - 48.0, place.top + place.height / 2.0, 30.0
            pulse = max(0.0, 1.0 - 3.0 * phase)
            pen.arc(x, y, radius, 1.0, RAISED, 6.0)
            pen.arc(x, y, radius, max(phase, 0.02), CALM, 6.0 + 2.0 * pulse)
            pen.centred(str(number), Place(x - 20.0, y - 20.0, 40.0, 40.0), INK, 27.0, bold=True)

    def partner(self, state: PanelState, place: Place) -> None:
        """What the partner does, and whether it is late."""
        word, colour = _PARTNER.get(state.source, ("waits", QUIET))
        if state.stopped:
            word, colour = _STOPPED[state.stopped], WARN
        is_late = state.time_s < self._late_until_s
        lag = "" if state.lag_ms is None else f"{state.lag_ms:.0f} ms behind you · "
        late = f"late {times(state.late_ticks)}" if state.late_ticks else "never late"
        self._tile(place, "PARTNER", "late" if is_late else word, BAD if is_late else colour, f"{lag}{late}")

    def sound(self, state: PanelState, place: Place) -> None:
        """How loud the music comes in: mean, and fainter its peak."""
        pen, level = self.pen, state.sound
        rail = Place(place.left, place.top + 4.0, place.width - 70.0, 10.0)
        pen.box(rail, FIELD, 5.0)
        if level is None:
            pen.text("no music", rail.left + rail.width + 10.0, place.top, FAINT, SMALL)
            return
        colour = BAD if level.is_clipping else GOOD
        for decibels, strength in ((level.peak_db, 0.35), (level.rms_db, 1.0)):
            share = min(max(1.0 - decibels / SILENT_DB, 0.0), 1.0)
            if share > 0.0:
                pen.box(Place(rail.left, rail.top, max(rail.width * share, 10.0), 10.0), dimmed(colour, strength), 5.0)
        told = "silence" if level.is_silent else "too loud" if level.is_clipping else f"{level.rms_db:.0f} dB"
        ink = WARN if level.is_silent else BAD if level.is_clipping else FAINT
        pen.text(told, rail.left + rail.width + 10.0, place.top, ink, SMALL)

    def sight(self, sight: "tuple[imgui.ImTextureRef, float] | None", state: PanelState, place: Place) -> None:
        """What the leader's camera sees, framed in the lamp's colour."""
        pen = self.pen
        pen.box(place, FIELD)
        if sight is None:
            pen.centred("no picture yet" if state.sight_name else "no camera: a recorded leader", place, QUIET, TEXT)
            return
        texture, aspect = sight
        wide = min(place.width - 8.0, (place.height - 8.0) * aspect)
        high = wide / aspect
        x, y = place.middle
        pen.image(Place(x - wide / 2.0, y - high / 2.0, wide, high), texture)
        pen.frame(place, _LEADER.get(state.leader, ("", QUIET))[1], 2.0)

    def latency(self, place: Place) -> None:
        """A bar for each tick below the line that it must not cross."""
        pen, budget = self.pen, self._budget_ms or 133.0
        newest = f"tick {self.ticks_ms[-1]:.0f} ms" if self.ticks_ms else "tick –"
        pen.text(newest, place.left + 1.0, place.top - 2.0, INK, 15.0)
        bound = f"at most {budget:.0f}"
        pen.text(bound, place.left + place.width - pen.width(bound, SMALL), place.top, FAINT, SMALL)
        graph = Place(place.left, place.top + 22.0, place.width, place.height - 22.0)
        pen.box(graph, FIELD, 5.0)
        most = max(1.25 * budget, max(self.ticks_ms, default=0.0))
        line = graph.bottom - graph.height * budget / most
        pen.line([(graph.left, line), (graph.left + graph.width, line)], dimmed(BAD, 0.8), 1.5)
        step = graph.width / _POINTS
        start = _POINTS - len(self.ticks_ms)
        for number, (tick_ms, is_late) in enumerate(zip(self.ticks_ms, self.late, strict=True)):
            high = max(graph.height * tick_ms / most, 1.0)
            colour = BAD if is_late or tick_ms > budget else WARN if tick_ms > 0.5 * budget else GOOD
            left = graph.left + (start + number) * step
            pen.box(Place(left, graph.bottom - high, max(step, 1.0), high), colour, 0.0)

    def lamps(self, state: PanelState, place: Place) -> None:
        """Every figure of the budgets' table: a lamp, its name, what it is; within or beyond its bound."""
        pen, left = self.pen, place.left
        high = place.height / max(len(state.budgets), 1)
        for number, (name, unit, most, got) in enumerate(state.budgets):
            middle = place.top + (number + 0.5) * high
            colour = QUIET if got is None else GOOD if got <= most else BAD
            pen.disc(left + 6.0, middle, 4.5, colour)
            told = "–" if got is None else f"{got:.3g} {unit}".rstrip()
            value = pen.width(told, SMALL)
            ink = FAINT if got is None or got <= most else INK
            room = place.width - value - 26.0
            pen.text(pen.fitted(name, room, SMALL), left + 16.0, middle - 8.0, ink, SMALL)
            pen.text(told, left + place.width - value - 6.0, middle - 8.0, INK, SMALL)

    def _tile(self, place: Place, title: str, word: str, colour: Colour, says: str, aside: float = 0.0) -> None:
        """A lamp, a word that is read from afar, and a line; ``aside`` points at its right stay free."""
        pen = self.pen
        pen.box(place, CARD, 9.0)
        pen.box(Place(place.left, place.top, 6.0, place.height), colour, 3.0)
        pen.text(title, place.left + 20.0, place.top + 10.0, FAINT, SMALL, bold=True)
        pen.disc(place.left + 29.0, place.top + 55.0, 9.0, colour)
        size = self._tile_size(word, place)
        pen.text(word, place.left + 47.0, place.top + 55.0 - 0.6 * size, INK if colour != BAD else BAD, size, bold=True)
        room = place.width - 34.0 - aside
        pen.text(pen.fitted(says, room, TEXT), place.left + 20.0, place.top + 83.0, FAINT, TEXT)

    def _tile_size(self, word: str, place: Place) -> float:
        """As large as there is room for."""
        room = place.width - 60.0
        return HUGE * min(1.0, room / max(self.pen.width(word, HUGE, bold=True), 1.0))
