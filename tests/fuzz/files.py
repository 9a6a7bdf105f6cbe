"""Follower, session, avatar and figure files that were damaged or made to do harm: refused in words, or good.

Checksums are put right again in half of them: whoever wants to do harm does that, too.
"""

import hashlib
import io
import json
import math
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from duet.bank_file import bank_of
from duet.contract import CONTRACT_FILE, load_contract
from duet.errors import DuetError
from realtime.bench.choreographed import ChoreographedRunner
from realtime.bench.faulty_stage import TEMPO_BPM, FaultyStage
from realtime.inference.graph_session import check_graph
from realtime.inference.runner_ort import OrtRunner
from realtime.sessions.session import Recording
from realtime.sessions.session_file import SESSION_FILE, SessionReader
from realtime.sessions.session_replay import Session
from realtime.sessions.tape import Kind, TapeReader
from tests.fuzz.figures import Figures
from tests.fuzz.mutation import Rng, as_json, mutated_bytes, mutated_value, pick
from ui.drawing.avatar import read_avatar, shipped_avatar

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
_PREFIX_BYTES, _CHUNK_BYTES = 12, 12
_REPLAYED, _OPENED, _GRAPHS_OPENED = 0.05, 0.02, 0.4
"""Of sessions that open, danced again; of followers, opened with their graphs, and of those whose graph is another."""


class Files:
    """Writes a broken file of a kind and reads it, in ``folder`` and nowhere else."""

    def __init__(self, rng: Rng, folder: Path) -> None:
        self._rng, self._folder = rng, folder
        self.taken = self.refused = 0
        self._follower, self._session, self._avatar = (folder / name for name in ("follower", "session", "avatar.npz"))
        shutil.copytree(SHIPPED, self._follower)
        self._contract = json.loads((SHIPPED / CONTRACT_FILE).read_text())
        self._session.mkdir()
        self._runner = ChoreographedRunner(load_contract(SHIPPED), TEMPO_BPM)
        self._recorded = self._record(folder / "recorded")
        self._arrays = _small_avatar()
        self.kinds: dict[str, Callable[[], None]] = {
            "follower": self.follower, "session": self.session, "avatar": self.avatar,
            "figure": Figures(rng, folder / "figures").bring,
        }  # fmt: skip

    def read(self, kind: str) -> None:
        """One file of a kind more; whatever is neither taken nor refused in words is let through."""
        try:
            self.kinds[kind]()
            self.taken += 1
        except DuetError as error:
            assert str(error), "refused without a word"
            self.refused += 1

    def follower(self) -> None:
        """A contract with other values, or another file of the folder with other bytes."""
        files = [p.name for p in SHIPPED.iterdir() if p.suffix in (".onnx", ".npz")]
        contract, changed = self._contract, ""
        if self._rng.random() < 0.5:
            changed = pick(self._rng, files)
            data = mutated_bytes(self._rng, (SHIPPED / changed).read_bytes())
            (self._follower / changed).write_bytes(data)
            if self._rng.random() < 0.7:
                said, was = (_sha256(d) for d in (data, (SHIPPED / changed).read_bytes()))
                contract = json.loads(json.dumps(contract).replace(was, said))
            text = json.dumps(contract)
        else:
            text = as_json(self._rng, mutated_value(self._rng, contract))
        (self._follower / CONTRACT_FILE).write_text(text, errors="replace")
        try:
            loaded = load_contract(self._follower)
            bank_of(self._follower, loaded)
            for graph in loaded.graphs:
                check_graph(self._follower / graph.file, graph, loaded)
            # A graph with other bytes is another graph; with the same ones only the contract is.
            if self._rng.random() < (_GRAPHS_OPENED if changed.endswith(".onnx") else _OPENED):
                OrtRunner(self._follower)
        finally:
            if changed:
                shutil.copyfile(SHIPPED / changed, self._follower / changed)

    def session(self) -> None:
        """A recording with other bytes, or with other ones inside of what its sums cover."""
        data = self._recorded
        data = mutated_bytes(self._rng, data) if self._rng.random() < 0.4 else self._within(data)
        (self._session / SESSION_FILE).write_bytes(data)
        reader = SessionReader(self._session)
        try:
            _walk(TapeReader(reader.chunks(), "session"))
        finally:
            reader.close()
        session = Session(self._session)
        try:
            if self._rng.random() < _REPLAYED:
                session.replay(self._runner.contract, self._runner, None)
        finally:
            session.close()

    def avatar(self) -> None:
        """An avatar with other bytes, or other arrays."""
        arrays = dict(self._arrays)
        for _ in range(int(self._rng.integers(0, 3))):
            name = pick(self._rng, list(arrays))
            arrays[name] = _other(self._rng, arrays[name])
            if self._rng.random() < 0.1:
                del arrays[name]
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=True, **arrays)
        data = file.getvalue()
        self._avatar.write_bytes(mutated_bytes(self._rng, data) if self._rng.random() < 0.5 else data)
        read_avatar(self._avatar)

    def _within(self, data: bytes) -> bytes:
        """The file with one chunk's body changed and its sum put right."""
        chunks = _chunks(data)
        which = int(self._rng.integers(len(chunks)))
        tag, body = chunks[which]
        if tag == chunks[0][0]:
            header = json.loads(body[8:])
            body = body[:8] + as_json(self._rng, mutated_value(self._rng, header)).encode("utf-8", "replace")
        else:
            body = body[:8] + zlib.compress(mutated_bytes(self._rng, zlib.decompress(body[8:])), 1)
        chunks[which] = tag, body
        packed = (t + len(b).to_bytes(4, "little") + zlib.crc32(b).to_bytes(4, "little") + b for t, b in chunks)
        return data[:_PREFIX_BYTES] + b"".join(packed)

    def _record(self, folder: Path) -> bytes:
        stage = FaultyStage(self._runner.contract, self._runner, ())
        self._runner = ChoreographedRunner(self._runner.contract, TEMPO_BPM)
        recording = Recording(folder, stage.conductor)
        stage.perform(1.2)
        recording.close()
        return (folder / SESSION_FILE).read_bytes()


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(tag, body) of every chunk of a session file."""
    at, out = _PREFIX_BYTES, []
    while at + _CHUNK_BYTES <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        out.append((data[at : at + 4], data[at + _CHUNK_BYTES : at + _CHUNK_BYTES + size]))
        at += _CHUNK_BYTES + size
    return out


def _walk(tape: TapeReader) -> None:
    """Take everything from a tape."""
    take: dict[Kind, Callable[[], Any]] = {
        Kind.CLOCK: tape.clock, Kind.LEADER: tape.leader, Kind.MUSIC: tape.music, Kind.COMMANDS: tape.commands,
        Kind.SUBMIT: tape.submit, Kind.COLLECT: tape.collect, Kind.POSE: tape.pose, Kind.PACE: tape.pace,
    }  # fmt: skip
    while (kind := tape.peek()) is not None and kind is not Kind.END:
        take[kind]()


def _small_avatar() -> dict[str, Any]:
    """The arrays of the follower's avatar, but of its first vertices and triangles only."""
    avatar = shipped_avatar("follower")
    arrays = {name: np.asarray(getattr(avatar, name)) for name in type(avatar).__dataclass_fields__}
    vertices = len(arrays["vertices_m"])
    small = {name: a[:40] if a.ndim and len(a) == vertices else a for name, a in arrays.items()}
    return {**small, "faces": np.arange(30, dtype=arrays["faces"].dtype).reshape(-1, 3)}


def _other(rng: Rng, array: Any) -> Any:
    """An array of another shape, kind or content."""
    ways: tuple[Callable[[], Any], ...] = (
        lambda: array[: len(array) // 2] if np.ndim(array) else array,
        lambda: np.asarray(array).reshape(-1),
        lambda: np.asarray(array)[None],
        lambda: np.array([{"a": 1}], dtype=object),
        lambda: (
            np.full_like(array, pick(rng, (np.inf, np.nan, -1e30)), dtype=np.float64)
            if np.asarray(array).dtype.kind != "U"
            else np.array(["a"] * np.size(array))
        ),
        lambda: np.full(np.shape(array), pick(rng, (-1, 255, 2**31 - 1)), dtype=np.int64),
        lambda: np.zeros((0,)),
        lambda: np.zeros((2**22,), np.uint8),
        lambda: math.pi,
    )
    return pick(rng, ways)()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(count: int, seed: int, folder: Path, told: Callable[[int], None] = lambda done: None) -> dict[str, int]:
    """``count`` files, each kind in turn; how many of each, taken, and refused in words."""
    files = Files(np.random.default_rng(seed), folder)
    kinds = list(files.kinds)
    for i in range(count):
        files.read(kinds[i % len(kinds)])
        told(1)
    each = {name: len(range(k, count, len(kinds))) for k, name in enumerate(kinds)}
    return {**each, "taken": files.taken, "refused": files.refused}
