"""The command: export and verify on a real folder, and one clear sentence for everything that does not fit."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from duet.contract import load_contract
from duet.extras import how_to_install
from export.card import CARD_FILE, put_results
from export.cli import _parser, main
from models.config import XS
from models.follower import WEIGHTS_FILE, random_follower, save_follower
from models.training.checkpoint import CHECKPOINT_FILE
from models.training.run import CODEC_FILE
from models.training.settings import Schedule, Settings, write_settings
from models.weights import save_weights


def test_export_says_what_it_did(exported: Path):
    assert load_contract(exported).name == "trial"
    assert "Not measured yet" in (exported / CARD_FILE).read_text()


def test_verify_holds_for_the_run_it_came_from(run: Path, exported: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(run), "--follower", str(exported), "--seconds", "0.5"]) == 0
    assert "Torch and ONNX Runtime differ by" in capsys.readouterr().out


def test_verify_refuses_the_export_of_another_run(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    save_follower(random_follower(XS, seed=5), tmp_path)
    assert main(["verify", str(tmp_path), "--follower", str(exported), "--seconds", "0.5"]) == 2
    assert "expected torch and ONNX Runtime to agree" in capsys.readouterr().err


def test_verify_refuses_the_export_of_a_run_of_other_sizes(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    save_follower(random_follower(replace(XS, plan=XS.plan + 1)), tmp_path)
    error = one_sentence(["verify", str(tmp_path), "--follower", str(exported)], capsys)
    assert "expected the export of this run, whose leader is (1, 12, 288), got one of (1, 11, 288)" in error


def test_a_follower_that_came_with_its_weights_can_be_gone_on_from(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """It is exported again to the same bytes, in another precision; and not over itself."""
    out = tmp_path / "trial"
    assert main(["export", str(run), "--out", str(out), "--seconds", "0.5", "--weights"]) == 0
    again = tmp_path / "again"
    assert main(["export", str(out), "--out", str(again), "--seconds", "0.5"]) == 0
    assert (again / "denoise.onnx").read_bytes() == (out / "denoise.onnx").read_bytes()
    assert not (again / WEIGHTS_FILE).exists()
    assert main(["verify", str(out), "--follower", str(out), "--seconds", "0.5"]) == 0
    assert main(["export", str(out), "--out", str(out)]) == 2
    assert "expected another folder than the run's" in capsys.readouterr().err
    assert main(["export", str(run), "--out", str(run)]) == 2
    assert "expected another folder than the run's" in capsys.readouterr().err
    assert main(["export", str(run), "--out", str(out)]) == 2
    assert f"whose {WEIGHTS_FILE} would not be those of the new graphs. Give --weights" in capsys.readouterr().err


def test_results_replace_those_before(exported: Path, tmp_path: Path):
    (tmp_path / CARD_FILE).write_text((exported / CARD_FILE).read_text())
    put_results(tmp_path, "| follower | MPJPE |")
    put_results(tmp_path, "| follower | MPJPE mm |")
    card = (tmp_path / CARD_FILE).read_text()
    assert card.count("| follower |") == 1 and "| MPJPE mm |" in card and "What it cannot do" in card


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare"], "--data: expected the folder with the recorded couples, got none"),
        (["prepare", "--data", "nowhere"], "nowhere: expected a folder with data sets, got no such folder"),
        (["prepare", "--data", ".", "--dataset", "dd99"], "expected auto or one of cmu, dd100"),
        (["prepare", "--data", "."], "expected a data set (cmu: 60_NN.bvh"),
        (["train", "--data", "nowhere", "--out", "run", "--preset", "XXL"], "--preset: expected one of XS, S, M, L"),
        (["train", "--out", "run"], "--data: expected the folder with the recorded couples, got none"),
        (["train", "--data", "nowhere", "--out", "run"], "expected the salsa takes, got no such folder"),
        (["train", "--data", "nowhere", "--out", "run", "--minutes", "soon"], "expected a number above 0, got 'soon'"),
        (["train", "--data", "nowhere", "--out", "run", "--steps", "-1"], "expected a whole number of at least 0"),
        (["train", "--data", "nowhere", "--out", "run", "--calls", "0"], "expected at least 1 call, got 0"),
        (["train", "--data", "nowhere", "--out", "run", "--set", "how.own=1"], "such as own_share"),
        (
            ["train", "--data", "nowhere", "--out", "run", "--set", "how.draws=few"],
            "how.draws: expected a whole number",
        ),
        (["train", "--data", "nowhere", "--out", "run", "--set", "follower.fps=25"], "expected a setting that is free"),
        (["train", "--data", "nowhere", "--out", "run", "--config", "none.toml"], "expected settings in TOML or JSON"),
        (["train", "--data", "nowhere", "--out", "run", "--from", "none"], "expected follower.json in it, got none"),
        (["train", "--data", "nowhere", "--out", "run", "--device", "tpu"], "--device: expected auto, cpu or cuda"),
        (["verify", "nowhere", "--follower", "trial", "--seconds", "nan"], "expected a number above 0, got 'nan'"),
        (["evaluate", "nowhere"], "--data: expected the folder with the recorded couples, got none"),
        (["forecast", "--data", "nowhere", "--steps", "0"], "expected a whole number of at least 1, got '0'"),
        (["forecast", "--data", "nowhere", "--out", "."], "--out: expected a file to write, got the folder ."),
        (["calls", "nowhere", "--data", "nowhere", "--seeds", "0"], "expected a whole number of at least 1, got '0'"),
        (
            ["calls", "nowhere", "--data", "nowhere", "--json", "."],
            "--json: expected a file to write, got the folder .",
        ),
        (["evaluate", "nowhere", "--data", "nowhere", "--html", "."], "--html: expected a file to write, got the"),
        (["evaluate", "nowhere", "--data", "nowhere", "--takes", "12,12"], "Takes: expected each once, got 12, 12"),
        (["export", "nowhere", "--out", "trial"], "expected release.json in it, got none"),
        (["verify", "nowhere", "--follower", "trial"], "expected follower.json in it, got none"),
        (["evaluate", "nowhere", "--data", "nowhere"], "expected a follower folder, got no such folder"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_code_two(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("DUET_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("duet-lab: ") and error.count("\n") == 1


def one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The error of a command that must fail as the user's affair."""
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("duet-lab: ") and error.count("\n") == 1 and "Traceback" not in error
    return error


def test_a_run_of_another_preset_is_not_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Said before any data is read, and naming what to do."""
    save_file(random_follower(XS).codec.state_dict(), tmp_path / CODEC_FILE)
    error = one_sentence(["train", "--data", "nowhere", "--out", str(tmp_path), "--preset", "S"], capsys)
    assert "expected the weights of preset S, got others" in error and "--preset this run began with" in error
    error = one_sentence(["train", "--data", "nowhere", "--out", str(tmp_path), "--preset", "XS"], capsys)
    assert "expected the salsa takes" in error


def test_a_checkpoint_of_another_version_is_not_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    weights = {f"model.{name}": value for name, value in random_follower(XS).state_dict().items()}
    train = ["train", "--data", "nowhere", "--out", str(tmp_path), "--preset", "XS"]
    save_weights(weights, tmp_path / CHECKPOINT_FILE)
    error = one_sentence(train, capsys)
    assert "expected a checkpoint of this version" in error and "--from" in error
    save_weights(weights, tmp_path / CHECKPOINT_FILE, {"format": 2})
    assert "expected the salsa takes" in one_sentence(train, capsys)
    weights.pop("model.memory.stack.norm.weight")
    save_weights(weights, tmp_path / CHECKPOINT_FILE, {"format": 2})
    assert "memory.stack.norm.weight: (16,) wanted, none there" in one_sentence(train, capsys)


def test_other_settings_are_refused_before_data_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    save_weights(random_follower(XS).codec.state_dict(), tmp_path / CODEC_FILE)
    write_settings(tmp_path, Settings(follower=XS, schedule=Schedule(sampler=XS.sampler)), {})
    train = ["train", "--data", "nowhere", "--out", str(tmp_path), "--preset", "XS"]
    assert "expected the salsa takes" in one_sentence([*train, "--minutes", "5"], capsys)
    error = one_sentence([*train, "--set", "how.own_share=0.7"], capsys)
    assert "expected how.own_share = 0.5 as this run was begun with, got 0.7" in error


def test_broken_weights_are_told(run: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for file in (run / "best").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = (tmp_path / WEIGHTS_FILE).read_bytes()
    for broken in (weights[: len(weights) // 2], b"", b"not weights at all"):
        (tmp_path / WEIGHTS_FILE).write_bytes(broken)
        for arguments in (["export", "--out", str(tmp_path / "out")], ["verify", "--follower", str(exported)]):
            error = one_sentence([arguments[0], str(tmp_path), *arguments[1:]], capsys)
            assert "expected weights in safetensors, got a broken file" in error
    (tmp_path / CODEC_FILE).write_bytes(weights[:100])
    train = ["train", "--data", "nowhere", "--out", str(tmp_path), "--preset", "XS"]
    assert "expected weights in safetensors, got a broken file" in one_sentence(train, capsys)


def test_a_path_that_cannot_be_written_is_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "taken").write_text("a file")
    error = one_sentence(["export", str(run), "--out", str(tmp_path / "taken"), "--seconds", "1"], capsys)
    assert "taken: expected a path that can be read and written" in error
    train = ["train", "--data", "nowhere", "--out", str(tmp_path / "taken")]
    assert "expected a folder for the run, got a file" in one_sentence(train, capsys)


def test_what_cannot_be_written_is_told_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "taken").write_text("a file")
    forecast = ["forecast", "--data", "nowhere", "--out", str(tmp_path / "taken" / "f.safetensors")]
    assert "--out: expected a folder to write to, got" in one_sentence(forecast, capsys)


@pytest.mark.parametrize("command", ["prepare", "train", "ablate", "export", "verify", "evaluate"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: duet-lab {command}" in text
    assert text.rstrip().splitlines()[-1].startswith(f"  duet-lab {command} "), "ends with an example"


def examples() -> list[tuple[str, str]]:
    """(command, line) of everything that a command's help says to type."""
    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    lines = [(name, line.strip()) for name, one in commands.choices.items() for line in one.epilog.splitlines()]
    assert set(commands.choices) == {name for name, line in lines if line.startswith(f"duet-lab {name} ")}
    return [(name, part) for name, line in lines for part in line.split(" && ") if part.startswith("duet-lab ")]


@pytest.mark.parametrize(("command", "line"), examples())
def test_what_a_help_says_to_type_is_understood(command: str, line: str):
    """Words and values; whether files are there is another matter."""
    words = shlex.split(line.removesuffix(" ..."), comments=True)[1:]
    assert not any(word.startswith("/") for word in words), "no path of one machine"
    assert callable(_parser().parse_args(words).run), command


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), "got: CUDA out of memory."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "got: DefaultCPUAllocator: can't"),
        (MemoryError(), "got: no memory. Close other programs"),
    ],
)
def test_too_little_memory_is_a_sentence(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr("export.commands.verify.run", full)
    assert said in one_sentence(["verify", "somewhere"], capsys)


def test_another_error_is_not_taken_for_that(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("export.commands.verify.run", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        main(["verify", "somewhere"])


def test_without_the_learning_half_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["ablate", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"got no torch. Install them: {how_to_install('lab')} (" in said and said.count("\n") == 1


def test_a_card_without_its_marked_place_is_refused(tmp_path: Path):
    from duet.errors import InputError

    with pytest.raises(InputError, match=f"expected {CARD_FILE}"):
        put_results(tmp_path, "numbers")
    (tmp_path / CARD_FILE).write_text("# something else\n")
    with pytest.raises(InputError, match="expected the marked place"):
        put_results(tmp_path, "numbers")
