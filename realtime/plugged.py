"""Finding a device again among those that are plugged in now, by what stays the same of it.

Numbers are dealt out anew with every plugging: who opens number 1 again may open another device, without
any error. So a device that was opened is pinned, together with those that lay beside it, and is waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """What is known of a device that does not change with its number."""

    name: str
    hardware: str = ""
    """Maker, model and serial number or socket; empty where the system does not tell."""

    @property
    def is_one_unit(self) -> bool:
        """Whether a serial number tells it from every other of its kind."""
        return bool(self.hardware) and ":socket " not in self.hardware


@dataclass(frozen=True)
class Pin:
    """One device among those there were when it was opened."""

    device: Known
    beside: tuple[Known, ...] = ()
    twins_before: int = 0
    """Devices listed before it of which exactly the same is known."""

    @classmethod
    def of(cls, index: int, there: Sequence[Known]) -> "Pin":
        """Pin ``there[index]``."""
        return cls(there[index], (*there[:index], *there[index + 1 :]), there[:index].count(there[index]))

    def find(self, there: Sequence[Known]) -> int | None:
        """Where it is now; None while it is away, or while it cannot be told from one that lay beside it.

        One without a serial number may come back through another socket: what does is taken for it when it is the
        only newcomer of its name, and none of its name is missing beside it.
        """
        same = [i for i, known in enumerate(there) if known == self.device]
        if len(same) > self.beside.count(self.device):
            return same[self.twins_before]
        if self.device.is_one_unit:
            return None
        namesakes = [known for known in self.beside if known.name == self.device.name]
        if same or any(known not in there for known in namesakes):
            return None
        newcomers = [i for i, k in enumerate(there) if k.name == self.device.name and k not in namesakes]
        return newcomers[0] if len(newcomers) == 1 else None
