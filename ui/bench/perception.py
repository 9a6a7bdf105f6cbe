"""``duet bench perception``: how early, how steady and how true the leader arrives."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from duet.files import check_writable, saved_whole
from duet.terminal import new_console
from realtime.bench.perception import PLAYED, VARIANTS, Shot, model_alone_mm, picture_error_px, score
from realtime.sight.pose_model import ensure_pose_model
from realtime.sight.steadiness import measure
from realtime.sight.tracking import PoseModel
from ui.bench.film_truth import CALIBRATED, FPS, SETTINGS, SIZE_PX, Setting, Studio, leads
from ui.bench.perception_live import run_live
from ui.bench.perception_tables import Found, Live, Trueness, json_of, tables
from ui.doctor import native_output_hidden
from ui.drawing.film import FilmWriter
from ui.limits import check_within

if TYPE_CHECKING:
    from duet.motion import Motion

FILMED = "The camera was a film, decoded on this machine: what a real one costs is not in it."
_LOOP_S = 8.0


def film_loop(motion: "Motion", path: Path) -> float:
    """A film of ``motion``, forth and back so that it loops without a jump; the dancer's height in metres."""
    with Studio(motion) as studio, FilmWriter(path, SIZE_PX, FPS) as film:
        there = list(studio.pictures())
        for i, picture in enumerate(there + there[-2:0:-1]):
            film.write(picture, i / FPS)
        return studio.height_m


def film_shot(name: str, motion: "Motion", model: Path, progress: Progress, setting: Setting = CALIBRATED) -> Shot:
    """A dance drawn, filmed and tracked."""
    task = progress.add_task(f"filming {name}", total=motion.frames)
    with native_output_hidden():
        pose = PoseModel(model)
    with pose, Studio(motion, setting) as studio:
        shot = studio.shot(name, iter(progress.track(studio.pictures(), task_id=task)), pose)
    progress.remove_task(task)
    return shot


def run(arguments: argparse.Namespace, parts: Sequence[str]) -> int:
    """The command: measure ``parts``, print, and say by the exit code whether every aim holds."""
    check_within("--seconds", arguments.seconds, 5.0, 7200.0)
    check_within("--film-seconds", arguments.film_seconds, 4.0, 120.0)
    alone = arguments.json == "-"
    if arguments.json is not None and not alone:
        check_writable(Path(arguments.json))
    console = new_console(stderr=alone)
    found = measured(arguments, parts, console)
    for table in tables(found):
        console.print(table)
    if found.live is not None and arguments.camera is None:
        console.print(FILMED)
    text = json.dumps(json_of(found), indent=1) + "\n"
    if alone:
        new_console(soft_wrap=True, highlight=False).print(text, end="")
    elif arguments.json is not None:
        with saved_whole(Path(arguments.json), "what was found") as part:
            part.write_text(text)
    return 0 if all(aim.holds for aim in found.aims) else 1


def measured(arguments: argparse.Namespace, parts: Sequence[str], console: Console) -> Found:
    """What ``parts`` found."""
    model = ensure_pose_model(progress=console.print)
    live = _live(arguments, model, console) if "live" in parts else None
    steady = None
    if "steady" in parts:
        with console.status("swinging arms"):
            steady = measure()
    return Found(live, steady, _true(arguments, model, console) if "true" in parts else None)


def _live(arguments: argparse.Namespace, model: Path, console: Console) -> Live:
    """The live part, before the camera given or a rendered lead."""
    if arguments.camera is not None:
        return run_live(arguments.camera, arguments.seconds, arguments.follower, model=model)
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder:
        path = Path(folder) / "lead.mp4"
        with console.status("filming a lead"):
            motion = next(iter(leads(arguments.data, _LOOP_S).values()))
            height_m = film_loop(motion, path)
        return run_live(str(path), arguments.seconds, arguments.follower, model=model, height_m=height_m)


def _true(arguments: argparse.Namespace, model: Path, console: Console) -> Trueness:
    """Leads filmed, tracked and lifted, beside the truth."""
    motions = leads(arguments.data, arguments.film_seconds)
    with Progress(console=console, transient=True) as progress:
        shots = [film_shot(name, motion, model, progress) for name, motion in motions.items()]
        frames = sum(len(shot.seen) for shot in shots)
        task = progress.add_task("comparing", total=frames * len(VARIANTS))
        scores = {
            name: {shot.name: score(shot, variant, lambda: progress.advance(task)) for shot in shots}
            for name, variant in VARIANTS.items()
        }
        first = next(iter(motions.values()))
        apart = {
            what: score(film_shot(what, first, model, progress, setting), VARIANTS[PLAYED])
            for what, setting in SETTINGS.items()
        }
    return Trueness(
        scores,
        {shot.name: model_alone_mm(shot) for shot in shots},
        {shot.name: picture_error_px(shot) for shot in shots},
        apart,
    )
