"""Settings by name: in the help, from a file and the command line, frozen beside the weights and told as a command."""

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from duet.bank_file import save_bank
from duet.contract import load_contract
from duet.errors import InputError
from export.cli import _parser, main
from export.commands.train import settings_of
from export.provenance import BOUND_DATA, FREE_DATA, UNTOLD, release_before, with_data
from export.recipe import describe_run, names_in, recipe
from export.settings_text import all_settings, settable, settings_text
from models.config import PRESETS
from models.data.bank import couples_in_code
from models.data.sources import SOURCES
from models.evaluation.report import LEGEND
from models.follower import load_follower, random_follower, save_follower
from models.release import Release, read_release
from models.training.bank_stage import BANK_FILE, bank_of_pairs
from models.training.distil_stage import SCHEDULE
from models.training.overrides import overridden, parse_assignment, read_changes
from models.training.settings import Settings, flat, plain, read_settings, write_settings


def parsed(command: str) -> argparse.Namespace:
    return _parser().parse_args(shlex.split(command))


def test_the_help_knows_every_setting() -> None:
    known = {name for name in flat(plain(Settings())) if "." in name}
    assert {setting.name for setting in all_settings()} == known
    text = settings_text()
    assert "multiply.choreographed = " in text and "math." not in text.replace("math.inf", "")
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("how.own_share", ".7", 0.7),
        ("how.own_share", 1, 1.0),
        ("how.draws", "3", 3),
        ("how.drop", "0.1, 0.2,0.3", (0.1, 0.2, 0.3)),
        ("multiply.tempo", [0.8, 1.2], (0.8, 1.2)),
        ("follower.denoiser.mtmm", "yes", True),
        ("schedule.sampler.kind", "dpm", "dpm"),
        ("schedule.seconds", None, float("inf")),
    ],
)
def test_a_setting_takes_values_of_its_type(name: str, value: object, expected: object) -> None:
    settings: object = overridden(Settings(), {name: value})
    for part in name.split("."):
        settings = getattr(settings, part)
    assert settings == expected and type(settings) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("how.ownshare", 1, "how.ownshare: expected the name of a setting such as own_share"),
        ("how", 1, "how: expected a single setting, got a group"),
        ("how.draws.more", 1, "expected draws to be a group, got a single setting"),
        ("how.draws", "2.5", "how.draws: expected a whole number, got '2.5'"),
        ("how.draws", True, "how.draws: expected a whole number, got True"),
        ("how.ema", "nan", "how.ema: expected a number"),
        ("how.drop", "1,2", "how.drop: expected 3 values"),
        ("follower.denoiser.mtmm", "maybe", "expected true or false"),
        ("schedule.sampler.kind", "euler", "expected one of ddim, dpm, pipelined"),
        ("schedule.judge_every", 0, "schedule.judge_every: expected at least 1"),
    ],
)
def test_what_does_not_fit_names_the_setting(name: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        overridden(Settings(), {name: value})


def test_settings_that_do_not_fit_each_other_are_told() -> None:
    three = "train --data D --out O --set follower.codec.residuals=3"
    with pytest.raises(InputError, match="how.level_weights: expected 3 numbers, one for each of .*, got 2"):
        settings_of(parsed(three))
    assert settings_of(parsed(f"{three} --set how.level_weights=2,1,1")).how.level_weights == (2.0, 1.0, 1.0)


def test_an_assignment_needs_both_sides() -> None:
    with pytest.raises(InputError, match="expected NAME=VALUE"):
        parse_assignment("how.draws")


def test_later_words_win(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        "[how]\ndraws = 3\nema = 0.99\n[schedule]\nsteps = 7\n[schedule.sampler]\ncalls = 3\n"
    )
    command = f"train --data D --out O --config {tmp_path / 'my.toml'} --steps 9 --set how.draws=4 --minutes 2"
    settings = settings_of(parsed(command))
    assert (settings.how.draws, settings.how.ema, settings.schedule.steps) == (4, 0.99, 9)
    assert settings.follower.sampler == settings.schedule.sampler and settings.schedule.sampler.calls == 3
    assert settings.schedule.seconds == 120.0
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match="expected settings in TOML or JSON"):
        read_changes(tmp_path / "broken.json")


def test_the_command_on_the_card_repeats_the_settings(tmp_path: Path) -> None:
    words = "--seed 3 --steps 40 --codec-steps 7 --calls 1 --set multiply.choreographed=5 --set how.drop=0.1,0.2,0.3"
    settings = settings_of(parsed(f"train --data D --out O --preset M {words} --set follower.denoiser.experts=true"))
    write_settings(tmp_path, settings, {"data": "0" * 16})
    release = describe_run(tmp_path, "trial")
    assert read_release(tmp_path / "best") == release
    told = release.command.removeprefix("duet-lab ")
    assert settings_of(parsed(told)) == settings
    assert "--set follower.denoiser.experts=true" in told and "schedule.codec_steps=7" in told
    assert "125 couples choreographed" in release.training_data
    # A settings.json is itself a file of settings, by which another run can be begun.
    assert settings_of(parsed(f"train --data D --out O --preset M --config {tmp_path / 'settings.json'}")) == settings


def test_the_command_tells_the_runs_before(tmp_path: Path) -> None:
    first = plain(Settings(follower=PRESETS["S"], seed=1)) | {"origin": {"data": "0"}}
    write_settings(tmp_path, replace(Settings(), seed=2), {"start": "12", "start_settings": first})
    told = recipe(read_settings(tmp_path), "trial").split(" && ")
    assert len(told) == 2 and "--seed 1" in told[0] and "--out RUN-1" in told[0]
    assert "--from RUN-1" in told[1] and "--seed 2" in told[1] and "--name trial" in told[1]
    assert json.loads((tmp_path / "settings.json").read_text())["schedule"]["seconds"] is None


def test_a_run_that_begins_with_a_finished_one_tells_how_it_was_finished(tmp_path: Path) -> None:
    first = plain(Settings(follower=PRESETS["S"], seed=1)) | {"origin": {"finished": ["--seed", "0", "--steps", "9"]}}
    write_settings(tmp_path, replace(Settings(), seed=2), {"start": "12", "start_settings": first})
    told = recipe(read_settings(tmp_path), "trial").split(" && ")
    assert [command.split()[1] for command in told] == ["train", "finish", "train"]
    assert "--out RUN-1-1" in told[0] and "--seed 1" in told[0]
    assert told[1] == "duet-lab finish RUN-1-1 --data DATA --out RUN-1 --seed 0 --steps 9"
    assert "--from RUN-1 " in told[2]


def test_finishings_are_told_in_their_order(tmp_path: Path) -> None:
    write_settings(tmp_path, Settings(seed=1), {"finished": [["--seed", "2"], ["--seed", "3"]]})
    told = recipe(read_settings(tmp_path), "trial").split(" && ")
    assert [command.split()[1] for command in told] == ["train", "finish", "finish"]
    assert "--out RUN-1-1 " in told[0] and told[1] == "duet-lab finish RUN-1-1 --data DATA --out RUN-1 --seed 2"
    assert told[2] == "duet-lab finish RUN-1 --data DATA --out RUN --seed 3"


def told_of(folder: Path, origin: dict[str, object], former: Release | None = None) -> Release:
    """What is said of a run with this origin, of few couples in code and none with roles exchanged."""
    few = replace(Settings().multiply, swapped=0, choreographed=4, everyday=1)
    write_settings(folder, replace(Settings(), multiply=few), origin)
    return describe_run(folder, "trial", former=former)


@pytest.mark.parametrize("source", ["start", "codec"])
@pytest.mark.parametrize(
    "origin", [{"datasets": ["dd100"]}, {"datasets": ["cmu"], "finished": [["--dataset", "dd100"], ["--seed", "1"]]}]
)
def test_the_card_names_the_data_of_all_runs_before(tmp_path: Path, source: str, origin: dict[str, object]) -> None:
    (tmp_path / "best").mkdir()
    first = plain(Settings()) | {"origin": origin}
    second = plain(Settings()) | {"origin": {"datasets": ["cmu"], source: "12", f"{source}_settings": first}}
    release = told_of(tmp_path, {"datasets": ["cmu"], "start": "34", "start_settings": second})
    for name in ("cmu", "dd100"):
        assert SOURCES[name].licence in release.training_data
    assert FREE_DATA not in release.licence and BOUND_DATA in release.licence and "one couple" not in release.limits
    assert "with exchanged roles" in release.training_data
    assert "Up to 300 couples choreographed in code" in release.training_data and "120 of them" in release.training_data

    alone = told_of(tmp_path, {"datasets": ["cmu"]})
    assert FREE_DATA in alone.licence and "one couple" in alone.limits and "exchanged" not in alone.training_data
    assert " 5 couples choreographed in code by this project were added, 1 of them" in alone.training_data


def test_the_card_names_the_data_of_the_forecaster(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    origin = {"datasets": ["cmu"], "forecaster": "56"}
    release = told_of(tmp_path, origin | {"forecaster_settings": {"origin": {"datasets": ["dd100"]}}})
    assert SOURCES["dd100"].licence in release.training_data and BOUND_DATA in release.licence
    assert " 5 couples choreographed in code by this project were added, 1 of them" in release.training_data
    assert release.command.startswith("duet-lab forecast --data DATA --out FORECASTER --dataset dd100 && ")
    assert " --forecaster FORECASTER " in release.command
    assert UNTOLD in told_of(tmp_path, origin).training_data and BOUND_DATA in told_of(tmp_path, origin).licence


def test_the_card_that_ships_tells_all_its_data() -> None:
    shipped = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
    release = read_release(shipped)
    now = with_data(release, json.loads((shipped / "settings.json").read_text()), bank=shipped / "bank.npz")
    assert now == release, "the words in release.json are not what would be said of these runs now"
    card = (shipped / "MODEL_CARD.md").read_text()
    assert all(words in card for words in (release.training_data, release.limits, names_in(release.command), LEGEND))
    assert load_contract(shipped).training_data == release.training_data


def test_the_card_says_what_came_without_settings(tmp_path: Path, release: Release) -> None:
    """Weights may have come alone: then their release speaks for them, and where there is none, that is said."""
    start, run, later = (tmp_path / name for name in ("start", "run", "later"))
    for folder in (start, run / "best", later / "best"):
        folder.mkdir(parents=True)
    bound = SOURCES["dd100"].licence
    assert release_before(start) is None
    origin = {"datasets": ["cmu"], "start": "12"}
    alone = told_of(run, origin)
    assert UNTOLD in alone.training_data and FREE_DATA not in alone.licence

    data = f"{bound} Mirrored. The bank in this folder holds motion of 2 couples: the terms of the recordings hold."
    replace(release, training_data=data, licence="For study alone.").write(start)
    carried = told_of(run, origin, release_before(start))
    assert f"learned from this: {bound} Mirrored. Nothing of the recordings" in carried.training_data
    assert carried.licence == f"Apache-2.0 (weights). {BOUND_DATA} What it began with: For study alone."

    # A run that begins with this one has settings to read, and they do not tell of the first weights.
    origin = {"datasets": ["cmu"], "start": "34", "start_settings": read_settings(run)}
    last = told_of(later, origin, release_before(run / "best"))
    assert bound in last.training_data and last.licence == carried.licence
    write_settings(start, Settings(), {"datasets": ["dd100"]})
    assert release_before(start) is None, "the settings tell all"


def test_settings_older_than_other_data_sets_are_of_the_salsa_takes(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    first = plain(Settings()) | {"origin": {"data": "0", "codec": "12"}}
    release = told_of(tmp_path, {"datasets": ["cmu"], "start": "34", "start_settings": first})
    assert FREE_DATA in release.licence and UNTOLD not in release.training_data


def test_what_the_clock_says_is_not_free() -> None:
    assert not settable("follower.fps") and not settable("follower.sampler.calls") and settable("follower.past")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("how.own_share=1.5", "how.own_share: expected at least 0 and at most 1, got 1.5"),
        ("how.drop=0.1,0.2", "how.drop: expected 3 values with commas between"),
        ("how.drop=0.1,-0.2,0.1", "how.drop: expected at least 0 and at most 1, got 0.1, -0.2, 0.1"),
        ("how.windows=0", "how.windows: expected at least 1, got 0"),
        ("how.learning_rate=nan", "how.learning_rate"),
        ("how.ema=1", "how.ema: expected at least 0 and at most 0.999999, got 1"),
        ("how.dropout=1", "how.dropout: expected at least 0 and at most 0.99, got 1"),
        ("codec.batch=0", "codec.batch: expected at least 1, got 0"),
        ("schedule.patience=-1", "schedule.patience: expected at least 0, got -1"),
        ("multiply.tempo=0,1", "multiply.tempo: expected at least 0.25 and at most 4, got 0, 1"),
        ("multiply.salsa_bpm=200,150", "multiply.salsa_bpm: expected the lower number first, got 200, 150"),
        ("multiply.everyday_s=0", "multiply.everyday_s: expected above 0, got 0"),
    ],
)
def test_a_setting_that_would_spoil_the_run_is_refused_before_it(
    setting: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data", "nowhere", "--out", str(tmp_path / "run"), "--set", setting]) == 2
    error = capsys.readouterr().err
    assert error.startswith("duet-lab: ") and error.count("\n") == 1 and message in error
    assert not (tmp_path / "run").exists()


def test_a_run_that_begins_with_another_takes_over_what_that_was_told(tmp_path: Path) -> None:
    """So that a shipped follower goes on beside the same couples and references; its card says what differs."""
    told = "--seed 3 --set multiply.copies=4 --set how.references=0.6 --set schedule.own_from=0 --calls 1"
    first = settings_of(parsed(f"train --data D --out O {told}"))
    write_settings(tmp_path, first, {"data": "0" * 16})
    save_follower(random_follower(first.follower), tmp_path)
    begun = f"train --data D --out P --from {tmp_path} --seed 4 --set multiply.copies=5"
    second = settings_of(parsed(begun))
    assert (second.seed, second.multiply.copies, second.how.references, second.schedule.own_from) == (4, 5, 0.6, 0)
    assert second.schedule.sampler.calls == 1 and second.schedule.seconds == first.schedule.seconds

    known = read_settings(tmp_path)
    (tmp_path / "second").mkdir()
    write_settings(tmp_path / "second", second, {"start": "12", "start_settings": known})
    command = recipe(read_settings(tmp_path / "second"), "trial").split(" && ")[1]
    assert "multiply.copies=5" in command and "references" not in command
    repeated = command.removeprefix("duet-lab ").replace("--from RUN-1", f"--from {tmp_path}")
    assert settings_of(parsed(repeated)) == second


def test_a_student_is_told_as_one(tmp_path: Path) -> None:
    teacher = plain(Settings(follower=PRESETS["S"], seed=1)) | {"origin": {"datasets": ["cmu"]}}
    follower = replace(PRESETS["S"], sampler=replace(PRESETS["S"].sampler, calls=1))
    student = Settings(2, follower, schedule=replace(SCHEDULE, steps=40))
    origin = {"datasets": ["dd100"], "start": "12", "start_settings": teacher, "finished": [["--seed", "3"]]}
    write_settings(tmp_path, student, origin | {"distillation": {"teacher": {"kind": "ddim", "calls": 8}}})
    train, distil, finish = recipe(read_settings(tmp_path), "trial").split(" && ")
    assert train.startswith("duet-lab train ") and " --out RUN-1-1 " in train and " --seed 1" in train
    words = "--calls 1 --seed 2 --teacher-calls 8 --steps 40 --dataset dd100"
    assert distil == f"duet-lab distil RUN-1-1 --data DATA --out RUN-1 {words}"
    assert finish == "duet-lab finish RUN-1 --data DATA --out RUN --seed 3"
    parsed(distil.removeprefix("duet-lab "))
    write_settings(tmp_path, student, {"start": "12", "distillation": {"teacher": {"calls": 8}}})
    assert "How RUN-1 came to be was not kept" in names_in(recipe(read_settings(tmp_path), "trial"))


def test_the_card_says_which_runs_its_commands_do_not_make() -> None:
    assert "not kept" not in names_in("duet-lab train --out RUN-1 && duet-lab train --out RUN --from RUN-1")
    lost = names_in("duet-lab train --out RUN --codec RUN-1 --bank BANK")
    assert "How RUN-1 came to be was not kept" in lost and "Without the option --codec" in lost


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("2 couples of 8 s choreographed in code, seed 2024", "Nothing of the recordings is in this folder."),
        ("2 recorded couples", "holds motion of 2 recorded couples: the terms of the recordings hold for it."),
    ],
)
def test_the_card_says_whose_motion_a_bank_holds(tmp_path: Path, run: Path, origin: str, said: str) -> None:
    follower = load_follower(run / "best")
    bank = bank_of_pairs(couples_in_code(1, 6.0, 0, follower.config.fps), follower.codec, follower.config, origin)
    save_bank(bank, tmp_path / BANK_FILE)
    (tmp_path / "best").mkdir()
    settings = settings_of(parsed("train --data D --out O --preset XS --set how.references=0.6"))
    write_settings(tmp_path, settings, {"data": "0" * 16})
    assert describe_run(tmp_path, "trial").training_data.endswith(said)


@pytest.mark.parametrize("learned", [True, False])
def test_the_bank_that_something_learned_with_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], learned: bool
) -> None:
    xs = PRESETS["XS"]
    follower = random_follower(replace(xs, denoiser=replace(xs.denoiser, references=learned)))
    save_follower(follower, tmp_path / "best")
    (tmp_path / BANK_FILE).write_text("of before")
    assert main(["bank", str(tmp_path), "--couples", "1", "--seconds", "6"]) == (2 if learned else 0)
    assert ("is what this follower learned with. Name another." in capsys.readouterr().err) == learned
    assert ((tmp_path / BANK_FILE).read_bytes() == b"of before") == learned
