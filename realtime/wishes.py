"""What a performer and a show have set, and how commands change it."""

from dataclasses import dataclass, replace

from duet.features import Placement
from realtime.commands import Command, LockSeed, SetGuidance, SetPlacement, SetStyle, UnlockSeed


@dataclass(frozen=True)
class Wishes:
    """What is wished of the follower; commands change it, at a tick's beginning."""

    placement: Placement
    guidance: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    """LDCFG scale of streams (upper, lower, root) x levels."""
    style: tuple[float, ...] = ()
    lock: tuple[int, int] | None = None
    """Seed, and the tick it was locked at: noise goes by ticks since then."""
    is_halted: bool = False
    """Whether the follower was told to stop; no tick is asked for meanwhile."""
    rests: bool = False
    """Whether nobody leads: the follower rests until a show begins anew."""

    @property
    def is_still(self) -> bool:
        """Whether the follower is not to dance."""
        return self.is_halted or self.rests

    def after(self, command: Command, tick: int, style_size: int) -> "Wishes | None":
        """With what ``command`` sets, in tick ``tick``; None where it is not for a follower with such styles."""
        match command:
            case SetPlacement(placement):
                return replace(self, placement=placement)
            case SetStyle(style) if len(style) in (0, style_size):
                return replace(self, style=style)
            case SetStyle():
                return None
            case SetGuidance(guidance):
                return replace(self, guidance=guidance)
            case LockSeed(seed):
                return replace(self, lock=(seed, tick))
            case UnlockSeed():
                return replace(self, lock=None)
        return self
