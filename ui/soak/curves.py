"""The curves of a soak as a picture: what was sampled, its line, and what is thought of it."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from duet.errors import InputError
from duet.files import written_whole
from realtime.bench.soak import Judgement, Sample, Slope, Verdict, warm_up_h

WIDTH, ROW = 1200, 190
_LEFT, _RIGHT, _TOP, _FOOT = 90, 20, 34, 26
_PAPER, _INK, _FAINT = (252, 252, 250), (40, 40, 46), (206, 206, 210)
_DOT = (120, 150, 200)
_LINES = {Judgement.PASS: (44, 140, 70), Judgement.UNSURE: (200, 140, 20), Judgement.FAIL: (200, 50, 40)}


def write_curves(path: Path, samples: Sequence[Sample], verdict: Verdict) -> None:
    """A PNG of every curve, one below the other. InputError where it cannot be written."""
    picture = Image.new("RGB", (WIDTH, ROW * len(verdict.slopes)), _PAPER)
    draw = ImageDraw.Draw(picture)
    hours = np.array([sample.time_s for sample in samples], dtype=np.float64) / 3600.0
    for row, slope in enumerate(verdict.slopes):
        values = np.array([getattr(sample, slope.curve) for sample in samples], dtype=np.float64)
        _row(draw, row * ROW, hours, values, slope)
    try:
        with written_whole(path) as part:
            picture.save(part, format="PNG")
    except OSError as error:
        raise InputError(f"{path}: expected to write curves there, got: {error}. Name another file.") from error


def _row(
    draw: ImageDraw.ImageDraw, top: int, hours: NDArray[np.float64], values: NDArray[np.float64], slope: Slope
) -> None:
    box = _LEFT, top + _TOP, WIDTH - _RIGHT, top + ROW - _FOOT
    # Pillow's own letters have no raised ones.
    said = (f"{slope.what} {f'({slope.unit})' if slope.unit else ''}".strip(), told(slope))
    name, thought = (text.replace("³", "^3") for text in said)
    draw.text((_LEFT, top + 12), name, _INK)
    draw.text((_LEFT + 330, top + 12), thought, _LINES[slope.judgement])
    draw.rectangle(box, outline=_FAINT)
    good = np.isfinite(values)
    if not good.any():
        return
    low, high = float(values[good].min()), float(values[good].max())
    margin = max(0.08 * (high - low), 0.01 * abs(high), 1e-6)
    low, high, end = low - margin, high + margin, max(float(hours[-1]), 1e-9)

    def place(hour: float, value: float) -> tuple[float, float]:
        across, up = hour / end, (value - low) / (high - low)
        return box[0] + across * (box[2] - box[0]), box[3] - up * (box[3] - box[1])

    for hour, value in zip(hours[good], values[good], strict=True):
        x, y = place(float(hour), float(value))
        draw.ellipse((x - 1, y - 1, x + 1, y + 1), fill=_DOT)
    start = min(float(hours[0]) + warm_up_h(float(hours[-1] - hours[0])), end)
    draw.line((*place(start, low), *place(start, high)), fill=_FAINT)
    if np.isfinite(slope.least_per_hour):
        ends = place(start, min(max(slope.first, low), high)), place(end, min(max(slope.last, low), high))
        draw.line((*ends[0], *ends[1]), fill=_LINES[slope.judgement], width=2)
    draw.text((8, box[1] - 4), readable(high, digits=5), _INK)
    draw.text((8, box[3] - 10), readable(low, digits=5), _INK)
    draw.text((box[0], box[3] + 6), "0 h", _INK)
    draw.text((box[2] - 60, box[3] + 6), f"{end:.3g} h", _INK)


def told(slope: Slope) -> str:
    """What is thought of a curve, in a line."""
    if not np.isfinite(slope.least_per_hour):
        return f"{slope.judgement}: too few samples after its start"
    unit = f" {slope.unit}" if slope.unit else ""
    rate, least, most = (
        readable(value, slope.allowed_per_hour, digits=3, sign=True)
        for value in (slope.per_hour, slope.least_per_hour, slope.most_per_hour)
    )
    at_most = readable(slope.allowed_per_hour, digits=3)
    return f"{slope.judgement}: {rate}{unit} an hour ({least} to {most}; at most {at_most})"


def readable(value: float, bound: float = 0.0, *, digits: int = 4, sign: bool = False) -> str:
    """A number of so many ``digits`` that count, never with an exponent; a dash for what is none.

    What is less than a thousandth of ``bound`` is 0. ``sign``: a plus, too.
    """
    if not math.isfinite(value):
        return "–"
    if value == 0.0 or abs(value) < 1e-3 * bound:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    text = f"{rounded:{'+' if sign else ''}.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
