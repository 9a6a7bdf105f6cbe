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


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps(DATA)[:-40], b"\x80\x04K\x01a."])
def test_broken_files_are_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "take.pkl").write_bytes(data)
    with pytest.raises(InputError, match="take.pkl: expected"):
        read_pickle(tmp_path / "take.pkl")
    (tmp_path / "take.npy").write_bytes(data)
    with pytest.raises(InputError, match="take.npy: expected a .npy file"):
        read_npy(tmp_path / "take.npy")
