"""A run that was stopped at any moment comes to the very weights of one that was not."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from duet.errors import InputError
from export.resume import check_resumable
from models.codec import Codec
from models.config import XS, ForecasterConfig, SamplerConfig
from models.data.corpus import Corpus
from models.follower import WEIGHTS_FILE, Follower, load_follower
from models.forecaster import Forecaster, save_forecaster
from models.training.averaging import AveragedWeights
from models.training.checkpoint import CHECKPOINT_FILE, load_checkpoint
from models.training.codec_stage import CODEC_CHECKPOINT, CodecTraining, train_codec
from models.training.denoiser_stage import DenoiserTraining
from models.training.distributed import Group
from models.training.progress import Progress
from models.training.run import CODEC_FILE, Sources, prepared, take_weights, train
from models.training.settings import (
    SETTINGS_FILE,
    Schedule,
    Settings,
    check_own_ticks,
    read_settings,
    weights_digest,
)
from models.training.trainer import HISTORY_FILE, Trainer
from models.weights import load_weights, save_weights

pytestmark = pytest.mark.usefixtures("unplotted")

QUICK = DenoiserTraining(stretches=2, stretch_tokens=10, windows=2, warmup_steps=1)
CODEC = CodecTraining(batch=2, window_frames=32)
SCHEDULE = Schedule(
    codec_steps=2, steps=6, judge_every=3, own_from=2, own_every=2, own_count=2, own_ticks=6, own_keep=4,
    sampler=SamplerConfig(calls=1),
)  # fmt: skip


class Killed(Progress):
    """Stops a run as a kill does, at a step of the second stage or a report of the first."""

    def __init__(self, step: int = 0, codec_step: int = 0) -> None:
        super().__init__(Console(quiet=True))
        self.fatal, self.fatal_codec = step, codec_step

    def codec(self, numbers: dict[str, float]) -> None:
        if numbers["step"] == self.fatal_codec:
            raise KeyboardInterrupt

    def step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        if step == self.fatal:
            raise KeyboardInterrupt


def run(folder: Path, corpus: Corpus, progress: Progress | None = None, **changes: object) -> Path:
    given = {"schedule": SCHEDULE, "how": QUICK, "codec_training": CODEC, **changes}
    return train(folder, corpus, XS, progress=progress or Killed(), **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def straight(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    run(folder, corpus)
    return folder


def assert_equal_files(one: Path, other: Path) -> None:
    mine, theirs = load_file(one), load_file(other)
    assert mine.keys() == theirs.keys()
    different = [name for name, value in mine.items() if not torch.equal(value, theirs[name])]
    assert different == []


@pytest.mark.parametrize("fatal", [1, 5])
def test_a_killed_run_comes_to_the_same_weights(straight: Path, corpus: Corpus, tmp_path: Path, fatal: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, corpus, Killed(fatal))
    with (tmp_path / HISTORY_FILE).open("a") as file:
        file.write('{"step": 99}\n{"step":')  # rows of steps that will be made again, the last one cut short
    run(tmp_path, corpus)
    assert_equal_files(tmp_path / CODEC_FILE, straight / CODEC_FILE)
    assert_equal_files(tmp_path / CHECKPOINT_FILE, straight / CHECKPOINT_FILE)
    assert_equal_files(tmp_path / "best" / WEIGHTS_FILE, straight / "best" / WEIGHTS_FILE)
    assert (tmp_path / HISTORY_FILE).read_text() == (straight / HISTORY_FILE).read_text()
    kept = [name for name in load_file(tmp_path / CHECKPOINT_FILE) if name.startswith("more.0.own.")]
    assert "more.0.own.history" in kept, "its own dances are part of it"


def test_a_run_keeps_what_its_forecaster_learned_from(corpus: Corpus, tmp_path: Path) -> None:
    file = tmp_path / "forecaster.safetensors"
    for number, datasets in enumerate([("dd100", "cmu"), ()]):
        save_forecaster(Forecaster(ForecasterConfig(waves=number + 1)), file, datasets)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / str(number), corpus, Killed(1), forecaster_file=file)
    told, untold = (read_settings(tmp_path / name)["origin"] for name in ("0", "1"))
    assert told["forecaster_settings"] == {"origin": {"datasets": ["dd100", "cmu"]}}
    assert untold["forecaster"] == weights_digest(file) != told["forecaster"] and "forecaster_settings" not in untold
    with pytest.raises(InputError, match="expected the forecaster this run was begun with"):
        run(tmp_path / "0", corpus, forecaster_file=file)


def test_a_finished_run_learns_nothing_more(straight: Path, corpus: Corpus) -> None:
    before = (straight / CHECKPOINT_FILE).read_bytes(), (straight / HISTORY_FILE).read_text()
    run(straight, corpus)
    assert ((straight / CHECKPOINT_FILE).read_bytes(), (straight / HISTORY_FILE).read_text()) == before
    stages = [json.loads(line)["stage"] for line in before[1].splitlines()]
    assert stages == ["rollout", "rollout"]


def test_a_killed_codec_comes_to_the_same_weights(corpus: Corpus, tmp_path: Path) -> None:
    def fit(folder: Path, fatal: int = 0) -> dict[str, torch.Tensor]:
        report = Killed(codec_step=fatal).codec
        given = {"steps": 4, "seed": 0, "report": report, "report_every": 2, "how": CODEC, "folder": folder}
        return train_codec(XS, corpus.train, corpus.validation, **given).state_dict()  # type: ignore[arg-type]

    whole = fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", fatal=2)
    assert (tmp_path / "cut" / CODEC_CHECKPOINT).is_file()
    for name, value in fit(tmp_path / "cut").items():
        assert torch.equal(value, whole[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"how": replace(QUICK, own_share=0.25)}, "expected how.own_share = 0.5 as this run was begun with, got 0.25"),
        ({"schedule": replace(SCHEDULE, steps=9)}, "expected schedule.steps = 6"),
        ({"schedule": replace(SCHEDULE, sampler=SamplerConfig(calls=2))}, "expected schedule.sampler.calls = 1"),
        ({"seed": 1}, "expected seed = 0"),
    ],
)
def test_other_settings_are_named(straight: Path, corpus: Corpus, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(straight, corpus, **changes)


def test_own_dances_longer_than_any_dance_are_told_before_the_first_step(
    straight: Path, corpus: Corpus, tmp_path: Path
) -> None:
    longest = max(sequence.tokens for sequence in corpus.train) - XS.plan - 1
    with pytest.raises(InputError, match=rf"schedule.own_ticks: expected at most {longest}, .* got {longest + 1}\."):
        run(tmp_path, corpus, schedule=replace(SCHEDULE, own_ticks=longest + 1))


def test_own_dances_with_no_room_for_a_plan_are_told_before_the_first_step(corpus: Corpus, tmp_path: Path) -> None:
    least = XS.plan + 1
    with pytest.raises(InputError, match=rf"schedule.own_ticks: expected at least {least}, .* got {XS.plan}\."):
        run(tmp_path, corpus, schedule=replace(SCHEDULE, own_ticks=XS.plan))
    assert not list(tmp_path.iterdir())
    never = replace(SCHEDULE, own_ticks=1, own_from=SCHEDULE.steps)
    check_own_ticks(Settings(follower=XS, schedule=never), longest_tokens=1)
    with pytest.raises(InputError, match=rf"expected dances of at least {2 * least} tokens, .* got at most 7\. Give"):
        check_own_ticks(Settings(follower=XS, schedule=SCHEDULE), longest_tokens=7)


def test_a_codec_of_other_sizes_is_told_and_nothing_is_frozen(corpus: Corpus, tmp_path: Path) -> None:
    other, folder = tmp_path / "other.safetensors", tmp_path / "run"
    save_weights(Codec(replace(XS.codec, channels=(8, 8, 8))).state_dict(), other)
    told = r"other\.safetensors: expected the weights of a codec of preset XS, got others .*Give the --preset"
    with pytest.raises(InputError, match=told):
        run(folder, corpus, codec=other)
    assert not (folder / SETTINGS_FILE).exists()
    with pytest.raises(InputError, match=told):
        check_resumable(folder, Settings(follower=XS), other)
    save_weights(Codec(XS.codec).state_dict(), other)
    check_resumable(folder, Settings(follower=XS), other)


def test_a_longer_time_is_no_other_setting(straight: Path, corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, corpus, Killed(4))
    run(tmp_path, corpus, schedule=replace(SCHEDULE, seconds=60.0))
    assert_equal_files(tmp_path / CHECKPOINT_FILE, straight / CHECKPOINT_FILE)


@pytest.mark.parametrize("step", [2, 4])
def test_a_run_whose_time_is_up_goes_on_as_if_it_had_not_been(
    straight: Path, corpus: Corpus, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is judged twice or at another time; before the first judging the weights of now are there to dance."""
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_over", lambda self, started: self.step == step)
        run(tmp_path, corpus)
    rows = [json.loads(line) for line in (tmp_path / HISTORY_FILE).read_text().splitlines()]
    assert [(row["step"], row.get("for_now", False)) for row in rows] == ([(2, True)] if step == 2 else [(3, False)])
    assert (tmp_path / "best" / WEIGHTS_FILE).is_file()
    run(tmp_path, corpus)
    assert_equal_files(tmp_path / CHECKPOINT_FILE, straight / CHECKPOINT_FILE)
    assert_equal_files(tmp_path / "best" / WEIGHTS_FILE, straight / "best" / WEIGHTS_FILE)
    assert (tmp_path / HISTORY_FILE).read_text() == (straight / HISTORY_FILE).read_text()


@pytest.mark.parametrize("carried", [False, True])
def test_processes_that_join_a_run_draw_for_themselves(
    straight: Path, corpus: Corpus, tmp_path: Path, carried: bool
) -> None:
    """The first one goes on as it was; those that the checkpoint knows nothing of draw as nobody else does."""
    how, folder = replace(QUICK, carried=carried), tmp_path if carried else straight
    if carried:
        (folder / CODEC_FILE).write_bytes((straight / CODEC_FILE).read_bytes())
        with pytest.raises(KeyboardInterrupt):
            run(folder, corpus, Killed(4), how=how)
    settings = Settings(0, XS, codec=CODEC, how=how, schedule=SCHEDULE)
    draws = []
    for rank in (0, 1, 2, 1):
        trainer = prepared(folder, corpus, settings, Sources(), Killed(), Group(rank=rank))
        draws.append((trainer.rng.random(), float(torch.rand(()))))
        assert trainer.step == (3 if carried else 6) and bool(trainer.own) == (rank == 0)
        trainer._train_step()
    assert draws[3] == draws[1]
    for drawn in zip(*draws[:3], strict=True):
        assert len(set(drawn)) == 3, drawn


def test_other_data_is_told(straight: Path, corpus: Corpus) -> None:
    other = replace(corpus.train[0], frames=corpus.train[0].frames + np.float32(1e-3))
    with pytest.raises(InputError, match="expected the data this run was begun with"):
        run(straight, replace(corpus, train=[other]))


def test_a_setting_that_was_not_known_counts_as_its_default(straight: Path, corpus: Corpus, tmp_path: Path) -> None:
    for name in (CODEC_FILE, CHECKPOINT_FILE, HISTORY_FILE):
        (tmp_path / name).write_bytes((straight / name).read_bytes())
    values = json.loads((straight / SETTINGS_FILE).read_text())
    del values["how"]["own_share"]
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(values))
    run(tmp_path, corpus)
    assert_equal_files(tmp_path / CHECKPOINT_FILE, straight / CHECKPOINT_FILE)
    with pytest.raises(InputError, match="expected how.own_share = 0.5"):
        run(tmp_path, corpus, how=replace(QUICK, own_share=0.25))


def test_it_stops_when_nothing_gets_better(corpus: Corpus, tmp_path: Path, straight: Path) -> None:
    schedule = replace(SCHEDULE, judge_every=1, patience=1, steps=6, own_from=99)
    frozen = replace(QUICK, learning_rate=0.0, last_learning_rate=0.0, weight_decay=0.0)
    run(tmp_path, corpus, schedule=schedule, how=frozen, codec=straight / CODEC_FILE)
    steps = [json.loads(line)["step"] for line in (tmp_path / HISTORY_FILE).read_text().splitlines()]
    assert steps == [1, 2]


def test_a_run_begins_with_the_weights_of_another(straight: Path, corpus: Corpus, tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, steps=1, judge_every=1)
    frozen = replace(QUICK, learning_rate=0.0, last_learning_rate=0.0)
    best = run(tmp_path, corpus, schedule=schedule, how=frozen, start=straight / "best")
    assert not (tmp_path / CODEC_FILE).exists()
    assert_equal_files(best / WEIGHTS_FILE, straight / "best" / WEIGHTS_FILE)
    assert load_follower(best).config.name == "XS"


def test_options_can_be_added_to_the_weights_of_another(straight: Path) -> None:
    more = replace(XS, denoiser=replace(XS.denoiser, mtmm=True))
    follower = Follower(more)
    take_weights(follower, straight / "best")
    theirs = load_follower(straight / "best").state_dict()
    mine = follower.state_dict()
    assert all(torch.equal(mine[name], value) for name, value in theirs.items()) and len(mine) > len(theirs)


def test_weights_of_another_size_are_told(straight: Path) -> None:
    other = replace(XS, memory=replace(XS.memory, width=32))
    with pytest.raises(InputError, match="expected a configuration that only adds options"):
        take_weights(Follower(other), straight / "best")


def test_a_full_disk_leaves_the_former_checkpoint(
    tmp_path: Path, room_for: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / CHECKPOINT_FILE
    save_weights({"x": torch.ones(10)}, path)
    with room_for(20_000), pytest.raises(InputError, match=r"expected room for 0\.4 MB, got: .*too large"):
        save_weights({"x": torch.zeros(100_000)}, path)
    assert torch.equal(load_weights(path)["x"], torch.ones(10))
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT_FILE]


def test_a_kill_while_writing_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text("former")
    code = (
        "import os, signal, sys, pathlib\n"
        "from duet.files import written_whole\n"
        "with written_whole(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -signal.SIGKILL
    assert path.read_text() == "former"


def test_a_checkpoint_of_another_version_is_told(tmp_path: Path) -> None:
    follower = torch.nn.Linear(1, 1)
    save_weights({"model.weight": torch.ones(1)}, tmp_path / CHECKPOINT_FILE)
    optimiser = torch.optim.AdamW(follower.parameters())
    with pytest.raises(InputError, match="expected a checkpoint of this version, got one of another.*--from"):
        load_checkpoint(tmp_path, follower, AveragedWeights(follower, 0.9), optimiser, np.random.default_rng())
