"""Couples of any data set: found by default or by name, split by take, with the music they danced to."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from duet.choreography.couple import Couple
from duet.errors import InputError
from duet.groove import render_groove
from duet.music import RATE_HZ
from models.config import XS
from models.data.corpus import Multiplication, build_corpus
from models.data.couples import Couples, couples_in, recorded_couples
from models.data.music import condition_of
from models.evaluation.closed_loop import example_of
from models.training.forecaster_stage import ForecasterTraining, build_leads

SPLITS = {"train": "dd100-Salsa_2_0", "validation": "dd100-Salsa_1_0", "test": "dd100-Salsa_5_0"}
AS_RECORDED = Multiplication(copies=1, swapped=0, heard=1, spliced=0, choreographed=0, everyday=0)


@pytest.fixture(scope="module", autouse=True)
def cached(tmp_path_factory: pytest.TempPathFactory):
    """Takes and music that are read once are kept for the next test here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def data(tmp_path: Path, couple: Couple, files) -> Path:
    """One couple of each split, and music for the first."""
    for k, name in enumerate(SPLITS.values()):
        dancers = couple.leader.slice(10 * k, 10 * k + 150), couple.follower.slice(10 * k, 10 * k + 150)
        files.dd100(tmp_path / "data" / "dd100", name.removeprefix("dd100-"), *dancers)
    folder = tmp_path / "data" / "dd100" / "music" / "mp3" / "all"
    folder.mkdir(parents=True)
    soundfile.write(folder / "Salsa_2_0.wav", render_groove(5.0, 180.0).samples, RATE_HZ)
    return tmp_path / "data"


def test_every_take_is_for_one_thing(data: Path) -> None:
    couples = couples_in(data)
    assert couples == Couples(data, ("dd100",)) == couples_in(data, "auto") == couples_in(data, "dd100")
    for split, name in SPLITS.items():
        assert [pair.name for pair in recorded_couples(couples, split)] == [name]
        assert couples.takes(split) == (name,) and couples.split_of(name) == split


def test_music_that_was_recorded_is_what_they_dance_to(data: Path) -> None:
    (pair,), (other,) = (recorded_couples(data, split) for split in ("train", "validation"))
    assert other.heard is None and pair.heard is not None and pair.heard.shape == (pair.frames, 8)
    later = pair.slice(30).heard
    assert later is not None
    np.testing.assert_array_equal(later, pair.heard[30:])
    assert pair.mirrored().swapped().heard is pair.heard
    assert pair.at_tempo(1.1).heard is None
    np.testing.assert_array_equal(example_of(pair).take.conditions, pair.heard)
    np.testing.assert_array_equal(condition_of(pair, np.random.default_rng(0)), pair.heard)
    assert len(condition_of(other, np.random.default_rng(0))) == other.frames


def test_a_corpus_is_made_of_them(data: Path) -> None:
    corpus = build_corpus(couples_in(data), XS, how=AS_RECORDED)
    assert corpus.datasets == ("dd100",)
    assert [s.name for s in corpus.train] == ["dd100-Salsa_2_0", "dd100-Salsa_2_0-mirrored"]
    assert [s.name for s in corpus.validation] == ["dd100-Salsa_1_0"] == [e.pair.name for e in corpus.examples]


def test_one_training_couple_cannot_choose_a_forecaster_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.forecaster_stage.leads_in_code", lambda *_, **__: [])
    with pytest.raises(InputError, match="expected at least 2 training couples.*got 1"):
        build_leads(data, ForecasterTraining(copies=1))


def test_what_is_not_there_is_said(data: Path, tmp_path: Path, couple: Couple, files) -> None:
    with pytest.raises(InputError, match="expected auto or some of cmu, dd100, .*got 'dance'"):
        couples_in(data, "dd100,dance")
    with pytest.raises(InputError, match=r"expected a data set \(interdance: NAME_0.pkl"):
        couples_in(data, "interdance")
    with pytest.raises(InputError, match="expected some of dd100-Salsa_2_0, .*, got nobody"):
        couples_in(data).pairs(("nobody",))
    with pytest.raises(InputError, match="salsa takes"):
        recorded_couples(tmp_path / "nowhere", "train")
    for path in (data / "dd100" / "motion").rglob("Salsa_1_0*"):
        path.unlink()
    with pytest.raises(InputError, match=r"couples of dd100 for validation, got none \(1 for train, 0 for valid"):
        recorded_couples(data, "validation")
    files.finedance(tmp_path / "solos" / "fine", "001", couple.leader)
    for dataset in ("", "auto", "finedance"):
        with pytest.raises(InputError, match="expected .*couples.*, got solos"):
            couples_in(tmp_path / "solos", dataset)


def test_the_salsa_takes_are_read_plainly(duet_data: Path) -> None:
    couples = couples_in(duet_data)
    assert couples.plain and couples.takes("validation") == ("12", "13") and couples.takes("test") == ()
    assert couples.split_of("04") == "train"
    (by_name,), first = couples.pairs(("12",)), recorded_couples(duet_data, "validation")[0]
    assert by_name.name == first.name == "cmu-12"
    np.testing.assert_array_equal(by_name.leader.root_m, first.leader.root_m)
