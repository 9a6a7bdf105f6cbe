"""``duet-lab generate``: both dancers in one file or the follower alone, and nothing half-written."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from duet.motion import read_motion, write_motion
from duet.skeleton import BODY
from export.cli import main
from export.commands.generate import guidance_of


@pytest.fixture(scope="module")
def leader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("takes") / "leader.npz"
    write_motion(path, choreograph_tempo(3.0, 180.0, 0).leader)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=(44_100, 2)), 44_100)
    return path


def generate(run: Path, leader: Path, out: Path, *more: str) -> int:
    return main(["generate", str(run), "--leader", str(leader), "--out", str(out), "--steps", "2", *more])


def test_a_couple_for_npz_and_the_follower_for_bvh(run: Path, leader: Path, tmp_path: Path):
    couple, alone = tmp_path / "couple.npz", tmp_path / "follower.bvh"
    assert generate(run, leader, couple) == 0 and generate(run, leader, alone) == 0
    follower = read_motion(couple, dancer="follower")
    assert follower.skeleton == BODY and follower.frames == 88  # whole tokens of the 90 frames given
    assert read_motion(couple, dancer="leader").frames == follower.frames
    np.testing.assert_allclose(read_motion(alone).joints_m, follower.joints_m, atol=2e-3)


def test_a_leader_in_another_unit_is_refused_and_a_wrong_rate_is_told(run: Path, tmp_path: Path, capsys):
    dance = choreograph_tempo(6.0, 180.0, 0).leader
    write_motion(tmp_path / "far.npz", replace(dance, root_m=dance.root_m * np.float32(100.0)))
    assert generate(run, tmp_path / "far.npz", tmp_path / "out.npz") == 2
    assert "divide it by 100 if it is in centimetres" in capsys.readouterr().err
    write_motion(tmp_path / "quick.npz", replace(choreograph_tempo(20.0, 180.0, 0).leader, fps=120.0))
    assert generate(run, tmp_path / "quick.npz", tmp_path / "out.npz") == 0
    assert "the true rate is probably lower, such as 60 fps" in capsys.readouterr().out


def test_seed_music_guidance_and_mask_matter(run: Path, leader: Path, song: Path, tmp_path: Path, capsys):
    danced = {}
    for name, more in {
        "plain": [], "again": [], "seed": ["--seed", "1"], "music": ["--music", str(song)],
        "guided": ["--guidance", "root=1"], "mask": ["--mask", "triangle_interval"], "carried": ["--carried"],
        "far": ["--distance", "1.5"],
    }.items():  # fmt: skip
        assert generate(run, leader, tmp_path / f"{name}.npz", *more) == 0, name
        danced[name] = read_motion(tmp_path / f"{name}.npz", dancer="follower").joints_m
    assert (danced.pop("again") == danced["plain"]).all()
    plain = danced.pop("plain")
    assert all((other != plain).any() for other in danced.values())
    assert "ends after 1.0 s; then there is silence" in capsys.readouterr().out


def test_a_film_is_drawn_by_the_other_half(run: Path, leader: Path, song: Path, tmp_path: Path, capfd):
    film = tmp_path / "film.mp4"
    made = generate(run, leader, film, "--music", str(song))
    said = capfd.readouterr().err
    if made == 2 and "OpenGL" in said:
        pytest.skip(f"nothing can be drawn here: {said.strip()}")
    assert made == 0
    with av.open(film) as opened:
        assert {stream.type for stream in opened.streams} == {"video", "audio"}
        assert sum(1 for _ in opened.decode(video=0)) >= 80
    assert not list(tmp_path.glob("*.npz"))


def test_interrupted_it_leaves_what_was_there(run: Path, leader: Path, tmp_path: Path, capsys, monkeypatch):
    out = tmp_path / "follower.bvh"
    out.write_text("danced before")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("models.offline.denoise_blocks", interrupt)
    assert generate(run, leader, out) == 130
    assert capsys.readouterr().err == "duet-lab: stopped. Nothing was written.\n"
    assert [path.name for path in tmp_path.iterdir()] == [out.name] and out.read_text() == "danced before"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--guidance", "rot=1"], "--guidance: expected a number or parts such as root=1"),
        (["--steps", "0"], "--steps: expected at least 1, got 0"),
        (["--music", "nowhere.ogg"], "nowhere.ogg: expected a sound file, got nothing there"),
        (["--leader", "nowhere.bvh"], "nowhere.bvh: expected a take, got no such file"),
        (["--out", "film.mkv"], "film.mkv: expected a name in .bvh, .npz or .mp4, got .mkv"),
        (["--out", "dance"], "dance: expected a name in .bvh, .npz or .mp4, got no ending"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(run: Path, leader: Path, tmp_path: Path, capsys, more, message):
    assert generate(run, leader, tmp_path / "follower.bvh", *more) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_guidance_is_read_by_stream_and_level():
    assert (guidance_of("0.5") == 0.5).all()
    assert guidance_of("root=1, upper.1=0.5").tolist() == [[0.0, 0.5], [0.0, 0.0], [1.0, 1.0]]
