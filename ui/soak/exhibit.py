"""The exhibit that is soaked in real time: a show of one's own, or one whose camera is a film of somebody who comes
and goes."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from realtime.health import Health
from realtime.sight.pose_model import ensure_pose_model
from realtime.sound.audio import MusicThread
from ui.bench.film_truth import FPS, SIZE_PX, Studio, leads
from ui.bench.microphone import microphone
from ui.cued import with_cues
from ui.drawing.film import FilmWriter
from ui.kiosk.checking import check_show, cues_of
from ui.kiosk.command import check_display, follower_of, output_of
from ui.kiosk.exhibit import kiosk_sources
from ui.kiosk.settings import KioskSettings, Value, read_settings
from ui.options import Output
from ui.sources import Sources, SourcesMaker

if TYPE_CHECKING:
    from rich.console import Console

_DANCE_S, _EMPTY_S, _TURNS = 6.0, 14.0, 2
_QUICK = {
    "kiosk.zone": 6.0, "kiosk.visit.attract": 20.0, "kiosk.picture.headless": True, "kiosk.picture.size": "640x360",
}  # fmt: skip


@contextmanager
def exhibit(arguments: argparse.Namespace, console: "Console") -> Iterator[tuple[SourcesMaker, Output]]:
    """What is soaked, and where it goes; what it needs is there meanwhile. InputError for a show that cannot run."""
    with tempfile.TemporaryDirectory(prefix="duet-soak-") as folder:
        settings, make = _own_show(arguments) if arguments.config is not None else _filmed_show(arguments, folder)
        output = output_of(settings, arguments.follower, arguments.hours * 3600.0)
        check_display(output)
        ensure_pose_model(progress=console.print)
        if arguments.config is None:
            with console.status("filming somebody who comes and goes"):
                film_of_visits(Path(settings.text("kiosk.leader")), arguments.data)
        yield make, replace(output, report=output.report or arguments.out / "report.json")


def _own_show(arguments: argparse.Namespace) -> tuple[KioskSettings, SourcesMaker]:
    """The show of ``--config``, as ``duet kiosk`` runs it."""
    settings = check_show(arguments.config, arguments.follower)
    cues = cues_of(arguments.config, follower_of(settings, arguments.follower))
    return settings, with_cues(kiosk_sources(settings), cues)


def _filmed_show(arguments: argparse.Namespace, folder: str) -> tuple[KioskSettings, SourcesMaker]:
    """A show whose camera is a film in ``folder`` that is yet to be made."""
    file = Path(folder) / "show.toml"
    file.write_text("")
    leader: dict[str, Value] = {"kiosk.leader": str(Path(folder) / "visitor.mp4"), "kiosk.seed": arguments.seed}
    settings = KioskSettings(MappingProxyType({**read_settings(file).values, **leader, **_QUICK}))
    return settings, _heard_by_microphone(kiosk_sources(settings), Path(folder))


def _heard_by_microphone(make: SourcesMaker, folder: Path) -> SourcesMaker:
    """The same inputs, but for the music: it comes through a sound process, as an exhibit's does."""

    def made(health: Health) -> Sources:
        return replace(make(health), music=MusicThread(microphone(folder), automatic_gain=True))

    return made


def film_of_visits(path: Path, data: Path | None) -> None:
    """Somebody dances, back and forth, and leaves an empty room behind; then comes again."""
    rng = np.random.default_rng(0)
    with Studio(next(iter(leads(data, _DANCE_S).values()))) as studio, FilmWriter(path, SIZE_PX, FPS) as film:
        there = list(studio.pictures())
        empty = np.full_like(there[0], 96)
        pictures = (there + there[-2:0:-1]) * _TURNS
        for i, picture in enumerate(pictures):
            film.write(picture, i / FPS)
        for i in range(round(_EMPTY_S * FPS)):
            # As a sensor sees an empty room: no picture is like the one before.
            noise = rng.integers(-6, 7, (*empty.shape[:2], 1))
            film.write(np.clip(empty + noise, 0, 255).astype(np.uint8), (len(pictures) + i) / FPS)
