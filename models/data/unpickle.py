"""Data sets that come as pickles, opened without ever running what a pickle can ask for.

A pickle is a program: the plain loader imports and calls whatever it names. Here only what arrays, numbers, texts and
plain containers are made of is known; any other name is refused, and nothing of it is imported.
"""

import io
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np

from duet.errors import InputError


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """What old protocols write bytes with; no other codec is anybody's business here."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the codec {encoding!r}")
    return text.encode("latin1")


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
    known["numpy", "dtype"] = np.dtype
    known["collections", "OrderedDict"] = OrderedDict
    known["_codecs", "encode"] = _latin1
    for name, kind in vars(np.dtypes).items():
        if isinstance(kind, type) and issubclass(kind, np.dtype):
            known["numpy.dtypes", name] = kind
    return known


class _DataOnly(pickle.Unpickler):
    """Knows arrays, numbers, texts and containers."""

    KNOWN = _known()

    def find_class(self, module: str, name: str) -> object:
        """What ``module.name`` stands for; UnpicklingError for what is no data."""
        try:
            return self.KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name}") from None


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


def _load(path: Path, data: bytes) -> object:
    try:
        return _DataOnly(io.BytesIO(data), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: expected arrays, numbers and texts only, got a pickle that asks for {_first(error)}. "
            "Nothing of it was run; fetch the file from its authors again."
        ) from error
    except (ValueError, TypeError, EOFError, AttributeError, IndexError, KeyError, MemoryError, OverflowError) as error:
        raise InputError(f"{path}: expected a pickle, got a broken one ({_first(error)}). Fetch it again.") from error


def _first(error: BaseException) -> str:
    text = str(error).rstrip(".")
    return text.splitlines()[0] if text else type(error).__name__
