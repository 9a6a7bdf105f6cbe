"""One performance, wired: inputs -> conductor -> playout -> picture, until it ends; then what was asked to be kept.

Threading: the main thread looks after the show; the conductor, its engine and the ear have a thread each; picture,
camera and sound devices have processes of their own (``realtime.topology`` has them all). Everything is opened and
warmed up before the session clock starts.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from duet.clock import MonotonicClock
from duet.contract import FollowerContract
from duet.errors import DuetError, InputError
from duet.features import Placement, Standing, partner_standing
from duet.files import check_writable
from duet.kinematics import heading_yaw
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from duet.skeleton import BODY
from realtime.commands import CommandInbox
from realtime.conductor import Conductor, Wishes
from realtime.guards import GuardedLeader, GuardedMusic, Told
from realtime.health import Health
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from realtime.priority import Undisturbed
from realtime.service import Service
from realtime.sessions.session import Recording
from realtime.sessions.session_file import check_new
from realtime.supervisor import Pulse
from ui.controls import OWN_STYLE, Controls
from ui.drawing.picture import PictureTask
from ui.drawing.picture_port import PicturePort
from ui.options import Output
from ui.panel.desk import Desk, open_desk
from ui.panel.facts import Panel
from ui.partners import Partners, open_partners
from ui.recorded_media import open_media
from ui.report import make_report, this_machine, write_report
from ui.sources import Sources, SourcesMaker
from ui.tempo_inputs import TempoInput, open_tempo_input
from ui.watched import begin_watch

_LOOK_S = 1.0 / 60.0
"""Between two looks at keys, leader and processes."""
_GARBAGE_S = 60.0
_HUNG_S = 2.0
"""Without a tick for so long, the conductor hangs; a service's watchdog is asked to begin the show anew."""


def has_display() -> bool:
    """Whether a window can be opened: always on macOS and Windows, with a display server on Linux."""
    if platform.system() != "Linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@dataclass
class _Show:
    """Everything a running performance consists of."""

    contract: FollowerContract
    clock: MonotonicClock
    conductor: Conductor
    sources: Sources
    picture: PicturePort
    health: Health
    seconds: float | None
    panel: Panel
    commands: CommandInbox
    desk: Desk
    pulse: Pulse = field(default_factory=Pulse)
    """Of the conductor, which beats with each tick."""

    @property
    def controls(self) -> Controls:
        """What the performer sets."""
        return self.panel.controls


def perform(
    make_sources: SourcesMaker,
    output: Output,
    health: Health | None = None,
    begun: Callable[[Conductor], None] = lambda _: None,
) -> int:
    """Run a performance to its end; returns the exit code. Ctrl-C ends it early and keeps what there is.

    ``health`` takes what is measured, for who wants to look at it afterwards; ``begun`` is given the conductor before
    its first tick, for who wants to look meanwhile.
    """
    _check(output)
    console = Console(stderr=True)
    health = health or Health()
    with ExitStack() as stack:
        partners, slow = open_partners(output, console)
        runner = partners.runner
        with console.status("Opening leader and music"):
            sources = make_sources(health)
            stack.callback(sources.leader.stop)
            stack.callback(sources.music.stop)
            giver, tempo = open_tempo_input(output.tempo, sources.music.override, sources.cues.call) or ("", None)
            if tempo is not None:
                stack.callback(tempo.stop)
        if slow:
            console.print(slow)
        seconds = _shorter(output.seconds, sources.seconds)
        _check_film(output, sources, seconds, console)
        picture = stack.enter_context(_picture(output, sources, seconds, health, console))
        log = MotionLog(runner.contract.fps) if output.motion else None
        panel = _panel(sources, output, runner.contract, giver)
        desk = stack.enter_context(open_desk(output, sources, panel, health))
        show = _assemble(partners, sources, picture, output, health, seconds, log, desk)
        stack.callback(begin_watch(show.conductor, panel, show.clock, output.log).stop)
        recorded = _record(stack, show, output, console)
        stack.callback(show.conductor.engine.close)
        begun(show.conductor)
        interrupted = _run(show, console, tempo)
        elapsed = show.clock.now() if seconds is None else min(show.clock.now(), seconds)
        _finish(show, elapsed, console)
    _keep(show, output, log, elapsed)
    _tell(console, show, output, elapsed)
    for said in recorded():
        console.print(said)
    return 130 if interrupted else 0


def _check(output: Output) -> None:
    if output.headless and not (output.film or output.motion or output.report or output.record or output.log):
        raise InputError(
            "--headless: expected something to keep, got neither --out, --save-motion, --record, --report nor --log. "
            "Add --out FILM.mp4."
        )
    if not output.headless and not has_display():
        raise InputError(
            "Window: expected a display, got none. Add --headless --out FILM.mp4, or start from a desktop."
        )
    asked = [p for p in (output.film if output.headless else None, output.motion, output.report) if p is not None]
    if len({p.resolve() for p in asked}) < len(asked):
        raise InputError(f"{asked[0]}: expected a file for each output, got one for two. Give them different names.")
    for path, suffix in ((output.film, ".mp4"), (output.motion, ".npz")):
        if path is not None and path.suffix.lower() != suffix:
            raise InputError(f"{path}: expected a name ending in {suffix}, got '{path.suffix}'. Rename it.")
    for path in asked:
        check_writable(path)
    if output.log is not None:
        check_writable(output.log)
    if output.record is not None:
        check_new(output.record)


def _check_film(output: Output, sources: Sources, seconds: float | None, console: Console) -> None:
    """A film has a length and, where it can, a sound; say so when not."""
    if output.film is None or not output.headless:
        return
    if seconds is None:
        raise InputError("--seconds: expected a length for the film of a live leader, got none. Add --seconds N.")
    if sources.soundtrack(seconds) is None:
        console.print("The film will have no sound: only music from a file is written into one.")


def _shorter(asked: float | None, natural: float | None) -> float | None:
    given = [s for s in (asked, natural) if s is not None]
    return min(given) if given else None


@contextmanager
def _picture(
    output: Output, sources: Sources, seconds: float | None, health: Health, console: Console
) -> Iterator[PicturePort]:
    """A window, or a picture without one that may be written as a film, in a process of its own."""
    film = output.film if output.headless else None
    sound = sources.soundtrack(seconds) if film is not None and seconds is not None else None
    sight_name = sources.sight_name
    task = PictureTask(
        output.size,
        output.fps,
        output.headless,
        film,
        sound,
        seconds,
        sight_name,
        output.staging,
        output.display_lead_s,
    )
    picture = PicturePort(task, health)
    try:
        with console.status("Opening the picture"):
            picture.open()
        yield picture
    finally:
        picture.close()


def _finish(show: _Show, elapsed: float, console: Console) -> None:
    """Complete the film."""
    with console.status("Finishing the picture"):
        try:
            show.picture.finish(elapsed)
        except KeyboardInterrupt:
            # It ends the evening, not the film of it.
            show.picture.finish(elapsed)
            raise


def _assemble(
    partners: Partners,
    sources: Sources,
    picture: PicturePort,
    output: Output,
    health: Health,
    seconds: float | None,
    log: MotionLog | None,
    desk: Desk,
) -> _Show:
    runner, panel = partners.runner, desk.panel
    contract = runner.contract
    clock = MonotonicClock()
    placement = panel.controls.placement
    commands = sources.commands
    conductor = Conductor(
        contract,
        partners.engine(health),
        GuardedLeader(sources.leader, health),
        GuardedMusic(sources.music, health),
        Playout(contract.timeline, _first_place(sources, placement), picture.tell_line),
        clock,
        Wishes(placement, style=output.style_token(contract)),
        health,
        seed=output.seed,
        law=partners.law,
        also=partners.also,
        display_lead_s=output.display_lead_s,
        log=log,
        forecaster=runner.forecaster,
        commands=commands,
    )
    return _Show(contract, clock, conductor, sources, picture, health, seconds, panel, commands, desk)


def _record(stack: ExitStack, show: _Show, output: Output, console: Console) -> Callable[[], list[str]]:
    """Record what was asked for until ``stack`` ends; what there is to say of it then."""
    recording = None if output.record is None else Recording(output.record, show.conductor)
    if recording is not None:
        stack.callback(recording.close)
    media = open_media(output, show.sources, show.clock, console)
    if media is not None:
        stack.callback(media.stop)

    def said() -> list[str]:
        session = [] if recording is None else [recording.failure or f"Recorded {recording.path}"]
        return session if media is None or not media.failure else [*session, media.failure]

    return said


def _panel(sources: Sources, output: Output, contract: FollowerContract, giver: str) -> Panel:
    """What the performer sets and is told; ``giver`` of the beat, where it comes from outside."""
    controls = Controls(
        sources.leader,
        sources.music.override,
        Placement(output.distance_m or sources.distance_m or contract.distance_m),
        metre=output.tempo.metre,
        show_preview=sources.sight is not None,
        has_preview=sources.sight_name is not None,
        keep=sources.keep,
        staging=output.staging,
        styles=output.style_tokens(contract),
        style=output.style or OWN_STYLE,
        devices=sources.devices,
    )
    return Panel(
        contract,
        controls,
        giver,
        sources.notes,
        sources.camera_trouble,
        sources.sound_trouble,
        sources.sound_level,
        sight_name=lambda: sources.sight_name or "",
    )


def _first_place(sources: Sources, placement: Placement) -> Standing:
    """Where the follower waits: before a leader who is known already, else before the middle of the stage."""
    leader = sources.leader.shown(0.0)
    if leader is None:
        here = Standing(np.zeros(3), 0.0)
    else:
        here = Standing(leader.root_m.astype(np.float64), float(heading_yaw(BODY, leader.joints_m)))
    return partner_standing(here, placement, RELAXED_PELVIS_HEIGHT_M)


def _run(show: _Show, console: Console, tempo: TempoInput | None) -> bool:
    """Conduct on a thread, look after the show on this one; True when interrupted by the user."""
    stopping = threading.Event()
    failure: list[BaseException] = []

    def is_over() -> bool:
        show.pulse.beat()
        return stopping.is_set()

    def conduct() -> None:
        try:
            show.conductor.run(is_over)
        except Exception as error:  # raised again on the main thread, below
            failure.append(error)
            stopping.set()

    thread = threading.Thread(target=conduct, name="duet-conductor", daemon=True)
    interrupted = False
    try:
        show.sources.begin(show.clock, show.health)
        if tempo is not None:
            tempo.start(show.clock)
        music = show.sources.played
        if music is not None and music.played.unheard_because:
            console.print(f"The music plays unheard until there is a sound output. {music.played.unheard_because}")
        with Undisturbed() as undisturbed:
            thread.start()
            show.picture.begin(show.clock.epoch_s)
            show.desk.begin(show.clock)
            _look_after(show, stopping, console, undisturbed)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        stopping.set()
        Service().stopping()
        if thread.is_alive():
            thread.join(timeout=5.0)
    if failure:
        if isinstance(failure[0], DuetError):
            raise failure[0]
        raise DuetError(f"Conductor: expected to go on, got {failure[0]!r}. Please report this.") from failure[0]
    return interrupted


def _look_after(show: _Show, stopping: threading.Event, console: Console, undisturbed: Undisturbed) -> None:
    """Tell the picture what there is, do what keys ask for, and keep everything going, until the end."""
    told_s, garbage_s, service = 0.0, _GARBAGE_S, Service()
    hung = Told(show.health, "conductor_hangs")
    service.ready()
    with console.status("Dancing: Ctrl-C to stop") as status:
        while not stopping.wait(_LOOK_S) and not show.picture.is_closed:
            now = show.clock.now()
            if show.seconds is not None and now >= show.seconds:
                return
            _press_keys(show)
            show.sources.cues.look(now)
            _tell_picture(show, now)
            show.desk.tell(now, show.conductor)
            show.picture.look()
            lives = show.pulse.look(time.monotonic()) < _HUNG_S
            if not lives:
                service.hung()
            if now >= told_s:
                told_s, line = now + 1.0, _status_line(show, now)
                status.update(line)
                hung.see("" if lives else f"conductor: no sign of life for {_HUNG_S:g} s")
                if lives:
                    service.alive(line)
            if now >= garbage_s:
                garbage_s = now + _GARBAGE_S
                undisturbed.take_out()


def _press_keys(show: _Show) -> None:
    """Do what keys, panel and knobs ask for, each as of the moment it came."""
    for key, monotonic_s in show.picture.take_keys():
        show.controls.press(key, monotonic_s - show.clock.epoch_s)
    show.desk.take(show.clock)
    asked, show.controls.asked = show.controls.asked, []
    for command in asked:
        show.commands.ask(command)


def _tell_picture(show: _Show, now: float) -> None:
    """Leader and panel as of now; of a recorded leader the next frame, which is drawn when its time comes."""
    leader = show.sources.leader.shown(now + 1.0 / show.contract.fps + show.conductor.display_lead_s)
    if leader is not None:
        show.picture.tell_leader(leader)
    says = show.sources.says()
    facts = show.panel.facts(now, show.conductor.glance, is_led=leader is not None or bool(says))
    show.picture.tell_facts(now, replace(facts, message=facts.message or says))


def _status_line(show: _Show, time_s: float) -> str:
    glance = show.conductor.glance
    music = f"{glance.music.tempo_bpm:.0f} bpm" if glance.music and glance.music.confidence > 0.3 else "no beat"
    music += f" ({show.panel.giver})" if show.panel.giver else ""
    leader = glance.leader.status.value if glance.leader else "nobody yet"
    total = f" of {show.seconds:.0f}" if show.seconds else ""
    return f"Dancing {time_s:.0f}{total} s · leader {leader} · {music} · tick {glance.tick_ms:.0f} ms · Ctrl-C to stop"


def _keep(show: _Show, output: Output, log: MotionLog | None, elapsed: float) -> None:
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


def _tell(console: Console, show: _Show, output: Output, elapsed: float) -> None:
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
