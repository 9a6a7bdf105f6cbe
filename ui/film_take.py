"""``duet film``: a dance that is over, drawn in good quality: a film, a contact sheet, or both."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from duet.files import check_writable, saved_whole
from duet.terminal import new_console
from ui.drawing.caption import captioned
from ui.drawing.stages import STAGES
from ui.limits import check_within
from ui.outputs import check_apart
from ui.staging import Staging, add_staging, staging_of

if TYPE_CHECKING:
    from rich.console import Console

    from ui.drawing.dance import Beats, Dance
    from ui.drawing.scene import SceneState

_MORE = """\
A dance is a file that --save-motion wrote, a folder that --record wrote, or a take of one dancer (npz, bvh).
On the stage that is clear, a sheet is transparent, and so is a film whose name ends in .mov (ProRes 4444).

examples:
  duet film motion.npz --music song.ogg --out film.mp4             with its sound, lights on its beat
  duet film motion.npz --stage club --camera side --out club.mp4
  duet film motion.npz --sheet sheet.png                           twelve moments, for a paper
  duet film motion.npz --stage clear --out over.mov                 to be laid over another picture
  duet film mine.npz --beside other.npz --out compare.mp4          two followers, side by side, with their names
  duet film mine.npz --beside other.npz --captions "salsa-s,before" --sheet compare.png --cell 640x360
  duet film motion.npz --renderer pyrender --sheet still.png --moments 1 --cell 1920x1080
"""
_MOST_MOMENTS = 100
_CELL = "360x320"
"""As wide as a couple with its arms is beside its height."""
_FINER = 2
"""Times as many rows and columns are drawn where edges are looked at closely: in stills, and where they are clear."""
RENDERERS = {
    "duet": "as the stage is drawn live, at its best",
    "pyrender": "physically based, slow; also where only OSMesa draws; the extra film",
}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe it to the parser; ``follower`` is the usual one."""
    command = commands.add_parser(
        "film",
        help="draw a dance that is over: a film, a contact sheet",
        description="Draw a dance that is over, in good quality, as slowly as that takes.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("dance", type=Path, metavar="DANCE", help="a motion file, a recorded session or a take")
    command.add_argument("--out", type=Path, metavar="FILM.mp4", help="the film (.mov: transparent)")
    command.add_argument("--sheet", type=Path, metavar="FILE.png", help="a grid of moments, each framed closely")
    command.add_argument("--moments", type=int, default=12, metavar="N", help="on the sheet (default 12)")
    command.add_argument("--cell", default=_CELL, metavar="WxH", help=f"of each moment (default {_CELL})")
    command.add_argument("--beside", type=Path, metavar="DANCE", help="another dance, drawn beside it")
    command.add_argument(
        "--captions", metavar="NAME,NAME", help="at the foot of each dance (default, side by side: the files' names)"
    )
    command.add_argument(
        "--renderer", choices=RENDERERS, default="duet", help="; ".join(f"{n}: {s}" for n, s in RENDERERS.items())
    )
    command.add_argument("--music", type=Path, metavar="FILE", help="what was danced to, from session time 0 on")
    command.add_argument("--start", type=float, default=0.0, metavar="S", help="leave out what is before")
    command.add_argument("--seconds", type=float, metavar="N", help="at most so long")
    command.add_argument("--size", default="1280x720", metavar="WxH", help="of the film (default 1280x720)")
    command.add_argument("--fps", type=float, default=30.0, help="pictures a second (default 30)")
    command.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="of a recorded session")
    command.add_argument("--also", type=Path, metavar="DIR", help="the second follower of a recorded session of two")
    add_staging(command, window=False)
    command.set_defaults(run=_run)


@dataclass(frozen=True)
class Drawing:
    """What is drawn: ``dances`` side by side, ``seconds`` of each from ``start_s`` after its first frame on."""

    dances: "tuple[Dance, ...]"
    start_s: float
    seconds: float
    staging: Staging = Staging()
    beats: "Beats | None" = None
    """Of the music, from the first moment that is drawn."""
    captions: tuple[str, ...] = ()
    """Of each dance; none where there are none."""
    renderer: str = "duet"

    def states(self, after_s: float) -> "list[SceneState]":
        """The pictures ``after_s`` seconds after the first one drawn."""
        phase = self.beats.phase_at(after_s) if self.beats is not None else None
        return [dance.state(self.start_s + after_s, phase) for dance in self.dances]


def _run(arguments: argparse.Namespace) -> int:
    from ui.options import size_of

    _check(arguments)
    size = size_of(arguments.size)
    console = new_console(stderr=True)
    followers = arguments.follower, arguments.also
    dances = tuple(_read(path, followers, console) for path in (arguments.dance, arguments.beside) if path)
    natural_s = min(dance.seconds for dance in dances) - arguments.start
    if natural_s <= 0:
        raise InputError(f"--start: expected less than the dance's {natural_s + arguments.start:.1f} s, got more.")
    seconds = min(natural_s, arguments.seconds or natural_s)
    sound, beats = _heard(arguments.music, dances[0].start_s + arguments.start, seconds)
    drawing = Drawing(
        dances, arguments.start, seconds, staging_of(arguments), beats, _captions(arguments), arguments.renderer
    )
    if arguments.out is not None:
        write_film(arguments.out, drawing, size, arguments.fps, sound, console)
        console.print(f"Wrote {arguments.out}")
    if arguments.sheet is not None:
        write_sheet(arguments.sheet, drawing, arguments.moments, size_of(arguments.cell, "--cell"))
        console.print(f"Wrote {arguments.sheet}")
    return 0


def _captions(arguments: argparse.Namespace) -> tuple[str, ...]:
    """What stands under each dance. Raises ``InputError`` when it is not one for each."""
    dances = [path for path in (arguments.dance, arguments.beside) if path]
    if arguments.captions is None:
        return tuple(path.resolve().stem for path in dances) if len(dances) > 1 else ()
    captions = tuple(name.strip() for name in arguments.captions.split(","))
    if len(captions) != len(dances):
        raise InputError(f"--captions: expected {len(dances)} separated by commas, got {arguments.captions!r}.")
    return captions


def _check(arguments: argparse.Namespace) -> None:
    if arguments.out is None and arguments.sheet is None:
        raise InputError("duet film: expected --out FILM.mp4 or --sheet FILE.png, got neither. Add one.")
    from ui.drawing.film import CLEAR_SUFFIX

    clear = STAGES[arguments.stage].is_clear
    if arguments.out is not None and arguments.out.suffix.lower() == CLEAR_SUFFIX and not clear:
        raise InputError(
            f"{arguments.out}: expected --stage clear for a transparent film, got {arguments.stage}. Add it."
        )
    for path, suffixes in ((arguments.out, (".mp4", CLEAR_SUFFIX)), (arguments.sheet, (".png",))):
        if path is not None:
            if path.suffix.lower() not in suffixes:
                suffix = suffixes[0]
                raise InputError(f"{path}: expected a name ending in {suffix}, got '{path.suffix}'. Rename it.")
            check_writable(path)
    read = {"DANCE": arguments.dance, "--beside": arguments.beside, "--music": arguments.music}
    check_apart({"--out": arguments.out, "--sheet": arguments.sheet}, {**read, "--follower": arguments.follower})
    check_within("--moments", arguments.moments, 1, _MOST_MOMENTS)
    check_within("--fps", arguments.fps, 1.0, 240.0)
    if arguments.seconds is not None and not arguments.seconds > 0:
        raise InputError(f"--seconds: expected more than 0, got {arguments.seconds:g}.")
    if not arguments.start >= 0:
        raise InputError(f"--start: expected 0 or more, got {arguments.start:g}.")


def _read(path: Path, followers: tuple[Path, Path | None], console: "Console") -> "Dance":
    """``followers``: those of a recorded session."""
    from rich.text import Text

    from ui.drawing.dance import is_session, read_dance, replayed

    if path.is_dir() and not is_session(path):
        raise InputError(f"{path}: expected a recorded session, got another folder. Name what --record wrote.")
    if not path.is_dir():
        return read_dance(path)
    with console.status(Text(f"Dancing {path} again")) as status:
        return replayed(path, *followers, lambda at_s: status.update(Text(f"Dancing {path} again: {at_s:.0f} s")))


def _heard(
    music: Path | None, start_s: float, seconds: float
) -> "tuple[tuple[NDArray[np.float32], int] | None, Beats | None]":
    """The film's sound and its beats, both from the film's first moment on."""
    if music is None:
        return None, None
    from duet.music import RATE_HZ
    from duet.sound_file import load_sound
    from realtime.sound.sound_file import stereo
    from ui.drawing.dance import Beats

    samples = stereo(load_sound(music))
    # The tracker wants the music from its beginning, to be sure of it when the film begins.
    beats = Beats.of(samples[: round((start_s + seconds) * RATE_HZ)])
    return (samples[round(start_s * RATE_HZ) :], RATE_HZ), beats.later(start_s)


class Studio:
    """Draws the pictures of a ``Drawing``; use it as a context manager, on one thread.

    ``stills`` are framed each for itself, as near as the bodies allow; ``fine`` ones take four times as many samples.
    """

    def __init__(self, drawing: Drawing, size: tuple[int, int], *, stills: bool = False, fine: bool = False) -> None:
        from ui.drawing.pbr import PbrEngine, PbrScene
        from ui.drawing.scene import SMOOTHING_SAMPLES, Scene, create_headless_context

        self._drawing = drawing
        self._captions = drawing.captions or ("",) * len(drawing.dances)
        each, staging = (size[0] // len(drawing.dances), size[1]), drawing.staging
        self._scenes: list[Scene] | list[PbrScene]
        if drawing.renderer == "pyrender":
            engine = PbrEngine(each)
            self._scenes = [PbrScene(each, staging, engine, closes_in=stills) for _ in drawing.dances]
            self._release = engine.release
        else:
            context = create_headless_context()
            looks: dict[str, Any] = {"samples": SMOOTHING_SAMPLES, "rich": True, "finer": _FINER if fine else 1}
            self._scenes = [Scene(context, each, staging=staging, closes_in=stills, **looks) for _ in drawing.dances]
            self._release = context.release

    def picture(self, after_s: float, *, clear: bool = False) -> NDArray[np.uint8]:
        """(H, W, 3), or (H, W, 4) with its transparency, ``after_s`` seconds after the first one."""
        pictures = []
        for scene, state, words in zip(self._scenes, self._drawing.states(after_s), self._captions, strict=True):
            scene.draw(state)
            pictures.append(captioned(scene.read_clear() if clear else scene.read(), words))
        return np.concatenate(pictures, axis=1)

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *exception: object) -> None:
        self._release()


def write_film(
    path: Path,
    drawing: Drawing,
    size: tuple[int, int],
    fps: float,
    sound: tuple[NDArray[np.float32], int] | None,
    console: "Console",
) -> None:
    """A film of ``size`` and ``fps`` with a progress bar; ``sound`` begins with its first picture. Ctrl-C keeps, and
    tells, what was drawn."""
    from rich.progress import track

    from ui.drawing.film import CLEAR_SUFFIX, FilmWriter

    # Side by side, both halves are whole pixels and the film's width is even.
    count = len(drawing.dances)
    size = size[0] // (2 * count) * 2 * count, size[1]
    pictures = range(max(1, round(drawing.seconds * fps)))
    clear = path.suffix.lower() == CLEAR_SUFFIX
    drawn_s = 0.0
    try:
        with Studio(drawing, size, fine=clear) as studio, FilmWriter(path, size, fps, audio=sound) as film:
            for index in track(pictures, "Drawing", console=console, transient=True):
                film.write(studio.picture(index / fps, clear=clear), index / fps)
                drawn_s = (index + 1) / fps
    except KeyboardInterrupt:
        if drawn_s:
            console.print(f"{path} holds the first {drawn_s:.1f} of {drawing.seconds:.1f} s.", soft_wrap=True)
        raise


def write_sheet(path: Path, drawing: Drawing, moments: int, cell: tuple[int, int]) -> None:
    """A PNG of ``moments`` in a grid, read like a page, each dance ``cell`` large; transparent where the stage is."""
    from PIL import Image

    clear, wide = STAGES[drawing.staging.stage].is_clear, cell[0] * len(drawing.dances)
    with Studio(drawing, (wide, cell[1]), stills=True, fine=True) as studio:
        cells = [studio.picture(drawing.seconds * (k + 0.5) / moments, clear=clear) for k in range(moments)]
    with saved_whole(path, "the sheet") as unfinished:
        Image.fromarray(grid(cells)).save(unfinished, format="PNG")


def grid(cells: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures (H, W, C) in rows, as many in a row as make the whole about as wide as a page."""
    height, width = cells[0].shape[:2]
    columns = max(1, round((len(cells) * 1.6 * height / width) ** 0.5))
    blank = np.zeros_like(cells[0])
    rows = [cells[k : k + columns] for k in range(0, len(cells), columns)]
    return np.concatenate([np.concatenate([*row, *[blank] * (columns - len(row))], axis=1) for row in rows])
