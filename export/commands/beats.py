"""``duet-lab beats``: the live beat tracker beside others on the generated pieces.

Only here, never on stage: librosa hears each piece whole, before its first beat is asked for; aubio hears it as it
comes. Trackers that cannot be installed beside Duet listen in an environment of their own, or bring what they found in
a file.
"""

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from duet.beat_scores import amlt, announced, f_measure
from duet.beats import BeatTracker
from duet.errors import InputError
from duet.groove import Groove
from duet.pieces import Piece, piece_set, play
from export.commands.command_line import Commands, new_command

Track = Callable[[Piece, Groove], NDArray[np.float64]]
LIVE = "duet, live"
LIBROSA_HZ = 22_050
MORE = """\
F (70 ms) and AMLt (any metrical level) by style, after the first 5 s, as ``duet bench beats`` prints them for the live
tracker alone. aubio is asked through the interpreter of an environment that has it. Any other tracker is added by a
JSON file that maps the name of each piece to its beats in seconds; --write says where to put the pieces for it, as
16-bit WAV at 48 kHz.

  duet-lab beats
  duet-lab beats --seed 3 --style waltz
  duet-lab beats --write pieces
  duet-lab beats --also mine=mine.json
  python -m venv out/aubio && out/aubio/bin/pip install aubio && duet-lab beats --aubio out/aubio/bin/python
"""
AUBIO = """\
import json, sys
import aubio, numpy
rate, hop = int(sys.argv[1]), 512
samples = numpy.frombuffer(sys.stdin.buffer.read(), numpy.float32)
tempo, beats = aubio.tempo("default", 1024, hop, rate), []
for at in range(0, len(samples) - hop + 1, hop):
    if tempo(samples[at : at + hop])[0]:
        beats.append(float(tempo.get_last_s()))
print(json.dumps(beats))
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    command = new_command(
        commands, "beats", "Hold the beat tracker against others on music whose beats are known.", run, more=MORE
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the set (default 0)")
    command.add_argument("--style", metavar="NAME", help="only pieces of this style, such as salsa or 6/8")
    command.add_argument("--also", action="append", default=[], metavar="NAME=F", help="beats another tracker found")
    command.add_argument("--aubio", metavar="PYTHON", help="also let aubio listen: an interpreter that can import it")
    command.add_argument("--write", type=Path, metavar="DIR", help="write the pieces there and listen to nothing")
    command.set_defaults(stopped="Nothing was scored; pieces already played are kept.")


def run(options: argparse.Namespace, console: Console) -> int:
    """Do it."""
    pieces = _pieces(options)
    others = dict(_other(text, pieces) for text in options.also)
    track: dict[str, Track] = {LIVE: _live, "librosa, offline": _librosa} | others
    if options.aubio:
        track["aubio, live"] = _aubio(options.aubio)
    scores: dict[str, dict[str, list[tuple[float, float]]]] = {name: {} for name in track}
    if options.write is not None:
        options.write.mkdir(parents=True, exist_ok=True)
    with Progress(console=console, transient=True) as progress:
        for piece in progress.track(pieces, description="listening"):
            groove = play(piece)
            if options.write is not None:
                _write(options.write / f"{piece.name}.wav", groove)
                continue
            for name, listen in track.items():
                found = listen(piece, groove)
                both = f_measure(found, groove.beat_times_s), amlt(found, groove.beat_times_s)
                scores[name].setdefault(piece.style, []).append(both)
    if options.write is None:
        console.print(_table(scores))
    return 0


def _pieces(options: argparse.Namespace) -> list[Piece]:
    if options.seed < 0:
        raise InputError(f"--seed: expected 0 or more, got {options.seed}. Take another.")
    everything = piece_set(options.seed)
    pieces = [piece for piece in everything if options.style in (None, piece.style)]
    if not pieces:
        styles = ", ".join(dict.fromkeys(piece.style for piece in everything))
        raise InputError(f"--style: expected one of {styles}, got {options.style!r}. Choose one of these.")
    return pieces


def _live(_: Piece, groove: Groove) -> NDArray[np.float64]:
    return announced(BeatTracker(rate_hz=groove.rate_hz).push(groove.samples)).beats_s


def _librosa(_: Piece, groove: Groove) -> NDArray[np.float64]:
    """Ellis 2007, "Beat tracking by dynamic programming", over the whole piece."""
    import librosa

    low = librosa.resample(_one_channel(groove), orig_sr=groove.rate_hz, target_sr=LIBROSA_HZ, res_type="polyphase")
    return np.asarray(librosa.beat.beat_track(y=low, sr=LIBROSA_HZ, units="time")[1], dtype=np.float64)


def _aubio(python: str) -> Track:
    """Davies and Plumbley's causal tracker, as aubio does it, in a process of the interpreter ``python``."""

    def listen(_: Piece, groove: Groove) -> NDArray[np.float64]:
        sound = _one_channel(groove).astype(np.float32).tobytes()
        try:
            done = subprocess.run([python, "-c", AUBIO, str(groove.rate_hz)], input=sound, capture_output=True)
        except OSError as error:
            raise InputError(f"--aubio: expected a Python interpreter, got {error}. Name one.") from None
        if done.returncode:
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
            raise InputError(f"--aubio: expected an interpreter that imports aubio, got {said!r}. Install it there.")
        return np.array(json.loads(done.stdout), dtype=np.float64)

    return listen


def _one_channel(groove: Groove) -> NDArray[np.floating]:
    return groove.samples if groove.samples.ndim == 1 else groove.samples.mean(axis=1)


def _other(text: str, pieces: list[Piece]) -> tuple[str, Track]:
    """A tracker's name and what it found, from ``NAME=FILE``; InputError unless it knows every piece."""
    name, _, path = text.partition("=")
    wanted = 'a JSON file such as {"waltz-90.0-steady-60": [0.31, 0.98]}'
    if not name or not path:
        raise InputError(f"--also: expected NAME=FILE, got {text!r}. Write it so, such as mine=mine.json.")
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        beats_s = {piece.name: np.sort(np.asarray(found[piece.name], dtype=np.float64).ravel()) for piece in pieces}
    except KeyError as error:
        raise InputError(f"{path}: expected beats of every piece, got none of {error}. Track it, too.") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: expected {wanted}, got: {error}. Write it so.") from error
    return name, lambda piece, _: beats_s[piece.name]


def _write(path: Path, groove: Groove) -> None:
    """Keep the sound of a piece, whole or not at all."""
    from scipy.io import wavfile

    part = path.with_suffix(".wav.part")
    wavfile.write(part, groove.rate_hz, np.round(_one_channel(groove) * 32767.0).astype(np.int16))
    part.replace(path)


def _table(scores: dict[str, dict[str, list[tuple[float, float]]]]) -> Table:
    """One row per style and one of all, two columns per tracker."""
    table = Table(box=None, pad_edge=False)
    table.add_column("music", no_wrap=True)
    for name in scores:
        table.add_column(f"{name}: F", justify="right")
        table.add_column("AMLt", justify="right")
    styles = next(iter(scores.values()))
    for style in (*styles, "all"):
        cells = []
        for found in scores.values():
            own = [pair for name, pairs in found.items() if style in (name, "all") for pair in pairs]
            cells += [f"{value:.3f}" for value in np.mean(own, axis=0)]
        table.add_row(style, *cells)
    return table
