import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from duet.bank_file import load_bank, save_bank
from duet.choreography import choreograph_tempo
from duet.errors import InputError
from duet.features import Placement
from duet.retrieval import Bank, Held
from models.codec import Codec
from models.config import XS, FollowerConfig, SamplerConfig
from models.data.bank import couples_in_code, source_of
from models.data.corpus import Corpus
from models.data.music import condition_from_beats
from models.data.pairs import Pair
from models.data.references import OWN_NOISE, barred_of, question_of, reference_rows
from models.data.sequences import CLEAN, Sequence, build_sequence
from models.follower import Follower, grown, random_follower, save_follower
from models.rollout import TorchPartner, dance
from models.training import bank_stage
from models.training.bank_stage import bank_of_pairs, bank_of_run, choreographed_bank, fitting_bank
from models.training.denoiser_stage import DenoiserTraining, own_dances, plan_loss
from models.training.distributed import Group
from models.training.progress import Progress
from models.training.run import Sources, prepared
from models.training.settings import SETTINGS_FILE, Schedule, Settings
from models.training.trainer import Trainer, encode_all, set_normalisation
from models.training.windows import draw_batch, make_item

REFERRED = replace(XS, denoiser=replace(XS.denoiser, references=True))
HOW = DenoiserTraining(stretches=2, stretch_tokens=12, windows=3, references=0.6)


@pytest.fixture(scope="module")
def follower(sequence: Sequence) -> Follower:
    made = random_follower(REFERRED)
    set_normalisation(made, [sequence])
    return made


@pytest.fixture(scope="module")
def pair() -> Pair:
    couple = choreograph_tempo(9.0, 180.0, 2)
    return Pair("cmu-05-x0.95", couple.leader, couple.follower, np.arange(0.0, 9.0, 1.0 / 3.0))


@pytest.fixture(scope="module")
def sequence(pair: Pair) -> Sequence:
    rng = np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)  # type: ignore[arg-type]
    return build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)


@pytest.fixture(scope="module")
def bank(follower: Follower, pair: Pair) -> Bank:
    """The couple itself, its mirror image, and two others."""
    others = couples_in_code(2, 9.0, 1, 30.0)
    return bank_of_pairs([pair, pair.mirrored(), *others], follower.codec, REFERRED, "a test")


def test_a_couples_variations_are_one_source() -> None:
    for name in ("cmu-05", "cmu-05-mirrored", "cmu-05-swapped-mirrored-x1.05", "cmu-05-x0.90-bent"):
        assert source_of(name) == "cmu-05"
    assert source_of("song_3-swapped") == "song_3" and source_of("choreographed-12") == "choreographed-12"


def test_the_values_are_the_followers_latents(follower: Follower, sequence: Sequence, bank: Bank) -> None:
    latents = encode_all(follower, [sequence])[0].numpy()
    np.testing.assert_allclose(bank.values[: sequence.tokens], latents, atol=2e-3)
    assert bank.couple[sequence.tokens] == 1 and bank.sources[:2] == ("cmu-05", "cmu-05")


def test_a_bank_that_knows_the_couple_finds_its_moments(sequence: Sequence, bank: Bank) -> None:
    """Without barring: mostly the very token, although the leader is late and the follower's own frame is noisy."""
    keys = bank.key(question_of(sequence, REFERRED, np.random.default_rng(0)))
    tokens = np.flatnonzero(bank.begins[: sequence.tokens])
    assert (np.abs(bank.costs(keys)[tokens].argmin(axis=1) - tokens) <= 1).mean() > 0.8


def test_training_asks_as_a_tick_does_and_never_hears_of_the_couple(sequence: Sequence, bank: Bank) -> None:
    rows = reference_rows(bank, [sequence], REFERRED, seed=3)[0]
    barred = bank.of_source("cmu-05")
    asked = question_of(sequence, REFERRED, np.random.default_rng(3))
    held = Held()
    for token, row in enumerate(rows):
        held = bank.ask(asked.row(token), held, barred)
        assert held.row == row
    assert len(rows) == sequence.tokens and not barred[rows].any() and bank.begins[rows].all()
    assert OWN_NOISE > 0


def test_a_spliced_dance_never_hears_of_its_takes(follower: Follower, sequence: Sequence, pair: Pair) -> None:
    others = [replace(p, name=f"cmu-0{n}") for n, p in enumerate(couples_in_code(2, 9.0, 1, 30.0), 6)]
    known = bank_of_pairs([pair, pair.mirrored(), *others], follower.codec, REFERRED, "a test")
    spliced = replace(sequence, name="spliced-7-0 <- cmu-05 + cmu-06-mirrored")
    rows = reference_rows(known, [spliced], REFERRED)[0]
    assert {known.sources[known.couple[row]] for row in rows} == {"cmu-07"}
    assert (barred_of(known, spliced.name) == known.of_source("cmu-05") + known.of_source("cmu-06")).all()


def test_without_another_couple_there_is_no_reference(follower: Follower, sequence: Sequence, pair: Pair) -> None:
    alone = bank_of_pairs([pair], follower.codec, REFERRED, "a test")
    assert (reference_rows(alone, [sequence], REFERRED)[0] == -1).all()


def test_a_batch_shows_the_rows_of_its_ticks(follower: Follower, sequence: Sequence, bank: Bank) -> None:
    rows = np.arange(sequence.tokens)
    item = make_item(sequence, torch.zeros(sequence.tokens, XS.latent_width), XS, reference=rows)
    rng = np.random.default_rng(0)
    batch = draw_batch([item], XS, rng, stretches=2, length=sequence.tokens, windows=4)
    assert batch.reference is not None
    first = torch.stack([item.place[row] for row in batch.reference])
    torch.testing.assert_close(first, batch.place)
    plain = make_item(sequence, item.target, XS)
    assert draw_batch([plain], XS, rng, stretches=1, length=9, windows=2).reference is None


def test_without_a_bank_the_loss_is_what_it_was(follower: Follower, sequence: Sequence, bank: Bank) -> None:
    target = encode_all(follower, [sequence])[0]
    losses = []
    for rows, how in ((None, HOW), (np.arange(sequence.tokens), replace(HOW, references=0.0))):
        item = make_item(sequence, target, XS, reference=rows)
        batch = draw_batch([item], XS, np.random.default_rng(0), stretches=1, length=12, windows=3)
        torch.manual_seed(0)
        losses.append(plan_loss(follower, batch, how, torch.from_numpy(bank.values))[0])
    assert torch.equal(losses[0], losses[1])


def test_references_are_learned_from(sequence: Sequence, bank: Bank) -> None:
    """Shown what comes, a follower that began without references soon plans nearer to it than one that is not shown."""
    torch.manual_seed(0)
    begun = Follower(XS)
    made = grown(begun, REFERRED)
    set_normalisation(made, [sequence])
    torch.manual_seed(1)
    target = torch.randn(sequence.tokens, XS.latent_width)  # nothing but the reference tells it
    item = make_item(sequence, target, REFERRED, reference=np.arange(sequence.tokens))
    optimiser = torch.optim.Adam(made.denoiser.parameters(), 1e-2)
    how = replace(HOW, references=1.0, reference_noise=0.0, decode_weight=0.0)
    rng, latent = np.random.default_rng(0), []
    for _ in range(16):
        batch = draw_batch([item], REFERRED, rng, stretches=1, length=12, windows=6)
        loss, parts = plan_loss(made, batch, how, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        latent.append(parts["latent"])
    assert np.mean(latent[-4:]) < 0.8 * np.mean(latent[:4])


def test_learning_from_references_begins_at_no_effect(bank: Bank) -> None:
    torch.manual_seed(0)
    before = random_follower(XS)
    after = grown(before, REFERRED)
    inputs = {name: torch.randn(shape) for name, shape in before.input_shapes().items()}
    state = before.initial_state()
    shown = inputs | {"reference_flag": torch.ones(1, 1)}
    hidden = inputs | {"reference_flag": torch.zeros(1, 1)}
    with torch.no_grad():
        expected = before.tick(hidden, state)[0]["frames"]
        torch.testing.assert_close(after.tick(shown, state)[0]["frames"], expected)
        # Weights that learned from references keep what they learned.
        again = grown(random_follower(REFERRED), REFERRED)
        assert not torch.allclose(again.tick(shown, state)[0]["frames"], expected)


def test_own_dances_keep_what_was_shown_of_other_couples(follower: Follower, sequence: Sequence, bank: Bank) -> None:
    targets, rng = encode_all(follower, [sequence]), np.random.default_rng(0)
    sampler = SamplerConfig(calls=1)
    items = own_dances(
        follower, [sequence], targets, rng, count=2, ticks=8, leak=0.05, sampler=sampler, bank=bank
    )  # fmt: skip
    for item in items:
        assert item.reference is not None and len(item.reference) == 8
        assert not bank.of_source("cmu-05")[item.reference.numpy()].any()
    plain = own_dances(follower, [sequence], targets, rng, count=1, ticks=8, leak=0.05, sampler=sampler)
    assert plain[0].reference is None


def test_several_takes_side_by_side_are_shown_what_each_would_be_alone(
    follower: Follower, sequence: Sequence, bank: Bank
) -> None:
    takes = [sequence.take.slice(0, 100), sequence.take.slice(100, 200)]
    partner = TorchPartner(follower, SamplerConfig(calls=1), bank)
    together = dance(partner, takes, leak=0.05, seeds=[0, 1])
    alone = dance(partner, [takes[1]], leak=0.05, seeds=[1])[0]
    np.testing.assert_array_equal(together[1].references, alone.references)
    np.testing.assert_allclose(together[1].root_m, alone.root_m, atol=1e-4)
    unaided = dance(TorchPartner(follower, SamplerConfig(calls=1)), [takes[1]], leak=0.05, seeds=[1])[0]
    assert (unaided.references == -1).all() and np.abs(unaided.root_m - alone.root_m).max() > 1e-3


def test_a_run_has_a_bank_of_its_own_codec(follower: Follower, tmp_path: Path) -> None:
    made = choreographed_bank(follower.codec, REFERRED, couples=2, seconds=8.0, seed=5)
    assert made.origin == "2 couples of 8 s choreographed in code, seed 5" and len(set(made.sources)) == 2
    save_bank(made, tmp_path / "given.npz")
    run = tmp_path / "run"
    run.mkdir()
    taken = bank_of_run(run, tmp_path / "given.npz", follower.codec, REFERRED)
    assert taken.origin == made.origin
    np.testing.assert_array_equal(load_bank(run / "bank.npz").values, made.values)
    with pytest.raises(InputError, match=r"expected a bank of this follower's codec .*duet-lab bank RUN"):
        fitting_bank(run / "bank.npz", random_follower(XS, seed=1).codec, REFERRED)


RECORDED = "2 recorded couples"


def recorded(follower: Follower, path: Path, seed: int = 3) -> Path:
    """A bank that a run may be given."""
    save_bank(bank_of_pairs(couples_in_code(1, 6.0, seed, 30.0), follower.codec, REFERRED, RECORDED), path)
    return path


def test_a_bank_that_an_earlier_start_left_is_not_taken_without_a_word(follower: Follower, tmp_path: Path) -> None:
    path = recorded(follower, tmp_path / "bank.npz")
    with pytest.raises(InputError, match=r"without --bank, got one of 2 recorded couples, .* Give --bank .*bank\.npz"):
        bank_of_run(tmp_path, None, follower.codec, REFERRED)
    assert bank_of_run(tmp_path, path, follower.codec, REFERRED).origin == RECORDED
    (tmp_path / "checkpoint.safetensors").write_bytes(b"learned with it")
    assert bank_of_run(tmp_path, None, follower.codec, REFERRED).origin == RECORDED
    other, before = recorded(follower, tmp_path / "other.npz", seed=4), path.read_bytes()
    with pytest.raises(InputError, match=r"expected the bank that this run learned with \(.*other\.npz\), got another"):
        bank_of_run(tmp_path, other, follower.codec, REFERRED)
    assert path.read_bytes() == before


@pytest.fixture
def begin(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    """Makes a run ready that learns from references and begins with weights, given a bank or none."""

    def made_now(codec: Codec, config: FollowerConfig, **_: object) -> Bank:
        return bank_of_pairs(couples_in_code(1, 6.0, 0, config.fps), codec, config, bank_stage._coded())

    def begin(bank: Path | None = None) -> Trainer:
        given = Sources(start=tmp_path / "start", bank=bank)
        return prepared(tmp_path / "run", corpus, settings, given, Progress(Console(quiet=True)), Group())

    settings = Settings(follower=XS, how=HOW, schedule=Schedule(own_ticks=6))
    save_follower(random_follower(XS), tmp_path / "start")
    monkeypatch.setattr(bank_stage, "choreographed_bank", made_now)
    return begin


def test_the_bank_given_takes_the_place_of_one_that_nothing_was_learned_with(
    begin: Callable[..., Trainer], tmp_path: Path
) -> None:
    given = recorded(random_follower(XS), tmp_path / "given.npz")
    first = begin().bank
    assert first is not None and first.origin != RECORDED
    trainer = begin(given)  # the first was stopped before its first checkpoint
    assert trainer.bank is not None and trainer.bank.origin == RECORDED
    assert (tmp_path / "run" / "bank.npz").read_bytes() == given.read_bytes()
    trainer._save(trainer._states())
    assert begin(given).bank is not None
    with pytest.raises(InputError, match=r"expected the bank this run was begun with \(\w{16}\), got another \(none\)"):
        begin()


@pytest.mark.parametrize("said", [True, False])
def test_a_run_that_made_its_bank_is_not_gone_on_with_another(
    begin: Callable[..., Trainer], tmp_path: Path, said: bool
) -> None:
    """Whether the version it was begun with wrote that down or not."""
    trainer = begin()
    trainer._save(trainer._states())
    path = tmp_path / "run" / SETTINGS_FILE
    values = json.loads(path.read_text())
    assert values["origin"]["bank"] is None
    if not said:
        del values["origin"]["bank"]
        path.write_text(json.dumps(values))
    assert begin().bank is not None
    with pytest.raises(InputError, match=r"expected the bank this run was begun with \(none\), got another"):
        begin(recorded(random_follower(XS), tmp_path / "given.npz"))
