"""The pose model's file: found, verified, put together, or refused with a sentence. Nothing is fetched here."""

import struct
import subprocess
import sys
import urllib.error
import zipfile
from pathlib import Path

import pytest

from duet.cache import cache_directory
from duet.errors import ModelError
from realtime.sight import pose_model
from realtime.sight.pose_model import bundle, cached_pose_model, ensure_pose_model, find_pose_model, how_to_fetch, main


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network in tests")

    def no_pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found")

    monkeypatch.setattr(pose_model.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(pose_model.subprocess, "run", no_pip)
    monkeypatch.delenv("DUET_POSE_MODEL", raising=False)
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "cache"))


def test_cache_directory_follows_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_directory() == tmp_path / "cache"
    monkeypatch.delenv("DUET_CACHE")
    assert cache_directory().name in ("duet", "cache")


def test_offline_without_a_model_says_what_to_do() -> None:
    said: list[str] = []
    with pytest.raises(ModelError, match=r"got: ERROR: No matching.* realtime\.sight\.pose_model.*DUET_POSE_MODEL"):
        ensure_pose_model(progress=said.append)
    assert any("out of reach" in line for line in said)


@pytest.mark.parametrize("kind", ["lite", "heavy"])
def test_models_that_only_the_official_place_has_are_asked_for_there(kind: str) -> None:
    said: list[str] = []
    with pytest.raises(ModelError, match=rf"Pose model {kind}: expected to fetch it.* use the full model"):
        ensure_pose_model(progress=said.append, kind=kind)
    assert any("out of reach" in line for line in said)
    assert find_pose_model(kind=kind) is None


def test_damaged_file_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "pose_landmarker_full.task"
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    assert find_pose_model() is None
    with pytest.raises(ModelError):
        ensure_pose_model()


def test_verified_file_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "pose_landmarker_full.task"
    path.parent.mkdir()
    path.write_bytes(b"as good as the real one")
    monkeypatch.setattr(pose_model, "ASSEMBLED_SHA256", pose_model._sha256(b"as good as the real one"))
    assert ensure_pose_model() == path


@pytest.mark.parametrize("kind", sorted(pose_model.KINDS))
def test_what_a_performance_takes_is_here_or_one_sentence_and_never_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(pose_model, "_official_bundle", lambda say, kind: asked.append(kind))
    with pytest.raises(ModelError) as error:
        cached_pose_model(kind)
    told = str(error.value)
    assert f"Pose model {kind}: expected it in {tmp_path / 'cache'}, got none" in told and not asked
    assert told.endswith(how_to_fetch(kind)) and len(told.splitlines()) == 1
    path = tmp_path / "cache" / f"pose_landmarker_{kind}.task"
    path.parent.mkdir()
    path.write_bytes(b"as good as the real one")
    with pytest.raises(ModelError):
        cached_pose_model(kind)
    monkeypatch.setattr(pose_model, "_accepted", lambda _: (pose_model._sha256(b"as good as the real one"),))
    assert cached_pose_model(kind) == path
    monkeypatch.setenv("DUET_POSE_MODEL", str(tmp_path / "own.task"))
    with pytest.raises(ModelError, match=r"DUET_POSE_MODEL: expected a MediaPipe \.task file"):
        cached_pose_model(kind)


@pytest.mark.parametrize("kind", sorted(pose_model.KINDS))
def test_the_command_that_is_told_fetches_that_very_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    python, _, module, *words = how_to_fetch(kind).split()
    assert Path(python).absolute() == Path(sys.executable).absolute() and module == pose_model.__name__
    asked: list[str] = []

    def fetched(say: object, kind: str) -> bytes:
        asked.append(kind)
        return b"fetched"

    monkeypatch.setattr(pose_model, "_official_bundle", fetched)
    assert main(words) == 0 and asked == [kind]
    path = Path(capsys.readouterr().out.strip())
    assert path.name == f"pose_landmarker_{kind}.task" and path.read_bytes() == b"fetched"


def test_own_model_must_be_a_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own.task"
    monkeypatch.setenv("DUET_POSE_MODEL", str(own))
    with pytest.raises(ModelError, match=r"DUET_POSE_MODEL: expected a MediaPipe \.task file"):
        ensure_pose_model()
    own.write_bytes(bundle({"a.tflite": b"1234"}))
    assert ensure_pose_model() == own


def test_official_file_with_another_checksum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __enter__(self) -> "Answer":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, _: int) -> bytes:
            return b"something else"

    said: list[str] = []
    monkeypatch.setattr(pose_model.urllib.request, "urlopen", lambda *_, **__: Answer())
    with pytest.raises(ModelError):
        ensure_pose_model(progress=said.append)
    assert any("another checksum" in line for line in said)


def test_package_with_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_wheel(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "mediapipe-0.whl", "w") as wheel:
            wheel.writestr("mediapipe/modules/pose_detection/pose_detection.tflite", b"altered")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(pose_model.subprocess, "run", give_wheel)
    with pytest.raises(ModelError, match="expected mediapipe/modules/pose_detection/.* got another file"):
        ensure_pose_model()


def test_bundle_is_stored_aligned_and_the_same_every_time(tmp_path: Path) -> None:
    networks = {"first.tflite": b"x" * 1001, "second.tflite": b"y" * 17}
    data = bundle(networks)
    assert data == bundle(networks)
    path = tmp_path / "b.task"
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        assert {entry.filename: archive.read(entry) for entry in archive.infolist()} == networks
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            name_bytes, extra_bytes = struct.unpack_from("<HH", data, entry.header_offset + 26)
            assert (entry.header_offset + 30 + name_bytes + extra_bytes) % 64 == 0
