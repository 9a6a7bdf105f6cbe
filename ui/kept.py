"""What was asked to be kept of a performance: recorded while it goes on, written and told when it is over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console

from duet.errors import DuetError, PictureError
from realtime.motion_log import MotionLog
from realtime.sessions.session import Recording
from ui.ending import Ending
from ui.options import Output
from ui.recorded_media import open_media
from ui.report import make_report, this_machine, write_report
from ui.show import Show
from ui.words import times


class Writer(Protocol):
    """Whatever writes while it dances."""

    @property
    def failure(self) -> str:
        """Why nothing is written any more, as a sentence; "" while all is well."""
        ...


@dataclass
class Kept:
    """What there is of a performance by now, and what was lost.

    ``troubles`` may be asked from any thread; everything else belongs to the one that looks after the show.
    """

    failures: list[DuetError] = field(default_factory=list)
    """Of a dance that broke off, and of files that were asked for and are not there."""
    _told: list[str] = field(default_factory=list)
    _writers: list[tuple[Writer, str]] = field(default_factory=list)

    def watch(self, writer: Writer, told: str = "") -> None:
        """From now on ``writer`` writes; ``told`` is said at the end of one that wrote to its end."""
        self._writers.append((writer, told))

    def troubles(self) -> tuple[str, ...]:
        """What is not written any more, while it dances."""
        return tuple(writer.failure for writer, _ in self._writers if writer.failure)

    @contextmanager
    def file(self, path: Path) -> Iterator[None]:
        """Within it ``path`` is written; where it cannot be, the rest is kept all the same."""
        try:
            yield
        except DuetError as error:
            self.failures.append(error)
        else:
            self._told.append(f"Wrote {path}")

    def say(self, sentence: str) -> None:
        """Have it said at the end, with what there is."""
        self._told.append(sentence)

    def told(self) -> list[str]:
        """A sentence for everything that is there, and for what ended early."""
        return [*self._told, *(said for writer, told in self._writers if (said := writer.failure or told))]

    def check(self, console: Console) -> None:
        """Raise the first of ``failures``; say the others."""
        for failure in self.failures[1:]:
            console.print(str(failure), soft_wrap=True)
        if self.failures:
            raise self.failures[0]


def record(ending: Ending, show: Show, output: Output, kept: Kept, console: Console) -> None:
    """Record what was asked for until ``ending``."""
    if output.record is not None:
        recording = Recording(output.record, show.conductor, show.runtime)
        ending.of("session", recording.close)
        kept.watch(recording, f"Recorded {recording.path}")
    media = open_media(output, show.sources, show.clock, console)
    if media is not None:
        ending.of("media", media.stop)
        kept.watch(media)


def finish_picture(show: Show, output: Output, elapsed: float, kept: Kept, console: Console) -> bool:
    """Complete the film, where one is written; whether Ctrl-C came meanwhile.

    Who presses it again and again loses the film, and nothing else of what is kept.
    """
    film = output.film if output.headless else None

    def finish() -> None:
        with nullcontext() if film is None else kept.file(film):
            show.picture.finish(elapsed)

    with console.status("Finishing the picture"):
        try:
            return _whole(finish)
        except KeyboardInterrupt:
            show.picture.close()
            if film is not None:
                kept.failures.append(
                    PictureError(
                        f"{film}: expected a whole film, got Ctrl-C before its end was written. Wait for it next time."
                    )
                )
            return True


def keep(show: Show, output: Output, log: MotionLog | None, elapsed: float, kept: Kept) -> bool:
    """Write what is written at the end; whether Ctrl-C came meanwhile."""

    def write_motion() -> None:
        if log is None or output.motion is None:
            return
        if unwritten := nothing_danced(log, output.motion):
            kept.say(unwritten)
            return
        with kept.file(output.motion):
            log.save(output.motion)

    def report() -> None:
        if output.report is not None:
            with kept.file(output.report):
                machine, names = this_machine(show.picture.renderer), show.sources.names
                write_report(
                    output.report, make_report(show.health, machine, show.contract, seconds=elapsed, sources=names)
                )

    # Both, whatever came meanwhile.
    return any([_whole(write_motion), _whole(report)])


def nothing_danced(log: MotionLog, *paths: Path) -> str:
    """Why none of ``paths`` is written: ``log`` holds nothing, and what an earlier evening left there is worth more.
    "" where there is a moment with both dancers in it."""
    if not log.is_empty:
        return ""
    names = " and ".join(map(str, paths))
    return f"Wrote no {names}: at no moment were both dancers there. What was there before stays."


def _whole(work: Callable[[], None]) -> bool:
    """Do it to its end; whether Ctrl-C came meanwhile: that ends the evening, not what is kept of it."""
    try:
        work()
    except KeyboardInterrupt:
        work()
        return True
    return False


def tell(show: Show, kept: Kept, elapsed: float, console: Console) -> None:
    """Say how it went, and what there is of it."""
    health, tick = show.health, show.health.stages()["tick"]
    gap = health.stages()["gap"]
    fps = health.counter("drawn_frames") / max(elapsed, 1e-6)
    console.print(
        f"Danced {elapsed:.1f} s: {health.counter('ticks')} ticks ({health.counter('late_ticks')} late), "
        f"{tick.p50_ms:.0f} ms each (p99 {tick.p99_ms:.0f}), {fps:.0f} pictures a second, "
        f"{gap.p50_ms:.0f} ms apart (p99 {gap.p99_ms:.0f})."
    )
    if not health.counter("ticks"):
        console.print("No leader was seen: stand so that the camera sees the whole body, in good light.")
    if restarts := health.counter("tracker_restarts"):
        console.print(f"The tracking process stopped and was started again {times(restarts)}.")
    if restarts := health.counter("picture_restarts"):
        console.print(f"The drawing process stopped and was started again {times(restarts)}.")
        if show.picture.has_film:
            console.print(f"The film has no pictures before {show.picture.lost_until_s:.1f} s.")
    for said in kept.told():
        console.print(said, soft_wrap=True)
