"""Inputs with the cues of a show's file."""

from dataclasses import replace
from pathlib import Path

from duet.contract import FollowerContract
from realtime.cues import CueList, read_cues
from realtime.health import Health
from ui.sources import Sources, SourcesMaker


def with_cues(make: SourcesMaker, path: Path, contract: FollowerContract) -> SourcesMaker:
    """The same inputs, and the cues of ``path``; InputError for cues that are none, at once."""
    cues = read_cues(path, contract)

    def made(health: Health) -> Sources:
        sources = make(health)
        return replace(sources, cues=CueList(cues, sources.commands.ask))

    return made
