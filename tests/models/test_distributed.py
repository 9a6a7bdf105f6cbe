"""Training on other devices and in groups: what can be held without a GPU."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import Placement
from models.codec import Codec, Masking
from models.config import XS
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.sequences import CLEAN, build_sequence
from models.follower import Follower
from models.training import codec_stage
from models.training import precision as precision_module
from models.training.denoiser_stage import DenoiserTraining, plan_loss
from models.training.distributed import Group, choose_device, printing
from models.training.losses import frame_losses
from models.training.precision import Precision, unrounded
from models.training.trainer import Objective, moved, pack, unpack
from models.training.windows import Batch, Item, draw_batch, make_item
from models.weights import load_numbers

QUICK = DenoiserTraining(stretches=2, stretch_tokens=10, windows=2, warmup_steps=1)

TOGETHER = """
import sys
from pathlib import Path
import numpy as np
import torch
from rich.console import Console
from duet.choreography import choreograph_tempo
from duet.features import Placement
from models.config import XS, SamplerConfig
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.sequences import CLEAN, build_sequence
from models.evaluation.closed_loop import Example
from models.training.codec_stage import CodecTraining
from models.training.denoiser_stage import DenoiserTraining
from models.training.distributed import joined
from models.training.progress import Progress
from models.training.run import Sources, prepared
from models.training.settings import Schedule, Settings
from models.weights import save_weights

torch.set_num_threads(1)
folder = Path(sys.argv[1])
couple = choreograph_tempo(3.0, 180.0, 2)
pair = Pair("dance", couple.leader, couple.follower, np.arange(0.0, 3.0, 1.0 / 3.0))
rng = np.random.default_rng(0)
conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)
sequence = build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)
corpus = Corpus([sequence], [sequence], [Example(pair, sequence.take)])
schedule = Schedule(codec_steps=1, steps=3, judge_every=3, own_from=1, own_every=1, own_count=2, own_ticks=6,
                    own_keep=2, sampler=SamplerConfig(calls=1))
how = DenoiserTraining(stretches=2, stretch_tokens=10, windows=2, warmup_steps=1)
settings = Settings(0, XS, codec=CodecTraining(batch=2, window_frames=32), how=how, schedule=schedule)
with joined(torch.device("cpu")) as group:
    trainer = prepared(folder, corpus, settings, Sources(), Progress(Console(quiet=True)), group)
    trainer.run(Progress(Console(quiet=True)))
    weights = {"rank": torch.tensor(group.rank), "drawn": torch.tensor(trainer.rng.random())}
    weights["own"] = trainer.own[0].history
    save_weights(weights | trainer.follower.state_dict(), folder / f"rank{group.rank}.safetensors")
"""


def test_two_processes_learn_the_same_from_different_draws(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, str(tmp_path)],
            env=os.environ | world | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(300) for process in processes] == [0, 0]
    one, other = (load_file(tmp_path / f"rank{rank}.safetensors") for rank in range(2))
    apart = {name for name in one if not torch.equal(one[name], other[name])}
    assert apart == {"rank", "drawn", "own"}
    assert load_numbers(tmp_path / "checkpoint.safetensors")["step"] == 3
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 1, "the first process alone judges"
    kept = load_file(tmp_path / "checkpoint.safetensors")
    assert torch.equal(kept["more.1.own.history"][0], other["own"]), "what the second danced is kept, too"


@pytest.fixture(scope="module")
def item() -> Item:
    couple = choreograph_tempo(3.0, 180.0, 2)
    pair = Pair("dance", couple.leader, couple.follower, np.arange(0.0, 3.0, 1.0 / 3.0))
    rng = np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)  # type: ignore[arg-type]
    sequence = build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)
    return make_item(sequence, torch.randn(sequence.tokens, XS.latent_width), XS)


def drawn(item: Item) -> Batch:
    return draw_batch([item], XS, np.random.default_rng(0), stretches=2, length=10, windows=2)


def test_own_dances_survive_being_packed(item: Item) -> None:
    own = replace(item, own=True)
    first, second = unpack(pack([own, own]))
    assert second.own is True and unpack(pack([])) == []
    for name, value in vars(own).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(first, name), value), name


def test_half_precision_learns_about_the_same(item: Item) -> None:
    torch.manual_seed(0)
    follower = Follower(XS)
    losses = []
    for half in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss, parts = plan_loss(follower, drawn(item), QUICK)
        assert loss.dtype == torch.float32
        losses.append(parts)
    for name, value in losses[0].items():
        assert losses[1][name] == pytest.approx(value, rel=0.03, abs=0.02), name


META = torch.device("meta")
"""Knows shapes only, and refuses most meetings with tensors of the CPU: a GPU for those who have none."""


def test_nothing_of_the_losses_stays_on_the_processor(item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: 0.0)  # there is no value to tell
    follower, batch = Follower(XS).to(META), moved(drawn(item), META)
    with Group(META).on_device():
        loss, _ = Objective(follower, QUICK, np.random.default_rng(0))([("", batch, 1.0)])
    loss.backward()
    gradients = [p.grad for p in follower.memory.parameters() if p.grad is not None]
    assert gradients and all(g.device == META for g in gradients)
    codec = Codec(XS.codec).to(META)
    real = torch.empty(2, 32, 145, device=META)
    made, _ = codec(real, Masking())
    assert torch.stack(list(frame_losses(made, real, codec.frame_norm).values())).device == META


def test_nothing_of_a_tick_stays_on_the_processor() -> None:
    follower = Follower(XS).to(META)
    inputs = {name: torch.empty(shape, device=META) for name, shape in follower.input_shapes().items()}
    with torch.no_grad(), Group(META).on_device():
        outputs, state = follower.tick(inputs, follower.initial_state(), guided=False)
    assert {value.device for value in (*outputs.values(), *state.values())} == {META}


def test_a_gpu_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="expected a GPU that torch can use, got none"):
        choose_device("cuda")
    assert Precision(torch.device("cpu")).half is None
    assert printing()


def test_a_gpu_is_told_to_round_nothing_that_is_not_halved(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its first number; that it obeys only a machine with one can show."""
    parts = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = [part.fp32_precision for part in parts]
    try:
        unrounded("cpu")
        assert [part.fp32_precision for part in parts] == before
        unrounded(torch.device("cuda", 1))
        assert [part.fp32_precision for part in parts] == ["ieee", "ieee"]
    finally:
        for part, precision in zip(parts, before, strict=True):
            part.fp32_precision = precision
    told: list[torch.device | str] = []
    monkeypatch.setattr(precision_module, "unrounded", told.append)
    monkeypatch.setattr(codec_stage, "unrounded", told.append)
    Precision(torch.device("cpu"))
    quick = codec_stage.CodecTraining(batch=1, window_frames=8)
    codec_stage.train_codec(XS, corpus.train, [], steps=0, seed=0, report=lambda _: None, how=quick, device="cpu")
    assert told == [torch.device("cpu"), "cpu"]
