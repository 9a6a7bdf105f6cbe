"""The bodies there are: those that ship with Duet, and those the user brought (``duet avatar import``)."""

import re
from pathlib import Path

from duet.errors import InputError
from duet.settings import settings_directory
from ui.drawing.avatar import AVATARS, Avatar, read_avatar, shipped_avatar, write_avatar


def own_folder() -> Path:
    """Where the user's avatars are kept."""
    return settings_directory() / "avatars"


def own_avatars() -> list[str]:
    """The names of the user's avatars."""
    return sorted(path.stem for path in own_folder().glob("*.npz") if path.stem not in AVATARS)


def own_file(name: str) -> Path | None:
    """The file of one of the user's avatars; None for one that ships."""
    return None if name in AVATARS else own_folder() / f"{name}.npz"


def avatar_names() -> list[str]:
    """Every name there is, those that ship first."""
    return [*AVATARS, *own_avatars()]


def avatar_says(name: str) -> str:
    """What a body is like, in a few words."""
    return AVATARS.get(name, "a body of your own")


def check_avatar(name: str, what: str) -> None:
    """Raises ``InputError``, which begins with ``what``, where no avatar is called so."""
    if name not in AVATARS and name not in own_avatars():
        raise InputError(
            f"{what}: expected one of {', '.join(avatar_names())}, got {name!r}. "
            "Choose one of these, or bring one: duet avatar import FILE."
        )


def avatar_named(name: str) -> Avatar:
    """An avatar by its name. Raises ``InputError`` where there is none, or its file is broken."""
    check_avatar(name, "avatar")
    file = own_file(name)
    return shipped_avatar(name) if file is None else read_avatar(file)


def own_name(wanted: str) -> str:
    """``wanted`` as the name of a user's avatar. Raises ``InputError`` where it is none, or taken by one that ships."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", wanted):
        raise InputError(f"--name: expected letters, digits, - and _, got {wanted!r}. Choose another name.")
    if wanted in AVATARS:
        raise InputError(f"--name: expected a name of your own, got {wanted!r}, which ships. Choose another name.")
    return wanted


def keep_avatar(name: str, avatar: Avatar) -> Path:
    """Put an avatar among the user's; the file."""
    path = own_folder() / f"{own_name(name)}.npz"
    try:
        write_avatar(path, avatar)
    except OSError as error:
        raise InputError(
            f"{path}: expected to write it, got {error.strerror}. Set DUET_SETTINGS to another folder."
        ) from error
    return path
