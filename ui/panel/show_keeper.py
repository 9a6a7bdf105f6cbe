"""The panel's part of a show's file: taken up at the beginning, kept whenever something was turned or learned.

Threading: ``look`` belongs to the thread that looks after the show; writing, which may wait for a disk, has one of its
own, "show-file".
"""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from duet.errors import InputError
from realtime.show_file import check_keepable, keep_section, read_show, section
from ui.bindings import Bindings
from ui.control_table import CONTROLS, DEVICES, Control, Kind
from ui.controls import Controls

LOG = logging.getLogger("duet.panel")
SECTION = "panel"
_ONCE_KEPT = DEVICES
"""In files of before; passed over."""
_QUIET_S = 1.0
"""Nothing is written before so long nothing was turned: a slide is one change."""


class ShowKeeper:
    """Keeps ``controls`` in ``path``. InputError where the panel's part is not as it could have been kept."""

    def __init__(self, path: Path, controls: Controls) -> None:
        self.path, self._controls = path, controls
        if path.exists():
            values = section(read_show(path), SECTION, path)
            check_keepable(path, SECTION)
            take_up(values, controls)
        self._kept = self._seen = controls.kept()
        self._changed_s = 0.0
        self._writer: threading.Thread | None = None

    def look(self) -> None:
        """Keep what has changed, once it rests."""
        now = self._controls.kept()
        if now != self._seen:
            self._seen, self._changed_s = now, time.monotonic()
        is_idle = self._writer is None or not self._writer.is_alive()
        if now != self._kept and is_idle and time.monotonic() - self._changed_s >= _QUIET_S:
            self._kept = now
            self._writer = threading.Thread(target=self._write, args=(now,), name="show-file", daemon=True)
            self._writer.start()

    def close(self) -> None:
        """Keep what is not kept yet."""
        if self._writer is not None:
            self._writer.join(timeout=5.0)
        if (now := self._controls.kept()) != self._kept:
            self._kept = now
            self._write(now)

    def _write(self, values: dict[str, Any]) -> None:
        try:
            keep_section(self.path, SECTION, values)
        except InputError as error:  # a disk that is full ends no dance
            LOG.warning("%s", error)


def take_up(values: dict[str, Any], controls: Controls) -> None:
    """Turn everything to what was kept. InputError for what is no control, or no value of one."""
    controls.bindings = Bindings.of_values(values)
    for name, value in values.items():
        if name in ("keys", "midi", *_ONCE_KEPT):
            continue
        control = CONTROLS.get(name)
        if control is None or not control.is_kept:
            known = ", ".join(n for n, c in CONTROLS.items() if c.is_kept)
            raise InputError(f"[{SECTION}] {name}: expected one of {known}, got another. Mend the show's file.")
        refused = controls.refused
        if _is_a_value(control, value):
            controls.turn(name, value, -1e9)
        if not _is_a_value(control, value) or controls.refused > refused:
            raise InputError(f"[{SECTION}] {name}: expected a value that it can have, got {value!r}.")


def _is_a_value(control: Control, value: Any) -> bool:
    """Whether a control of its kind can stand so; TOML tells true from "true" and from 1."""
    match control.kind:
        case Kind.SWITCH:
            return isinstance(value, bool)
        case Kind.SLIDE:
            return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)
