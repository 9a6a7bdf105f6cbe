"""Pictures and sound beside a recorded session, where they were asked for; and saying so."""

from rich.console import Console

from duet.clock import MonotonicClock
from realtime.sessions.media import SIGHT_FILE, SOUND_FILE, MediaWriter
from realtime.sight.preview import Sight, SightCell
from ui.options import Output
from ui.sources import Sources


def open_media(output: Output, sources: Sources, clock: MonotonicClock, console: Console) -> MediaWriter | None:
    """Begin to write them; None where nobody asked. InputError where the folder holds some already."""
    if output.record is None or not output.record_media:
        return None
    cell = SightCell(sources.sight_name)

    def sight() -> Sight | None:
        record = cell.latest(sources.sight_name or "")
        return None if record is None else Sight.of_record(record)

    media = MediaWriter(output.record, clock, sight, done=cell.close)
    sources.music.tap = media.hear
    media.start()
    console.print(
        f"Recording what the camera sees and what is heard, in {output.record}: {SIGHT_FILE}, {SOUND_FILE}. "
        "Tell whoever is there."
    )
    return media
