"""Inputs with cues."""

from collections.abc import Sequence
from dataclasses import replace

from realtime.cues import Cue, CueList
from realtime.health import Health
from ui.sources import Sources, SourcesMaker


def with_cues(make: SourcesMaker, cues: Sequence[Cue]) -> SourcesMaker:
    """The same inputs, and these cues."""

    def made(health: Health) -> Sources:
        sources = make(health)
        return replace(sources, cues=CueList(cues, sources.commands.ask))

    return made
