"""``duet kiosk``: a show that looks after itself, as its file says."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from duet.contract import load_contract
from duet.errors import InputError
from duet.terminal import new_console
from realtime.cues import Cue
from ui.kiosk.settings import KioskSettings, example
from ui.options import Output, size_of
from ui.staging import Staging

_MORE = """\
While nobody is there a ghost leads and the picture invites. Somebody who stays is greeted, leads, and is thanked when
they go; then everything of them is forgotten: what the partner remembers, how long their bones are, what is drawn at
random. Keys work as in duet play, but Escape or Q ends it only when pressed twice within two seconds; Ctrl-C ends it
at once. Nothing is recorded unless the file says so.

examples:
  duet kiosk --example > show.toml         a file with every key; change what you like
  duet kiosk --config show.toml --check    is it right? one sentence for each key that is not
  duet kiosk --config show.toml            the show; scripts/duet.service begins it with the desktop
"""
_NOT_LOOKED_AT = "Camera, sound and display were not looked at: `duet doctor` does."


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Describe it to the parser; ``follower`` is the usual one."""
    kiosk = commands.add_parser(
        "kiosk",
        help="a show that looks after itself: it invites, dances with whoever comes, and forgets them",
        description="A show for a museum or a foyer, without anybody who looks after it.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kiosk.add_argument("--config", type=Path, metavar="SHOW.toml", help="what the show is set to")
    kiosk.add_argument("--check", action="store_true", help="read the file, say what is wrong with it, and end")
    kiosk.add_argument("--example", action="store_true", help="print a file with every key, and end")
    kiosk.add_argument("--seconds", type=float, metavar="N", help="end after N seconds")
    kiosk.set_defaults(run=lambda arguments: _run(arguments, follower))


def _run(arguments: argparse.Namespace, follower: Path) -> int:
    from ui.kiosk.checking import check_show, cues_of

    if arguments.example:
        new_console(soft_wrap=True, highlight=False).print(example(), end="")
        return 0
    if arguments.config is None:
        raise InputError("--config: expected a show's file, got none. `duet kiosk --example > show.toml` makes one.")
    if arguments.seconds is not None and not 0 < arguments.seconds <= 10 * 86_400:
        raise InputError(f"--seconds: expected more than 0 and at most ten days, got {arguments.seconds:g}.")
    settings = check_show(arguments.config, follower, thoroughly=arguments.check)
    output = output_of(settings, follower, arguments.seconds)
    if arguments.check:
        new_console(stderr=True).print(f"{arguments.config}: all is well. {_NOT_LOOKED_AT}", soft_wrap=True)
        return 0
    return run_kiosk(settings, output, cues_of(arguments.config, output.follower))


def run_kiosk(settings: KioskSettings, output: Output, cues: Sequence[Cue]) -> int:
    """The show, to its end; the exit code."""
    from ui.app import perform
    from ui.cued import with_cues
    from ui.kiosk.exhibit import kiosk_sources

    check_display(output)
    # Who came when is for whoever reads the journal.
    logging.getLogger("duet.kiosk").setLevel(logging.INFO)
    return perform(with_cues(kiosk_sources(settings), cues), output)


def check_display(output: Output) -> None:
    """InputError where a window is wanted and nothing can show one."""
    from ui.asked import has_display

    if not output.headless and not has_display():
        # Where nothing is shown, something has to be kept.
        kept = "" if output.log or output.report else ' and log = "health.jsonl" below [kiosk.keep]'
        raise InputError(
            f"Window: expected a display, got none. Write headless = true below [kiosk.picture]{kept} in the show's "
            "file, or start the show from a desktop."
        )


def follower_of(settings: KioskSettings, usual: Path) -> Path:
    """The folder of the follower that dances in the show."""
    return settings.path("kiosk.follower") or usual


def output_of(settings: KioskSettings, follower: Path, seconds: float | None) -> Output:
    """Where the show goes. InputError for a follower, a style or a size that there is not."""
    folder = follower_of(settings, follower)
    style = settings.text("kiosk.style") or None
    if style is not None:
        load_contract(folder).style_named(style, "[kiosk] style")
    is_window = settings.is_on("kiosk.picture.window") or settings.is_on("kiosk.picture.headless")
    return Output(
        follower=folder,
        headless=settings.is_on("kiosk.picture.headless"),
        film=None,
        seconds=seconds,
        seed=int(settings.number("kiosk.seed")),
        size=size_of(settings.text("kiosk.picture.size"), "[kiosk.picture] size"),
        fps=settings.number("kiosk.picture.fps"),
        report=settings.path("kiosk.keep.report"),
        log=settings.path("kiosk.keep.log"),
        display_lead_s=settings.number("kiosk.picture.display_lead") / 1e3,
        ends_twice=True,
        style=style,
        staging=Staging(
            stage=settings.text("kiosk.picture.stage"),
            camera=settings.text("kiosk.picture.camera"),
            leader_as=settings.text("kiosk.picture.leader_as"),
            hud=settings.text("kiosk.picture.hud"),
            display=None if is_window else int(settings.number("kiosk.picture.display")),
        ),
    )
