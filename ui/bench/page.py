"""A bench record as one self-contained page: numbers, histograms and the course of time, nothing fetched."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from realtime.bench.distribution import Distribution
from realtime.bench.record import BenchRecord, Series

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;font-size:.9rem}
td,th{padding:.15rem .7rem .15rem 0;text-align:right;font-variant-numeric:tabular-nums}
td:first-child,th:first-child{text-align:left}td.text{text-align:left;max-width:44rem;overflow-wrap:anywhere}
.verdict{font-size:1.1rem;border-left:4px solid #3b6fb6;padding-left:.8rem}
.warning{border-left:4px solid #c98a00;padding-left:.8rem;margin:.4rem 0}
figure{margin:1rem 0}figcaption{font-size:.85rem;color:#55565c}svg{max-width:100%;height:auto}
text{font:11px system-ui,sans-serif;fill:#55565c}.bar{fill:#3b6fb6}.most{stroke:#c98a00;fill:none}
.line{stroke:#3b6fb6;fill:none;stroke-width:1.5}.axis{stroke:#b9bac0}
.mark{stroke:#a02c2c;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){body{background:#17181c;color:#e4e4e8}text,figcaption{fill:#a5a6ad;color:#a5a6ad}}
"""
_WIDE, _HIGH, _LEFT, _UNDER = 760, 150, 52, 22
_COLUMNS = ("n", "min", "p50", "p90", "p95", "p99", "99 from", "99 to", "p99.9", "max", "CoV", "drift")


def page(record: BenchRecord) -> str:
    """HTML with style and pictures inside."""
    head = f"duet bench {record.kind}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{head}</title>',
        f"<style>{_STYLE}</style></head>",
        f"<body><h1>{head}</h1>",
        f'<p class="verdict">{_e(record.verdict)}</p>',
        *(f'<p class="warning">{_e(warning)}</p>' for warning in record.warnings),
        "<h2>What was measured</h2>",
        _pairs({**record.subject, "command": record.command}),
        _section("Is it right", record.parity),
        "<h2>Distributions</h2>",
        _distributions(record.series),
        _figures(record),
        "<h2>Pictures</h2>",
        *(_pictures(series) for series in record.series.values()),
        _section("Where it was measured", record.provenance),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _e(value: object) -> str:
    return html.escape(str(value))


def _section(title: str, values: Mapping[str, Any]) -> str:
    return f"<h2>{_e(title)}</h2>{_pairs(values)}" if values else ""


def _pairs(values: Mapping[str, Any]) -> str:
    """A table of names and values; a mapping inside becomes rows of its own."""
    rows = []
    for name, value in values.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        for key, item in inner:
            said = f"{item:.4g}" if isinstance(item, float) else item
            label = f"{name} {key}".strip().replace("_", " ")
            rows.append(f'<tr><td>{_e(label)}</td><td class="text">{_e(said)}</td></tr>')
    return f"<table>{''.join(rows)}</table>"


def _distributions(series: Mapping[str, Series]) -> str:
    rows = []
    for name, one in series.items():
        m = one.measured
        tail = "-" if m.p999 is None else f"{m.p999:.3f}"
        numbers = [f"{v:.3f}" for v in (m.min, m.p50, m.p90, m.p95, m.p99, m.p99_low, m.p99_high)]
        cells = [str(m.n), *numbers, tail, f"{m.max:.3f}", f"{m.cov:.1%}", f"{m.drift:+.1%}"]
        rows.append(f"<tr><td>{_e(name)}, {_e(one.unit)}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    heads = "".join(f"<th>{_e(column)}</th>" for column in _COLUMNS)
    return f"<table><tr><th></th>{heads}</tr>{''.join(rows)}</table>"


def _figures(record: BenchRecord) -> str:
    if not record.figures:
        return ""
    rows = "".join(
        f"<tr><td>{_e(f.what)}</td><td>{f.value:.4g} {_e(f.unit)}</td></tr>" for f in record.figures.values()
    )
    return f"<h2>Figures</h2><table>{rows}</table>"


def _pictures(series: Series) -> str:
    caption = f"{series.what}, {series.unit}: how often, and in the order of time (median and greatest of a stretch)"
    return (
        f"<figure>{histogram(series.measured, series.unit)}{course(series.measured, series.unit)}"
        f"<figcaption>{_e(caption)}</figcaption></figure>"
    )


def histogram(measured: Distribution, unit: str) -> str:
    """Counts as bars, with p50 and p99 marked; from the least measurement to the greatest."""
    low, high = measured.edges[0], measured.edges[-1]
    most, span = max(measured.counts), (high - low) or 1.0

    def x(value: float) -> float:
        return _LEFT + (_WIDE - _LEFT) * (value - low) / span

    bars = "".join(
        f'<rect class="bar" x="{x(left):.1f}" width="{max(x(right) - x(left) - 1, 0.5):.1f}" '
        f'y="{_HIGH * (1 - count / most):.1f}" height="{_HIGH * count / most:.1f}"/>'
        for left, right, count in zip(measured.edges, measured.edges[1:], measured.counts, strict=False)
        if count
    )
    marks = "".join(
        f'<line class="mark" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="0" y2="{_HIGH}"/>'
        f'<text {_beside(x(value))} y="{row}">{name} {value:.2f}</text>'
        for name, value, row in (("p50", measured.p50, 11), ("p99", measured.p99, 24))
    )
    return _svg(bars + marks, (f"{most}", "0"), (f"{low:.2f} {unit}", f"{high:.2f} {unit}"))


def _beside(x: float) -> str:
    """Where a mark's name stands: right of it, or left where there is no room."""
    return f'x="{x - 3:.1f}" text-anchor="end"' if x > _WIDE - 90 else f'x="{x + 3:.1f}"'


def course(measured: Distribution, unit: str) -> str:
    """Median and greatest of each stretch, in the order of time."""
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
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_WIDE} {_HIGH + _UNDER}">{axis}{inside}'
        f'<text x="{_LEFT - 4}" y="11" text-anchor="end">{_e(beside[0])}</text>'
        f'<text x="{_LEFT - 4}" y="{_HIGH}" text-anchor="end">{_e(beside[1])}</text>'
        f'<text x="{_LEFT}" y="{_HIGH + 15}">{_e(under[0])}</text>'
        f'<text x="{_WIDE}" y="{_HIGH + 15}" text-anchor="end">{_e(under[1])}</text></svg>'
    )
