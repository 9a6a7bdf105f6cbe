"""Distillation: the teacher's guided end is what is learned, in few calls, and it can be stopped and gone on with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import Placement
from models.conditions import Drop
from models.config import XS, SamplerConfig
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.sequences import CLEAN, Sequence, build_sequence
from models.evaluation.closed_loop import Example
from models.follower import Follower, load_follower, random_follower, save_follower
from models.release import Release
from models.training.checkpoint import CHECKPOINT_FILE
from models.training.denoiser_stage import told
from models.training.distil_stage import (
    LEARNING,
    SCHEDULE,
    Distillation,
    Distiller,
    Lesson,
    descended,
    distil,
    student_config,
    taught,
)
from models.training.progress import Progress
from models.training.settings import Settings
from models.training.windows import Batch, draw_batch, make_item
from models.weights import load_weights

HOW = replace(LEARNING, stretches=2, stretch_tokens=8, windows=3, warmup_steps=1, learning_rate=3e-3)
WHAT = Distillation(teacher=SamplerConfig("ddim", 4))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    couple, rng = choreograph_tempo(4.0, 180.0, 2), np.random.default_rng(0)
    beats = np.arange(0.0, 4.0, 1.0 / 3.0)
    pair = Pair("dance", couple.leader, couple.follower, beats)
    conditions = condition_from_beats(beats, pair.frames, 30.0, rng)
    sequence: Sequence = build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)
    return Corpus([sequence], [sequence], [Example(pair.slice(0, 48), sequence.take.slice(0, 48))])


@pytest.fixture
def teacher(corpus: Corpus) -> Follower:
    return random_follower(XS)


@pytest.fixture
def batch(teacher: Follower, corpus: Corpus) -> Batch:
    with torch.no_grad():
        target = teacher.codec.encode(torch.from_numpy(corpus.train[0].frames)[None])[0]
    item = make_item(corpus.train[0], target, XS)
    return draw_batch([item], XS, np.random.default_rng(0), stretches=2, length=8, windows=3)


def settings(calls: int = 2, steps: int = 2) -> Settings:
    schedule = replace(SCHEDULE, steps=steps, judge_every=1, own_count=2, own_ticks=6, own_every=1)
    config = student_config(XS, calls)
    return Settings(0, config, how=HOW, schedule=replace(schedule, sampler=config.sampler))


@torch.no_grad()
def test_the_teachers_end_is_that_of_its_own_tick(teacher: Follower, batch: Batch):
    """Against the exported role with the same sampler, noise and scales; scales of zero ask for no second branch."""
    past, conditions = told(teacher, batch, HOW)
    noise = torch.randn(len(past), XS.plan, XS.latent_width)
    teacher.config = replace(XS, sampler=replace(WHAT.teacher, keep_noise=False))
    denoise = teacher.roles()[1]
    for strength in (0.0, 1.5):
        scales = strength * torch.rand(len(past), 3, 2)
        given = {**conditions._asdict(), "noise": noise, "guidance": scales, "past": past, "plan": 0 * noise}
        given["noise_ring"] = 0 * noise
        expected = denoise(*(given[name] for name in denoise.inputs))[1]
        made = taught(teacher, past, conditions, scales, noise, WHAT.teacher)
        torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_what_the_student_learns_to_say_last_is_what_it_dances(teacher: Follower, batch: Batch, tmp_path: Path, corpus):
    student = Distiller(tmp_path, teacher, corpus, settings(), WHAT).follower.eval()
    student.denoiser.folded.out.weight.normal_()  # type: ignore[union-attr]
    past, conditions = told(student, batch, HOW)
    noise, scales = torch.randn(len(past), XS.plan, XS.latent_width), torch.rand(len(past), 3, 2)
    denoise = student.roles()[1]
    given = {**conditions._asdict(), "noise": noise, "guidance": scales, "past": past, "plan": 0 * noise}
    given["noise_ring"] = 0 * noise
    danced = denoise(*(given[name] for name in denoise.inputs))[1]
    nothing = Drop(*(torch.zeros(len(past)) for _ in range(3)))
    context = student.denoiser.prepare(past, conditions, nothing, scales)
    said = descended(student, context, conditions, noise)
    assert len(said) == 2
    torch.testing.assert_close(said[-1], danced, atol=1e-5, rtol=1e-5)


def test_a_student_comes_nearer_to_its_teacher_and_its_memory_stays(
    teacher: Follower, batch: Batch, corpus: Corpus, tmp_path: Path
):
    distiller = Distiller(tmp_path, teacher, corpus, settings(calls=1), WHAT)
    student = distiller.follower
    memory = {name: value.clone() for name, value in student.memory.state_dict().items()}
    lesson = Lesson(student, teacher, HOW, WHAT, None)
    torch.manual_seed(0)
    losses, parts = [], {}
    for _ in range(20):
        loss, parts = lesson([("", batch, 1.0)])
        distiller.optimiser.zero_grad()
        loss.backward()
        distiller.optimiser.step()
        losses.append(float(loss.detach()))
    assert set(parts) == {"call1", "frames"}
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:3])
    assert all(torch.equal(value, memory[name]) for name, value in student.memory.state_dict().items())
    folded = student.denoiser.folded
    assert folded is not None and folded.out.weight.abs().sum() > 0
    assert torch.count_nonzero(folded(torch.zeros(1, 3, 2))) == 0


def test_a_run_leaves_a_student_that_loads_and_goes_on(teacher: Follower, corpus: Corpus, tmp_path: Path):
    release = Release("trial", (1.0,), 5, 0.05, 0.85, "Nothing.", "Apache-2.0", "duet-lab train", (0,))
    calm = replace(teacher.config, sampler=replace(teacher.config.sampler, temperature=(1.0, 0.5, 0.25)))
    same = Follower(calm)
    same.load_state_dict(teacher.state_dict())
    save_follower(same, tmp_path / "teacher")
    release.write(tmp_path / "teacher")

    def run(
        out: str, *, calls: int = 2, seconds: float = 1e9, what: Distillation = WHAT, data: Corpus = corpus
    ) -> Follower:
        schedule = replace(settings().schedule, seconds=seconds, judge_every=2)
        best = distil(
            tmp_path / out, tmp_path / "teacher", data, calls=calls, what=what, how=HOW, schedule=schedule,
            progress=Progress(Console(quiet=True)),
        )  # fmt: skip
        return load_follower(best)

    whole = run("whole")
    assert whole.config.denoiser.folded_guidance and whole.config.sampler.calls == 2
    begun = json.loads((tmp_path / "whole" / "settings.json").read_text())
    assert begun["origin"]["distillation"]["teacher"]["temperature"] == [1.0, 0.5, 0.25]
    assert begun["origin"]["datasets"] == ["cmu"], "an export measures with these"
    assert whole.config.sampler.temperature == (1.0, 0.5, 0.25)
    assert {p.name for p in (tmp_path / "whole").iterdir()} >= {"best", "settings.json", "history.png"}
    run("parts", seconds=1e-9)
    run("parts")
    ended = [load_weights(tmp_path / name / CHECKPOINT_FILE) for name in ("whole", "parts")]
    assert all(torch.equal(value, ended[1][name]) for name, value in ended[0].items())
    with pytest.raises(InputError, match=r"expected follower\.sampler\.calls = 2"):
        run("whole", calls=1)
    with pytest.raises(InputError, match="expected the distillation this run was begun with"):
        run("whole", what=replace(WHAT, strongest=WHAT.strongest + 1.0))
    with pytest.raises(InputError, match="expected the data this run was begun with"):
        run("whole", data=replace(corpus, train=corpus.train * 2))
    save_follower(random_follower(calm, 3), tmp_path / "teacher")
    with pytest.raises(InputError, match="expected the start this run was begun with"):
        run("whole")
    save_follower(whole, tmp_path / "teacher")
    with pytest.raises(InputError, match="expected a follower that was trained, got a distilled one"):
        run("other")
