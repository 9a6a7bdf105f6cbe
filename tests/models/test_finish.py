"""Finishing a follower: the decoder learns on, and nothing else moves."""

import numpy as np
import pytest
import torch

from duet.errors import InputError
from models.codec import Codec
from models.config import XS
from models.data.corpus import Corpus
from models.training.codec_stage import CodecTraining, measure_codec, train_codec
from models.training.finish_stage import Sharpening, sharpen

HOW = Sharpening(steps=60, batch=6, window_tokens=8, learning_rate=3e-3, ema=0.9)


@pytest.fixture(scope="module")
def rough(corpus: Corpus) -> Codec:
    """A codec that learned for a few steps."""
    how = CodecTraining(window_frames=32, batch=6, learning_rate=3e-3)
    return train_codec(XS, corpus.train, corpus.train, steps=20, seed=0, report=lambda _: None, how=how)


def copy_of(codec: Codec) -> Codec:
    made = Codec(codec.config)
    made.load_state_dict(codec.state_dict())
    return made.eval()


def test_codes_stay_and_bodies_come_nearer(rough: Codec, corpus: Corpus):
    reports: list[dict[str, float]] = []
    finished = sharpen(copy_of(rough), corpus.train, corpus.train, HOW, report=reports.append, report_every=30)
    frames = torch.from_numpy(corpus.train[0].frames)[None]
    with torch.no_grad():
        assert torch.equal(finished.encode(frames), rough.encode(frames))
    assert [row["step"] for row in reports] == [0, 30, 60]
    assert reports[0]["val_mm"] == pytest.approx(measure_codec(rough, corpus.train)["val_mm"], rel=1e-5)
    assert reports[-1]["val_mm"] < 0.9 * reports[0]["val_mm"]
    moved = {n for n, v in finished.state_dict().items() if not torch.equal(v, rough.state_dict()[n])}
    assert moved and all(name.split(".")[0] in ("decoders", "heads", "contact_head") for name in moved)


def test_equal_seeds_give_equal_decoders(rough: Codec, corpus: Corpus):
    how = Sharpening(steps=3, batch=2, window_tokens=8)
    one, two, other = (sharpen(copy_of(rough), corpus.train, corpus.train, how, seed=seed) for seed in (0, 0, 1))
    frames = corpus.train[0].frames
    with torch.no_grad():
        a, b, c = (codec(torch.from_numpy(frames)[None])[0].numpy() for codec in (one, two, other))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0


def test_dances_that_are_too_short_are_refused(rough: Codec, corpus: Corpus):
    with pytest.raises(InputError, match="expected dances longer than 500 tokens"):
        sharpen(copy_of(rough), corpus.train, corpus.train, Sharpening(window_tokens=500))


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="at least 1 step"):
        Sharpening(steps=0)
