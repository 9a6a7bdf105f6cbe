"""``duet-lab generate``: a follower for a recorded leader and a song, danced at once."""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from duet.contract import GUIDANCE_SHAPE
from duet.errors import InputError
from export.commands.command_line import (
    Commands,
    above_zero,
    check_file,
    count,
    new_command,
    weights_folder,
)

if TYPE_CHECKING:
    from duet.motion import Motion
    from models.data.take import Take
    from models.rollout import Danced

MORE = """\
A run is danced as a whole song: blocks of one window each, all denoised in parallel, the leader seen to the end of
each; nothing in it is live. An exported follower holds its graphs for the stage only: it is danced tick by tick, as
live, and takes none of --mask, --steps, --sampler, --carried. --guidance is a number, or numbers by stream and level.
OUT.bvh holds the follower; OUT.npz both dancers, each to be read by name; OUT.mp4 shows them (duet film draws it).

  duet-lab generate runs/salsa --leader take.bvh --music song.ogg --out couple.npz
  duet-lab generate runs/salsa --leader 60_12.bvh --bvh-fps 60 --bvh-scale 1.2989 --out follower.bvh
  duet-lab generate runs/salsa --leader take.npz --out f.bvh --sampler dpm --steps 8 --guidance root=1,upper.1=0.5
  duet-lab generate followers/salsa-s --leader take.npz --music song.ogg --out couple.mp4
"""
FILM = ".mp4"
OFFLINE_ONLY = ("mask", "steps", "sampler", "carried")


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(commands, "generate", "Dance to a recorded leader and a song, at once.", run, more=MORE)
    command.add_argument("follower", type=Path, metavar="FOLLOWER_OR_RUN", help="a training run or an exported folder")
    command.add_argument("--leader", type=Path, required=True, metavar="TAKE", help="a recorded leader, .bvh or .npz")
    command.add_argument("--music", type=Path, metavar="FILE", help="wav, flac, ogg or mp3 (default: silence)")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="follower.bvh, couple.npz or film.mp4")
    command.add_argument(
        "--bvh-fps", type=above_zero, metavar="FPS", help="true rate of a take that states a wrong one"
    )
    command.add_argument("--bvh-scale", type=above_zero, default=1.0, metavar="S", help="a take's unit in metres")
    command.add_argument("--distance", type=above_zero, metavar="M", help="wished distance (default: as trained)")
    command.add_argument(
        "--mask", choices=["interval", "triangle_interval"], help="what a token sees of its block (default: all of it)"
    )
    command.add_argument("--steps", type=count, metavar="N", help="calls of the network (default 50)")
    command.add_argument("--sampler", choices=["ddim", "dpm"], help="(default ddim)")
    command.add_argument("--guidance", default="0", metavar="S", help="scale, or STREAM[.LEVEL]=S,... (default 0)")
    command.add_argument(
        "--carried", action="store_true", default=None, help="block after block, with memory and place carried over"
    )
    command.add_argument("--seed", type=count, default=0, help="equal seeds dance alike (default 0)")
    command.set_defaults(stopped="Nothing was written.")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    _check_out(options.out)
    guidance = guidance_of(options.guidance)
    if options.steps == 0:
        raise InputError("--steps: expected at least 1, got 0. Give more.")
    from duet.contract import CONTRACT_FILE
    from duet.motion import Motion, write_couple
    from duet.skeleton import BODY

    exported = (options.follower / CONTRACT_FILE).is_file()
    given = [f"--{name}" for name in OFFLINE_ONLY if getattr(options, name) is not None]
    if exported and given:
        raise InputError(
            f"{options.follower}: expected a training run for {', '.join(given)}, got an exported follower. "
            "Give the run it was exported from, or leave these options out."
        )
    danced, leader = (_live if exported else _offline)(options, guidance, console)
    follower = Motion(leader.fps, BODY, danced.root_m, danced.rotations)
    dancers = {"": follower}
    if options.out.suffix.lower() == ".npz":
        dancers = {"leader": leader.slice(0, follower.frames), "follower": follower}
    if options.out.suffix.lower() == FILM:
        _film({"leader": leader.slice(0, follower.frames), "follower": follower}, options.music, options.out)
    else:
        write_couple(options.out, dancers)
    console.print(f"{options.out}: {follower.seconds:.1f} s danced.", soft_wrap=True)


def _learned_whole_blocks(weights: Path) -> bool:
    """Whether the run of ``weights`` had a share of its loss for them, as far as it says."""
    from models.follower import WEIGHTS_FILE
    from models.training.run import settings_beside

    values = settings_beside(weights / WEIGHTS_FILE)
    return values is None or bool(values.get("how", {}).get("block_share", 0.0))


def _film(couple: "dict[str, Motion]", music: Path | None, out: Path) -> None:
    """Draw a couple: by ``duet film``, as the two halves meet in files and commands only."""
    from duet.motion import write_couple

    with tempfile.TemporaryDirectory() as folder:
        write_couple(Path(folder) / "couple.npz", couple)
        words = [sys.executable, "-m", "ui.cli", "film", str(Path(folder) / "couple.npz"), "--out", str(out)]
        words += ["--music", str(music)] if music is not None else []
        if subprocess.run(words, check=False).returncode:
            raise InputError(
                f"{out}: expected duet film to draw it, and it could not (see above). "
                f"Give --out {out.with_suffix('.npz')}, which holds both dancers."
            )


def _check_out(out: Path) -> None:
    if out.suffix.lower() not in (".bvh", ".npz", FILM):
        raise InputError(
            f"{out}: expected a name in .bvh, .npz or {FILM}, got {out.suffix or 'no ending'}. Change the ending."
        )
    check_file("--out", out)


def guidance_of(text: str) -> NDArray[np.float32]:
    """(3, 2) scales of ``--guidance``: one number for all, or ``STREAM=S`` and ``STREAM.LEVEL=S`` with commas."""
    from models.config import STREAMS

    scales = np.zeros(GUIDANCE_SHAPE, np.float32)
    try:
        if "=" not in text:
            scales[:] = float(text)
        for part in text.split(",") if "=" in text else ():
            where, _, value = part.strip().partition("=")
            stream, _, level = where.partition(".")
            scales[STREAMS.index(stream), int(level) if level else slice(None)] = float(value)
        good = bool(np.isfinite(scales).all())
    except (ValueError, IndexError):
        good = False
    if not good:
        raise InputError(
            f"--guidance: expected a number or parts such as root=1,upper.1=0.5 (streams {', '.join(STREAMS)}; levels "
            f"0 and 1), got {text!r}. Write it so."
        )
    return scales


def _offline(options: argparse.Namespace, guidance: NDArray[np.float32], console: Console) -> "tuple[Danced, Motion]":
    """The whole song at once, by a run's weights."""
    from export.progress import bars
    from models.follower import load_follower
    from models.offline import Offline, dance_offline
    from models.release import read_release

    folder = weights_folder(options.follower)
    release = read_release(folder)
    follower = load_follower(folder)
    sampler = replace(follower.config.sampler, kind=options.sampler or "ddim", calls=options.steps or 50)
    how = Offline(options.mask or "interval", sampler, guidance, bool(options.carried))
    leader = _leader(options, follower.config.fps, console)
    if not _learned_whole_blocks(folder):
        console.print(
            f"{options.follower} learned to dance on after a past, tick by tick, and no whole blocks "
            "(how.block_share 0): what it dances at once is far from a partner. Give the exported follower to have it "
            "danced as live, or train on with --set how.block_share=0.25.",
            soft_wrap=True,
        )
    take = _take(options, leader, int(np.argmax(release.style)), release.distance_m, console)
    with bars(console) as shown:
        task = shown.add_task("network calls", total=None, note="")
        danced = dance_offline(
            follower, take, leak=release.root_leak, how=how, seed=options.seed,
            tick=lambda done, total: shown.update(task, completed=done, total=total),
        )  # fmt: skip
    return danced, leader


def _live(options: argparse.Namespace, guidance: NDArray[np.float32], console: Console) -> "tuple[Danced, Motion]":
    """Tick by tick, by the graphs of an exported folder."""
    from duet.contract import load_contract
    from models.rollout import Guided, OnnxPartner, dance

    contract = load_contract(options.follower)
    leader = _leader(options, contract.fps, console)
    take = _take(options, leader, int(np.argmax(contract.style)), contract.distance_m, console)
    partner = Guided(OnnxPartner(options.follower), guidance)
    with console.status("dancing tick by tick, as live"):
        danced = dance(partner, [take], leak=contract.root_leak, seeds=[options.seed])[0]
    return danced, leader


def _take(options: argparse.Namespace, leader: "Motion", style: int, distance_m: float, console: Console) -> "Take":
    """What the follower is shown: the leader on the canonical body, and the song from its first frame on."""
    from duet.features import Placement
    from duet.music import CONDITION_SIZE, RATE_HZ, mono
    from duet.sound_file import load_sound
    from models.data.music import heard_recording
    from models.data.take import Take

    conditions = np.zeros((leader.frames, CONDITION_SIZE), np.float32)
    if options.music is not None:
        with console.status("listening"):
            sound, wanted = mono(load_sound(options.music)), round((leader.seconds + 1.0) * RATE_HZ)
            if len(sound) < wanted - RATE_HZ:
                console.print(
                    f"{options.music} ends after {len(sound) / RATE_HZ:.1f} s; then there is silence.", soft_wrap=True
                )
            sound = np.concatenate([sound, np.zeros(max(0, wanted - len(sound)), np.float32)])[:wanted]
            conditions, _ = heard_recording(sound, leader.frames, leader.fps)
    wish = Placement(distance_m=options.distance or distance_m)
    return Take(options.leader.stem, leader.joints_m, conditions, leader.fps, style=style, wish=wish)


def _leader(options: argparse.Namespace, fps: float, console: Console) -> "Motion":
    """The leader as given, measured as ``duet-lab prepare`` does."""
    from duet.motion import read_motion
    from models.data.checks import SHORTEST_S, settle

    motion = read_motion(options.leader, fps_override=options.bvh_fps, scale=options.bvh_scale, on_time=True)
    if motion.frames < 4:
        raise InputError(f"{options.leader}: expected at least 4 frames, got {motion.frames}. Give a longer take.")
    if motion.seconds >= SHORTEST_S:
        # A wrong unit, axis or rate is refused here, or told: what danced to it would look like a bad follower.
        for finding in settle(options.leader.stem, {"leader": motion}, up="y")[1]:
            if finding.warning:
                console.print(f"{options.leader.name}: {finding.text}", soft_wrap=True, highlight=False)
    return motion.resample(fps).on_body()
