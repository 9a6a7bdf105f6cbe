"""Every data set Duet can read, and finding out which of them lie in a folder.

A data set is a ``Source``: a small module that knows the files and says, by a rule that never changes, which take is
for training, which for validation, which for test. Windows are never split at random: all of a take is on one side.
"""

from pathlib import Path

from duet.errors import InputError
from models.data.aist import AIST
from models.data.cmu import CMU
from models.data.dd100 import DD100
from models.data.finedance import FINEDANCE
from models.data.interdance import INTERDANCE
from models.data.motorica import MOTORICA
from models.data.own import OWN
from models.data.recording import Recording, Source

SOURCES = {source.name: source for source in (CMU, DD100, INTERDANCE, AIST, MOTORICA, FINEDANCE, OWN)}
AUTO = "auto"


def recordings(data_dir: str | Path, dataset: str = AUTO) -> list[Recording]:
    """Every take of ``dataset`` (or of all that are found) in ``data_dir`` or in a folder right in it, by name.

    Raises InputError where there is none.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected a folder with data sets, got no such folder. Set DUET_DATA or give --data."
        )
    if dataset not in (AUTO, *SOURCES):
        raise InputError(
            f"Data set: expected {AUTO} or one of {', '.join(SOURCES)}, got {dataset!r}. Choose one of them."
        )
    found: dict[str, Recording] = {}
    for source in SOURCES.values() if dataset == AUTO else [SOURCES[dataset]]:
        for recording in _find(source, folder):
            found.setdefault(recording.name, recording)
    if not found:
        wanted = SOURCES.values() if dataset == AUTO else [SOURCES[dataset]]
        layouts = "; ".join(f"{source.name}: {source.layout}" for source in wanted)
        held = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
        raise InputError(
            f"{folder}: expected a data set ({layouts}), got {held}. Unpack one there, or give another --data."
        )
    return list(found.values())


def _find(source: Source, folder: Path) -> list[Recording]:
    """Of the folder itself, or of the first of its folders that holds the data set."""
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        found = source.find(place)
        if found:
            return found
    return []
