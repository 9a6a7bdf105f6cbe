"""What is in a film, for tests that have one written."""

from dataclasses import dataclass
from pathlib import Path

import av


@dataclass(frozen=True)
class FilmFacts:
    """What a finished film holds."""

    size: tuple[int, int]
    pictures: int
    seconds: float
    """From the first picture's time to the last one's."""
    audio_seconds: float
    """0 without sound."""
    video_codec: str


def read_back(path: Path) -> FilmFacts:
    """Decode a film to its end."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        size, codec = (video.width, video.height), video.codec_context.name
        times = [frame.time for frame in container.decode(video=0) if frame.time is not None]
    with av.open(str(path)) as container:
        blocks = container.decode(audio=0) if container.streams.audio else ()
        sound_s = sum(block.samples / block.sample_rate for block in blocks)
    return FilmFacts(size, len(times), times[-1] - times[0] if times else 0.0, float(sound_s), codec)
