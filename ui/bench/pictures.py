"""A distribution as pictures for a page: how often, and in the order of time. SVG as text, nothing fetched."""

import html
from collections.abc import Sequence

from realtime.bench.distribution import Distribution

_WIDE, _HIGH, _LEFT, _UNDER, _ABOVE = 460, 150, 46, 22, 30
_NAMED_APART = 62


def histogram(measured: Distribution, unit: str) -> str:
    """Counts as bars, with p50 and p99 marked; from the least measurement to the greatest."""
    low, high = measured.edges[0], measured.edges[-1]
    most, span = max(measured.counts), (high - low) or 1.0

    def x(value: float) -> float:
        return _LEFT + (_WIDE - _LEFT) * (value - low) / span

    bars = "".join(
        f'<rect class="bar" x="{x(left):.1f}" width="{max(x(right) - x(left) - 0.8, 0.6):.1f}" '
        f'y="{_HIGH * (1 - count / most):.1f}" height="{_HIGH * count / most:.1f}"/>'
        for left, right, count in zip(measured.edges, measured.edges[1:], measured.counts, strict=False)
        if count
    )
    marks = "".join(
        f'<line class="mark" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{row}" y2="{_HIGH}"/>'
        f'<text {_beside(x(value))} y="{row + 4}">{name} {value:.2f}</text>'
        for name, value, row in (("p50", measured.p50, -8), ("p99", measured.p99, -22))
    )
    return _svg(bars + marks, (f"{most}", "0"), (f"{low:.2f} {unit}", f"{high:.2f} {unit}"))


def _beside(x: float) -> str:
    """Where a mark's name stands: right of it, or left where there is no room."""
    return f'x="{x - 3:.1f}" text-anchor="end"' if x > _WIDE - _NAMED_APART else f'x="{x + 3:.1f}"'


def course(measured: Distribution, unit: str) -> str:
    """Median and greatest of each stretch, in the order of time; from 0 on."""
    top = max(measured.course_max) or 1.0
    median, most = (_polyline(values, top) for values in (measured.course_p50, measured.course_max))
    lines = f'<polyline class="most" points="{most}"/><polyline class="line" points="{median}"/>'
    return _svg(lines, (f"{top:.2f}", f"0 {unit}"), ("begin", "end"))


def _polyline(values: Sequence[float], top: float) -> str:
    step = (_WIDE - _LEFT) / max(len(values) - 1, 1)
    points = [(_LEFT + i * step, _HIGH * (1 - max(v, 0.0) / top)) for i, v in enumerate(values)]
    # A line of one point would not be seen.
    points = points if len(points) > 1 else [points[0], (float(_WIDE), points[0][1])]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _svg(inside: str, beside: tuple[str, str], under: tuple[str, str]) -> str:
    axis = f'<path class="axis" fill="none" d="M{_LEFT} 0V{_HIGH}H{_WIDE}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 {-_ABOVE} {_WIDE + 4} {_HIGH + _UNDER + _ABOVE}">{axis}{inside}'
        f'<text x="{_LEFT - 5}" y="9" text-anchor="end">{html.escape(beside[0])}</text>'
        f'<text x="{_LEFT - 5}" y="{_HIGH}" text-anchor="end">{html.escape(beside[1])}</text>'
        f'<text x="{_LEFT}" y="{_HIGH + 16}">{html.escape(under[0])}</text>'
        f'<text x="{_WIDE}" y="{_HIGH + 16}" text-anchor="end">{html.escape(under[1])}</text></svg>'
    )
