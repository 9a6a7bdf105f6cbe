"""One performance, wired: inputs -> conductor -> playout -> picture, until it ends; then what was asked to be kept.

Threading: the main thread looks after the show; the conductor, its engine and the ear have a thread each; picture,
camera and sound devices have processes of their own (``realtime.topology`` has them all). Everything is opened and
warmed up before the session clock starts.
"""

from collections.abc import Callable

import numpy as np
from rich.console import Console

from duet.clock import MonotonicClock
from duet.contract import FollowerContract
from duet.errors import DuetError
from duet.features import Placement, Standing, partner_standing
from duet.kinematics import heading_yaw
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from duet.skeleton import BODY
from duet.terminal import new_console
from realtime.conductor import Conductor
from realtime.feed_watch import WatchedLeader, WatchedMusic
from realtime.guards import DrawnLeader, GuardedMusic
from realtime.health import Health
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from realtime.wishes import Wishes
from ui.asked import check_asked, check_film, shorter
from ui.controls import OWN_STYLE, Controls
from ui.drawing.picture import PictureTask
from ui.drawing.picture_port import PicturePort
from ui.ending import Ending
from ui.kept import Kept, finish_picture, keep, record, tell
from ui.looking_after import conduct
from ui.options import Output
from ui.panel.desk import Desk, open_desk
from ui.panel.facts import Panel
from ui.partners import Partners, open_partners
from ui.show import Show
from ui.sources import Sources, SourcesMaker
from ui.tempo_inputs import TempoInput, open_tempo_input
from ui.watched import begin_watch


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
    check_asked(output)
    console = new_console(stderr=True)
    health, kept = health or Health(), Kept()
    with Ending() as ending:
        partners, slow = open_partners(output, console)
        contract = partners.runner.contract
        sources, giver, tempo = _open_inputs(make_sources, output, health, ending, console)
        if slow:
            console.print(slow)
        seconds = shorter(output.seconds, sources.seconds)
        check_film(output, sources, seconds, console)
        picture = _open_picture(output, sources, seconds, health, ending, console)
        log = MotionLog(contract.fps) if output.motion else None
        panel = _panel(sources, output, contract, giver, kept)
        desk = open_desk(output, sources, panel, health)
        ending.of("desk", desk.close)
        show = _assemble(partners, sources, picture, output, health, seconds, log, desk)
        ending.of("engine", show.conductor.engine.close)
        ending.of("watch", begin_watch(show.conductor, panel, show.clock, output.log, kept).stop)
        record(ending, show, output, kept, console)
        begun(show.conductor)
        interrupted = _conducted(show, console, tempo, kept)
        elapsed = show.clock.now() if seconds is None else min(show.clock.now(), seconds)
        interrupted |= finish_picture(show, output, elapsed, kept, console)
        interrupted |= keep(show, output, log, elapsed, kept)
    tell(show, kept, elapsed, console)
    kept.check(console)
    return 130 if interrupted else 0


def _conducted(show: Show, console: Console, tempo: TempoInput | None, kept: Kept) -> bool:
    """Whether it was interrupted. What breaks the dance off does not take with it what was danced until then."""
    try:
        return conduct(show, console, tempo)
    except KeyboardInterrupt:
        # It came while the conductor was being stopped.
        return True
    except DuetError as error:
        if not show.health.counter("ticks"):
            # Nothing was danced: nothing takes the place of an earlier evening's files.
            raise
        kept.failures.append(error)
        return False


def _open_inputs(
    make_sources: SourcesMaker, output: Output, health: Health, ending: Ending, console: Console
) -> tuple[Sources, str, TempoInput | None]:
    """Leader and music; who gives the beat, and by what port, where it comes from outside."""
    with console.status("Opening leader and music"):
        sources = make_sources(health)
        ending.of("leader", sources.leader.stop)
        ending.of("music", sources.music.stop)
        giver, tempo = open_tempo_input(output.tempo, sources.music.override, sources.cues.call) or ("", None)
        if tempo is not None:
            ending.of("tempo", tempo.stop)
    return sources, giver, tempo


def _open_picture(
    output: Output, sources: Sources, seconds: float | None, health: Health, ending: Ending, console: Console
) -> PicturePort:
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
        output.ends_twice,
    )
    picture = PicturePort(task, health)
    ending.of("picture", picture.close)
    with console.status("Opening the picture"):
        picture.open()
    return picture


def _assemble(
    partners: Partners,
    sources: Sources,
    picture: PicturePort,
    output: Output,
    health: Health,
    seconds: float | None,
    log: MotionLog | None,
    desk: Desk,
) -> Show:
    runner, panel = partners.runner, desk.panel
    contract = runner.contract
    clock, engine, leader = MonotonicClock(), partners.engine(health), DrawnLeader(sources.leader, health)
    placement = panel.controls.placement
    commands = sources.commands
    conductor = Conductor(
        contract,
        engine,
        WatchedLeader(leader, health),
        WatchedMusic(GuardedMusic(sources.music, health), health),
        Playout(contract.timeline, _first_place(sources, placement), picture.tell_line),
        clock,
        Wishes(placement, style=output.style_token(contract)),
        health,
        seed=output.seed,
        law=partners.law,
        also=partners.also(health),
        display_lead_s=output.display_lead_s,
        log=log,
        forecaster=partners.forecaster(health),
        commands=commands,
    )
    return Show(
        contract, clock, conductor, sources, leader, picture, health, seconds, panel, commands, desk, engine.pulse,
        partners.runtime,
    )  # fmt: skip


def _panel(sources: Sources, output: Output, contract: FollowerContract, giver: str, kept: Kept) -> Panel:
    """What the performer sets and is told; ``giver`` of the beat, where it comes from outside."""
    controls = Controls(
        sources.leader,
        sources.music.override,
        Placement(output.distance_m or sources.distance_m or contract.distance_m),
        metre=output.tempo.metre,
        show_preview=sources.sight is not None,
        has_preview=sources.sight_name is not None,
        no_preview=sources.no_sight,
        keep=sources.keep,
        no_keep=sources.no_keep,
        staging=output.staging,
        has_other=output.also is not None,
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
        kept_troubles=kept.troubles,
    )


def _first_place(sources: Sources, placement: Placement) -> Standing:
    """Where the follower waits: before a leader who is known already, else before the middle of the stage."""
    leader = sources.leader.shown(0.0)
    if leader is None:
        here = Standing(np.zeros(3), 0.0)
    else:
        here = Standing(leader.root_m.astype(np.float64), float(heading_yaw(BODY, leader.joints_m)))
    return partner_standing(here, placement, RELAXED_PELVIS_HEIGHT_M)
