"""An exhibit's inputs: whoever is before the camera, the ghost, the music; and what visitors are told."""

import logging
from collections.abc import Callable
from dataclasses import replace

from duet.groove import render_groove
from realtime.calibration import load_calibration
from realtime.commands import CommandInbox
from realtime.health import Health
from realtime.kiosk.ghost import Ghost
from realtime.kiosk.presence import Presence, Scene
from realtime.kiosk.visits import Visits
from realtime.sight.stage_shift import ShiftedLeader
from realtime.sound.audio import MusicThread
from realtime.sound.delayed_music import DelayedMusic
from realtime.sound.music_player import RecordedMusic
from ui.camera_options import Look
from ui.kiosk.settings import BUILT_IN, KioskSettings
from ui.options import LeaderOptions
from ui.sources import Sources, SourcesMaker, play_sources

LOG = logging.getLogger("duet.kiosk")
_GROOVE_S = 64.0
"""About so long the built-in music is before it begins again."""
_SCENES = {
    Scene.ATTRACT: "the ghost leads",
    Scene.WELCOME: "somebody came",
    Scene.DANCE: "visitor {visits} leads",
    Scene.FAREWELL: "the dance is over",
}


def kiosk_sources(settings: KioskSettings) -> SourcesMaker:
    """What ``settings`` ask for. InputError for a leader or music that is of no known kind."""
    headless = settings.is_on("kiosk.picture.headless")
    music = settings.text("kiosk.music")
    leader = LeaderOptions(
        settings.text("kiosk.leader"),
        mirror=settings.is_on("kiosk.mirror"),
        look=Look(people=int(settings.number("kiosk.people"))),
        gone_s=settings.rules.leave_s,
        zone_m=settings.number("kiosk.zone"),
        waits=True,
    )
    make_played = play_sources(leader, "none" if music == BUILT_IN else music, headless=headless)

    def make(health: Health) -> Sources:
        sources = make_played(health)
        if music == BUILT_IN:
            sources = replace(sources, music=_built_in(settings, headless=headless))
        inbox = CommandInbox()
        visits = Visits(
            sources.leader,
            Ghost(settings.rules.attract_s, settings.number("kiosk.tempo")),
            settings.rules,
            inbox.ask,
            zone_m=settings.number("kiosk.zone"),
            seed=int(settings.number("kiosk.seed")),
            told=Journal().tell,
            health=health,
        )
        return replace(
            sources,
            leader=ShiftedLeader(visits),
            commands=inbox,
            says=words_of(settings, lambda: visits.presence),
            # An exhibit keeps the devices that its file names: another camera would be led by nobody's presence.
            camera=None,
            sound=None,
            # What is moved here moves the ghost, too, while the show lasts: what was kept for the camera stays.
            keep=None,
        )

    return make


def words_of(settings: KioskSettings, presence: Callable[[], Presence]) -> Callable[[], str]:
    """What the picture says, scene by scene."""
    words = {
        Scene.ATTRACT: settings.text("kiosk.words.invite"),
        Scene.WELCOME: settings.text("kiosk.words.greet"),
        Scene.FAREWELL: settings.text("kiosk.words.thank"),
    }
    return lambda: words.get(presence().scene, "")


def _built_in(settings: KioskSettings, *, headless: bool) -> MusicThread:
    groove = render_groove(loop_s(settings.number("kiosk.tempo")), settings.number("kiosk.tempo"), seed=0)
    output = None if headless else "default"
    played = RecordedMusic(groove.samples, loop=True, output=output)
    return MusicThread(DelayedMusic(played, load_calibration().outputs))


def loop_s(tempo_bpm: float) -> float:
    """About a minute of music that goes over into itself: whole rounds of its chords, of four bars each."""
    round_s = 16 * 60.0 / tempo_bpm
    return round_s * max(round(_GROOVE_S / round_s), 1)


class Journal:
    """Tells who came and went. That the ghost's dance ended and began anew is nothing to tell, all night long."""

    def __init__(self) -> None:
        self._told: Scene | None = None

    def tell(self, presence: Presence) -> None:
        """At each change of scene."""
        scene = Scene.ATTRACT if presence.scene is Scene.INTERLUDE else presence.scene
        if scene is not self._told:
            LOG.info("%s", _SCENES[scene].format(visits=presence.visits))
        self._told = scene
