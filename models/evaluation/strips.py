"""Pictures of a dance for a report: stick figures of couples in a row, and curves over the beats. Plain SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from duet.rotations import Array
from duet.skeleton import BODY

WIDTH, MARGIN = 1100, 66
FIGURE_HEIGHT, CURVE_HEIGHT, ROW_HEIGHT = 120, 110, 20
INK, FAINT = "#333", "#ccc"
_FIGURES = 13
_METRES_TALL = 1.9


@dataclass(frozen=True)
class Line:
    """A curve."""

    name: str
    colour: str
    values: NDArray[np.floating]
    """(T,)."""


@dataclass(frozen=True)
class FootRow:
    """Steps of somebody."""

    name: str
    colour: str
    left_s: NDArray[np.floating]
    right_s: NDArray[np.floating]


def couple_strip(title: str, leader_m: Array, partners: Sequence[tuple[str, Array]], fps: float) -> str:
    """A row of couples, evenly over the take (T, 22, 3): the leader dark, partners in their colours, seen from the
    side of the line between them at that moment, the leader to the left."""
    frames = min([len(leader_m), *(len(joints) for _, joints in partners)])
    at = np.linspace(0, frames - 1, _FIGURES).astype(int)
    scale, step = FIGURE_HEIGHT / _METRES_TALL, (WIDTH - 2 * MARGIN) / (_FIGURES - 1)
    parts = [_text(MARGIN, 12, title)]
    for place, frame in enumerate(at):
        leader = np.asarray(leader_m[frame], dtype=np.float64)
        middle, across = _view(leader, np.asarray(partners[0][1][frame], dtype=np.float64))
        x = MARGIN + place * step
        for colour, joints in ((INK, leader), *((c, np.asarray(j[frame], dtype=np.float64)) for c, j in partners)):
            flat = (joints[:, [0, 2]] - middle) @ across
            points = np.stack([x + scale * flat, 18 + FIGURE_HEIGHT - scale * joints[:, 1]], axis=1)
            parts.append(_figure(points, colour))
        parts.append(_text(x, FIGURE_HEIGHT + 32, f"{frame / fps:.0f} s", anchor="middle", size=9))
    return _svg(FIGURE_HEIGHT + 38, parts)


def _view(leader: Array, partner: Array) -> tuple[Array, Array]:
    """Middle (2,) of a couple on the floor, and the direction (2,) from leader to partner."""
    one, other = leader[0, [0, 2]], partner[0, [0, 2]]
    way = other - one
    return 0.5 * (one + other), way / max(float(np.linalg.norm(way)), 1e-6)


def _figure(points: NDArray[np.floating], colour: str) -> str:
    bones = [
        f"M{points[parent][0]:.1f} {points[parent][1]:.1f}L{points[joint][0]:.1f} {points[joint][1]:.1f}"
        for joint, parent in enumerate(BODY.parents)
        if parent >= 0
    ]
    return f'<path d="{"".join(bones)}" stroke="{colour}" stroke-width="1.4" fill="none" stroke-linecap="round"/>'


def curves(title: str, lines: Sequence[Line], fps: float, *, low: float, high: float, unit: str) -> str:
    """Curves over seconds, between ``low`` and ``high``."""
    seconds = max(len(line.values) for line in lines) / fps
    parts = [_text(MARGIN, 12, title)]
    for share in (0.0, 0.5, 1.0):
        y = 18 + CURVE_HEIGHT * (1 - share)
        parts.append(f'<path d="M{MARGIN} {y:.1f}H{WIDTH - MARGIN}" stroke="{FAINT}"/>')
        parts.append(_text(MARGIN - 4, y + 3, f"{low + share * (high - low):.3g}{unit}", anchor="end", size=9))
    for line in lines:
        shown = np.clip((line.values - low) / (high - low), 0.0, 1.0)
        x = MARGIN + np.arange(len(shown)) / fps / seconds * (WIDTH - 2 * MARGIN)
        path = "L".join(f"{a:.1f} {18 + CURVE_HEIGHT * (1 - b):.1f}" for a, b in zip(x[::2], shown[::2], strict=True))
        parts.append(f'<path d="M{path}" stroke="{line.colour}" stroke-width="1.3" fill="none"/>')
    parts += _seconds(seconds, 18 + CURVE_HEIGHT + 12)
    parts += _legend([(line.name, line.colour) for line in lines])
    return _svg(CURVE_HEIGHT + 36, parts)


def beat_grid(title: str, rows: Sequence[FootRow], beats_s: NDArray[np.floating], seconds: float) -> str:
    """Steps on the beat grid: a triangle to the left for a left foot, to the right for a right one."""
    height = 18 + ROW_HEIGHT * len(rows)
    parts = [_text(MARGIN, 12, title)]

    def at(time_s: float) -> float:
        return MARGIN + time_s / seconds * (WIDTH - 2 * MARGIN)

    for number, beat in enumerate(beats_s):
        colour = "#888" if number % 4 == 0 else "#e2e2e2"
        parts.append(f'<path d="M{at(beat):.1f} 18V{height}" stroke="{colour}"/>')
    for index, row in enumerate(rows):
        y = 18 + ROW_HEIGHT * (index + 0.5)
        parts.append(_text(MARGIN - 4, y + 3, row.name, anchor="end", size=8))
        for times, way in ((row.left_s, -5), (row.right_s, 5)):
            marks = "".join(f"M{at(t):.1f} {y - 5:.1f}v10l{way} -5z" for t in times)
            parts.append(f'<path d="{marks}" fill="{row.colour}"/>')
    return _svg(height + 18, parts + _seconds(seconds, height + 12))


def _seconds(seconds: float, y: float) -> list[str]:
    marks = np.arange(0.0, seconds, 5.0)
    return [_text(MARGIN + s / seconds * (WIDTH - 2 * MARGIN), y, f"{s:.0f} s", anchor="middle", size=9) for s in marks]


def _legend(names: Sequence[tuple[str, str]]) -> list[str]:
    x, parts = WIDTH - MARGIN, []
    for name, colour in reversed(names):
        parts.append(_text(x, 12, name, anchor="end", colour=colour))
        x -= 6.2 * len(name) + 16
    return parts


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 11, colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" width="100%" xmlns="http://www.w3.org/2000/svg" '
        f'font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )
