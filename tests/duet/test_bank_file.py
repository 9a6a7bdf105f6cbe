import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from duet.bank_file import MOST_BYTES, QUESTION_SIZE, load_bank, save_bank
from duet.errors import FollowerError
from duet.retrieval import Bank, Holding

ROWS, NUMBERS, PLAN = 20, 4, 3


@pytest.fixture
def bank() -> Bank:
    rng = np.random.default_rng(0)
    return Bank(
        keys=rng.normal(size=(ROWS, NUMBERS)).astype(np.float16).astype(np.float32),
        values=rng.normal(size=(ROWS, 6)).astype(np.float16),
        begins=np.arange(ROWS) % 10 < 7,
        couple=np.repeat(np.arange(2, dtype=np.int32), 10),
        sources=("eins", "zwei"),
        mean=rng.normal(size=QUESTION_SIZE).astype(np.float32),
        projection=rng.normal(size=(QUESTION_SIZE, NUMBERS)).astype(np.float32),
        plan=PLAN,
        codec="c" * 64,
        origin="a test",
        holding=Holding(5, 0.25, 0.75),
    )


def test_a_bank_comes_back_as_it_was(bank: Bank, tmp_path: Path) -> None:
    save_bank(bank, tmp_path / "bank.npz")
    read = load_bank(tmp_path / "bank.npz")
    for name in ("keys", "values", "begins", "couple", "mean", "projection"):
        np.testing.assert_array_equal(getattr(read, name), getattr(bank, name))
        assert getattr(read, name).dtype == getattr(bank, name).dtype
    for name in ("sources", "plan", "codec", "origin", "holding"):
        assert getattr(read, name) == getattr(bank, name)


def test_equal_banks_are_equal_bytes(bank: Bank, tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        save_bank(bank, tmp_path / name)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


BROKEN = {
    "a reference that runs past the end": {"begins": np.ones(ROWS, dtype=bool)},
    "no dance": {"begins": np.zeros(ROWS, dtype=bool)},
    "mean of": {"mean": np.zeros(3, dtype=np.float32)},
    "keys with numbers that are not finite": {"keys": np.full((ROWS, NUMBERS), np.nan, dtype=np.float32)},
    "long enough to refer to": {"couple": np.full(ROWS, 7, dtype=np.int32)},
    "values of": {"values": np.zeros((ROWS - 1, 6), dtype=np.float16)},
}


@pytest.mark.parametrize("what", BROKEN)
def test_arrays_that_do_not_belong_together_are_refused(bank: Bank, tmp_path: Path, what: str) -> None:
    save_bank(replace(bank, **BROKEN[what]), tmp_path / "bank.npz")
    with pytest.raises(FollowerError, match=what):
        load_bank(tmp_path / "bank.npz")


def test_files_that_are_no_banks_are_refused(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    save_bank(bank, path)
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(FollowerError, match=r"expected a bank of reference dances, got .*duet-lab bank"):
            load_bank(path)
    with pytest.raises(FollowerError, match="No such file"):
        load_bank(tmp_path / "none.npz")


def test_a_take_and_a_pickle_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "take.npz", joints=np.zeros(3))
    with pytest.raises(FollowerError, match="keys"):
        load_bank(tmp_path / "take.npz")
    np.savez(tmp_path / "pickle.npz", keys=np.array([{}], dtype=object))
    with pytest.raises(FollowerError, match="keys of"):
        load_bank(tmp_path / "pickle.npz")


def test_a_file_that_would_fill_the_memory_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("keys.npy", "w") as stream:
        for _ in range(MOST_BYTES // 1_000_000 + 1):
            stream.write(bytes(1_000_000))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(FollowerError, match="bytes where"):
        load_bank(path)
    # A header that promises more than is there.
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": (1 << 40, 4)})
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("keys.npy", header.getvalue())
    with pytest.raises(FollowerError, match="keys of"):
        load_bank(path)
