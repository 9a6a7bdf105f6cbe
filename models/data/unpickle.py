"""Data sets that come as pickles, opened without ever running what a pickle can ask for.

A pickle is a program: the plain loader imports and calls whatever it names. Here only what arrays, numbers, texts and
plain containers are made of is known; any other name is refused, and nothing of it is imported.
"""

import io
import pickle
import re
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from duet.errors import InputError


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """What old protocols write bytes with; no other codec is anybody's business here."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the codec {encoding!r}")
    return text.encode("latin1")


_PLAIN = re.compile(r"[<>|=]?(?:[biufc]\d{1,2}|[SU]\d{1,9}|O8?|\?)")


def _plain_dtype(name: object, *_: object) -> np.dtype:
    """A dtype of numbers, texts or objects, of its own: a state that is set on it reaches no other array."""
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise pickle.UnpicklingError(f"the dtype {name!r}")
    return np.dtype(name, copy=True)


def _plain_state(dtype: np.dtype, state: object) -> tuple:
    """The state to set on ``dtype``: of a file's only the byte order; sizes and flags, which numpy trusts, its own."""
    own = dtype.__reduce__()[2]
    if not isinstance(state, tuple) or len(state) != 8 or state[0] != 3 or state[2:5] != (None, None, None):
        raise pickle.UnpicklingError("a dtype with fields, shape or metadata")
    if state[1] not in (("|",) if own[1] == "|" else ("<", ">", "=")):
        raise pickle.UnpicklingError(f"the byte order {state[1]!r} of {dtype}")
    return (*own[:1], state[1], *own[2:])


def _known() -> dict[tuple[str, str], object]:
    plain = (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, slice)
    known: dict[tuple[str, str], object] = {
        (module, kind.__name__): kind for kind in plain for module in ("builtins", "__builtin__")
    }
    # numpy moved its inner modules in 2.0; files name the place of the numpy that wrote them.
    array = np.zeros(1).__reduce__()
    number = np.float64(0.0).__reduce__()
    buffer = np.zeros(1).__reduce_ex__(5)
    for module in ("numpy.core", "numpy._core"):
        known[f"{module}.multiarray", "_reconstruct"] = array[0]
        known[f"{module}.multiarray", "scalar"] = number[0]
        known[f"{module}.numeric", "_frombuffer"] = buffer[0]
    known["numpy", "ndarray"] = np.ndarray
    known["numpy", "dtype"] = _plain_dtype
    known["collections", "OrderedDict"] = OrderedDict
    known["_codecs", "encode"] = _latin1
    return known


def _set_state(unpickler: Any) -> None:
    """Set a state: of arrays and dtypes only, whose content it is."""
    owner, state = unpickler.stack[-2:]
    if isinstance(owner, np.dtype):
        unpickler.stack[-1] = _plain_state(owner, state)
    elif not isinstance(owner, np.ndarray):
        raise pickle.UnpicklingError(f"a state for {type(owner).__name__}")
    pickle._Unpickler.dispatch[pickle.BUILD[0]](unpickler)


class _DataOnly(pickle._Unpickler):
    """Knows arrays, numbers, texts and containers.

    The unpickler in Python, since the one in C shows nobody the states it sets: numpy takes the flags of a dtype from
    a file as they are, and an object array of bytes is a way to any place in memory.
    """

    KNOWN = _known()

    def find_class(self, module: str, name: str) -> object:
        """What ``module.name`` stands for; UnpicklingError for what is no data."""
        try:
            return self.KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name}") from None

    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: _set_state}


def read_pickle(path: Path) -> object:
    """What lies in a pickle of arrays, numbers, texts and containers. Raises InputError for anything else."""
    return _load(path, path.read_bytes())


def read_npy(path: Path) -> object:
    """What lies in a ``.npy``: an array, or what an array of one object holds. Raises InputError."""
    data = path.read_bytes()
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(stream)
        if not kind.hasobject:
            return np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise InputError(
            f"{path}: expected a .npy file, got a broken one ({_first(error)}). Fetch it again."
        ) from error
    held = _load(path, data[stream.tell() :])
    if shape == () and isinstance(held, np.ndarray):
        return held.item()
    return held


_BROKEN = (
    ValueError, TypeError, EOFError, AttributeError, IndexError, KeyError, MemoryError, OverflowError, RuntimeError,
    AssertionError, struct.error,
)  # fmt: skip
"""What a pickle cut short or made up can raise."""


def _load(path: Path, data: bytes) -> object:
    try:
        return _DataOnly(io.BytesIO(data), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: expected arrays, numbers and texts only, got a pickle that asks for {_first(error)}. "
            "Nothing of it was run; fetch the file from its authors again."
        ) from error
    except _BROKEN as error:
        raise InputError(f"{path}: expected a pickle, got a broken one ({_first(error)}). Fetch it again.") from error


def _first(error: BaseException) -> str:
    text = str(error).rstrip(".")
    return text.splitlines()[0] if text else type(error).__name__
