"""Whether a show can run, as far as that is told without its devices: a sentence for each key that is not right."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from duet.clock import MonotonicClock
from duet.contract import FollowerContract, load_contract
from duet.errors import DuetError, InputError
from duet.files import check_could_write
from duet.motion import TAKE_SUFFIXES, read_motion
from duet.sound_file import load_sound
from realtime.calibration import load_calibration
from realtime.cues import Cue, CuesFound, look_over_cues, read_cues
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
_NEEDS = {"[kiosk.picture] headless": tuple(f"kiosk.keep.{name}" for name in _KEPT)}
"""What must be known before it can be said of another key whether it is right."""
_WORDS = ("invite", "greet", "thank")


def cues_of(path: Path, follower: Path) -> tuple[Cue, ...]:
    """The cues of a show's file, if it has any. InputError with a line for each thing an exhibit cannot obey."""
    return read_cues(path, load_contract(follower), in_exhibit=True) if _has_cues(path) else ()


def _has_cues(path: Path) -> bool:
    return "cue" in read_show(path)


def check_show(path: Path, usual: Path, *, thoroughly: bool = False) -> KioskSettings:
    """The settings of the show of ``path``. InputError with a line for each thing that keeps it from running.

    ``usual``: the follower that dances where the show names none. ``thoroughly``: read songs and films, load the
    follower's graphs. What does not keep it from running, but would be better otherwise, is told to the log: of a
    check, and of the beginning of a show. Nothing is left behind.
    """
    settings, complaints = look_over(path)
    follower = follower_of(settings, usual)

    def is_meant(key: str) -> bool:
        return not any(complaint.casts_doubt_on(key) for complaint in complaints)

    contract = _contract_of(follower) if is_meant("kiosk.follower") else None
    cues = look_over_cues(path, contract, in_exhibit=True) if _has_cues(path) else CuesFound()
    wrong = [complaint.says for complaint in complaints]
    found = _wrong(settings, follower, contract, path, is_meant, thoroughly=thoroughly)
    wrong += [f"{path}: {line}" for line in found]
    wrong += cues.wrong
    if contract is None and (of_style := (*(["[kiosk] style"] if settings.text("kiosk.style") else []), *cues.open)):
        wrong.append(
            f"{path}: {', '.join(of_style)}: expected a follower to know the styles of, got none that is certain. "
            "Mend [kiosk] follower first: until then this is not looked at."
        )
    if wrong:
        raise InputError("\n".join(wrong))
    for note in _notes(settings):
        LOG.warning("%s: %s", path, note)
    return settings


def _contract_of(follower: Path) -> FollowerContract | None:
    """None where it cannot be read."""
    try:
        return load_contract(follower)
    except DuetError:
        return None


def _notes(settings: KioskSettings) -> Iterator[str]:
    """What keeps no show from running, but is perhaps not what was meant."""
    if unmarked := _unmarked(settings.text("kiosk.leader")):
        yield f"[kiosk] leader: {unmarked}"
    for name, file in _kept(settings).items():
        if not file.parent.exists():
            yield f"{name}: the folder {file.parent} is not there yet: the show makes it. Is it the one you mean?"


def _kept(settings: KioskSettings) -> dict[str, Path]:
    """The files that a show writes, by the keys that ask for them."""
    asked = {f"[kiosk.keep] {name}": settings.path(f"kiosk.keep.{name}") for name in _KEPT}
    return {name: file for name, file in asked.items() if file is not None}


def _unmarked(source: str) -> str:
    """That a camera was never shown the mark, and what to do about it; "" where it was, and where it is not there to
    be known again."""
    identity = camera_identity(source) if is_listed(source) else None
    if identity is None or load_calibration().camera(identity).mark_m is not None:
        return ""
    calibrate = f"`duet calibrate stage --camera {source.removeprefix('camera:')}`"
    return f"no mark is known: where somebody is seen first becomes the middle of the stage. Run {calibrate}."


def _wrong(
    settings: KioskSettings,
    follower: Path,
    contract: FollowerContract | None,
    path: Path,
    is_meant: Callable[[str], bool],
    *,
    thoroughly: bool,
) -> Iterator[str]:
    kept, style = _kept(settings), settings.text("kiosk.style")
    checks: dict[str, Callable[[], object]] = {
        "[kiosk] leader": lambda: _check_leader(settings.text("kiosk.leader"), thoroughly),
        "[kiosk] music": lambda: _check_music(settings.text("kiosk.music"), thoroughly),
        "[kiosk] follower": lambda: _check_follower(follower, thoroughly),
        "[kiosk] style": lambda: style and contract and contract.style_named(style, "[kiosk] style"),
        "[kiosk.picture] size": lambda: size_of(settings.text("kiosk.picture.size"), "[kiosk.picture] size"),
        "[kiosk.picture] headless": lambda: _check_kept(settings),
        **{
            f"[kiosk.words] {name}": lambda name=name: _check_words(settings.text(f"kiosk.words.{name}"))
            for name in _WORDS
        },
        **{key: lambda key=key, file=file: check_could_write(file, key) for key, file in kept.items()},
    }
    for key, check in checks.items():
        if all(map(is_meant, _NEEDS.get(key, ()))) and (said := _told(check)):
            yield said if said.startswith(key) else f"{key}: {said}"
    read = {"[kiosk] leader": settings.text("kiosk.leader"), "[kiosk] music": settings.text("kiosk.music")}
    yield from _lost(kept, {**read, "[kiosk] follower": follower, "the show": path})


def _lost(kept: Mapping[str, Path], read: Mapping[str, str | Path]) -> Iterator[str]:
    """Where what is written would take the place of something else: each by itself, so that none hides another."""
    for key, file in kept.items():
        if said := _told(lambda key=key, file=file: check_apart({key: file}, read)):
            yield said
    if said := _told(lambda: check_apart(kept, {})):
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
    if settings.is_on("kiosk.picture.headless") and not _kept(settings):
        raise InputError(
            'expected something to keep where nothing is shown, got nothing. Write log = "health.jsonl" below '
            "[kiosk.keep]."
        )
