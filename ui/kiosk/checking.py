"""Whether a show can run, as far as that is told without its devices: a sentence for each key that is not right."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from duet.clock import MonotonicClock
from duet.contract import load_contract
from duet.errors import DuetError, InputError
from duet.files import check_writable
from duet.motion import TAKE_SUFFIXES, read_motion
from duet.sound_file import load_sound
from realtime.calibration import load_calibration
from realtime.commands import SwitchFollower
from realtime.cues import Cue, read_cues
from realtime.devices import is_listed
from realtime.identity import camera_identity
from realtime.inference.runner_ort import OrtRunner
from realtime.show_file import read_show
from realtime.sight.camera_source import VideoFile, parse_source
from ui.drawing.letters import unknown_letters
from ui.kiosk.command import follower_of
from ui.kiosk.settings import BUILT_IN, KioskSettings, look_over
from ui.options import size_of
from ui.outputs import check_apart
from ui.panel.facts import Facts

LOG = logging.getLogger("duet.kiosk")
_KEPT = ("log", "report")
_NEEDS = {
    "[kiosk] style": ("kiosk.follower",),
    "[kiosk.picture] headless": tuple(f"kiosk.keep.{name}" for name in _KEPT),
}
"""What must be known before it can be said of another key whether it is right."""
_WORDS = ("invite", "greet", "thank")


def cues_of(path: Path, follower: Path) -> tuple[Cue, ...]:
    """The cues of a show's file, if it has any. InputError with a line for each that an exhibit cannot obey."""
    if "cue" not in read_show(path):
        return ()
    cues, wrong = read_cues(path, load_contract(follower)), list[str]()
    for number, cue in enumerate(cues, start=1):
        here = f"{path}: cue {number}"
        if cue.at_s is None:
            wrong.append(f"{here}: expected at, in seconds, got none. Nobody calls cues in an exhibit.")
        if isinstance(cue.command, SwitchFollower):
            wrong.append(f"{here}: expected what one follower can do, got another one. Leave it out.")
    if wrong:
        raise InputError("\n".join(wrong))
    return cues


def check_show(path: Path, usual: Path, *, thoroughly: bool = False) -> KioskSettings:
    """The settings of the show of ``path``. InputError with a line for each thing that keeps it from running.

    ``usual``: the follower that dances where the show names none. ``thoroughly``: read songs and films, load the
    follower's graphs. What does not keep it from running, but would be better otherwise, is told to the log: of a
    check, and of the beginning of a show.
    """
    settings, complaints = look_over(path)
    follower = follower_of(settings, usual)

    def is_meant(key: str) -> bool:
        return not any(complaint.casts_doubt_on(key) for complaint in complaints)

    wrong = [complaint.says for complaint in complaints]
    wrong += [f"{path}: {line}" for line in _wrong(settings, follower, path, is_meant, thoroughly=thoroughly)]
    # A cue cannot be understood without its follower, and what is wrong with that is said already.
    if is_meant("kiosk.follower") and not _told(lambda: load_contract(follower)):
        wrong += _told(lambda: cues_of(path, follower)).splitlines()
    if wrong:
        raise InputError("\n".join(wrong))
    if unmarked := _unmarked(settings.text("kiosk.leader")):
        LOG.warning("%s: [kiosk] leader: %s", path, unmarked)
    return settings


def _unmarked(source: str) -> str:
    """That a camera was never shown the mark, and what to do about it; "" where it was, and where it is not there to
    be known again."""
    identity = camera_identity(source) if is_listed(source) else None
    if identity is None or load_calibration().camera(identity).mark_m is not None:
        return ""
    calibrate = f"`duet calibrate stage --camera {source.removeprefix('camera:')}`"
    return f"no mark is known: where somebody is seen first becomes the middle of the stage. Run {calibrate}."


def _wrong(
    settings: KioskSettings, follower: Path, path: Path, is_meant: Callable[[str], bool], *, thoroughly: bool
) -> Iterator[str]:
    checks: dict[str, Callable[[], object]] = {
        "[kiosk] leader": lambda: _check_leader(settings.text("kiosk.leader"), thoroughly),
        "[kiosk] music": lambda: _check_music(settings.text("kiosk.music"), thoroughly),
        "[kiosk] follower": lambda: _check_follower(follower, thoroughly),
        "[kiosk] style": lambda: _check_style(settings.text("kiosk.style"), follower),
        "[kiosk.picture] size": lambda: size_of(settings.text("kiosk.picture.size"), "[kiosk.picture] size"),
        "[kiosk.picture] headless": lambda: _check_kept(settings),
        **{
            f"[kiosk.words] {name}": lambda name=name: _check_words(settings.text(f"kiosk.words.{name}"))
            for name in _WORDS
        },
    }
    for name in _KEPT:
        file = settings.path(f"kiosk.keep.{name}")
        if file is not None:
            checks[f"[kiosk.keep] {name}"] = lambda key=f"[kiosk.keep] {name}", file=file: check_writable(file, key)
    for key, check in checks.items():
        if all(map(is_meant, _NEEDS.get(key, ()))) and (said := _told(check)):
            yield said if said.startswith(key) else f"{key}: {said}"
    kept = {f"[kiosk.keep] {name}": settings.path(f"kiosk.keep.{name}") for name in _KEPT}
    read = {"[kiosk] leader": settings.text("kiosk.leader"), "[kiosk] music": settings.text("kiosk.music")}
    if said := _told(lambda: check_apart(kept, {**read, "[kiosk] follower": follower, "the show": path})):
        yield said


def _told(check: Callable[[], object]) -> str:
    """What is wrong; "" for nothing."""
    try:
        check()
    except DuetError as error:
        return str(error)
    return ""


def _check_leader(text: str, thoroughly: bool) -> None:
    if Path(text).suffix.lower() in TAKE_SUFFIXES and Path(text).is_file():
        if thoroughly:
            read_motion(text)
        return
    source = parse_source(text, MonotonicClock())
    if isinstance(source, VideoFile):
        if not Path(text).expanduser().is_file():
            raise InputError(
                f"expected camera:N, the address of a stream or a video file, got {text!r}. Check the name."
            )
        if thoroughly:
            source.open()
            source.close()


def _check_music(text: str, thoroughly: bool) -> None:
    if text in (BUILT_IN, "none", "-") or text.startswith("device:"):
        return
    if not Path(text).is_file():
        raise InputError(f"expected a sound file, device:NAME, {BUILT_IN} or none, got {text!r}. Check the name.")
    if thoroughly:
        load_sound(text)


def _check_follower(folder: Path, thoroughly: bool) -> None:
    if not folder.is_dir():
        raise InputError(f"expected a follower's folder, got {str(folder)!r}. Leave it empty for the one that ships.")
    if thoroughly:
        OrtRunner(folder)
    else:
        load_contract(folder)


def _check_style(name: str, follower: Path) -> None:
    # Without a follower there are no styles, and that is said of the follower.
    if name and not _told(lambda: load_contract(follower)):
        load_contract(follower).style_named(name)


def _check_words(words: str) -> None:
    if unknown := unknown_letters(words):
        raise InputError(
            f"expected letters that can be drawn (Latin, Greek, Cyrillic), got {unknown!r}. Write it with others."
        )
    size = len(words.encode())
    if size > (room := _room_of_message(size)):
        raise InputError(
            f"expected at most {room} bytes, got {size}: letters beyond A to Z take two or three, the rest is cut off. "
            "Say it in fewer words."
        )


def _room_of_message(size: int) -> int:
    """How many of ``size`` bytes reach the picture: what a record of ``Facts`` has room for."""
    return len(Facts.of_values(Facts(message="x" * size).values()).message)


def _check_kept(settings: KioskSettings) -> None:
    if settings.is_on("kiosk.picture.headless") and not any(settings.path(f"kiosk.keep.{name}") for name in _KEPT):
        raise InputError(
            'expected something to keep where nothing is shown, got nothing. Write log = "health.jsonl" below '
            "[kiosk.keep]."
        )
