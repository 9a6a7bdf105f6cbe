"""What was asked for, and waited for, finds no room on the disk: one sentence names the file, which is as it was."""

from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from duet.errors import InputError
from realtime.bench.faults import Verdict
from realtime.bench.record import BenchRecord
from realtime.bench.suite import Suite
from ui.bench import follow
from ui.bench.faults import _Kept
from ui.bench.perception_tables import Found
from ui.cli import main

NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


class Studio:
    """Pictures that cost nothing."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def picture(self, after_s: float, *, clear: bool = False) -> np.ndarray:
        return NOISE

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured and nothing is drawn."""
    record = BenchRecord("render", "duet bench render", {}, {}, "Drawn.")
    couple = follow.Found("take 12", (80.0,), (60.0,), (50.0,), (100.0,), (200.0,), (30.0,), 1)
    made = {
        "ui.bench.render.measure_render": record,
        "ui.bench.everything.measure_all": Suite("duet bench all", {}, ()),
        "ui.bench.perception.measured": Found(None, None, None),
        "ui.bench.follow.measured": [couple],
        "ui.avatar_command.turntable": NOISE,
        "ui.film_take._read": Namespace(seconds=1.0, start_s=0.0),
    }
    for name, found in made.items():
        monkeypatch.setattr(name, lambda *_, found=found: found)
    monkeypatch.setattr("ui.film_take.Studio", Studio)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("bench render --json", "the record"),
        ("bench render --html", "the page"),
        ("bench all --json", "the record"),
        ("bench all --html", "the page"),
        ("bench perception --json", "what was found"),
        ("bench follow --json", "what was found"),
        ("avatar show follower --out", "the picture"),
        ("film dance.npz --sheet", "the sheet"),
    ],
)
def test_a_full_disk_is_one_sentence(
    words: str, what: str, quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    room_for: Callable[[int], AbstractContextManager[None]],
) -> None:  # fmt: skip
    path = tmp_path / "kept.png"
    path.write_text("former")
    with room_for(10):
        assert main([*words.split(), str(path)]) == 2
    told = capsys.readouterr().err
    said = f"duet: {path}: expected to write {what} there, got: File too large. Make room, or name another file.\n"
    assert told.endswith(said)
    assert path.read_text() == "former" and list(tmp_path.iterdir()) == [path]


def test_verdicts_that_were_kept_are_there_once_there_is_room(
    tmp_path: Path, room_for: Callable[[int], AbstractContextManager[None]]
) -> None:
    path, verdict = tmp_path / "found.jsonl", Verdict(0.01, 0.01, 0.01, 1.0, "dance", 0.2, 0.0, 0.5, ())
    kept = _Kept(path, "seed 0")
    kept.allow(0.2)
    kept.add(0, verdict)
    said = r"--keep .*found\.jsonl: expected to write a verdict there, got: File too large\. Make room: the same"
    with room_for(path.stat().st_size + 10), pytest.raises(InputError, match=said):
        kept.add(1, verdict)
    assert _Kept(path, "seed 0").verdicts == {0: verdict}
