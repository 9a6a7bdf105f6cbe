"""The recorded couples of a folder, split by take: of any data set, for training, banks and evaluation alike.

The CMU salsa takes in ``cmu_salsa`` are read plainly (``pairs.load_pairs``). All other couples are those of
``duet-lab prepare``: measured, cut, with the music they were danced to where it was recorded, and kept in the cache
folder. Which take is for what follows from its name alone (see each data set's module).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from duet.cache import cache_directory
from duet.errors import InputError
from models.data.own import NAME
from models.data.pairs import TRAIN_TAKES, VALIDATION_TAKES, Pair, load_cmu, load_pairs
from models.data.prepare import NONE, ready
from models.data.recording import SPLITS, Recording
from models.data.sources import AUTO, SOURCES, recordings

CMU = "cmu"
PLAIN_FOLDER = "cmu_salsa"
_PLAIN = {"train": TRAIN_TAKES, "validation": VALIDATION_TAKES}


@dataclass(frozen=True)
class Couples:
    """Couples of one or several data sets in a folder."""

    folder: Path
    datasets: tuple[str, ...] = (CMU,)
    """Their names; none where the folder holds no data set."""

    @property
    def plain(self) -> bool:
        """Whether these are the CMU salsa takes in their own folder, named by number."""
        return self.datasets == (CMU,) and (self.folder / PLAIN_FOLDER).is_dir()

    @cached_property
    def recorded(self) -> tuple[Recording, ...]:
        """Every couple of the data sets; InputError for one that is not there."""
        return tuple(one for name in self.datasets for one in recordings(self.folder, name) if one.couple)

    def takes(self, split: str) -> tuple[str, ...]:
        """The names of a split's takes; numbers where the couples are the plain ones."""
        if self.plain:
            return _PLAIN.get(split, ())
        return tuple(one.name for one in self.recorded if one.split == split)

    def split_of(self, take: str) -> str:
        """What a take is for; InputError when there is no such take."""
        for split in SPLITS:
            if take in self.takes(split):
                return split
        known = [name for split in SPLITS for name in self.takes(split)]
        raise InputError(f"Takes: expected some of {_listed(known)}, got {take}. Choose of them.")

    def pairs(self, takes: tuple[str, ...]) -> list[Pair]:
        """The couples of these takes, in this order; InputError for the first that cannot be used.

        A couple to whose dance no music can be put is left out, as ``duet-lab prepare`` says of it.
        """
        if self.plain:
            return load_cmu(self.folder / PLAIN_FOLDER, takes)
        for take in takes:
            self.split_of(take)
        found, cache = {one.name: one for one in self.recorded}, cache_directory()
        prepared = [ready(found[take], cache) for take in takes]
        return [one.pair for one in prepared if one.music != NONE]


Data: TypeAlias = str | Path | Couples
"""A folder whose usual couples are meant, or couples that were chosen."""


def couples_in(data: Data, dataset: str = "") -> Couples:
    """The couples of ``dataset``: a name, several with commas between, or ``auto`` for all that are found.

    Unless given, the CMU takes in ``cmu_salsa``, and where there are none all couples that are found.
    """
    if isinstance(data, Couples):
        return data
    folder, names = Path(data), tuple(name.strip() for name in dataset.split(",") if name.strip())
    if unknown := [name for name in names if name not in (AUTO, *SOURCES)]:
        raise InputError(
            f"--dataset: expected {AUTO} or some of {', '.join(SOURCES)}, got {unknown[0]!r}. Choose among them."
        )
    if not names and (folder / PLAIN_FOLDER).is_dir():
        return Couples(folder)
    if not names or AUTO in names:
        return Couples(folder, _found_in(folder, told=bool(names)))
    for name in names:
        couples = Couples(folder, (name,))
        if not couples.plain and not couples.recorded:
            raise InputError(f"{folder}: expected couples of {name}, got solos. Choose another --dataset.")
    return Couples(folder, names)


def _found_in(folder: Path, *, told: bool) -> tuple[str, ...]:
    """The data sets of couples in ``folder``; none where nothing is found, unless that is to be ``told``."""
    try:
        names = tuple(dict.fromkeys(one.dataset for one in recordings(folder) if one.couple))
    except InputError:
        if told:
            raise
        return ()
    if not names:
        raise InputError(f"{folder}: expected a data set of couples, got solos. Add one, such as dd100.")
    return names


def recorded_couples(data: Data, split: str) -> list[Pair]:
    """The couples of ``split``: "train", "validation" or "test". InputError where there are none."""
    couples = couples_in(data)
    if couples.plain or not couples.datasets:
        return load_pairs(couples.folder, split)
    if split not in SPLITS:
        raise InputError(f"Split: expected one of {', '.join(SPLITS)}, got {split!r}. Choose one of them.")
    pairs = couples.pairs(couples.takes(split))
    if not pairs:
        counts = ", ".join(f"{len(couples.takes(name))} for {name}" for name in SPLITS)
        own = "Put some of your own into a folder validation in it." if NAME in couples.datasets else ""
        raise InputError(
            f"{couples.folder}: expected couples of {', '.join(couples.datasets)} for {split}, got none ({counts}). "
            + (own or "Which take is for what follows from its name: add takes, or another data set.")
        )
    return pairs


def digest_of(pairs: list[Pair]) -> str:
    """Sixteen hexadecimal digits of all that couples are: equal names, motion, beats and music, equal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for pair in pairs:
        digest.update(pair.name.encode())
        for dancer in (pair.leader, pair.follower):
            digest.update(dancer.root_m.tobytes() + dancer.rotations.tobytes())
        for known in (pair.beats_s, pair.heard):
            digest.update(b"" if known is None else known.tobytes())
    return digest.hexdigest()


def _listed(names: list[str], most: int = 12) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
