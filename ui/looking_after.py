"""Looks after a performance while it runs: keys, panel, processes, garbage, and the service that watches over it.

Threading: ``conduct`` gives the conductor a thread of its own and looks after the show on the caller's, the main one.
"""

import threading
import time
from dataclasses import replace

from rich.console import Console

from duet.beat_scores import SHOWN_CONFIDENCE
from duet.errors import DuetError
from realtime.priority import Undisturbed
from realtime.service import Service, Watchdog
from realtime.starvation import Starvation
from ui.show import Show
from ui.tempo_inputs import TempoInput

_LOOK_S = 1.0 / 60.0
"""Between two looks at keys, leader and processes."""
_GARBAGE_S = 60.0


def conduct(show: Show, console: Console, tempo: TempoInput | None) -> bool:
    """Conduct on a thread, look after the show on this one; True when interrupted by the user."""
    stopping = threading.Event()
    failure: list[BaseException] = []

    def is_over() -> bool:
        show.pulse.beat()
        return stopping.is_set()

    def dance() -> None:
        try:
            show.conductor.run(is_over)
        except Exception as error:  # raised again on the main thread, below
            failure.append(error)
            stopping.set()

    thread = threading.Thread(target=dance, name="duet-conductor", daemon=True)
    interrupted = False
    try:
        show.sources.begin(show.clock, show.health)
        if tempo is not None:
            tempo.start(show.clock)
        music = show.sources.played
        if music is not None and music.played.unheard_because:
            told = f"The music plays unheard until there is a sound output. {music.played.unheard_because}"
            console.print(told, soft_wrap=True)
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


def _look_after(show: Show, stopping: threading.Event, console: Console, undisturbed: Undisturbed) -> None:
    """Tell the picture what there is, do what keys ask for, and keep everything going, until the end."""
    told_s, garbage_s, service = 0.0, _GARBAGE_S, Service()
    watchdog = Watchdog(show.pulse, show.engine_pulse, show.health, service)
    starvation = Starvation(show.conductor)
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
            starvation.look(now)
            show.picture.look()
            watchdog.look(time.monotonic())
            if now >= told_s:
                told_s, line = now + 1.0, _status_line(show, now)
                status.update(line)
                watchdog.tell(line)
            if now >= garbage_s:
                garbage_s = now + _GARBAGE_S
                undisturbed.take_out()


def _press_keys(show: Show) -> None:
    """Do what keys, panel and knobs ask for, each as of the moment it came."""
    show.controls.follow(show.conductor.glance.begins, show.conductor.wishes.is_halted)
    for key, monotonic_s in show.picture.take_keys():
        show.controls.press(key, monotonic_s - show.clock.epoch_s)
    show.desk.take(show.clock)
    asked, show.controls.asked = show.controls.asked, []
    for command in asked:
        show.commands.ask(command)


def _tell_picture(show: Show, now: float) -> None:
    """Leader and panel as of now; of a recorded leader the next frame, which is drawn when its time comes."""
    leader = show.leader.shown(now + 1.0 / show.contract.fps + show.conductor.display_lead_s)
    show.picture.tell_leader(leader)
    says = show.sources.says()
    facts = show.panel.facts(now, show.conductor.glance, is_led=leader is not None or bool(says))
    show.picture.tell_facts(now, replace(facts, message=facts.message or says))


def _status_line(show: Show, time_s: float) -> str:
    glance = show.conductor.glance
    heard = glance.music
    music = f"{heard.tempo_bpm:.0f} bpm" if heard and heard.confidence >= SHOWN_CONFIDENCE else "no beat"
    music += f" ({show.panel.giver})" if show.panel.giver else ""
    leader = glance.leader.status.value if glance.leader else "nobody yet"
    total = f" of {show.seconds:.0f}" if show.seconds else ""
    return f"Dancing {time_s:.0f}{total} s · leader {leader} · {music} · tick {glance.tick_ms:.0f} ms · Ctrl-C to stop"
