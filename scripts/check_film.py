"""Check that a film shows a dance with sound: ``python scripts/check_film.py FILM --seconds N [--min-fps 15]``.

Exits 0 with one line of what it found, 1 with one sentence on what is wrong.
"""

import argparse
import sys
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

SIZE = (160, 90)
"""Frames are compared in this size, in grey."""
TOLERANCE = 0.1
"""Share by which picture and sound may be longer or shorter than asked."""
SILENCE_DBFS = -60.0
BLACK = 8.0
"""A frame whose mean grey (0 to 255) is below this is black."""
PLAIN = 2.0
"""A frame whose grey values deviate by less than this shows nothing."""
STILL = 0.02
"""Grey levels of mean change from frame to frame below which nobody moves."""


class Unfit(Exception):
    """The film is not what it should be; the message is the sentence to print."""


def main(argv: list[str] | None = None) -> int:
    """Check the film the arguments name; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check that a film shows a dance with sound.")
    parser.add_argument("film", type=Path)
    parser.add_argument("--seconds", type=float, required=True, help="how long the film should be")
    parser.add_argument("--min-fps", type=float, default=15.0, help="fewest pictures a second (default 15)")
    arguments = parser.parse_args(argv)
    try:
        print(f"{arguments.film}: {check(arguments.film, arguments.seconds, arguments.min_fps)}")
    except Unfit as error:
        print(f"{arguments.film}: {error}", file=sys.stderr)
        return 1
    return 0


def check(film: Path, seconds: float, min_fps: float) -> str:
    """One line on a good film; raises Unfit for any other."""
    if not film.is_file():
        raise Unfit("expected a film, got no such file.")
    try:
        times, pictures = read_pictures(film)
        sound, rate = read_sound(film)
    except (FFmpegError, OSError) as error:
        raise Unfit(f"expected a film that decodes, got {error}.") from error
    frame_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    picture_s = float(times[-1] - times[0]) + frame_s if len(times) else 0.0
    sound_s = len(sound) / rate
    for name, got in (("picture", picture_s), ("sound", sound_s)):
        if abs(got - seconds) > TOLERANCE * seconds:
            raise Unfit(f"expected {seconds:g} s of {name}, got {got:.2f} s.")
    fps = len(times) / picture_s
    if fps < min_fps:
        raise Unfit(f"expected at least {min_fps:g} pictures a second, got {fps:.1f}.")
    change = check_pictures(pictures, round(picture_s))
    loudness = check_sound(sound, rate)
    return f"{picture_s:.1f} s, {fps:.1f} fps, change {change:.2f} grey levels a frame, sound {loudness:.0f} dBFS"


def read_pictures(film: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) in seconds and small grey pictures (T, H, W) of the film's first video stream."""
    times: list[float] = []
    pictures: list[np.ndarray] = []
    with av.open(str(film)) as container:
        if not container.streams.video:
            raise Unfit("expected a picture, got no video stream.")
        for frame in container.decode(video=0):
            times.append(float(frame.time or 0.0))
            pictures.append(frame.reformat(*SIZE, format="gray").to_ndarray())
    return np.array(times), np.array(pictures, dtype=np.float32).reshape(-1, SIZE[1], SIZE[0])


def read_sound(film: Path) -> tuple[np.ndarray, int]:
    """Samples (N,) in [-1, 1], one channel, and their rate."""
    with av.open(str(film)) as container:
        if not container.streams.audio:
            raise Unfit("expected sound, got no audio stream.")
        resampler = av.AudioResampler(format="flt", layout="mono")
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        rate = container.streams.audio[0].rate
    return np.concatenate([f.to_ndarray().ravel() for f in frames] or [np.zeros(0, np.float32)]), rate


def check_pictures(pictures: np.ndarray, seconds: int) -> float:
    """Mean change from frame to frame in grey levels; raises Unfit for black, plain or still pictures."""
    black = np.mean(pictures.mean(axis=(1, 2)) < BLACK)
    if black > TOLERANCE:
        raise Unfit(f"expected pictures, got {100 * black:.0f} % black ones.")
    plain = np.mean(pictures.std(axis=(1, 2)) < PLAIN)
    if plain > TOLERANCE:
        raise Unfit(f"expected pictures of something, got {100 * plain:.0f} % of a single colour.")
    change = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2))
    # A film that hangs is no dance, however lively the rest.
    each_second = [part.mean() for part in np.array_split(change, max(1, seconds))]
    if (hangs := sum(level < STILL for level in each_second)) > TOLERANCE * len(each_second):
        raise Unfit(f"expected motion, got pictures all alike in {hangs} of {len(each_second)} seconds.")
    return float(change.mean())


def check_sound(sound: np.ndarray, rate: int) -> float:
    """Loudness in dBFS; raises Unfit for silence in more than a few seconds."""
    loudness = [_dbfs(part) for part in np.array_split(sound, max(1, len(sound) // rate))]
    if (silent := sum(level < SILENCE_DBFS for level in loudness)) > TOLERANCE * len(loudness):
        raise Unfit(f"expected music, got silence in {silent} of {len(loudness)} seconds.")
    return _dbfs(sound)


def _dbfs(sound: np.ndarray) -> float:
    return float(10.0 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))


if __name__ == "__main__":
    sys.exit(main())
