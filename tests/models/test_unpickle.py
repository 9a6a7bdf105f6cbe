"""Pickles of data: read where they are data, refused where they are programs."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from duet.errors import InputError
from models.data.unpickle import read_npy, read_pickle

DATA = {
    "poses": np.arange(6.0).reshape(2, 3),
    "single": np.float32(2.5),
    "name": "rumba",
    "nested": [1, (2.0, None, True), {"a": {3, 4}}],
    "texts": np.array(["x", "y"]),
    "objects": np.array([1, "two", None], dtype=object),
}


class Program:
    """What a malicious file would hold."""

    def __init__(self, call, *arguments) -> None:
        self.made = (call, arguments)

    def __reduce__(self):
        return self.made


class Set(Program):
    """The same with a state."""

    def __init__(self, state: tuple, call, *arguments) -> None:
        self.made = (call, arguments, state)


def array_of_bytes(kind: tuple, state: tuple, data) -> Set:
    """One number's place, whose bytes and dtype are the file's own."""
    return Set(
        (1, (1,), Set(state, np.dtype, *kind), False, bytes(data)),
        np.zeros(1).__reduce__()[0],
        np.ndarray,
        (0,),
        b"b",
    )


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_data_is_read_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "take.pkl"
    path.write_bytes(pickle.dumps(DATA, protocol=protocol))
    held = read_pickle(path)
    assert isinstance(held, dict)
    np.testing.assert_array_equal(held["poses"], DATA["poses"])
    assert (held["name"], held["nested"], held["single"]) == (DATA["name"], DATA["nested"], DATA["single"])
    assert held["objects"].tolist() == [1, "two", None]


def test_pickles_of_older_numpy_are_read(tmp_path: Path) -> None:
    path = tmp_path / "take.pkl"
    path.write_bytes(pickle.dumps({"a": np.arange(3.0)}, protocol=2).replace(b"numpy._core", b"numpy.core"))
    held = read_pickle(path)
    assert isinstance(held, dict)
    np.testing.assert_array_equal(held["a"], np.arange(3.0))


def test_npy_files_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", np.eye(3))
    np.save(tmp_path / "object.npy", np.array(DATA, dtype=object))
    np.testing.assert_array_equal(read_npy(tmp_path / "plain.npy"), np.eye(3))
    held = read_npy(tmp_path / "object.npy")
    assert isinstance(held, dict)
    np.testing.assert_array_equal(held["poses"], DATA["poses"])


@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [
        (os.system, ("touch {mark}",), "system"),
        (eval, ("open('{mark}', 'w')",), "builtins.eval"),
        (getattr, ("text", "upper"), "builtins.getattr"),
        (Path, ("{mark}",), "pathlib"),
        (np.load, ("{mark}",), "numpy.*load"),
        (pickle.loads, (b"",), "_pickle.loads"),
    ],
)
def test_a_program_is_refused_and_not_run(tmp_path: Path, call, arguments, named: str) -> None:
    mark = tmp_path / "ran"
    arguments = tuple(a.format(mark=mark) if isinstance(a, str) else a for a in arguments)
    path = tmp_path / "take.pkl"
    path.write_bytes(pickle.dumps({"poses": Program(call, *arguments)}))
    with pytest.raises(InputError, match=f"got a pickle that asks for .*{named}.* Nothing of it was run"):
        read_pickle(path)
    np.save(tmp_path / "take.npy", np.array({"poses": Program(call, *arguments)}, dtype=object))
    with pytest.raises(InputError, match="got a pickle that asks for"):
        read_npy(tmp_path / "take.npy")
    assert not mark.exists()


def test_other_codecs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "take.pkl"
    path.write_bytes(pickle.dumps(Program(__import__("_codecs").encode, "text", "rot13")))
    with pytest.raises(InputError, match="the codec 'rot13'"):
        read_pickle(path)


PLAIN = (3, "<", None, None, None, -1, -1, 0)


@pytest.mark.parametrize(
    ("kind", "state", "named"),
    [
        (("V8", False, True), (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0), "the dtype 'V8'"),
        (("f8,O", False, True), PLAIN, "the dtype 'f8,O'"),
        (
            ("f8", False, True),
            (3, "<", None, ("a",), {"a": (Program(np.dtype, "O"), 0)}, 8, 1, 0),
            "a dtype with fields",
        ),
        (("f8", False, True), (3, "<", (Program(np.dtype, "O"), (1,)), None, None, 8, 1, 0), "a dtype with fields"),
        (("f8", False, True), (4, *PLAIN[1:], {}), "a dtype with fields"),
        (("O", False, True), PLAIN, "the byte order '<' of object"),
    ],
)
def test_objects_are_not_smuggled_in_as_bytes(tmp_path: Path, kind: tuple, state: tuple, named: str) -> None:
    path = tmp_path / "take.pkl"
    path.write_bytes(pickle.dumps(array_of_bytes(kind, state, b"A" * 8), 2))
    with pytest.raises(InputError, match=f"asks for {named}"):
        read_pickle(path)


def test_flags_and_sizes_of_a_dtype_are_never_a_files_own(tmp_path: Path) -> None:
    path = tmp_path / "take.pkl"
    path.write_bytes(pickle.dumps(array_of_bytes(("O", False, True), (3, "|", *PLAIN[2:]), b"A" * 8), 2))
    with pytest.raises(InputError, match="expected a pickle, got a broken one"):
        read_pickle(path)
    path.write_bytes(
        pickle.dumps(array_of_bytes(("S4", False, True), (3, "|", *PLAIN[2:5], 1 << 20, 1, 0), b"A" * 4), 2)
    )
    held = read_pickle(path)
    assert isinstance(held, np.ndarray)
    assert (held.dtype, held.tolist()) == (np.dtype("S4"), [b"AAAA"])


def test_a_state_reaches_no_other_array(tmp_path: Path) -> None:
    path = tmp_path / "take.pkl"
    path.write_bytes(pickle.dumps(array_of_bytes(("f8", False, False), (3, ">", *PLAIN[2:]), np.array(2.0, ">f8")), 2))
    held = read_pickle(path)
    assert isinstance(held, np.ndarray)
    assert held.tolist() == [2.0]
    assert np.dtype("f8").isnative


def test_states_are_for_arrays_only(tmp_path: Path) -> None:
    path = tmp_path / "take.pkl"
    path.write_bytes(b"c_codecs\nencode\n}(X\x01\x00\x00\x00aK\x01ub.")
    with pytest.raises(InputError, match="asks for a state for function"):
        read_pickle(path)


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps(DATA)[:-40], b"\x80\x04K\x01a."])
def test_broken_files_are_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "take.pkl").write_bytes(data)
    with pytest.raises(InputError, match="take.pkl: expected"):
        read_pickle(tmp_path / "take.pkl")
    (tmp_path / "take.npy").write_bytes(data)
    with pytest.raises(InputError, match="take.npy: expected a .npy file"):
        read_npy(tmp_path / "take.npy")
