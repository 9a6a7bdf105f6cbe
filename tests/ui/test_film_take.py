"""``duet film``, ``duet avatar`` and ``duet bench render`` as a user meets them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from duet.choreography import compose
from duet.groove import render_groove
from duet.rotations import six_d_from_matrix
from duet.skeleton import BODY
from realtime.bench.record import read_record
from realtime.sessions.session_file import SESSION_FILE
from tests.films import read_back
from ui.cli import main
from ui.drawing.dance import Beats, dance_of, read_dance
from ui.film_take import Studio, grid

GOLDEN = Path(__file__).resolve().parents[1] / "replay" / "golden"
FPS = 30.0
pytestmark = pytest.mark.usefixtures("opengl")


def motion_arrays() -> dict[str, np.ndarray]:
    """A second and a half of both, as ``--save-motion`` writes it, beginning two seconds into the session."""
    couple = compose("salsa", 1.5, 180.0, 0, fps=FPS)
    arrays: dict[str, np.ndarray] = {
        "time_s": 2.0 + np.arange(45) / FPS,
        "fps": np.array(FPS),
        "joint_names": np.array(BODY.names),
        "parents": np.array(BODY.parents),
        "offsets_m": BODY.offsets_m,
    }
    for name, take in (("leader", couple.leader.on_body()), ("follower", couple.follower.on_body())):
        arrays[f"{name}_root_m"] = take.root_m[:45]
        arrays[f"{name}_rotations_6d"] = six_d_from_matrix(take.rotations[:45]).astype(np.float32)
    return arrays


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "motion.npz"
    np.savez(path, **motion_arrays())  # pyright: ignore[reportArgumentType]
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import soundfile

    path = tmp_path_factory.mktemp("song") / "song.wav"
    groove = render_groove(6.0, 120.0)
    soundfile.write(path, groove.samples, groove.rate_hz)
    return path


def film(*arguments: str | Path) -> int:
    return main(["film", *map(str, arguments)])


def test_a_film_with_sound_and_a_sheet(motion: Path, song: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "film.mp4", tmp_path / "sheet.png"
    asked = ("--size", "130x96", "--stage", "club", "--camera", "side", "--seconds", "1", "--moments", "4")
    assert film(motion, "--out", out, "--sheet", page, "--music", song, *asked) == 0
    facts = read_back(out)
    assert facts.size == (130, 96)
    assert facts.pictures == 30
    assert facts.audio_seconds == pytest.approx(1.0, abs=0.1)
    with Image.open(page) as image:
        assert image.size[0] * image.size[1] == 4 * 360 * 320
        assert image.mode == "RGB"
        cell = np.asarray(image)[:320, :360].astype(int)
    assert cell.max() > 150 and np.ptp(cell.mean((1, 2))) > 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "sheet.png"]


def test_ctrl_c_keeps_what_was_drawn_and_says_how_much(
    motion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn, left = Studio.picture, [None] * 6

    def picture(studio: Studio, time_s: float, *, clear: bool = False) -> np.ndarray:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return drawn(studio, time_s, clear=clear)

    monkeypatch.setattr(Studio, "picture", picture)
    # A name as it stands: not all that is in square brackets is a style.
    name = "[bold]film [red].mp4"
    assert film(motion, "--out", tmp_path / name, "--size", "128x96", "--seconds", "1") == 130
    assert f"{name} holds the first 0.2 of 1.0 s." in "".join(capsys.readouterr())
    assert read_back(tmp_path / name).pictures == 6 and len(list(tmp_path.iterdir())) == 1


def test_two_side_by_side_and_a_clear_sheet(motion: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "film.mp4", tmp_path / "sheet.png"
    assert film(motion, "--beside", motion, "--out", out, "--size", "130x96", "--seconds", "0.2") == 0
    assert read_back(out).size == (128, 96)
    assert film(motion, "--beside", motion, "--sheet", page, "--stage", "clear", "--moments", "1") == 0
    with Image.open(page) as image:
        assert image.size == (720, 320)
        both = np.asarray(image).astype(int)
    assert both.shape[2] == 4
    assert both[..., 3].min() == 0
    np.testing.assert_array_equal(both[:, :360], both[:, 360:])


def test_a_clear_film_is_transparent(motion: Path, song: Path, tmp_path: Path) -> None:
    import av

    out = tmp_path / "over.mov"
    asked = ("--stage", "clear", "--size", "160x90", "--seconds", "0.3", "--music", song)
    assert film(motion, "--out", out, *asked) == 0
    with av.open(str(out)) as container:
        assert container.streams.audio
        pictures = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    assert len(pictures) == 9
    alpha = pictures[0][..., 3].astype(int)
    assert alpha[:5, :5].max() < 4 and alpha.max() > 250
    assert pictures[0][alpha > 250][:, 0].max() > 120


def test_a_recorded_session_is_danced_again(tmp_path: Path) -> None:
    # Rich reads the end of a style in it, wherever it is let.
    page, session = tmp_path / "sheet.png", tmp_path / "evening[" / "]"
    session.mkdir(parents=True)
    beginning = (GOLDEN / SESSION_FILE).read_bytes()
    (session / SESSION_FILE).write_bytes(beginning[: len(beginning) // 12])
    assert film(session, "--sheet", page, "--moments", "2") == 0
    with Image.open(page) as image:
        assert image.size[0] * image.size[1] == 2 * 360 * 320


def test_a_take_of_one_dancer_is_drawn_alone(tmp_path: Path) -> None:
    path, page = tmp_path / "take.bvh", tmp_path / "sheet.png"
    from duet.motion import write_motion

    write_motion(path, compose("salsa", 1.0, 180.0, 0, fps=FPS).leader)
    dance = read_dance(path)
    assert dance.leader is None
    assert dance.seconds == pytest.approx(1.0, abs=0.1)
    assert film(path, "--sheet", page, "--moments", "1") == 0
    assert page.is_file()


def test_frames_between_frames_lie_between(motion: Path) -> None:
    dance = read_dance(motion)
    assert dance.start_s == pytest.approx(2.0)
    assert dance.seconds == pytest.approx(44 / FPS)
    before, between, after = (dance.state(t / FPS).follower for t in (10.0, 10.5, 11.0))
    np.testing.assert_allclose(between.root_m, (before.root_m + after.root_m) / 2, atol=1e-6)
    end, beyond = dance.state(44 / FPS), dance.state(9.0)
    np.testing.assert_array_equal(end.follower.root_m, beyond.follower.root_m)
    logged = dance_of(motion_arrays())
    np.testing.assert_allclose(logged.state(0.5).follower.root_m, dance.state(0.5).follower.root_m, atol=1e-6)


def test_what_was_not_seen_for_a_while_is_as_long_as_it_was(tmp_path: Path) -> None:
    """Rows 15 to 30 lack: 17 frames from one row to the next."""
    whole = dance_of(motion_arrays())
    arrays = {
        name: np.delete(array, np.s_[15:31], axis=0) if array.shape[:1] == (45,) else array
        for name, array in motion_arrays().items()
    }
    np.savez(tmp_path / "motion.npz", **arrays)  # pyright: ignore[reportArgumentType]
    for dance in (dance_of(arrays), read_dance(tmp_path / "motion.npz")):
        assert dance.start_s == pytest.approx(2.0) and dance.seconds == pytest.approx(44 / FPS)
        for frame in (0, 6.5, 14, 31, 40, 44):
            shown, danced = dance.state(frame / FPS), whole.state(frame / FPS)
            assert shown.leader is not None and danced.leader is not None
            np.testing.assert_allclose(shown.follower.root_m, danced.follower.root_m, atol=1e-5)
            np.testing.assert_allclose(shown.leader.root_m, danced.leader.root_m, atol=1e-5)
        before, still, over, after = (dance.state(t / FPS).follower.root_m for t in (14, 15.9, 23.5, 31))
        np.testing.assert_allclose(still, before, atol=1e-5)
        np.testing.assert_allclose(over, (before + after) / 2, atol=1e-5)


def test_the_beat_is_the_musics() -> None:
    groove = render_groove(20.0, 180.0)
    beats = Beats.of(groove.samples)
    later = beats.later(10.0)
    off = []
    for beat_s in groove.beat_times_s[(groove.beat_times_s > 12.0) & (groove.beat_times_s < 18.0)]:
        phase = later.phase_at(float(beat_s) - 10.0)
        assert phase is not None
        off.append(min(phase, 1.0 - phase) / 3.0)
    assert np.median(off) < 0.05
    assert Beats.of(np.zeros(44_100, np.float32)).phase_at(1.0) is None


def test_a_grid_reads_like_a_page() -> None:
    cells = [np.full((9, 16, 3), k, np.uint8) for k in range(1, 6)]
    page = grid(cells)
    columns = page.shape[1] // 16
    assert columns in (2, 3)
    assert page[0, 16, 0] == 2
    assert page[9, 0, 0] == columns + 1
    assert page[-1, -1, 0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected --out FILM.mp4 or --sheet FILE.png"),
        (("--out", "film.avi"), "expected a name ending in .mp4"),
        (("--out", "film.mov"), "expected --stage clear for a transparent film, got studio"),
        (("--sheet", "s.jpg"), "expected a name ending in .png"),
        (("--sheet", "s.png", "--moments", "0"), "--moments: expected 1 to 100"),
        (("--sheet", "s.png", "--start", "9"), "--start: expected less than the dance's 1.5 s"),
        (("--sheet", "s.png", "--beside", "absent.npz"), "expected a take, got no such file"),
        (("--sheet", "s.png", "--music", "absent.ogg"), "expected a sound file"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    motion: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert film(motion, *arguments) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert said in message and "Traceback" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", ["text", "times", "nan", "back", "few", "half"])
def test_a_broken_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str) -> None:
    path = tmp_path / "broken.npz"
    arrays = motion_arrays()
    if broken == "text":
        path.write_text("not a motion")
    else:
        times_s = arrays["time_s"]
        wrong = {"times": np.array(["a", "b"]), "nan": times_s * np.nan, "back": times_s[::-1], "few": times_s[1:]}
        arrays["time_s"] = wrong.get(broken, times_s)
        if broken == "half":
            del arrays["follower_root_m"]
        np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    assert film(path, "--sheet", tmp_path / "s.png") == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "broken.npz: expected" in message and "Traceback" not in message


def test_a_folder_that_is_no_session_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert film(tmp_path, "--sheet", tmp_path / "s.png") == 2
    assert "expected a recorded session" in " ".join(capsys.readouterr().err.split())


def test_avatars_are_told_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["avatar", "list"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "leader" in told and "follower" in told and "glow" in told and "KiB" in told
    out = tmp_path / "glow.png"
    assert main(["avatar", "show", "glow", "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == (4 * 270, 2 * 360)
        views = np.asarray(image).astype(int)
    assert np.abs(views[:360, :270] - views[360:, :270]).max() > 60, "front and back"
    assert main(["avatar", "show", "nobody"]) == 2
    assert "expected one of leader, follower, glow" in " ".join(capsys.readouterr().err.split())


def test_the_bench_prints_a_row_for_a_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    out = tmp_path / "render.json"
    words = ["bench", "render", "--size", "64x64", "--frames", "10", "--stage", "club"]
    assert main([*words, "--json", str(out)]) == 0
    told = capsys.readouterr().out
    assert "club, ms" in told and "p50" in told and "64x64" in told
    record = read_record(out)
    assert record.kind == "render" and record.series["club"].measured.n == 10
    assert [aim.what for aim in record.aims] == ["a picture of club, p95"]
    assert main(["bench", "render", "--frames", "1"]) == 2
