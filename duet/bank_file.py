"""Banks of reference dances in files: plain arrays, no pickles, checked before anything is believed."""

import json
import math
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.errors import FollowerError
from duet.features import FOLLOWER_LOWER, LAYOUT_VERSION, LEADER_CONFIDENCE
from duet.files import BROKEN_ARCHIVE, written_whole
from duet.retrieval import BEAT, KEY_TOKENS, MOTION, PLACE, Bank, Holding

FORMAT = "duet-bank/1"
MOST_BYTES = 64_000_000
"""Of a bank that is loaded; one that ships should stay below a quarter of it."""
QUESTION_SIZE = (
    KEY_TOKENS * LEADER_CONFIDENCE.start + (PLACE.stop + FOLLOWER_LOWER.stop + MOTION.stop - MOTION.start) + BEAT.stop
)
"""D: numbers of a question."""
_ARRAYS = {"keys": "<f2", "values": "<f2", "begins": "|b1", "couple": "<i4", "mean": "<f4", "projection": "<f4"}
_ABOUT = "about"


def save_bank(bank: Bank, path: Path) -> None:
    """Write ``bank`` as one npz file; equal banks are equal bytes."""
    about = {
        "format": FORMAT, "feature_layout": LAYOUT_VERSION, "plan": bank.plan, "codec": bank.codec,
        "origin": bank.origin,
        "sources": list(bank.sources), "holding": asdict(bank.holding),
    }  # fmt: skip
    arrays: dict[str, NDArray] = {name: getattr(bank, name).astype(kind) for name, kind in _ARRAYS.items()}
    arrays[_ABOUT] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), dtype=np.uint8)
    with written_whole(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_bank(path: Path) -> Bank:
    """Read what ``save_bank`` wrote; FollowerError says what is wrong with another file."""
    try:
        arrays = _arrays(path)
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        bank = _bank(arrays, about)
    except BROKEN_ARCHIVE as error:
        what = f"none with {error}" if isinstance(error, KeyError) else str(error)
        raise FollowerError(
            f"{path}: expected a bank of reference dances, got {what}. Make it again: duet-lab bank."
        ) from error
    return bank


def bank_of(folder: Path, contract: FollowerContract) -> Bank | None:
    """The bank of a follower folder whose contract was checked; nothing where it has none."""
    if not contract.bank:
        return None
    path = folder / contract.bank
    bank = load_bank(path)
    if (bank.plan, bank.values.shape[1]) != (contract.plan_tokens, contract.latent_size):
        raise FollowerError(
            f"{path}: expected references of {contract.plan_tokens} tokens of {contract.latent_size} numbers, got "
            f"{bank.plan} of {bank.values.shape[1]}. Export the follower with its own bank."
        )
    if contract.past_tokens < KEY_TOKENS:
        raise FollowerError(
            f"{path}: expected a follower that sees at least {KEY_TOKENS} tokens back, got {contract.past_tokens}. "
            "Export it without a bank."
        )
    return bank


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of the file. Their sizes are added up from the headers before any of them is read."""
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(path) as file:
        if (size := sum(entry.file_size for entry in file.infolist())) > MOST_BYTES:
            raise ValueError(f"{size} bytes where {MOST_BYTES} are the most")
        for name, kind in {**_ARRAYS, _ABOUT: "|u1"}.items():
            entry = f"{name}.npy"
            with file.open(entry) as stream:
                npy.read_magic(stream)
                shape, _, dtype = npy.read_array_header_1_0(stream)
            if dtype.str != kind or math.prod(shape) * dtype.itemsize > file.getinfo(entry).file_size:
                raise ValueError(f"{name} of {dtype.str} {shape} where {kind} is wanted")
            with file.open(entry) as stream:
                found[name] = npy.read_array(stream, allow_pickle=False)
    return found


def _bank(arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> Bank:
    """ValueError for arrays that do not belong together."""
    if about["format"] != FORMAT or about["feature_layout"] != LAYOUT_VERSION:
        raise ValueError(f"format {about['format']!r} with features {about['feature_layout']!r}")
    rows, numbers, plan = len(arrays["keys"]), arrays["projection"].shape[-1], int(about["plan"])
    wanted = {
        "keys": (rows, numbers), "values": (rows, arrays["values"].shape[-1]), "begins": (rows,), "couple": (rows,),
        "mean": (QUESTION_SIZE,), "projection": (QUESTION_SIZE, numbers),
    }  # fmt: skip
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} of {arrays[name].shape} where {shape} is wanted")
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} with numbers that are not finite")
    begins, couple = np.flatnonzero(arrays["begins"]), arrays["couple"]
    sources = tuple(str(name) for name in about["sources"])
    if not (0 < plan <= rows and len(begins)) or couple.min() < 0 or couple.max() >= len(sources):
        raise ValueError("no dance in it that is long enough to refer to")
    if begins[-1] + plan > rows or (couple[begins] != couple[begins + plan - 1]).any():
        raise ValueError("a reference that runs past the end of its dance")
    return Bank(
        keys=arrays["keys"].astype(np.float32), values=arrays["values"], begins=arrays["begins"], couple=couple,
        sources=sources, mean=arrays["mean"], projection=arrays["projection"], plan=plan, codec=str(about["codec"]),
        origin=str(about["origin"]),
        holding=Holding(**about["holding"]),
    )  # fmt: skip
