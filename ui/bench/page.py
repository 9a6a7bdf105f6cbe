"""A bench record as one self-contained page: numbers, histograms and the course of time, nothing fetched."""

import html
from collections.abc import Iterator, Mapping
from typing import Any

from realtime.bench.record import Aim, BenchRecord, Series
from ui.bench.pictures import course, histogram

STYLE = """
:root{--ink:#1c1d22;--soft:#62646d;--line:#dddfe5;--card:#fff;--back:#f5f6f8;--blue:#2f62a8;--pale:#bcd0ea;
--good:#1d7a48;--goodback:#e2f3e9;--bad:#a4490b;--badback:#fcecd9;--wrong:#a11d2c;--mark:#b3331f}
@media(prefers-color-scheme:dark){:root{--ink:#e7e8ec;--soft:#a2a5b0;--line:#34363f;--card:#1e2027;--back:#14151a;
--blue:#78a8e6;--pale:#37507a;--good:#76d39f;--goodback:#173324;--bad:#f0b070;--badback:#3a2812;--wrong:#ff8b97;
--mark:#ff8d75}}
*{box-sizing:border-box}body{font:15px/1.55 system-ui,sans-serif;margin:0;background:var(--back);color:var(--ink)}
main{max-width:66rem;margin:0 auto;padding:1.5rem 1.2rem 4rem}h1{font-size:1.7rem;margin:.5rem 0 .2rem}
h2{font-size:1.3rem;margin:2.6rem 0 .6rem}h3{font-size:1rem;margin:1.4rem 0 .4rem}
section,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.2rem 1.2rem 1rem;
margin:1rem 0}section>h2{margin-top:1rem}.soft{color:var(--soft)}
.verdict{font-size:1.08rem;border-left:4px solid var(--blue);padding-left:.8rem;margin:.8rem 0}
.warning{border-left:4px solid var(--bad);padding-left:.8rem;margin:.35rem 0;color:var(--soft);font-size:.92rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;width:100%}
td,th{padding:.28rem .7rem .28rem 0;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;
border-bottom:1px solid var(--line)}tr:last-child td{border-bottom:0}
th{color:var(--soft);font-weight:500}td:first-child,th:first-child{text-align:left;white-space:normal}
td.text{text-align:left;white-space:normal;overflow-wrap:anywhere}
.tag{border-radius:99px;padding:.08rem .6rem;font-size:.82rem;font-weight:600}
.met{background:var(--goodback);color:var(--good)}.missed{background:var(--badback);color:var(--bad)}
.wrong{background:var(--badback);color:var(--wrong)}
figure{margin:1.1rem 0}figcaption{font-size:.88rem;margin-bottom:.2rem}figcaption b{font-weight:600}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1.2rem}@media(max-width:46rem){.pair{grid-template-columns:1fr}}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.bar{fill:var(--blue)}.most{stroke:var(--mark);fill:none;stroke-width:1}.line{stroke:var(--blue);fill:none;
stroke-width:1.8}.axis{stroke:var(--line)}.mark{stroke:var(--mark);stroke-dasharray:4 3}
nav a{display:inline-block;margin:.2rem .9rem .2rem 0}a{color:var(--blue)}
code{font:.86rem ui-monospace,monospace;overflow-wrap:anywhere}
"""
_COLUMNS = ("n", "min", "p50", "p90", "p95", "p99", "99 from", "99 to", "p99.9", "max", "CoV", "drift")


def page(record: BenchRecord) -> str:
    """HTML with style and pictures inside."""
    head = f"duet bench {record.kind}"
    body = [f"<h1>{escaped(head)}</h1>", *body_of(record), section("Where it was measured", record.provenance)]
    return document(head, body)


def document(title: str, body: list[str]) -> str:
    """A whole page."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escaped(title)}</title><style>{STYLE}</style></head><body><main>",
            *(part for part in body if part),
            "</main></body></html>\n",
        ]
    )


def body_of(record: BenchRecord) -> Iterator[str]:
    """Everything of a record but where it was measured."""
    yield f'<p class="verdict">{escaped(record.verdict)}</p>'
    yield from (f'<p class="warning">{escaped(warning)}</p>' for warning in record.warnings)
    yield aims(record.aims)
    yield section("Is it right", record.parity)
    yield _distributions(record.series)
    yield from (_pictures(series) for series in record.series.values())
    yield _figures(record)
    yield f"<h3>What was measured</h3>{pairs(record.subject)}"
    yield f'<p class="soft">Again: <code>{escaped(record.command)}</code></p>'


def escaped(value: object) -> str:
    """As text of HTML."""
    return html.escape(str(value))


def section(title: str, values: Mapping[str, Any]) -> str:
    """A heading and a table of names and values; nothing where there are none."""
    return f"<h3>{escaped(title)}</h3>{pairs(values)}" if values else ""


def pairs(values: Mapping[str, Any]) -> str:
    """A table of names and values; a mapping inside becomes rows of its own."""
    rows = []
    for name, value in values.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        for key, item in inner:
            said = f"{item:.4g}" if isinstance(item, float) else item
            label = f"{name} {key}".strip().replace("_", " ")
            rows.append(f'<tr><td>{escaped(label)}</td><td class="text">{escaped(said)}</td></tr>')
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def aims(wanted: tuple[Aim, ...]) -> str:
    """What the numbers should be, met or missed."""
    if not wanted:
        return ""
    rows = "".join(
        f"<tr><td>{escaped(aim.what)}</td><td>{aim.got:.4g} {escaped(aim.unit)}</td><td>{escaped(aim.wanted)}</td>"
        f"<td>{tag(aim.holds)}</td></tr>"
        for aim in wanted
    )
    heads = "<tr><th>aim</th><th>measured</th><th>wanted</th><th></th></tr>"
    return f'<div class="wide"><table>{heads}{rows}</table></div>'


def tag(is_met: bool) -> str:
    """Met or missed."""
    return '<span class="tag met">met</span>' if is_met else '<span class="tag missed">missed</span>'


def _distributions(series: Mapping[str, Series]) -> str:
    if not series:
        return ""
    rows = []
    for name, one in series.items():
        m = one.measured
        tail = "-" if m.p999 is None else f"{m.p999:.2f}"
        numbers = [f"{v:.2f}" for v in (m.min, m.p50, m.p90, m.p95, m.p99, m.p99_low, m.p99_high)]
        cells = [str(m.n), *numbers, tail, f"{m.max:.2f}", f"{m.cov:.1%}", f"{m.drift:+.1%}"]
        label = f"{name.replace('_', ' ')}, {one.unit}"
        rows.append(f"<tr><td>{escaped(label)}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    heads = "".join(f"<th>{escaped(column)}</th>" for column in _COLUMNS)
    table = f'<div class="wide"><table><tr><th></th>{heads}</tr>{"".join(rows)}</table></div>'
    return f"<h3>Distributions</h3>{table}"


def _figures(record: BenchRecord) -> str:
    if not record.figures:
        return ""
    rows = "".join(
        f"<tr><td>{escaped(f.what)}</td><td>{f.value:.4g} {escaped(f.unit)}</td></tr>" for f in record.figures.values()
    )
    return f'<h3>Figures</h3><div class="wide"><table>{rows}</table></div>'


def _pictures(series: Series) -> str:
    measured, unit = series.measured, series.unit
    caption = f"<b>{escaped(series.what)}</b>, {escaped(unit)}: how often (left); median and greatest in time (right)"
    return (
        f'<figure><figcaption>{caption}</figcaption><div class="pair">'
        f"{histogram(measured, unit)}{course(measured, unit)}</div></figure>"
    )
