import importlib.util
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "check_film.py"
FPS, RATE_HZ, SECONDS = 20, 44_100, 3.0
WIDTH, HEIGHT = 160, 96


@pytest.fixture(scope="module")
def check_film() -> Callable[[list[str]], int]:
    spec = importlib.util.spec_from_file_location("check_film", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def moving(t: int) -> np.ndarray:
    """A bright square on its way over a grey floor."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    left = (3 * t) % (WIDTH - 24)
    picture[30:60, left : left + 24] = 220
    return picture


def melody(seconds: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 440.0 * np.arange(int(RATE_HZ * seconds)) / RATE_HZ)


def film(
    path: Path,
    picture: Callable[[int], np.ndarray] | None = moving,
    sound: np.ndarray | None = None,
    fps: int = FPS,
    with_sound: bool = True,
) -> Path:
    sound = melody(SECONDS) if sound is None else sound
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps) if picture else None
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono") if with_sound else None
        if video and picture:
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for t in range(int(SECONDS * fps)):
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture(t), format="rgb24")))
            container.mux(video.encode(None))
        if audio:
            frame = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate = RATE_HZ
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def test_a_dance_with_music_passes(
    tmp_path: Path, check_film: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = film(tmp_path / "film.mp4")
    assert check_film([str(path), "--seconds", "3"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{path}: 3.0 s, 20.0 fps, change ")
    assert line.count("\n") == 1


def half_frozen(t: int) -> np.ndarray:
    return moving(min(t, int(SECONDS * FPS) // 2))


BAD = {
    "absent": (None, ["--seconds", "3"], "no such file"),
    "no film": (lambda p: p.write_bytes(b"0" * 999), ["--seconds", "3"], "expected a film that decodes"),
    "too short": (film, ["--seconds", "5"], "expected 5 s of picture, got 3.00 s"),
    "too long": (film, ["--seconds", "2"], "expected 2 s of picture, got 3.00 s"),
    "slow": (lambda p: film(p, fps=10), ["--seconds", "3"], "at least 15 pictures a second, got 10.0"),
    "wanted faster": (film, ["--seconds", "3", "--min-fps", "24"], "at least 24 pictures a second, got 20.0"),
    "mute": (lambda p: film(p, with_sound=False), ["--seconds", "3"], "got no audio stream"),
    "no picture": (lambda p: film(p, picture=None), ["--seconds", "3"], "got no video stream"),
    "silent": (lambda p: film(p, sound=0.0 * melody(SECONDS)), ["--seconds", "3"], "got silence in 3 of 3 seconds"),
    "sound stops": (lambda p: film(p, sound=melody(1.5)), ["--seconds", "3"], "expected 3 s of sound, got 1.5"),
    "black": (lambda p: film(p, lambda t: moving(t) // 100), ["--seconds", "3"], "100 % black"),
    "grey": (lambda p: film(p, lambda t: moving(0) * 0 + 60), ["--seconds", "3"], "100 % of a single colour"),
    "frozen": (lambda p: film(p, lambda t: moving(0)), ["--seconds", "3"], "expected motion"),
    "hangs": (lambda p: film(p, half_frozen), ["--seconds", "3"], "got pictures all alike in 1 of 3 seconds"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_film_fails_with_one_sentence(
    tmp_path: Path, check_film: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    make, arguments, reason = BAD[name]
    path = tmp_path / "film.mp4"
    if make:
        make(path)
    assert check_film([str(path), *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert reason in captured.err
