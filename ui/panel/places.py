"""Where everything in the panel lies: a pure function of its size, in points (pixels at 100 %).

A band at the top, always in view, says how the dance goes and stops it; below it cards flow into as many columns as
there is room for, and scroll where they do not fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ui.control_table import STREAMS, guidance_name

MARGIN, GAP, PAD = 14.0, 10.0, 12.0
CARD_WIDTH = 276.0
TITLE, ROW, LABEL = 30.0, 38.0, 18.0
TILE, STOP, FOOT = 112.0, 60.0, 30.0
MOST_COLUMNS = 5


@dataclass(frozen=True)
class Place:
    """A rectangle."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.left + self.width / 2.0, self.top + self.height / 2.0

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height


@dataclass(frozen=True)
class Layout:
    """Places by name: of controls, of ``tile:`` what is told, and of ``card:`` frames."""

    band: dict[str, Place]
    """Always in view."""
    flow: dict[str, Place]
    """Below it, from its own top; what does not fit scrolls."""
    flow_top: float
    flow_height: float
    """Of all cards."""
    foot: Place


Row = tuple[tuple[str, ...], float]
"""Names side by side, and how high."""

_CARDS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    (
        "Music",
        (
            (("tap",), 66.0),
            (("listen",), ROW),
            (("sound_device",), ROW + LABEL),
            (("meter:sound",), 24.0),
        ),
    ),
    (
        "Leader",
        (
            (("camera_device",), ROW + LABEL),
            (("picture:camera",), 150.0),
            (("mirror", "sight"), ROW),
            (("left", "right", "away", "toward"), ROW),
            (("turn_left", "turn_right", "centre", "undo_moves"), ROW),
        ),
    ),
    (
        "Partner",
        (
            (("distance",), ROW + LABEL),
            (("groove", "detail", "close", "far", "free"), ROW),
            (("head:guidance",), LABEL),
            *(((guidance_name(stream, 0), guidance_name(stream, 1)), ROW) for stream in range(len(STREAMS))),
            (("style",), ROW + LABEL),
            (("other",), ROW),
        ),
    ),
    (
        "Picture",
        (
            (("stage",), ROW + LABEL),
            (("camera",), ROW + LABEL),
            (("leader_as",), ROW + LABEL),
            (("leader_avatar", "follower_avatar"), ROW + LABEL),
            (("hud",), ROW + LABEL),
            (("display",), ROW + LABEL),
        ),
    ),
    (
        "Health",
        (
            (("graph:latency",), 78.0),
            (("lamps:health",), 248.0),
        ),
    ),
)


def places(width: float, height: float) -> Layout:
    """Everything's place in a window of so many points."""
    inner = max(width - 2.0 * MARGIN, 320.0)
    band = dict(_beside(("tile:leader", "tile:beat", "tile:partner"), MARGIN, MARGIN, inner, TILE))
    stops = MARGIN + TILE + GAP
    band |= dict(_beside(("freeze", "fade", "dance", "learn", "keep", "panic"), MARGIN, stops, inner, STOP))
    flow, tall = _flowed(inner)
    top = stops + STOP + GAP
    foot = Place(0.0, height - FOOT, width, FOOT)
    return Layout(band, flow, top, tall, foot)


def _flowed(inner: float) -> tuple[dict[str, Place], float]:
    """Cards into columns, each below what is shortest so far; and how high it is in all."""
    columns = min(max(int((inner + GAP) // (CARD_WIDTH + GAP)), 1), MOST_COLUMNS)
    width = (inner - GAP * (columns - 1)) / columns
    ends = [0.0] * columns
    flow: dict[str, Place] = {}
    for title, rows in _CARDS:
        column = ends.index(min(ends))
        left, top = MARGIN + column * (width + GAP), ends[column]
        at = top + TITLE
        for names, high in rows:
            flow |= dict(_beside(names, left + PAD, at, width - 2.0 * PAD, high))
            at += high + GAP
        flow[f"card:{title}"] = Place(left, top, width, at - top + PAD - GAP)
        ends[column] = flow[f"card:{title}"].bottom + GAP
    return flow, max(ends)


def _beside(
    names: tuple[str, ...], left: float, top: float, width: float, height: float
) -> Iterator[tuple[str, Place]]:
    each = (width - GAP * (len(names) - 1)) / len(names)
    for number, name in enumerate(names):
        yield name, Place(left + number * (each + GAP), top, each, height)
