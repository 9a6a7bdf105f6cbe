"""The report as one page that needs nothing else: tables, intervals and pictures, to be read and to be printed."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from duet.rotations import wrap_angle
from models.data.landings import Landings, landings
from models.evaluation.dancers import Dancer, Rollout
from models.evaluation.duolando import LABEL
from models.evaluation.evaluate import PIECE_S, REAL, Evaluation, beats_of, pair_of
from models.evaluation.metrics import flat
from models.evaluation.report import COLUMNS, LITERATURE, STEP_COLUMNS, Report, Rows, cell
from models.evaluation.statistics import BLOCK_S, Estimate
from models.evaluation.strips import FootRow, Line, beat_grid, couple_strip, curves

COLOURS = {REAL: "#2a7f3f", "follower": "#c0392b", "retrieval": "#2464a8", "leader": "#333"}
"""Of those who are drawn; the others are in the tables."""
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1160px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ddd; }
h3 { font-size: 1em; margin-bottom: .2em; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 12px; margin: .6em 0; }
th, td { padding: .25em .6em; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child { text-align: left; }
.better { color: #1b6b30; font-weight: 600; } .worse { color: #a5281b; font-weight: 600; }
.note { color: #666; font-size: 12px; } svg { margin: .4em 0; } pre { font-size: 11px; white-space: pre-wrap; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } svg, table { break-inside: avoid; } }
"""


def page(evaluation: Evaluation, more: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> str:
    """The whole page. ``more``: further tables by title, each a list of rows with the same keys."""
    report = evaluation.report
    title = str(report.provenance.get("follower", "A follower"))
    parts = [
        f"<h1>{escape(title)}: closed loop</h1>",
        f"<p>{escape(report.conditions)}</p>",
        "<h2>How close, how alive</h2>",
        _table("dancer", COLUMNS, report.rows),
        "<p class=note>Ratios are to the real follower: 1 is like them. Seams: steps between commits over steps "
        "within, 1 is seamless. Churn: how much a tick changes what was planned.</p>",
        *_differences(report),
        "<h2>Steps and the beat</h2>",
        _table("steps of", STEP_COLUMNS, report.rows),
        "<p class=note>The beats are those of the recording, or else were found in the leader's steps alone; dancers "
        "of salsa put their third step late: read every number beside the real follower's and beside chance. With "
        "the leader's: within 100 ms of one of the leader's steps.</p>",
        *_judge(report),
        *_literature(report),
        *_pictures(evaluation),
        *(_plain(name, rows) for name, rows in (more or {}).items()),
        "<h2>What was measured, where</h2>",
        f"<pre>{escape(json.dumps(report.provenance, indent=1))}</pre>",
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _table(title: str, columns: Mapping[str, tuple[str, str]], rows: Rows) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading, _ in columns.values())
    lines = []
    for name, numbers in rows.items():
        cells = "".join(f"<td>{cell(form, numbers.get(key))}</td>" for key, (_, form) in columns.items())
        lines.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    return f"<div class=wide><table><tr><th>{escape(title)}</th>{head}</tr>{''.join(lines)}</table></div>"


def _differences(report: Report) -> list[str]:
    parts = [
        "<h2>Differences</h2>",
        f"<p class=note>95 % intervals in brackets: bootstrap over takes and blocks of {BLOCK_S:g} s, paired. Green or "
        "red where the whole interval is on one side; ratios are coloured by whether they went down.</p>",
    ]
    for name, others in report.paired.items():
        keys = list(next(iter(others.values()), {}))
        head = "".join(f"<th>{escape(COLUMNS[key][0])}</th>" for key in keys)
        rows = "".join(
            f"<tr><td>{escape(name)} minus {escape(other)}</td>{''.join(_interval(numbers[k]) for k in keys)}</tr>"
            for other, numbers in others.items()
        )
        parts.append(f"<div class=wide><table><tr><th></th>{head}</tr>{rows}</table></div>")
    return parts


def _interval(e: Estimate) -> str:
    kind = "better" if e.below_zero else "worse" if e.above_zero else ""
    return f'<td class="{kind}">{e.value:+.3g}<br><span class=note>{e.low:+.3g} … {e.high:+.3g}</span></td>'


def _judge(report: Report) -> list[str]:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{v.auc:.2f}</td><td>{v.low:.2f} … {v.high:.2f}</td><td>{v.windows}</td></tr>"
        for name, v in report.judged.items()
    )
    return [
        "<h2>Can a judge tell?</h2>",
        "<table><tr><th>told apart</th><th>area under the curve</th><th>95 %</th><th>windows of 2 s</th></tr>"
        f"{rows}</table>",
        "<p class=note>.5 is chance, 1 is always. Takes are left out in turn.</p>",
    ]


def _literature(report: Report) -> list[str]:
    if not report.literature:
        return []
    parts = [f"<h2>Metrics of the duet literature ({LABEL})</h2>"]
    for mode, rows in report.literature.items():
        columns = {key: (key.replace("_", " "), form) for key, form in LITERATURE.items()}
        parts += [f"<h3>{escape(mode)}</h3>", _table("dancer", columns, rows)]
    parts.append(
        f"<p class=note>Of pieces of {PIECE_S:g} s against pieces of all real couples. Beat echo and alignment "
        "mislead: who holds still can beat a real dancer.</p>"
    )
    return parts


def _pictures(evaluation: Evaluation) -> list[str]:
    parts = ["<h2>Take by take</h2>"]
    for take, example in enumerate(evaluation.examples):
        parts.append(f"<h3>{escape(example.pair.name)}</h3>")
        parts.append(_table("dancer", COLUMNS, evaluation.report.takes[example.pair.name]))
        drawn = [d for d in evaluation.dancers if d.name in COLOURS]
        parts += _take_pictures(evaluation, drawn, take)
    return parts


def _take_pictures(evaluation: Evaluation, drawn: Sequence[Dancer], take: int) -> list[str]:
    first = [(d.name, d.of(take)[0]) for d in drawn]
    pair = pair_of(first[0][1], evaluation.examples)
    fps, leader = pair.leader.fps, pair.leader.joints_m
    strips = [
        couple_strip(f"{name} (leader dark)", leader, [(COLOURS[name], r.danced.joints_m)], fps) for name, r in first
    ]
    near = [Line(name, COLOURS[name], _distance(r, leader)) for name, r in first]
    turned = [Line(name, COLOURS[name], _heading_error(r, dict(first)[REAL])) for name, r in first if name != REAL]
    steps = [("leader", landings(leader, fps)), *((name, landings(r.danced.joints_m, fps)) for name, r in first)]
    rows = [_foot_row(name, found) for name, found in steps]
    return [
        *strips,
        curves("Distance from the leader", near, fps, low=0.0, high=2.0, unit=" m"),
        curves("Heading error", turned, fps, low=0.0, high=180.0, unit="°"),
        beat_grid("Steps (left and right feet), beats; bars dark", rows, beats_of(pair), len(leader) / fps),
    ]


def _foot_row(name: str, found: Landings) -> FootRow:
    return FootRow(name, COLOURS[name], found.times_s[found.sides == 0], found.times_s[found.sides == 1])


def _distance(rollout: Rollout, leader_m: np.ndarray) -> np.ndarray:
    joints = rollout.danced.joints_m
    return np.asarray(flat(joints[:, 0] - leader_m[: len(joints), 0]))


def _heading_error(rollout: Rollout, real: Rollout) -> np.ndarray:
    frames = min(len(rollout.danced.yaw_rad), len(real.danced.yaw_rad))
    return np.degrees(np.abs(wrap_angle(rollout.danced.yaw_rad[:frames] - real.danced.yaw_rad[:frames])))


def _plain(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    keys = list(rows[0])
    head = "".join(f"<th>{escape(str(key))}</th>" for key in keys)
    lines = "".join("<tr>" + "".join(f"<td>{escape(_said(row.get(k)))}</td>" for k in keys) + "</tr>" for row in rows)
    return f"<h2>{escape(name)}</h2><div class=wide><table><tr>{head}</tr>{lines}</table></div>"


def _said(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "–" if value is None else str(value)
