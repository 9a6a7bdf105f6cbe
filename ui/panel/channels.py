"""What the dance and the panel's window have in common: cells and a ring of plain numbers, one writer each.

From the dance: the state, as JSON. From the window: turns and keys, and a sign of life.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.channels import Channels
from realtime.rings import LatestCell, SpscRing, VaryingCell
from ui.panel.state import STATE_WIDTH

_KEPT = 256
_TURN = np.dtype([("name", "S40"), ("kind", "S8"), ("number", "<f8"), ("text", "S200")])
KEY = "key"
"""In the place of a control's name: ``text`` is a key that went down in the panel's window."""

Value = float | bool | str | None


@dataclass(frozen=True)
class PanelChannels(Channels):
    """The shared memory. The dance creates it and keeps it for every window that follows."""

    state: VaryingCell
    """``PanelState.record``, stamped with session time."""
    turns: SpscRing
    """``record_of_turn``, stamped with the machine's clock."""
    heart: LatestCell
    """Pictures drawn so far and the last one's milliseconds, stamped with the machine's clock."""

    @classmethod
    def create(cls) -> "PanelChannels":
        """New memory, owned by the caller."""
        return cls(
            VaryingCell.create(width=STATE_WIDTH),
            SpscRing.create(width=_TURN.itemsize // 4, capacity=_KEPT),
            LatestCell.create(width=2),
        )


def record_of_turn(name: str, value: Value) -> NDArray[np.float32]:
    """A control's name and what it is turned to."""
    record = np.zeros(1, _TURN)
    record["name"], record["kind"] = name.encode(), type(value).__name__.encode()
    if isinstance(value, str):
        record["text"] = value.encode()[: _TURN["text"].itemsize]
    elif value is not None:
        record["number"] = float(value)
    return record.view(np.float32)


def turn_of_record(values: NDArray[np.float32]) -> tuple[str, Value]:
    """From a record."""
    (record,) = values.view(_TURN)
    name, kind = bytes(record["name"]).decode(errors="replace"), bytes(record["kind"]).decode(errors="replace")
    number = float(record["number"])
    read: dict[str, Value] = {
        "str": bytes(record["text"]).decode(errors="ignore"),
        "bool": bool(number),
        "float": number,
        "int": number,
    }
    return name, read.get(kind)
