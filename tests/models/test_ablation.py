"""The ablation table: what is hidden is hidden everywhere, rows are equal trainings, and a stopped table goes on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from duet.errors import InputError
from models.config import XS, SamplerConfig
from models.data.corpus import Corpus
from models.follower import Follower, load_follower, random_follower, save_follower
from models.training.ablation import Study, Variant, data_curve, fit_shared_codec, part_of, shortened, variants
from models.training.averaging import AveragedWeights
from models.training.codec_stage import CODEC_CHECKPOINT, CodecTraining
from models.training.denoiser_stage import DenoiserTraining
from models.training.hidden import Hidden, hide
from models.training.progress import Progress
from models.training.settings import Schedule, Settings
from models.weights import load_weights, save_weights

pytestmark = pytest.mark.usefixtures("unplotted")

BASE = shortened(
    Settings(
        follower=XS, codec=CodecTraining(batch=2, window_frames=32),
        how=DenoiserTraining(stretches=1, stretch_tokens=6, windows=1, warmup_steps=1),
        schedule=Schedule(codec_steps=1, own_count=1, own_ticks=6, sampler=SamplerConfig(calls=1)),
    ),
    steps=1,
)  # fmt: skip
QUIET = Progress(Console(quiet=True))


def tick(follower: Follower, inputs: dict[str, torch.Tensor], *, memory: float = 0.0) -> torch.Tensor:
    """The frames of a tick whose carried memory is ``memory``."""
    state = follower.initial_state()
    state["memory_ssm"] = state["memory_ssm"] + memory
    with torch.no_grad():
        return follower.tick(inputs, state, guided=False)[0]["frames"]


@pytest.mark.parametrize("what", ["memory", "beat", "forecast"])
def test_what_is_hidden_changes_nothing(what: Hidden) -> None:
    follower = random_follower(XS)
    generator = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(shape, generator=generator) for name, shape in follower.input_shapes().items()}
    inputs["leader_flag"] = torch.eye(3)[torch.tensor([0] * (XS.window - 3) + [1] + [2] * 2)][None]
    other = dict(inputs)
    if what == "beat":
        music = inputs["music"].unflatten(-1, (XS.token_frames, -1)).clone()
        music[..., :4] += 1.0
        other["music"] = music.flatten(-2)
    if what == "forecast":
        other["leader"] = inputs["leader"] + inputs["leader_flag"][..., 2:]
    memory = 1.0 if what == "memory" else 0.0
    assert not torch.equal(tick(follower, inputs), tick(follower, other, memory=memory)), "it counts before"
    hide(follower, (what,))
    copied = AveragedWeights(follower, 0.9).model
    for hidden in (follower, copied):
        assert torch.equal(tick(hidden, inputs), tick(hidden, other, memory=memory))


def test_every_row_is_another_training() -> None:
    rows = variants(Settings())
    assert rows[0].name == "full" and len({row.name for row in rows}) == len(rows)
    wanted = {"no-memory", "no-forecast", "no-beat-phase", "no-code", "with-references", "with-experts", "with-mtmm"}
    assert wanted <= {row.name for row in rows}
    richer = Settings(how=DenoiserTraining(references=0.5))
    assert "no-references" in {row.name for row in variants(richer)}
    assert [row.share for row in data_curve()] == [0.25, 0.5, 1.0]
    assert [row.name for row in data_curve((0.0, 0.3))] == ["share-0", "share-30", "full"]


def test_a_part_of_the_recorded_takes(corpus: Corpus) -> None:
    names = ["cmu-01", "cmu-01-mirrored-x0.95", "cmu-02", "cmu-03", "cmu-04-swapped", "choreographed-0", "everyday-7"]
    names += ["spliced-1-0 <- cmu-01 + cmu-03", "spliced-1-1 <- cmu-01-mirrored"]
    many = replace(corpus, train=[replace(corpus.train[0], name=name) for name in names])
    assert [s.name for s in part_of(many, 0.25).train] == [*names[:2], *names[5:7], names[8]]
    assert [s.name for s in part_of(many, 0.0).train] == names[5:7]
    assert part_of(many, 1.0) is many


def test_a_table_goes_on_where_it_was(corpus: Corpus, tmp_path: Path) -> None:
    rows = [Variant("full", "everything"), Variant("no-memory", "without memory", hide=("memory",))]
    corpus = replace(corpus, couples="fedcba9876543210")
    codec = fit_shared_codec(tmp_path, BASE, corpus, lambda numbers: None)
    study = Study(tmp_path, BASE, rows, (0,), codec, couples=corpus.couples)
    assert list(study.todo()) == [(rows[0], 0), (rows[1], 0)]
    study.run(rows[1], 0, corpus, QUIET)
    assert list(study.todo()) == [(rows[0], 0)]
    assert not (study.place(rows[1], 0) / "best").exists(), "what cannot be danced with is not kept"
    text = study.write()
    assert "for 1 steps from the same codec and the same seed" in text and "| everything | -" in text
    values = json.loads((tmp_path / "ablation.json").read_text())
    assert values["rows"][1]["runs"][0]["score"] > 0 and values["rows"][0]["runs"] == []
    with pytest.raises(InputError, match="expected the couples this run was begun with"):
        list(replace(study, couples="0123456789abcdef").todo())
    save_weights({n: v + 1.0 for n, v in load_weights(codec).items()}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="expected the codec this run was begun with"):
        list(replace(study, codec=tmp_path / "other.safetensors").todo())
    save_weights({"alone": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="expected the weights of a codec of preset XS, got others"):
        replace(study, codec=tmp_path / "other.safetensors").todo()
    longer = replace(study, base=replace(BASE, how=replace(BASE.how, draws=3)))
    with pytest.raises(InputError, match="expected how.draws = 2 as this run was begun with"):
        list(longer.todo())


def test_a_codec_of_something_else_is_not_taken(corpus: Corpus, tmp_path: Path) -> None:
    def fit(base: Settings = BASE, dances: Corpus = corpus) -> Path:
        return fit_shared_codec(tmp_path / "table", base, dances, fitted.append)

    fitted: list[dict[str, float]] = []
    path = fit()
    former = path.read_bytes()
    assert fit(shortened(BASE, 2)) == path and len(fitted) == 1, "the same for rows of any length"
    with pytest.raises(InputError, match=r"settings.json: expected codec.learning_rate = 0.001 as this run") as caught:
        fit(replace(BASE, codec=replace(BASE.codec, learning_rate=0.5)))
    assert "--from" not in str(caught.value), "a table has no weights to begin with"
    longer = replace(BASE.schedule, codec_steps=2)
    with pytest.raises(InputError, match="expected schedule.codec_steps = 1"):
        fit(replace(BASE, schedule=longer))
    other = replace(corpus.train[0], frames=corpus.train[0].frames + np.float32(1e-3))
    with pytest.raises(InputError, match="expected the data this run was begun with"):
        fit(dances=replace(corpus, train=[other]))
    path.rename(path.with_name(CODEC_CHECKPOINT))  # half fitted it is no less of something else
    with pytest.raises(InputError, match="expected schedule.codec_steps = 1"):
        fit(replace(BASE, schedule=longer))
    path.with_name(CODEC_CHECKPOINT).rename(path)
    (path.parent / "settings.json").unlink()
    with pytest.raises(InputError, match=r"expected settings.json beside the codec.*Give --codec .*table if it is"):
        fit()
    assert path.read_bytes() == former and len(fitted) == 1


def test_rows_may_go_on_from_a_trained_follower(corpus: Corpus, tmp_path: Path) -> None:
    begun_with = random_follower(XS)
    save_follower(begun_with, tmp_path / "trained")
    rows = [Variant("full", "everything")]
    study = Study(tmp_path, BASE, rows, (0,), tmp_path / "no codec", start=tmp_path / "trained")
    study.run(rows[0], 0, corpus, QUIET)
    made = load_follower(study.place(rows[0], 0) / "best")
    for name, value in made.codec.state_dict().items():
        assert torch.equal(value, begun_with.codec.state_dict()[name]), name
    # One step away from where it began, and not from new random weights.
    gap = [
        (a - b).abs().max() for a, b in zip(made.denoiser.parameters(), begun_with.denoiser.parameters(), strict=True)
    ]
    assert 0.0 < max(gap) < 0.01
    assert "for 1 steps from the same trained follower" in study.write()
