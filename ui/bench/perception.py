"""``duet bench perception``: how early, how steady and how true the leader arrives."""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from duet.clock import MonotonicClock
from duet.errors import InputError
from duet.files import check_writable, written_whole
from duet.frames import LeaderFrame
from duet.groove import render_groove
from realtime.bench.perception import VARIANTS, Shot, model_alone_mm, picture_error_px, score
from realtime.health import Health, StageStats
from realtime.sight.leader_camera import CameraLeader
from realtime.sight.placement import Lens
from realtime.sight.pose_model import ensure_pose_model
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sight.steadiness import measure
from realtime.sight.tracking import PoseModel
from realtime.sound.audio import MusicThread
from realtime.sound.music_player import RecordedMusic
from ui.app import perform
from ui.bench.film_truth import FPS, SIZE_PX, Studio, leads
from ui.bench.perception_tables import Found, Live, Trueness, json_of, tables
from ui.doctor import native_output_hidden
from ui.drawing.film import FilmWriter
from ui.options import Output
from ui.sources import Sources

if TYPE_CHECKING:
    from duet.motion import Motion

FILMED = "The camera was a film, decoded on this machine: what a real one costs is not in it."
_LOOP_S, _MUSIC_S = 8.0, 64.0
_TEMPO_BPM = 180.0


class _Watched(ShiftedLeader):
    """A tracked leader; what it costs is counted from the clock's start on."""

    def __init__(self, leader: CameraLeader, health: Health) -> None:
        super().__init__(leader)
        self._health = health
        self._clock: MonotonicClock | None = None
        self.ages_ms: list[float] = []
        self.begin_s = self.end_s = 0.0

    def start(self, clock: MonotonicClock, begin_s: float) -> None:
        """Begin to count."""
        super().start(clock, begin_s)
        self._clock = clock
        self._health.forget()
        self.begin_s = self.end_s = time.monotonic()

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        """As the leader's."""
        frames = super().take_new(until_s)
        if frames and self._clock is not None:
            self.ages_ms.append(1e3 * (self._clock.now() - frames[-1].time_s))
        return frames

    def stop(self) -> None:
        """The count ends with the performance."""
        if self.begin_s and self.end_s == self.begin_s:
            self.end_s = time.monotonic()
        super().stop()


def run_live(source: str, seconds: float, follower: Path, *, model: Path, height_m: float | None = None) -> Live:
    """Track ``source`` for ``seconds`` beside music and a dancing follower; almost nothing is drawn."""
    kept: list[tuple[_Watched, Health]] = []

    def make(health: Health) -> Sources:
        music = RecordedMusic(render_groove(_MUSIC_S, _TEMPO_BPM, seed=0).samples, loop=True)
        leader = _Watched(CameraLeader(source, health, height_m=height_m, model=model), health)
        kept.append((leader, health))
        return Sources(leader, MusicThread(music), None, {"leader": source, "music": "built-in groove"})

    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder:
        report = Path(folder) / "report.json"
        output = Output(follower, True, None, seconds, 0, (64, 64), 1.0, report=report)
        if perform(make, output) != 0:
            raise KeyboardInterrupt
    leader, health = kept[0]
    stages, elapsed = health.stages(), max(leader.end_s - leader.begin_s, 1e-3)
    return Live(
        seconds=elapsed,
        frame_ms=stages["frame"],
        taken_ms=stages["camera"],
        asked_ms=StageStats.of(leader.ages_ms),
        fps=stages["frame"].n / elapsed,
        dropped=health.counter("camera_dropped") / max(health.counter("camera_frames"), 1),
        ticks=health.counter("ticks"),
        late_ticks=health.counter("late_ticks"),
    )


def film_loop(motion: "Motion", path: Path) -> float:
    """A film of ``motion``, forth and back so that it loops without a jump; the dancer's height in metres."""
    with Studio(motion) as studio, FilmWriter(path, SIZE_PX, FPS) as film:
        there = list(studio.pictures())
        for i, picture in enumerate(there + there[-2:0:-1]):
            film.write(picture, i / FPS)
        return float(studio.avatar.vertices_m[:, 1].max())


def film_shots(motions: "dict[str, Motion]", model: Path, progress: Progress) -> list[Shot]:
    """Every dance drawn, filmed and tracked."""
    shots = []
    for name, motion in motions.items():
        task = progress.add_task(f"filming {name}", total=motion.frames)
        with native_output_hidden():
            pose = PoseModel(model)
        with pose, Studio(motion, lens=Lens()) as studio:
            pictures = progress.track(studio.pictures(), task_id=task)
            shots.append(studio.shot(name, iter(pictures), pose))
    return shots


def run(arguments: argparse.Namespace, parts: Sequence[str]) -> int:
    """The command: measure ``parts``, print, and say by the exit code whether every aim holds."""
    for name, value, least, most in (
        ("--seconds", arguments.seconds, 5.0, 7200.0),
        ("--film-seconds", arguments.film_seconds, 4.0, 120.0),
    ):
        if not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"{name}: expected {least:g} to {most:g}, got {value:g}.")
    alone = arguments.json == "-"
    if arguments.json is not None and not alone:
        check_writable(Path(arguments.json))
    console = Console(stderr=alone)
    found = measured(arguments, parts, console)
    for table in tables(found):
        console.print(table)
    if found.live is not None and arguments.camera is None:
        console.print(FILMED)
    text = json.dumps(json_of(found), indent=1) + "\n"
    if alone:
        Console(soft_wrap=True, highlight=False, markup=False).print(text, end="")
    elif arguments.json is not None:
        with written_whole(Path(arguments.json)) as part:
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
        shots = film_shots(motions, model, progress)
        frames = sum(len(shot.seen) for shot in shots)
        task = progress.add_task("comparing", total=frames * len(VARIANTS))
        scores = {
            name: {shot.name: score(shot, variant, lambda: progress.advance(task)) for shot in shots}
            for name, variant in VARIANTS.items()
        }
    return Trueness(
        scores,
        {shot.name: model_alone_mm(shot) for shot in shots},
        {shot.name: picture_error_px(shot) for shot in shots},
    )
