"""The law of the live half, at start and while it runs: d <= s <= H - d.

In frames: a plan lasts H, the follower is asked again after s (a whole number of tokens), and asked d before the first
frame of its answer is shown (real-time chunking, arXiv 2506.07339). d follows from the machine:

    d = the p95 of the last 20 ticks and 5 ms to take the plan over, in whole frames, at least 2
    s = the fewest whole tokens that hold d

So on a machine that slows down the follower is asked earlier (d) and, once a token is too short for a tick, less often
(s): every second token, every third, at most every half plan. What is not planned anew meanwhile is danced as planned,
and is committed token by token (``realtime.tick.CarryingRunner``), so that the follower remembers what it danced. Fewer
network calls in a tick would be the other way; no follower ships a second graph for that.

Longer is decided as soon as two of the last 20 ticks did not fit; shorter only when 20 ticks since the last change
would have fit with a quarter to spare, so that a machine on the brink does not go to and fro.

Past s = H / 2 ticks are late, which the playout bears until the next plan comes after the end of the last: there a
dance is refused at its start. While it runs it goes on: the follower rests and comes back, which is seen and counted.

Threading: all of it belongs to the conductor's thread. A law knows no clock: it is told how long ticks took.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from duet.contract import FollowerContract
from duet.errors import InputError

LEAST_DELAY_FRAMES = 2
"""d is at least this: a tick of no time at all would still wait for its thread to wake."""
RECENT_TICKS = 20
TAKE_OVER_S = 0.005
"""A plan has to be there so long before its first frame is shown."""
SPARE = 1.25
"""A pace is shortened when ticks so many times as long would still fit."""
_QUANTILE = 0.95


@dataclass(frozen=True)
class Pace:
    """How often a follower is asked, and how early."""

    commit_tokens: int = 1
    """s, in tokens."""
    delay_frames: int = LEAST_DELAY_FRAMES
    """d."""


class PaceSource(Protocol):
    """Says the pace, tick by tick."""

    def observe(self, seconds: float) -> None:
        """A tick was merged so long after it was begun."""
        ...

    def pace(self, tick: int, now: Pace) -> Pace:
        """The pace from tick ``tick`` on, where ``now`` was that of the tick before."""
        ...


class SteadyPace:
    """The same pace whatever happens."""

    def observe(self, seconds: float) -> None:
        """See ``PaceSource``."""

    def pace(self, tick: int, now: Pace) -> Pace:
        """See ``PaceSource``."""
        return now


class Law:
    """The pace that recent ticks ask for."""

    def __init__(self, contract: FollowerContract, first_s: Iterable[float] = ()) -> None:
        """``first_s``: seconds of ticks that were measured before the start."""
        self._contract = contract
        self._recent: deque[float] = deque(first_s, maxlen=RECENT_TICKS)
        self._since_change = 0

    @property
    def p95_s(self) -> float:
        """Seconds that 95 of 100 recent ticks took at most; 0 before any."""
        return p95(self._recent)

    def observe(self, seconds: float) -> None:
        """See ``PaceSource``."""
        self._recent.append(max(seconds, 0.0))
        self._since_change += 1

    def pace(self, tick: int, now: Pace) -> Pace:
        """See ``PaceSource``."""
        wanted, slow_s = now, self.p95_s
        if slow_s + TAKE_OVER_S > now.delay_frames / self._contract.fps:
            wanted = pace_for(self._contract, slow_s)
        elif self._since_change >= RECENT_TICKS:
            wanted = min(now, pace_for(self._contract, SPARE * slow_s), key=lambda pace: pace.delay_frames)
        if wanted != now:
            self._since_change = 0
        return wanted


def p95(seconds: Iterable[float]) -> float:
    """The nearest-rank 95th percentile: of 20, the second longest."""
    ranked = sorted(seconds)
    return ranked[math.ceil(_QUANTILE * len(ranked)) - 1] if ranked else 0.0


def pace_for(contract: FollowerContract, latency_s: float) -> Pace:
    """The shortest lawful pace for ticks of ``latency_s``; the longest there is where none is long enough."""
    token, most = contract.token_frames, longest_delay_frames(contract)
    delay = contract.timeline.delay_frames(latency_s + TAKE_OVER_S)
    delay = min(max(delay, LEAST_DELAY_FRAMES), most)
    return Pace(max(math.ceil(delay / token), 1), delay)


def longest_delay_frames(contract: FollowerContract) -> int:
    """The greatest d for which an s of whole tokens holds d <= s <= H - d."""
    tokens = contract.plan_tokens // 2
    return tokens * contract.token_frames if tokens else contract.plan_frames - contract.token_frames


def start_pace(contract: FollowerContract, ticks_s: Iterable[float]) -> tuple[Law, str]:
    """The law for a machine whose ticks take ``ticks_s``, and a sentence where the dance will suffer; "" else.

    InputError where every plan would come after the end of the one before.
    """
    law = Law(contract, ticks_s)
    need_s = law.p95_s
    pace = pace_for(contract, need_s)
    late = need_s + TAKE_OVER_S > pace.delay_frames / contract.fps
    # Asked d before its first frame and answered after L, a plan of H lasts until the next when L + s <= H + d, and s
    # is no shorter than L: with d = H / 2, for L up to three quarters of H.
    most_s = (contract.plan_frames + pace.delay_frames) / 2 / contract.fps
    if late and need_s > most_s:
        raise InputError(
            f"Follower {contract.name}: expected ticks of at most {1e3 * most_s:.0f} ms, got {1e3 * need_s:.0f} ms on "
            "this machine (p95): every plan would come after the end of the one before. Use a smaller follower or a "
            "faster machine, or close what else runs on this one."
        )
    if late:
        return law, f"A tick takes {1e3 * need_s:.0f} ms on this machine (p95): plans will come late. {_ADVICE}"
    return law, trouble(contract, pace)


def trouble(contract: FollowerContract, pace: Pace) -> str:
    """What a longer pace means, and what to do about it, as a sentence; "" where the follower is asked every token."""
    if pace.commit_tokens == 1:
        return ""
    every_s = pace.commit_tokens * contract.timeline.token_s
    return f"Slow machine: the follower looks up every {every_s:.2f} s only. {_ADVICE}"


_ADVICE = "Close what else runs on it, or use a smaller follower."
