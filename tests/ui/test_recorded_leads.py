"""The folder of recorded leads: the same for every command, whether an option or the environment names it."""

from argparse import Namespace
from pathlib import Path

import pytest
from rich.console import Console

from duet.errors import InputError
from ui.bench.film_truth import leads
from ui.bench.follow import couples
from ui.bench.part import PARTS
from ui.cli import DEFAULT_FOLLOWER, _parser
from ui.soak.command import _command


@pytest.mark.parametrize("command", ["bench live", "bench perception", "bench follow", "soak"])
def test_the_environment_names_it_unless_the_option_does(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA", str(tmp_path))
    assert _parser().parse_args(command.split()).data == tmp_path
    assert _parser().parse_args([*command.split(), "--data", "other"]).data == Path("other")
    monkeypatch.setenv("DUET_DATA", "")
    assert _parser().parse_args(command.split()).data is None
    monkeypatch.delenv("DUET_DATA")
    assert _parser().parse_args(command.split()).data is None


class Asked(Exception):
    """Ends a part once it is known what it was asked for."""


@pytest.mark.parametrize(
    ("part", "measure"),
    [
        ("live", "ui.bench.live.measure_live"),
        ("perception", "ui.bench.perception.measured"),
        ("follow", "ui.bench.follow.measured"),
    ],
)
def test_the_parts_of_bench_all_take_the_same(
    part: str, measure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(arguments: Namespace, *_: object) -> None:
        raise Asked(arguments.data)

    monkeypatch.setattr(measure, ask)
    monkeypatch.setenv("DUET_DATA", str(tmp_path))
    with pytest.raises(Asked) as ended:
        PARTS[part](10.0, DEFAULT_FOLLOWER, Console(quiet=True))
    assert ended.value.args == (tmp_path,)


def test_a_folder_without_takes_is_told_by_what_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for taken in (leads, couples):
        monkeypatch.delenv("DUET_DATA", raising=False)
        with pytest.raises(InputError, match=r"^--data .*: expected a folder with cmu_salsa/.* leave it out\.$"):
            taken(tmp_path, 3.0)
        monkeypatch.setenv("DUET_DATA", str(tmp_path))
        with pytest.raises(InputError, match=r"^DUET_DATA .*: expected a folder with cmu_salsa/.* unset it\.$"):
            taken(tmp_path, 3.0)


def test_a_soak_says_whose_lead_was_filmed(tmp_path: Path) -> None:
    asked = Namespace(
        hours=1.0, speed_up=False, config=None, data=tmp_path / "salsa", seed=3, follower=DEFAULT_FOLLOWER
    )
    assert "--data salsa --seed 3" in _command(asked)
    # Nobody is filmed on a clock that moves faster, nor in a show of one's own.
    assert "--data" not in _command(Namespace(**(vars(asked) | {"speed_up": True})))
    assert "--data" not in _command(Namespace(**(vars(asked) | {"config": tmp_path / "show.toml"})))
