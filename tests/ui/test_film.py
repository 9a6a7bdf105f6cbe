"""Films are complete, in time and in step with their sound, or not there at all."""

from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
import pytest

from duet.errors import PictureError
from tests.films import read_back
from ui.drawing.film import FilmWriter, Soundtrack, best_video_codec

SIZE = (128, 72)


def picture(level: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), level, dtype=np.uint8)


def test_film_with_sound(tmp_path: Path) -> None:
    rate = 22_050
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(3 * rate) / rate).astype(np.float32)
    path = tmp_path / "sub" / "film.mp4"
    with FilmWriter(path, SIZE, 20, (tone, rate)) as film:
        for k in range(40):
            assert film.write(picture(5 * k), k / 20)
        assert not path.exists()
    film.close()
    facts = read_back(path)
    assert facts.size == SIZE
    assert facts.pictures == 40
    assert facts.seconds == pytest.approx(39 / 20, abs=1e-3)
    assert facts.audio_seconds == pytest.approx(2.0, abs=0.1)
    assert facts.video_codec in ("h264", "mpeg4")
    assert [p.name for p in path.parent.iterdir()] == ["film.mp4"]


def test_sound_shorter_than_the_film_goes_silent(tmp_path: Path) -> None:
    stereo = np.zeros((4000, 2), dtype=np.float32)
    with FilmWriter(tmp_path / "f.mp4", SIZE, 30, (stereo, 16_000)) as film:
        for k in range(30):
            film.write(picture(k), k / 30)
    assert read_back(tmp_path / "f.mp4").audio_seconds == pytest.approx(1.0, abs=0.1)


def test_pictures_keep_their_own_time(tmp_path: Path) -> None:
    """A stage that draws slowly for a while makes a film of the right length, not a faster one."""
    times = [0.0, 0.03, 0.1, 0.5, 0.55, 1.4]
    with FilmWriter(tmp_path / "f.mp4", SIZE, 30) as film:
        for k, time_s in enumerate(times):
            film.write(picture(40 * k), time_s)
        assert not film.write(picture(0), 1.4)
        assert not film.write(picture(0), 0.7)
    with av.open(str(tmp_path / "f.mp4")) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(np.array(shown) - shown[0], times, atol=2e-3)


def test_picture_survives_encoding(tmp_path: Path) -> None:
    wanted = picture(0)
    wanted[:, :64, 0] = 200
    wanted[:36, 64:, 1] = 180
    with FilmWriter(tmp_path / "f.mp4", SIZE, 30) as film:
        for k in range(5):
            film.write(wanted, k / 30)
    with av.open(str(tmp_path / "f.mp4")) as container:
        got = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(got.astype(int) - wanted).mean() < 12


def test_a_failed_film_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stage fell"), FilmWriter(tmp_path / "f.mp4", SIZE, 30) as film:
        film.write(picture(1), 0.0)
        raise ValueError("stage fell")
    with pytest.raises(PictureError, match="got none"), FilmWriter(tmp_path / "g.mp4", SIZE, 30):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_film_is_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), FilmWriter(tmp_path / "f.mp4", SIZE, 30) as film:
        film.write(picture(1), 0.0)
        film.write(picture(2), 0.1)
        raise KeyboardInterrupt
    assert read_back(tmp_path / "f.mp4").pictures == 2


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="even"):
        FilmWriter(tmp_path / "f.mp4", (127, 72), 30)
    with pytest.raises(PictureError, match="above 0"):
        FilmWriter(tmp_path / "f.mp4", SIZE, 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(PictureError, match="--out"):
        FilmWriter(tmp_path / "file" / "f.mp4", SIZE, 30)
    with FilmWriter(tmp_path / "f.mp4", SIZE, 30) as film:
        film.write(picture(0), 0.0)
        with pytest.raises(PictureError, match="128x72"):
            film.write(np.zeros((10, 10, 3), dtype=np.uint8), 0.1)
    assert best_video_codec()


class Full:
    """An encoder on a full disk."""

    def encode(self, frame: object) -> list[object]:
        raise av.error.OSError(28, "No space left on device")


def test_an_encoder_that_fails_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    film = FilmWriter(tmp_path / "f.mp4", SIZE, 30)
    film.write(picture(1), 0.0)
    film._video = cast(Any, Full())
    with pytest.raises(PictureError, match=r"expected to write .*f\.mp4, got: .*No space left.*disk is full"):
        film.write(picture(2), 0.1)
    with pytest.raises(PictureError, match="got a film that ended"):
        film.write(picture(3), 0.2)
    film.close()
    film.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_at_the_end_leaves_nothing(tmp_path: Path) -> None:
    film = FilmWriter(tmp_path / "f.mp4", SIZE, 30)
    film.write(picture(1), 0.0)
    film._video = cast(Any, Full())
    with pytest.raises(PictureError, match="No space left"):
        film.close()
    assert list(tmp_path.iterdir()) == []


def test_sound_that_cannot_be_encoded_is_a_sentence(tmp_path: Path) -> None:
    film_s = np.zeros(12_345, np.float32)
    with (
        pytest.raises(PictureError, match=r"expected to write .*f\.mp4"),
        FilmWriter(tmp_path / "f.mp4", SIZE, 30, (film_s, 12_345)) as film,
    ):
        for k in range(10):
            film.write(picture(k), k / 10)
    assert list(tmp_path.iterdir()) == []


def test_a_film_without_pictures_can_be_given_up(tmp_path: Path) -> None:
    film = FilmWriter(tmp_path / "f.mp4", SIZE, 30)
    assert film.pictures == 0
    film.discard()
    film.close()
    assert list(tmp_path.iterdir()) == []
    with FilmWriter(tmp_path / "f.mp4", SIZE, 30) as film:
        film.write(picture(1), 0.0)
        assert not film.write(picture(2), 0.0)
        assert film.pictures == 1


@pytest.mark.parametrize("repeats", [True, False])
def test_a_piece_is_given_once_and_repeated_as_it_is_written(tmp_path: Path, repeats: bool) -> None:
    piece = np.repeat(np.array([[0.5, -0.25]], np.float32), 3_000, axis=0) * np.linspace(0, 1, 3_000)[:, None]
    film = FilmWriter(tmp_path / "f.mp4", SIZE, 30, Soundtrack(piece.astype(np.float32), 16_000, repeats))
    prepared = film._samples
    assert prepared is not None and prepared.shape == (2, 3_000)
    blocks = []
    for _ in range(8):
        blocks.append(film._block(prepared, 1_000))
        film._samples_sent += 1_000
    film.discard()
    wanted = np.tile(piece, (3, 1))[:8_000] if repeats else np.pad(piece, ((0, 5_000), (0, 0)))
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), wanted.T, atol=1e-6)
