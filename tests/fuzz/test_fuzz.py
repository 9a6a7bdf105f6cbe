"""A small part of ``python -m tests.fuzz.run``, the same each time; and that its watch sees what it is there for."""

import json
import os
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest

from duet.contract import MOST_CONTRACT_BYTES, load_contract
from duet.errors import FollowerError
from tests.fuzz.files import SHIPPED, Files, read
from tests.fuzz.messages import feed
from tests.fuzz.mutation import mutated_bytes, mutated_value
from tests.fuzz.run import Watch, watched


def test_messages_are_refused_or_good(tmp_path: Path) -> None:
    with watched(tmp_path):
        fed = feed(10_000, 0)
    assert fed["refused"] > 500 and min(fed.values()) > 500


def test_files_are_refused_or_good(tmp_path: Path) -> None:
    with warnings.catch_warnings(), watched(tmp_path):
        # Numbers that overflow are what this is about; only what raises counts.
        warnings.simplefilter("ignore")
        found = read(80, 0, tmp_path)
    assert found["refused"] > 15 and found["taken"] > 10


def test_what_is_whole_is_taken(tmp_path: Path) -> None:
    files = Files(np.random.default_rng(0), tmp_path)
    (tmp_path / "session" / "session.duet").write_bytes(files._recorded)
    assert len(files._recorded) > 10_000 and set(files.kinds) == {"follower", "session", "avatar", "figure"}


def test_the_same_seed_breaks_the_same() -> None:
    broken = [mutated_bytes(np.random.default_rng(3), bytes(100)) for _ in range(2)]
    values = [repr(mutated_value(np.random.default_rng(3), {"a": [1, {"b": 2}]})) for _ in range(2)]
    assert broken[0] == broken[1] != bytes(100) and values[0] == values[1]


def test_the_watch_sees_writes_and_connections(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "inside")
    watch.on = True
    with (tmp_path / "outside").open("w"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("127.0.0.1", 9))
    os.remove(tmp_path / "outside")
    watch.on = False
    assert [seen.split()[0] for seen in watch.seen] == ["open", "socket.sendto", "os.remove"]


@pytest.mark.parametrize("text", ["[" * 100_000, " " * (MOST_CONTRACT_BYTES + 1), '{"schema": 1e999}'])
def test_a_contract_beyond_all_bounds_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "contract.json").write_text(text)
    with pytest.raises(FollowerError, match="expected"):
        load_contract(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("fps", 1e308), ("window_tokens", 2**62)])
def test_a_grid_beyond_all_bounds_is_refused(tmp_path: Path, name: str, value: float) -> None:
    contract = json.loads((SHIPPED / "contract.json").read_text())
    (tmp_path / "contract.json").write_text(json.dumps({**contract, name: value}))
    with pytest.raises(FollowerError, match="expected"):
        load_contract(tmp_path)
