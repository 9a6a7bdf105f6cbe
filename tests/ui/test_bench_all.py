"""``duet bench all``: parts run apart, one that fails takes no other along, and the report says so."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from realtime.bench.distribution import Distribution
from realtime.bench.provenance import provenance
from realtime.bench.record import Aim, BenchRecord, Figure, Series, read_json, read_record
from realtime.bench.suite import Part, Suite, suite_of
from ui import cli
from ui.bench import everything, part, peers
from ui.bench.everything import _run_apart
from ui.bench.suite_page import suite_page

ROOT = Path(__file__).resolve().parents[2]


def record(kind: str, p50: float = 10.0, *, holds: bool = True) -> BenchRecord:
    measured = Distribution.of([p50 + 0.01 * (i % 7) for i in range(60)])
    return BenchRecord(
        kind, f"duet bench {kind}", provenance(), {"follower": "salsa-s"}, f"{kind} is measured.",
        {"tick": Series("a tick <whole>", "ms", measured)}, {"n": Figure("things", "", 3.0)}, {"holds": holds},
        ("Busy: 9 processes wanted the 2 cores.",),
        (Aim("the tick, median", "ms", p50, 15.0), Aim("of the rate", "%", 42.0, 60.0, at_least=True)),
    )  # fmt: skip


def suite(p50: float = 10.0) -> Suite:
    parts = Part("model", 3.0, record("model", p50)), Part("live", 1.5, None, "It crashed (SIGSEGV): nothing was said")
    return Suite("duet bench all --seconds 60", provenance(), parts)


def test_a_suite_says_what_failed_and_is_read_back(tmp_path: Path) -> None:
    made, path = suite(), tmp_path / "all.json"
    assert made.verdict == "1 of 2 parts measured, 1 of 2 aims met. Failed: live." and not made.is_right
    made.write(path)
    again = suite_of(read_json(path), path)
    assert again.to_json() == made.to_json()
    assert again.parts[0].record is not None and again.parts[0].outcome == "1 of 2 aims met"
    assert [aim.what for aim in again.parts[0].record.missed] == ["of the rate"]
    wrong = Suite("", {}, (Part("model", 1.0, record("model", holds=False)),))
    assert "NOT RIGHT: model." in wrong.verdict and not wrong.is_right


def test_the_file_is_as_its_schema_says() -> None:
    whole = json.loads((ROOT / "docs" / "bench-all.schema.json").read_text())
    raw: dict[str, Any] = json.loads(suite().to_json())
    for value, schema in ((raw, whole), *((each, whole["$defs"]["part"]) for each in raw["parts"])):
        assert set(schema["required"]) == set(value) == set(schema["properties"])
    of_one = json.loads((ROOT / "docs" / "bench.schema.json").read_text())
    kept = raw["parts"][0]["record"]
    assert set(of_one["required"]) <= set(kept) <= set(of_one["properties"])
    assert set(of_one["$defs"]["aim"]["required"]) == set(kept["aims"][0])


def test_the_page_shows_what_was_missed_and_what_failed() -> None:
    page = suite_page(suite())
    assert page.count("<svg") == 2 and 'id="model"' in page and 'id="live"' in page
    assert "a tick &lt;whole&gt;" in page and "a tick <whole>" not in page
    assert '<span class="tag met">met</span>' in page and '<span class="tag missed">missed</span>' in page
    assert '<span class="tag wrong">failed</span>' in page and "It crashed (SIGSEGV)" in page
    assert "no NVIDIA GPU: nothing here was run on one" in page or provenance()["machine"]["gpu"] in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
        state = Path(f"/proc/{pid}/stat")
        return not (state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(os.name != "posix", reason="a crash is a signal here")
def test_what_goes_wrong_in_a_part_is_told_in_a_sentence(tmp_path: Path) -> None:
    def run(code: str, patience_s: float = 60.0) -> str:
        return _run_apart([sys.executable, "-c", code], tmp_path / "log", patience_s)

    assert run("print('all is well')") == ""
    assert (
        run("import sys; print('x'); sys.exit('Camera: expected one, got none.')") == "Camera: expected one, got none."
    )
    assert run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)") == "It crashed (SIGSEGV): nothing was said"
    assert run("import time; time.sleep(600)", 0.5).startswith("It hung: not done after")
    pid = tmp_path / "pid"
    left = "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    assert run(f"{left} open({str(pid)!r}, 'w').write(str(c.pid))") == ""
    # Killed; what is left of it may wait to be reaped by whoever is its parent now.
    end = time.monotonic() + 60.0
    while _runs(pid.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(pid.read_text())


def test_one_part_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def run(words: list[str], log: Path, patience_s: float) -> str:
        name, out = words[3], Path(words[-1])
        asked.append(name)
        if name == "live":
            return "Camera: expected one, got none."
        if name == "render":
            out.write_text("{")
            return ""
        record(name).write(out)
        return ""

    monkeypatch.setattr(everything, "_run_apart", run)
    out, page = tmp_path / "all.json", tmp_path / "all.html"
    assert cli.main(["bench", "all", "--seconds", "10", "--json", str(out), "--html", str(page)]) == 1
    assert asked == list(part.PARTS) == ["model", "live", "perception", "render", "e2e", "follow"]
    told = " ".join(capsys.readouterr().out.split())
    assert "4 of 6 parts measured" in told and "Failed: live, render." in told
    kept = {each.name: each for each in suite_of(read_json(out), out).parts}
    assert kept["live"].failure == "Camera: expected one, got none."
    assert "expected a bench record in JSON" in kept["render"].failure and kept["e2e"].record is not None
    assert "Camera: expected one, got none." in page.read_text()
    monkeypatch.setattr(everything, "_run_apart", lambda words, *_: record(words[3]).write(Path(words[-1])) or "")
    assert cli.main(["bench", "all", "--parts", "model, e2e"]) == 0


def test_what_a_part_says_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(everything, "_run_apart", lambda *_: "keys [/red] and [bold] got [1, 2]")
    assert cli.main(["bench", "all", "--parts", "model"]) == 1
    told = " ".join(capsys.readouterr().out.split())
    # In the line when it ended, and in the table.
    assert told.count("keys [/red] and [bold] got [1, 2]") == 2


def test_a_part_finds_the_leads_wherever_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUET_DATA", "salsa")
    code = "import os, sys; sys.exit(os.environ['DUET_DATA'])"
    assert _run_apart([sys.executable, "-c", code], tmp_path / "log", 60.0) == str(tmp_path / "salsa")


def test_a_part_writes_its_record_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "render.json"
    monkeypatch.setitem(part.PARTS, "render", lambda seconds, follower, console: record("render", seconds))
    assert part.main("render", "12", "nowhere", str(out)) == 0
    assert read_record(out).series["tick"].measured.p50 == pytest.approx(12.0, abs=0.1)
    assert part.main("model", "10", str(tmp_path), str(out)) == 1
    assert "contract.json" in capsys.readouterr().err


def test_two_suites_are_compared_part_by_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    suite(10.0).write(one)
    suite(20.0).write(other)
    assert cli.main(["bench", "compare", str(one), str(other)]) == 0
    told = capsys.readouterr().out
    assert "2.00" in told and told.count("Busy") == 2
    record("e2e").write(other)
    assert cli.main(["bench", "compare", str(one), str(other)]) == 2
    assert "got one of bench e2e" in capsys.readouterr().err
    other.write_text('{"schema": "duet-bench-all/1", "parts": 3}')
    assert cli.main(["bench", "compare", str(one), str(other)]) == 2
    assert "expected a record of duet bench all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seconds", "1"], "--seconds: expected 10 to 86400, got 1"),
        (["--seconds", "nan"], "--seconds: expected 10 to 86400, got nan"),
        (["--parts", "model,singing"], "--parts: expected some of model, live,"),
        (["--follower", "nowhere"], "nowhere"),
        (["--json", "/proc/none/x.json"], "x.json"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", "all", *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--seconds", "5"], "--seconds: expected 10 to 7200"), (["--flashes", "2"], "--flashes: expected 4 to 10000")],
)
def test_an_event_that_cannot_be_measured_is_refused(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", "e2e", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_peers_are_the_learning_half_s(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["bench", "peers", "--preset", "XS", "--follower", "nowhere"]) == 2
    assert "RUN: expected a run or --preset with --random-weights, got neither" in capfd.readouterr().err
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["bench", "peers"]) == 2
    said = capfd.readouterr().err
    assert "-m pip install -e" in said and "[lab]'" in said
