"""What was asked to be kept of a performance: recorded while it goes on, written and told when it is over."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from duet.errors import DuetError
from realtime.motion_log import MotionLog
from realtime.sessions.session import Recording
from ui.ending import Ending
from ui.options import Output
from ui.recorded_media import open_media
from ui.report import make_report, this_machine, write_report
from ui.show import Show


def record(ending: Ending, show: Show, output: Output, console: Console) -> Callable[[], list[str]]:
    """Record what was asked for until ``ending``; what there is to say of it then."""
    recording = None if output.record is None else Recording(output.record, show.conductor)
    if recording is not None:
        ending.of("session", recording.close)
    media = open_media(output, show.sources, show.clock, console)
    if media is not None:
        ending.of("media", media.stop)

    def said() -> list[str]:
        session = [] if recording is None else [recording.failure or f"Recorded {recording.path}"]
        return session if media is None or not media.failure else [*session, media.failure]

    return said


def finish_picture(show: Show, elapsed: float, console: Console) -> None:
    """Complete the film."""
    with console.status("Finishing the picture"):
        try:
            show.picture.finish(elapsed)
        except KeyboardInterrupt:
            # It ends the evening, not the film of it.
            show.picture.finish(elapsed)
            raise


def keep(show: Show, output: Output, log: MotionLog | None, elapsed: float) -> None:
    """Write what was asked for; what cannot be written does not keep the rest from it."""
    failure: DuetError | None = None
    if log is not None and output.motion is not None:
        try:
            log.save(output.motion)
        except DuetError as error:
            failure = error
    if output.report is not None:
        report = make_report(
            show.health,
            this_machine(show.picture.renderer),
            show.contract,
            seconds=elapsed,
            sources=show.sources.names,
        )
        write_report(output.report, report)
    if failure is not None:
        raise failure


def tell(show: Show, output: Output, elapsed: float, console: Console) -> None:
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
        console.print(f"The tracking process stopped and was started again {restarts} times.")
    if restarts := health.counter("picture_restarts"):
        console.print(f"The drawing process stopped and was started again {restarts} times.")
        if output.headless and output.film is not None:
            console.print(f"The film has no pictures before {show.picture.lost_until_s:.1f} s.")
    asked = (output.film if output.headless else None, output.motion, output.report, output.log)
    kept: list[Path] = [path for path in asked if path]
    for path in kept:
        console.print(f"Wrote {path}")
