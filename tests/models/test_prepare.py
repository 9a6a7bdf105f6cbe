"""Recordings made ready: measured, cut, paired with music, kept, gone on with, and refused one by one."""

import errno
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile

from duet.errors import InputError
from duet.groove import render_groove
from duet.music import RATE_HZ
from models.data import kept, music
from models.data import prepare as preparing
from models.data.prepare import MADE, REAL, Prepared, Refused, load_prepared, load_solos, prepare
from models.data.sources import recordings


@pytest.fixture
def data(tmp_path: Path, couple, files) -> Path:
    """Two couples and a solo."""
    folder = tmp_path / "data"
    files.dd100(folder / "dd100", "Salsa_2_0", couple.leader, couple.follower)
    files.dd100(folder / "dd100", "Salsa_5_0", couple.leader.slice(0, 200), couple.follower.slice(0, 200))
    files.finedance(folder / "fine", "001", couple.leader)
    return folder


def count_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the takes that are read from now on."""
    made: list[str] = []
    make = preparing._make
    monkeypatch.setattr(preparing, "_make", lambda one: (made.append(one.name), make(one))[1])
    return made


def ready(data: Path, cache: Path) -> list[Prepared | Refused]:
    return list(prepare(recordings(data), cache))


def test_a_couple_is_summarised(data: Path, tmp_path: Path, couple) -> None:
    one = next(one for one in ready(data, tmp_path / "c") if one.recording.name == "dd100-Salsa_2_0")
    assert isinstance(one, Prepared)
    assert (one.recording.split, one.music) == ("train", MADE)
    assert one.seconds == pytest.approx(10.0, abs=0.1)
    assert one.steps_per_minute == pytest.approx(180.0, rel=0.05)
    assert one.distance_m == pytest.approx(
        np.linalg.norm((couple.follower.root_m - couple.leader.root_m)[:, [0, 2]], axis=1).mean(), abs=1e-3
    )
    shorts = [finding.short for finding in one.findings]
    assert "z up 1.00" in shorts or "z up 0.99" in shorts
    assert "No music was recorded: the built-in salsa is played" in one.findings[-1].text
    assert one.pair.beats_s is None


def test_what_was_done_is_fetched_bit_by_bit(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_made(monkeypatch)
    first = ready(data, tmp_path / "c")
    assert sorted(made) == ["dd100-Salsa_2_0", "dd100-Salsa_5_0", "finedance-001"]
    again = ready(data, tmp_path / "c")
    assert len(made) == 3
    for one, other in zip(first, again, strict=True):
        assert isinstance(one, Prepared)
        assert isinstance(other, Prepared)
        np.testing.assert_array_equal(one.leader.rotations, other.leader.rotations)
        np.testing.assert_array_equal(one.beats_s, other.beats_s)
        assert one.findings == other.findings


def test_a_stopped_prepare_goes_on_where_it_was(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "c"
    going = prepare(recordings(data), cache)
    next(going)
    going.close()
    folder = cache / preparing.FOLDER
    (folder / "dd100" / ".half.npz.999999999.part").write_bytes(b"killed while writing")
    made = count_made(monkeypatch)
    ready(data, cache)
    assert made == ["dd100-Salsa_5_0", "finedance-001"]
    assert not list(folder.rglob("*.part"))


def test_a_changed_source_is_done_again_and_the_old_one_let_go(
    data: Path, tmp_path: Path, couple, files, monkeypatch
) -> None:
    cache = tmp_path / "c"
    ready(data, cache)
    files.dd100(data / "dd100", "Salsa_5_0", couple.follower.slice(0, 180), couple.leader.slice(0, 180))
    made = count_made(monkeypatch)
    ready(data, cache)
    assert made == ["dd100-Salsa_5_0"]
    assert len(list((cache / preparing.FOLDER / "dd100").iterdir())) == 2


def test_a_damaged_file_is_done_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(data, tmp_path / "c")
    path = next((tmp_path / "c").rglob("dd100-Salsa_2*.npz"))
    path.write_bytes(path.read_bytes()[:500])
    made = count_made(monkeypatch)
    ready(data, tmp_path / "c")
    assert made == ["dd100-Salsa_2_0"]


def test_other_code_reads_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(data, tmp_path / "c")
    made = count_made(monkeypatch)
    monkeypatch.setattr(preparing, "_version", lambda: "other")
    ready(data, tmp_path / "c")
    assert len(made) == 3


def test_a_full_disk_leaves_nothing_half_written(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "c"
    next(prepare(recordings(data), cache))
    before = sorted(cache.rglob("*.npz"))

    def full(file: BinaryIO, **_: object) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kept.np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left") as caught:
        ready(data, cache)
    assert caught.value.filename is not None
    assert sorted(cache.rglob("*.npz")) == before
    assert not list(cache.rglob("*.part"))


def test_a_take_follows_from_what_finds_its_landings(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(kept, "source_version", lambda *modules: hashed.extend(m.__name__ for m in modules) or "")
    monkeypatch.setattr(music, "version", lambda: "")
    preparing._version.__wrapped__()
    assert {"models.data.landings", "duet.features"} <= set(hashed)


def test_a_take_follows_from_every_body_model(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(one for one in recordings(data) if one.dataset == "dd100")
    monkeypatch.setenv("DUET_SMPLX", str(tmp_path))
    keys = set()
    for gender in ("NEUTRAL", "MALE", "FEMALE"):
        (tmp_path / f"SMPLX_{gender}.npz").write_text(gender)
        keys.add(preparing._key(one))
    assert len(keys) == 3


def test_refused_takes_do_not_stop_the_others(data: Path, tmp_path: Path) -> None:
    (data / "dd100" / "motion" / "smplx" / "all" / "Salsa_5_0_01.npy").unlink()
    outcomes = ready(data, tmp_path / "c")
    (refused,) = [one for one in outcomes if isinstance(one, Refused)]
    assert refused.why.startswith("dd100-Salsa_5_0: expected a partner, got no leader (Salsa_5_0_01.npy)")
    assert len(outcomes) == 3
    with pytest.raises(InputError, match="expected a partner"):
        load_prepared(data, "test", cache=tmp_path / "c")


def test_loading_by_split(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c"
    for split, name in (("train", "dd100-Salsa_2_0"), ("test", "dd100-Salsa_5_0")):
        assert [one.recording.name for one in load_prepared(data, split, "dd100", cache)] == [name]
    split = next(one.split for one in recordings(data) if one.dataset == "finedance")
    assert [name for name, _ in load_solos(data, split, cache=cache)] == ["finedance-001"]
    assert load_prepared(data, "validation", "dd100", cache) == []
    with pytest.raises(InputError, match="expected one of train, validation, test, got 'dev'"):
        load_prepared(data, "dev", cache=cache)


def test_recorded_music_is_heard_and_cuts_the_take(data: Path, tmp_path: Path) -> None:
    folder = data / "dd100" / "music" / "mp3" / "all"
    folder.mkdir(parents=True)
    groove = render_groove(8.0, 180.0)
    soundfile.write(folder / "Salsa_2_0.wav", groove.samples, RATE_HZ)
    (one,) = load_prepared(data, "train", "dd100", tmp_path / "c")
    assert one.music == REAL
    assert one.seconds == pytest.approx(8.0, abs=0.05)
    assert one.conditions is not None
    assert one.conditions.shape == (one.leader.frames, 8)
    assert "music 8.0 s" in [finding.short for finding in one.findings if finding.warning]
    late = one.beats_s[one.beats_s > 4.0]
    off = np.abs(late[:, None] - groove.beat_times_s).min(axis=1)
    assert len(late) > 8
    assert np.median(off) < 0.03
    assert one.pair.beats_s is not None


def test_music_too_short_or_broken_is_refused(data: Path, tmp_path: Path) -> None:
    folder = data / "dd100" / "music" / "mp3" / "all"
    folder.mkdir(parents=True)
    soundfile.write(folder / "Salsa_2_0.wav", np.zeros(RATE_HZ), RATE_HZ)
    (folder / "Salsa_5_0.mp3").write_bytes(b"no music")
    whys = [one.why for one in ready(data, tmp_path / "c") if isinstance(one, Refused)]
    assert "expected music for the 10.0 s of the take, got 1.0 s" in whys[0]
    assert "Salsa_5_0.mp3: expected a sound file" in whys[1]


def test_made_music_is_kept_in_the_cache_folder_and_by_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = np.arange(0.2, 2.0, 1.0 / 3.0)
    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    music.heard_condition(beats, 30, 30.0, seed=3, lead_in_s=0.0)
    (one,) = (tmp_path / music.CACHE_FOLDER).iterdir()
    monkeypatch.setattr(music, "version", lambda: "other")
    music.heard_condition(beats, 30, 30.0, seed=3, lead_in_s=0.0)
    assert len(list((tmp_path / music.CACHE_FOLDER).iterdir())) == 2
    one.write_bytes(b"damaged")
    monkeypatch.undo()
    again = music.heard_condition(beats, 30, 30.0, seed=3, lead_in_s=0.0, cache=one.parent)
    assert again.shape == (30, 8)
    assert len(one.read_bytes()) > 100


def test_a_recorded_couple_keeps_salsa_time(duet_data: Path, tmp_path: Path) -> None:
    one = next(one for one in prepare(recordings(duet_data, "cmu")[9:10], tmp_path))
    assert isinstance(one, Prepared)
    assert 150 < one.steps_per_minute < 215
    assert one.distance_m is not None
    assert 0.4 < one.distance_m < 1.2
    assert not [finding for finding in one.findings if finding.warning]
