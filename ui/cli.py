"""The ``duet`` command: demo, play, calibrate, record-take, bench, devices, doctor."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from duet import __version__
from duet.contract import load_contract
from duet.errors import DuetError, InputError
from realtime.sight.stage_shift import shift_of
from ui import avatar_command, film_take, record_take, replay
from ui.bench.command import add_bench
from ui.calibration.command import add_tracking
from ui.calibration.latency import add_latency
from ui.calibration.stage import add_stage
from ui.camera_options import add_look, look_of
from ui.engines import add_engines
from ui.kiosk import command as kiosk_command
from ui.limits import check_within
from ui.options import LeaderOptions, Output, size_of
from ui.outputs import check_apart, inputs_of, outputs_of
from ui.panel.options import add_panel, panel_of
from ui.parser import Parser
from ui.soak import command as soak_command
from ui.staging import add_staging, staging_of
from ui.tempo_inputs import add_tempo, tempo_of

if TYPE_CHECKING:
    from ui.sources import SourcesMaker

_FOLLOWERS = Path(__file__).resolve().parents[1] / "followers"
DEMO_STYLE = "choreographed"
DEFAULT_FOLLOWER = _FOLLOWERS / "salsa-s"

_EPILOG = """\
examples:
  duet demo                                          a couple dances to built-in music
  duet play --leader camera:0 --music device:default your webcam, the music in the room
  duet play --leader camera:0 --music song.mp3       your webcam, a song that Duet plays
  duet play --leader take.bvh --music song.ogg --headless --out film.mp4
  duet calibrate stage --camera 0 --height 1.72      stand on the mark: the middle of your stage
  duet doctor                                        what works on this machine, and what to do about the rest
"""
_PLAY_EXAMPLES = """\
examples:
  duet play --leader camera:0 --music device:default               your webcam, the music in the room
  duet play --leader camera:0 --music song.mp3 --display 1         a song that Duet plays, a projector
  duet play --leader take.npz --headless --out film.mp4            a film of it

Escape or Q in the window ends it, and Ctrl-C where it was started; docs/on-stage.md has the other keys.
"""


class _Interrupts:
    """Turns Ctrl-C, a closed terminal and a service's stop into one KeyboardInterrupt.

    Impatient ones that follow are ignored for a while: what was danced is being saved. Who was begun by ``nohup``
    outlives the terminal.
    """

    PATIENCE_S = 10.0

    def __init__(self) -> None:
        self.came_s: float | None = None
        self._hang_up: int | None = getattr(signal, "SIGHUP", None)
        numbers: list[int] = [signal.SIGINT, signal.SIGTERM]
        # Ignored from the beginning: so nohup asks for it.
        if self._hang_up is not None and signal.getsignal(self._hang_up) is not signal.SIG_IGN:
            numbers.append(self._hang_up)
        self._terminals = [fd for fd in (1, 2) if os.isatty(fd)]
        self._before = {number: signal.signal(number, self._on_signal) for number in numbers}

    def end(self) -> None:
        """Leave signals as they were; after an interrupt, let one more impatient Ctrl-C change nothing."""
        for number, handler in self._before.items():
            signal.signal(number, handler if self.came_s is None else signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == self._hang_up:
            self._leave_terminals()
        now = time.monotonic()
        if self.came_s is None or now - self.came_s > self.PATIENCE_S:
            self.came_s = now
            raise KeyboardInterrupt

    def _leave_terminals(self) -> None:
        """Write to nowhere from now on: on a terminal that is gone every word would be an error, and take with it what
        is being saved."""
        if not self._terminals:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in self._terminals:
            os.dup2(nowhere, fd)
        os.close(nowhere)
        self._terminals = []


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 something does not fit, 130 interrupted."""
    parser = _parser()
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help()
        return 0
    arguments = parser.parse_args(argv)
    # Devices that come and go are told with the time of day, for who looks after the show.
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    interrupts = _Interrupts() if threading.current_thread() is threading.main_thread() else None
    try:
        return int(arguments.run(arguments) or 0)
    except KeyboardInterrupt:
        print("duet: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        if interrupts is not None and interrupts.came_s is not None and not isinstance(error, DuetError):
            # A native library that is interrupted while it is imported says so in its own way.
            print("duet: stopped", file=sys.stderr)
            return 130
        if not isinstance(error, DuetError):
            raise
        print(f"duet: {error}", file=sys.stderr)
        return 2
    finally:
        if interrupts is not None:
            interrupts.end()


def _empty() -> argparse.ArgumentParser:
    """Without any command yet."""
    return Parser(
        prog="duet",
        description="A live dance partner: an AI follower that dances with you, to the music that plays.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _parser() -> argparse.ArgumentParser:
    parser = _empty()
    parser.add_argument("--version", action="version", version=f"duet {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_play(commands)
    devices = commands.add_parser("devices", help="list cameras and sound devices", description=_devices.__doc__)
    devices.set_defaults(run=_devices)
    calibrate = commands.add_parser("calibrate", help="measure what seeing and hearing cost here")
    kinds = calibrate.add_subparsers(title="what to measure", metavar="WHAT", required=True)
    add_stage(kinds)
    add_latency(kinds)
    add_tracking(kinds)
    record_take.add(commands)
    replay.add(commands, DEFAULT_FOLLOWER)
    film_take.add(commands, DEFAULT_FOLLOWER)
    kiosk_command.add(commands, DEFAULT_FOLLOWER)
    soak_command.add(commands, DEFAULT_FOLLOWER)
    avatar_command.add(commands)
    add_bench(commands, DEFAULT_FOLLOWER)
    add_engines(commands, DEFAULT_FOLLOWER)
    doctor = commands.add_parser("doctor", help="check what works here", description=_doctor.__doc__)
    doctor.add_argument("--processes", action="store_true", help="list the processes and threads of a performance")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="a couple dances, nothing attached",
        description="A built-in leader dances salsa to built-in music, and the follower dances along. "
        "Opens a window where there is a display, else writes a film.",
    )
    demo.add_argument("--tempo", type=float, default=180.0, metavar="BPM", help="of the music (default 180)")
    _add_output(demo, hud="audience")
    demo.set_defaults(run=_demo)


def _add_play(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    play = commands.add_parser(
        "play",
        help="dance with a camera, a video or a recorded leader",
        description="The follower dances with the leader given, live: paced by the clock, never faster. "
        "Videos loop; a take is danced once. Nothing is recorded unless an option below says so.",
        epilog=_PLAY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    play.add_argument(
        "--leader",
        required=True,
        metavar="SOURCE",
        help="camera:0 (any index), a video file or URL, or a take (.bvh, .npz)",
    )
    play.add_argument(
        "--music", metavar="SOURCE", help="a sound file, device:NAME (an input), - for standard input, or none"
    )
    play.add_argument("--bvh-fps", type=float, metavar="FPS", help="true rate of a take whose file states a wrong one")
    play.add_argument("--bvh-scale", type=float, default=1.0, metavar="S", help="turns a take's unit into metres")
    play.add_argument("--height", type=float, metavar="M", help="the performer's height (default: as told before)")
    play.add_argument("--mirror", action="store_true", help="dance as your mirror image")
    play.add_argument(
        "--offset",
        metavar="X,Z[,DEG]",
        help="move the leader on the stage: metres to the audience's right and toward it, and a turn; "
        "--offset=-0.3,0 moves left "
        "(in the window: arrows, comma and full stop; brackets for the partner's distance, Enter keeps it)",
    )
    play.add_argument("--preview", action="store_true", help="show what the camera sees, with the skeleton (key: P)")
    add_look(play)
    add_tempo(play)
    _add_output(play)
    play.set_defaults(run=_play)


def _add_output(parser: argparse.ArgumentParser, *, hud: str = "rehearsal") -> None:
    parser.add_argument("--follower", type=Path, default=DEFAULT_FOLLOWER, metavar="DIR", help="a follower folder")
    parser.add_argument("--also", type=Path, metavar="DIR", help="a second follower; key Y, a cue or OSC lets it dance")
    parser.add_argument("--cues", type=Path, metavar="SHOW.toml", help="ask for what its [[cue]] lines say, in time")
    parser.add_argument(
        "--distance", type=float, metavar="M", help="how far away the partner dances (default: as trained)"
    )
    parser.add_argument(
        "--style",
        metavar="NAME",
        help="a style of the follower, such as choreographed (default: its own)",
    )
    length = "stop after N seconds; the film of a camera or video needs it"
    parser.add_argument("--seconds", type=float, metavar="N", help=length)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything drawn at random (default 0)")
    parser.add_argument(
        "--headless", action="store_true", help="no window; give --out, --save-motion, --record, --report or --log"
    )
    parser.add_argument("--out", type=Path, metavar="FILM.mp4", help="write a film instead of opening a window")
    parser.add_argument("--size", default="640x360", metavar="WxH", help="of the film, or of the window at first")
    parser.add_argument("--fps", type=float, default=30.0, help="drawn frames a second (default 30)")
    parser.add_argument("--save-motion", type=Path, metavar="FILE.npz", help="record both dancers' joints, 30 fps")
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="record a session for duet replay: no image, no sound"
    )
    parser.add_argument(
        "--record-media",
        action="store_true",
        help="with --record, keep the camera's small pictures (sight.mp4) and the sound (sound.wav), too",
    )
    parser.add_argument("--runtime", default="auto", metavar="NAME", help="auto, cpu, cuda, tensorrt or openvino")
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="write timings and counters")
    parser.add_argument(
        "--display-lead",
        type=float,
        default=0.0,
        metavar="MS",
        help="how late your screen or projector shows a picture: the follower dances so much ahead (default 0)",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="write health, each second, and what happens")
    add_staging(parser, hud=hud)
    add_panel(parser)


def _demo(arguments: argparse.Namespace) -> int:
    from ui.app import perform
    from ui.asked import has_display
    from ui.sources import demo_sources

    check_within("--tempo", arguments.tempo, 90.0, 230.0, "bpm", "Salsa lives near 180.")
    output = _output_of(arguments)
    headless = output.headless or not has_display()
    seconds = output.seconds or (20.0 if headless else 120.0)
    # The leader is choreographed: so dances a partner of that school best.
    output = replace(output, usual_style=DEMO_STYLE)
    output = replace(output, headless=headless, seconds=seconds, film=output.film or Path("out/demo.mp4"))
    check_apart(outputs_of(output), {"--cues": arguments.cues, **inputs_of(output)})
    make = demo_sources(seconds, arguments.tempo, arguments.seed, headless=headless)
    return perform(_cued(make, arguments), output)


def _cued(make: "SourcesMaker", arguments: argparse.Namespace) -> "SourcesMaker":
    """The inputs, with the cues that were asked for."""
    from realtime.commands import SwitchFollower
    from realtime.cues import read_cues
    from ui.cued import with_cues

    if arguments.cues is None:
        return make
    cues = read_cues(arguments.cues, load_contract(arguments.follower))
    for number, cue in enumerate(cues, start=1):
        if isinstance(cue.command, SwitchFollower) and arguments.also is None:
            raise InputError(
                f"--cues {arguments.cues}: cue {number}: expected a second follower to take over, got none. Name it "
                "with --also."
            )
    return with_cues(make, cues)


def _play(arguments: argparse.Namespace) -> int:
    from ui.app import perform
    from ui.sources import play_sources

    for name, value in (("--bvh-fps", arguments.bvh_fps), ("--bvh-scale", arguments.bvh_scale)):
        if value is not None and not value > 0:
            raise InputError(f"{name}: expected more than 0, got {value:g}.")
    check_within("--height", arguments.height, 0.8, 2.5, "metres")
    leader = LeaderOptions(
        arguments.leader,
        arguments.bvh_fps,
        arguments.bvh_scale,
        arguments.height,
        arguments.mirror,
        look_of(arguments),
        None if arguments.offset is None else shift_of(arguments.offset),
        arguments.preview,
        hear_steps=arguments.hear_steps,
        can_preview=arguments.record_media or not (arguments.no_panel or arguments.headless or arguments.out),
    )
    output = replace(_output_of(arguments), tempo=tempo_of(arguments))
    named = {"--leader": arguments.leader, "--music": arguments.music, "--cues": arguments.cues}
    check_apart(outputs_of(output), {**named, **inputs_of(output)})
    make = play_sources(leader, arguments.music, headless=output.headless)
    return perform(_cued(make, arguments), output)


def _output_of(arguments: argparse.Namespace) -> Output:
    """The options every performance shares, checked."""
    size = size_of(arguments.size)
    if arguments.seconds is not None and not 0 < arguments.seconds <= 86_400:
        raise InputError(f"--seconds: expected more than 0 and at most a day, got {arguments.seconds:g}.")
    if arguments.record_media and arguments.record is None:
        raise InputError("--record-media: expected --record DIR beside it, got none. Name a folder for the session.")
    if arguments.seed < 0:
        raise InputError(f"--seed: expected 0 or more, got {arguments.seed}.")
    check_within("--fps", arguments.fps, 1.0, 240.0)
    check_within("--display-lead", arguments.display_lead, 0.0, 500.0, "ms")
    check_within("--distance", arguments.distance, 0.4, 3.0, "metres")
    return Output(
        follower=arguments.follower,
        also=arguments.also,
        headless=arguments.headless or arguments.out is not None,
        film=arguments.out,
        seconds=arguments.seconds,
        seed=arguments.seed,
        size=size,
        fps=arguments.fps,
        motion=arguments.save_motion,
        report=arguments.report,
        record=arguments.record,
        record_media=arguments.record_media,
        log=arguments.log,
        # A film is seen when it is seen.
        display_lead_s=0.0 if arguments.headless or arguments.out is not None else arguments.display_lead / 1e3,
        distance_m=arguments.distance,
        style=arguments.style,
        runtime=arguments.runtime,
        staging=staging_of(arguments),
        **panel_of(arguments),
    )


def _devices(_: argparse.Namespace) -> int:
    """List the cameras and sound devices that Duet can use, by the names its options take."""
    from ui.doctor import print_devices

    return print_devices()


def _doctor(arguments: argparse.Namespace) -> int:
    """Check what works on this machine: picture, sound, camera, pose model, follower. One line each, with the next
    step where something is missing."""
    from ui.doctor import print_checks, print_processes

    return print_processes() if arguments.processes else print_checks(DEFAULT_FOLLOWER)


if __name__ == "__main__":
    sys.exit(main())
