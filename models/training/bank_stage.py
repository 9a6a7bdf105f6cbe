"""The bank a follower is shown references from: made with its codec, checked to be of its codec."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from duet.bank_file import load_bank, save_bank
from duet.contract import sha256_of
from duet.errors import InputError
from duet.files import written_whole
from duet.retrieval import Bank
from models.codec import Codec
from models.config import FollowerConfig
from models.data.bank import CHOREOGRAPHED, couples_in_code, make_bank, remember
from models.data.beats import with_beats
from models.data.couples import Data, recorded_couples
from models.data.pairs import Pair
from models.training.checkpoint import CHECKPOINT_FILE

BANK_FILE = "bank.npz"
COUPLES, COUPLE_S, SEED = 72, 40.0, 2024
"""Of the bank that ships: as many as a query under a millisecond and a file under 15 MB allow."""

Report = Callable[[int, int], None]
"""Called with the couples that are done and all there will be."""


def no_report(done: int, of: int) -> None:
    """Say nothing."""


def codec_sha256(codec: Codec) -> str:
    """Hash of every tensor of a codec, sorted by name."""
    digest = hashlib.sha256()
    for name, value in sorted(codec.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


@torch.no_grad()
def bank_of_pairs(pairs: Iterable[Pair], codec: Codec, config: FollowerConfig, origin: str) -> Bank:
    """A bank of couples whose beats are known, in the latents of ``codec``."""
    like = codec.frame_norm.mean
    couples = [remember(pair, config) for pair in pairs]
    values = [codec.encode(torch.from_numpy(c.frames)[None].to(like))[0].cpu().numpy() for c in couples]
    return make_bank(couples, values, config, codec=codec_sha256(codec), origin=origin)


def _coded(couples: int = COUPLES, seconds: float = COUPLE_S, seed: int = SEED) -> str:
    """What a bank of couples that dance in code says of itself."""
    return f"{couples} couples of {seconds:g} s {CHOREOGRAPHED}, seed {seed}"


def choreographed_bank(
    codec: Codec,
    config: FollowerConfig,
    *,
    couples: int = COUPLES,
    seconds: float = COUPLE_S,
    seed: int = SEED,
    report: Report = no_report,
) -> Bank:
    """A bank of couples that dance in code: the one that may ship."""
    pairs = couples_in_code(couples, seconds, seed, config.fps, report)
    return bank_of_pairs(pairs, codec, config, _coded(couples, seconds, seed))


def recorded_bank(data: Data, codec: Codec, config: FollowerConfig, *, report: Report = no_report) -> Bank:
    """A bank of the recorded training couples of ``data`` and their mirror images: for those who have that data."""
    pairs = recorded_couples(data, "train")
    return bank_of_pairs(_with_mirrors(pairs, report), codec, config, f"{len(pairs)} recorded couples")


def _with_mirrors(pairs: list[Pair], report: Report) -> Iterator[Pair]:
    for done, pair in enumerate(pairs):
        known = with_beats(pair)
        yield known
        yield known.mirrored()
        report(done + 1, len(pairs))


def fitting_bank(path: Path, codec: Codec, config: FollowerConfig) -> Bank:
    """The bank at ``path``; InputError when it is not of this codec and plan."""
    bank = load_bank(path)
    if bank.codec != codec_sha256(codec) or bank.plan != config.plan:
        raise InputError(
            f"{path}: expected a bank of this follower's codec ({codec_sha256(codec)[:12]}…, plans of {config.plan} "
            f"tokens), got one of {bank.codec[:12]}…, {bank.plan} tokens. Make one for it: duet-lab bank RUN."
        )
    return bank


def bank_of_run(
    folder: Path, given: Path | None, codec: Codec, config: FollowerConfig, report: Report = no_report
) -> Bank:
    """The bank that a run trains with, which comes to lie in ``folder``: ``given``, or one that is made now.

    What an earlier start left there is taken where it is that bank. Otherwise ``given`` takes its place, as long as
    nothing was learned with it; InputError where something was, and where it would be taken without being asked for.
    """
    path = folder / BANK_FILE
    learned = (folder / CHECKPOINT_FILE).is_file()
    if given is not None:
        fitting_bank(given, codec, config)
        _take(given, path, learned=learned)
    elif not path.is_file():
        save_bank(choreographed_bank(codec, config, report=report), path)
    bank = fitting_bank(path, codec, config)
    if given is None and not learned and bank.origin != _coded():
        raise InputError(
            f"{path}: expected the bank that is made for a run without --bank, got one of {bank.origin}, left by an "
            f"earlier start. Give --bank {path} to take it, or remove it."
        )
    return bank


def _take(given: Path, path: Path, *, learned: bool) -> None:
    """Copy the bank ``given`` to ``path``, unless it is there; InputError where another was ``learned`` with."""
    there = path.is_file()
    if there and sha256_of(path) == sha256_of(given):
        return
    if there and learned:
        raise InputError(
            f"{path}: expected the bank that this run learned with ({given}), got another one. Copy it there again, or "
            "give another --out."
        )
    with written_whole(path) as part:
        shutil.copyfile(given, part)
