"""The report of ``duet bench all``: what was wanted and what was found, then every part; one file, nothing fetched."""

from collections.abc import Iterator

from realtime.bench.suite import Part, Suite
from ui.bench.page import body_of, document, escaped, pairs, tag


def suite_page(suite: Suite) -> str:
    """HTML with style and pictures inside."""
    body = [
        "<h1>duet bench: a whole performance</h1>",
        f'<p class="soft">{escaped(_where(suite))}</p>',
        f'<p class="verdict">{escaped(suite.verdict)}</p>',
        *(f'<p class="warning">{escaped(doubt)}</p>' for doubt in _doubts(suite)),
        f"<section><h2>Aims</h2>{_summary(suite)}</section>",
        "<nav>" + "".join(f'<a href="#{p.name}">{escaped(p.name)}</a>' for p in suite.parts) + "</nav>",
        *(line for part in suite.parts for line in _part(part)),
        f"<section><h2>Where it was measured</h2>{pairs(suite.provenance)}",
        f'<p class="soft">Again: <code>{escaped(suite.command)}</code></p></section>',
    ]
    return document("duet bench all", body)


def _where(suite: Suite) -> str:
    machine, made = suite.provenance.get("machine", {}), suite.provenance.get("made", "")
    gpu = machine.get("gpu") or "no NVIDIA GPU: nothing here was run on one"
    cores = machine.get("usable_cores", "?")
    return f"{machine.get('cpu', '')}, {cores} core{'' if cores == 1 else 's'}; {gpu}; {made}"


def _doubts(suite: Suite) -> Iterator[str]:
    """Of the machine, told once; what a part doubts of its own numbers stands with the part."""
    seen = set()
    for part in suite.parts:
        for warning in part.record.warnings if part.record is not None else ():
            if warning.startswith(("Busy", "Clock", "Power")) and (kind := warning.partition(":")[0]) not in seen:
                seen.add(kind)
                yield f"{part.name}: {warning}"


def _summary(suite: Suite) -> str:
    rows = []
    for part in suite.parts:
        name = f'<td><a href="#{part.name}">{escaped(part.name)}</a></td>'
        if part.record is None:
            rows.append(f'<tr>{name}<td class="text">{escaped(part.failure)}</td><td></td><td></td>')
            rows.append('<td><span class="tag wrong">failed</span></td></tr>')
            continue
        if not part.record.is_right:
            rows.append(f'<tr>{name}<td class="text">computes something else than it should</td><td></td><td></td>')
            rows.append('<td><span class="tag wrong">NOT RIGHT</span></td></tr>')
        for aim in part.record.aims:
            rows.append(
                f'<tr>{name}<td class="text">{escaped(aim.what)}</td><td>{aim.got:.4g} {escaped(aim.unit)}</td>'
                f"<td>{escaped(aim.wanted)}</td><td>{tag(aim.holds)}</td></tr>"
            )
    heads = '<tr><th>part</th><th style="text-align:left">aim</th><th>measured</th><th>wanted</th><th></th></tr>'
    return f'<div class="wide"><table>{heads}{"".join(rows)}</table></div>'


def _part(part: Part) -> Iterator[str]:
    yield f'<section id="{part.name}"><h2>{escaped(part.name)}</h2>'
    if part.record is None:
        yield f'<p class="verdict">It failed after {part.seconds:.0f} s: {escaped(part.failure)}</p>'
    else:
        yield from body_of(part.record)
        yield f'<p class="soft">It took {part.seconds:.0f} s, loading and reckoning included.</p>'
    yield "</section>"
