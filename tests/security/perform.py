"""``duet`` on a machine that is slow and whose microphones are in a folder: ``python perform.py FOLDER play ...``."""

import sys
from dataclasses import replace
from pathlib import Path

_PATIENCE_S = 240.0


def perform(folder: Path, arguments: list[str]) -> int:
    """The command, with every process given more time than there is; its exit code."""
    from realtime import topology

    # Before anybody looks a row up: a machine that is busy with other tests ends no process here.
    topology.PROCESSES = tuple(replace(row, start_s=_PATIENCE_S, silent_s=_PATIENCE_S) for row in topology.PROCESSES)
    import ui.sources
    from realtime.sound.audio import DeviceMusic
    from realtime.sound.virtual_sound import VirtualSound
    from ui.cli import main

    class Microphone(DeviceMusic):
        """A sound input of the folder."""

        def __init__(self, name: str, *, waits: bool = False) -> None:
            super().__init__(name, VirtualSound(folder), waits=waits)

    ui.sources.DeviceMusic = Microphone
    return main(arguments)


if __name__ == "__main__":
    sys.exit(perform(Path(sys.argv[1]), sys.argv[2:]))
