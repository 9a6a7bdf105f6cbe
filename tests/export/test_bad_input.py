"""Takes that cannot be used, a stop in mid-training, a full disk: one clear sentence each, nothing half-written."""

import json
import os
import pickle
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from duet.choreography import choreograph_tempo
from duet.motion import Motion
from duet.music import RATE_HZ
from duet.rotations import Array, rotvec_from_matrix
from export.cli import main
from export.progress import TrainingBars
from models.data.recording import hashed_split

LEARNS, JUDGES = (
    next(f"a{k}" for k in range(99) if hashed_split(f"a{k}") == split) for split in ("train", "validation")
)
Dancers = dict[str, dict[str, Array]]


@pytest.fixture(scope="module")
def danced() -> Dancers:
    """Five seconds of a couple, as InterDance has it: 0 leads, 1 follows."""

    def parameters(motion: Motion) -> dict[str, Array]:
        turns = rotvec_from_matrix(motion.rotations.astype(np.float64))
        return {"smpl_poses": turns.reshape(motion.frames, -1), "smpl_trans": motion.root_m.astype(np.float64)}

    couple = choreograph_tempo(5.0, 180.0, 1)
    return {"0": parameters(couple.leader), "1": parameters(couple.follower)}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of one's own, no licence of SMPL-X, and lines that are not broken."""
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DUET_SMPLX", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def write(folder: Path, dancers: Dancers, name: str = LEARNS) -> Path:
    """The couple's two pickles; ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, held in dancers.items():
        (folder / f"{name}_{role}.pkl").write_bytes(pickle.dumps(held, protocol=4))
    return folder


def changed(dancers: Dancers, key: str, how: Callable[[Array], Array]) -> Dancers:
    """The same couple with one of its arrays changed."""
    return {role: {**held, key: how(held[key].copy())} for role, held in dancers.items()}


def every(dancers: Dancers, how: Callable[[Array], Array]) -> Dancers:
    """The same couple with all of its arrays changed."""
    return changed(changed(dancers, "smpl_poses", how), "smpl_trans", how)


def lost(values: Array) -> Array:
    """A frame of which nothing is known."""
    values[7, 1] = np.nan
    return values


def upside_down(poses: Array) -> Array:
    """Dancers who hang from the ceiling."""
    poses[:, :3] = [np.pi, 0.0, 0.0]
    return poses


SPOILT: dict[str, tuple[Callable[[Dancers], Dancers], str]] = {
    "alone": (lambda d: {"0": d["0"]}, f"expected a partner, got no follower ({LEARNS}_1.pkl) beside {LEARNS}_0.pkl"),
    "NaN": (lambda d: changed(d, "smpl_trans", lost), "of 150 frames of smpl_trans, first in frame 7"),
    "axis": (lambda d: changed(d, "smpl_poses", upside_down), "expected heads above pelvises, got y down"),
    "unit": (lambda d: changed(d, "smpl_trans", lambda v: 100.0 * v), "translation is probably not in metres"),
    "10 fps": (lambda d: every(d, lambda v: v[::3].repeat(3, axis=0)), "expected at least 20 fps, got 30 fps with"),
    "one frame": (lambda d: every(d, lambda v: v[:1]), "expected at least 4 s, got 1 frame of the leader"),
    "licence": (lambda d: {r: {**held, "beta": np.zeros(10)} for r, held in d.items()}, "Accept its licence and fetch"),
    "music": (lambda d: d, "expected music for the 5.0 s of the take, got 1.0 s"),
}


def spoil(what: str, danced: Dancers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of one take with which something is wrong."""
    data = write(tmp_path / "data", SPOILT[what][0](danced))
    if what == "licence":
        monkeypatch.setenv("DUET_SMPLX", str(tmp_path))
    if what == "music":
        soundfile.write(data / f"{LEARNS}.wav", np.zeros(RATE_HZ), RATE_HZ)
    return data


def files_in(folder: Path) -> list[Path]:
    """All files, hidden ones too."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("what", SPOILT)
def test_prepare_refuses_the_take_in_a_sentence(
    what: str, danced: Dancers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = spoil(what, danced, tmp_path, monkeypatch)
    assert main(["prepare", "--data", str(data)]) == 2
    said = capsys.readouterr()
    (refused,) = [line for line in said.out.splitlines() if line.startswith("refused")]
    assert SPOILT[what][1] in refused and refused.endswith(".")
    assert said.err.startswith("duet-lab: 1 of 1 takes: expected all to be usable") and said.err.count("\n") == 1
    assert not files_in(tmp_path / "cache")


@pytest.mark.parametrize("what", SPOILT)
def test_training_refuses_it_before_anything_is_written(
    what: str, danced: Dancers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = spoil(what, danced, tmp_path, monkeypatch)
    assert main(["train", "--data", str(data), "--out", str(tmp_path / "run"), "--preset", "XS"]) == 2
    error = capsys.readouterr().err
    assert SPOILT[what][1] in error and error.startswith("duet-lab: ") and error.count("\n") == 1
    assert not (tmp_path / "run").exists() and not files_in(tmp_path / "cache")


SMALL = {
    "multiply.copies": 1, "multiply.swapped": 0, "multiply.heard": 0, "multiply.spliced": 0, "multiply.everyday": 0,
    "multiply.choreographed": 0, "codec.batch": 2, "codec.window_frames": 32, "how.stretches": 1, "how.windows": 1,
    "how.stretch_tokens": 6, "schedule.judge_every": 1, "schedule.own_from": 9, "schedule.codec_steps": 1,
}  # fmt: skip


def training(data: Path, out: Path, steps: int) -> list[str]:
    """The words of a training of seconds."""
    words = ["train", "--data", str(data), "--out", str(out), "--preset", "XS", "--calls", "1", "--steps", str(steps)]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    return [*words, "--device", "cpu", "--threads", "1"]


@pytest.fixture
def data(danced: Dancers, tmp_path: Path) -> Path:
    """A couple to learn from, and one to be judged by."""
    write(tmp_path / "data", danced, JUDGES)
    return write(tmp_path / "data", danced)


def steps_in(history: Path) -> list[int]:
    """The steps that were judged."""
    lines = history.read_text().splitlines() if history.is_file() else []
    return [json.loads(line)["step"] for line in lines]


def test_a_training_that_is_stopped_says_so_and_goes_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(bars: TrainingBars, row: dict[str, float]) -> None:
        """Ctrl-C, in the middle of it."""
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)

    out, steps = tmp_path / "run", 3
    words, history = training(data, out, steps), out / "history.jsonl"
    monkeypatch.setattr("models.training.trainer.plot_history", lambda history, picture: None)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingBars, "judged", stop)
        assert main(words) == 130
    said = capsys.readouterr().err
    assert said == "duet-lab: stopped. The same command goes on from the last checkpoint.\n"
    assert steps_in(history) == [1]
    assert not [path for path in files_in(tmp_path) if path.suffix == ".part"]
    assert main(words) == 0
    assert "The best follower lies in" in capsys.readouterr().out
    assert steps_in(history) == list(range(1, steps + 1))


@pytest.mark.parametrize("command", ["prepare", "train", "choreograph"])
def test_a_full_disk_is_a_sentence_that_names_the_file(
    command: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    room_for: Callable[[int], AbstractContextManager[None]],
) -> None:  # fmt: skip
    words, named = {
        "prepare": (["prepare", "--data", str(data)], f"{tmp_path / 'cache' / 'prepared' / 'interdance'}{os.sep}"),
        "train": (training(data, tmp_path / "run", 1), f"{tmp_path / 'run' / 'codec'}"),
        "choreograph": (
            ["choreograph", "--seconds", "5", "--out", str(tmp_path / "couple.npz")], str(tmp_path / "couple.npz"),
        ),
    }[command]  # fmt: skip
    if command == "train":
        assert main(["prepare", "--data", str(data)]) == 0
        capsys.readouterr()
    before = files_in(tmp_path)
    with room_for(10_000):
        assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"duet-lab: {named}") and "File too large" in error and error.count("\n") == 1
    made = set(files_in(tmp_path)) - set(before)
    # Music that was heard before the disk was full is kept, whole.
    heard = {path for path in made if tmp_path / "cache" in path.parents}
    assert all(np.isfinite(values).all() for path in heard for values in np.load(path).values())
    assert {path.name for path in made - heard} <= {"settings.json"}


def test_a_disk_that_fills_up_at_the_curves_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> int:
        if "history" not in path.name:
            return real(path, text)
        with path.open("w") as file:
            file.write(text[:5])
        raise OSError(28, os.strerror(28))

    real, words = Path.write_text, training(data, tmp_path / "run", 1)
    monkeypatch.setattr("models.training.trainer.plot_history", lambda history, picture: None)
    monkeypatch.setattr(Path, "write_text", full)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"duet-lab: {tmp_path / 'run' / 'history.jsonl'}: ") and "No space left" in error
    assert error.count("\n") == 1 and not (tmp_path / "run" / "history.jsonl").exists()
    assert not [path for path in files_in(tmp_path) if path.suffix == ".part"]
    monkeypatch.setattr(Path, "write_text", real)
    assert main(words) == 0 and steps_in(tmp_path / "run" / "history.jsonl") == [1]
