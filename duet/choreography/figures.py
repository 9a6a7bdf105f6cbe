"""Salsa figures as timed foot plans for both dancers, danced "on 1": steps on 1 2 3 and 5 6 7.

A figure is written in the *slot*: the origin lies between the two dancers, z runs from leader to
follower and is measured in their distance (leader at -0.5, follower at +0.5), x is the leader's
left in metres. ``turn_deg`` is relative to facing the partner, positive to the dancer's own left.
``side`` and ``ahead`` move the stepping foot from its place under the body, in the body's own
directions and in step lengths. The leader begins with the left foot, the follower with the right,
and feet alternate; a step of weight 0 is a touch of the foot that steps next.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CONNECTIONS = ("aside", "left", "right", "over_follower", "over_leader", "cross", "cross_over", "frame", "embrace")
"""Ways two hands meet. ``aside``: leader's left with follower's right, out to the side; ``left`` (and
``right``): the same (the other) pair, low in between; ``over_follower`` / ``over_leader``: leader's left with
follower's right above a head; ``cross`` / ``cross_over``: right with right, low or above the follower;
``frame``: leader's right on her back and her left on his shoulder; ``embrace``: leader's right on her back only."""

Hold = tuple[str, ...]
CLOSED: Hold = ("aside", "frame")
TWO_HANDS: Hold = ("left", "right")
LEFT_HAND: Hold = ("left",)
HANDSHAKE: Hold = ("cross",)
FREE: Hold = ()


@dataclass(frozen=True)
class Step:
    """Where one foot lands on ``count`` (1 to 8, or to 16)."""

    count: float
    z: float
    x: float = 0.0
    turn_deg: float = 0.0
    side: float = 0.0
    ahead: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class Figure:
    """Both dancers' steps, and which hands are joined from which count on."""

    name: str
    leader: tuple[Step, ...]
    follower: tuple[Step, ...]
    holds: tuple[tuple[float, Hold], ...]
    end: str
    """``closed``, ``open`` or ``apart``: the distance at which it ends."""
    counts: int = 8

    @property
    def end_hold(self) -> Hold:
        """What is held when it ends."""
        return self.holds[-1][1]


def _leader(*rows: tuple[float, dict[str, float]]) -> tuple[Step, ...]:
    return tuple(Step(count, **{"z": -0.5, **row}) for count, row in rows)


def _follower(*rows: tuple[float, dict[str, float]]) -> tuple[Step, ...]:
    return tuple(Step(count, **{"z": 0.5, **row}) for count, row in rows)


def _end_hold(rng: np.random.Generator, end: str) -> Hold:
    if end == "closed":
        return CLOSED
    if end == "apart":
        return FREE
    return (TWO_HANDS, LEFT_HAND, HANDSHAKE)[rng.choice(3, p=[0.4, 0.5, 0.1])]


def _kept_hold(rng: np.random.Generator, hold: Hold, end: str) -> Hold:
    """The hands stay as they are where the distance at the end allows it."""
    return hold if hold and (hold == CLOSED) == (end == "closed") else _end_hold(rng, end)


def basic(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Forward and back: leader breaks forward on 1 and back on 5, follower mirrors."""
    a, b = rng.uniform(0.8, 1.15, 2)
    return Figure(
        "basic",
        _leader((1, {"ahead": a}), (2, {}), (3, {"ahead": -0.1}), (5, {"ahead": -b}), (6, {}), (7, {"ahead": 0.1})),
        _follower((1, {"ahead": -a}), (2, {}), (3, {"ahead": 0.1}), (5, {"ahead": b}), (6, {}), (7, {"ahead": -0.1})),
        ((0, hold), (4, _kept_hold(rng, hold, end))),
        end,
    )


def side_basic(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """To the leader's left, back, to the right, back."""
    a = rng.uniform(0.7, 1.1)
    return Figure(
        "side basic",
        _leader((1, {"side": a}), (2, {}), (3, {}), (5, {"side": -a}), (6, {}), (7, {})),
        _follower((1, {"side": -a}), (2, {}), (3, {}), (5, {"side": a}), (6, {}), (7, {})),
        ((0, hold), (4, _kept_hold(rng, hold, end))),
        end,
    )


def open_break(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Both rock back on 1, away from each other, and meet again."""
    a = rng.uniform(0.6, 0.9)
    first = hold if hold in (TWO_HANDS, LEFT_HAND, HANDSHAKE) else LEFT_HAND
    return Figure(
        "open break",
        _leader((1, {"ahead": -a}), (2, {}), (3, {"ahead": 0.2}), (5, {"ahead": -0.6}), (6, {}), (7, {})),
        _follower((1, {"ahead": -a}), (2, {}), (3, {"ahead": 0.2}), (5, {"ahead": 0.6}), (6, {}), (7, {})),
        ((0, hold), (0.5, first), (5, _end_hold(rng, end))),
        end,
    )


def hand_to_hand(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Hand to hand: both open out to one side and rock back, then to the other."""
    t, a = rng.uniform(50, 80), rng.uniform(0.7, 1.0)
    open_, shut = {"turn_deg": t, "ahead": -a}, {"turn_deg": 0.3 * t}
    back, close = {"turn_deg": -t, "ahead": -a}, {"turn_deg": -0.3 * t}
    return Figure(
        "hand to hand",
        _leader((1, open_), (2, shut), (3, {}), (5, back), (6, close), (7, {})),
        _follower((1, back), (2, close), (3, {}), (5, open_), (6, shut), (7, {})),
        (
            (0, hold),
            (0.3, ("right",)),
            (3, TWO_HANDS),
            (4.3, ("left",)),
            (7, TWO_HANDS if end == "open" else _end_hold(rng, end)),
        ),
        end,
    )


def cross_body(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Leader opens the slot; follower walks through to the other end."""
    z, x, a = rng.uniform(-0.15, 0.35), rng.uniform(0.32, 0.42), rng.uniform(0.5, 0.9)
    lead: Hold = ("aside", "embrace") if hold == CLOSED else (hold or LEFT_HAND)
    return Figure(
        "cross body lead",
        _cross_body_leader(z, x, a),
        _follower(
            (1, {"ahead": -a}), (2, {"z": 0.48}), (3, {"z": 0.25, "x": 0.05}), (5, {"z": -0.18, "x": 0.10}),
            (6, {"z": -0.70, "x": 0.06, "turn_deg": 50}), (7, {"z": z - 1, "turn_deg": 180}),
        ),
        ((0, hold), (1, lead), (4.5, LEFT_HAND if lead != HANDSHAKE else HANDSHAKE), (7, _end_hold(rng, end))),
        end,
    )  # fmt: skip


def _cross_body_leader(z: float, x: float, ahead: float) -> tuple[Step, ...]:
    return _leader(
        (1, {"ahead": ahead}), (2, {"x": -0.12, "turn_deg": 25}), (3, {"z": -0.36, "x": -x, "turn_deg": 75}),
        (5, {"z": -0.2, "x": -x - 0.02, "turn_deg": 95}), (6, {"z": min(z, 0.0) * 0.5, "x": -0.6 * x, "turn_deg": 140}),
        (7, {"z": z, "turn_deg": 180}),
    )  # fmt: skip


def inside_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """A cross body lead in which the follower turns left under the joined hands."""
    z, x, a = rng.uniform(-0.15, 0.3), rng.uniform(0.36, 0.44), rng.uniform(0.5, 0.9)
    return Figure(
        "inside turn",
        _cross_body_leader(z, x, a),
        _follower(
            (1, {"ahead": -a}), (2, {"z": 0.48}), (3, {"z": 0.28, "x": 0.08, "turn_deg": 15}),
            (5, {"z": -0.18, "x": 0.14, "turn_deg": 190}), (6, {"z": -0.66, "x": 0.10, "turn_deg": 370}),
            (7, {"z": z - 1, "turn_deg": 540}),
        ),
        ((0, hold), (1, LEFT_HAND), (3.2, ("over_follower",)), (7.3, _end_hold(rng, end))),
        end,
    )  # fmt: skip


def right_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Follower turns right under the joined hands, on 5 6 7 or on 1 2 3."""
    a = rng.uniform(0.5, 0.9)
    over = "cross_over" if hold == HANDSHAKE else "over_follower"
    if rng.random() < 0.6:
        return Figure(
            "right turn",
            _leader((1, {"ahead": a}), (2, {}), (3, {}), (5, {"ahead": -0.5}), (6, {}), (7, {"ahead": 0.1})),
            _follower(
                (1, {"ahead": -a}), (2, {}), (3, {"ahead": 0.1}), (5, {"turn_deg": -115, "z": 0.52, "x": 0.05}),
                (6, {"turn_deg": -240, "z": 0.52, "x": -0.03}), (7, {"turn_deg": -360}),
            ),
            ((0, hold), (3.2, (over,)), (7.5, _end_hold(rng, end))),
            end,
        )  # fmt: skip
    return Figure(
        "right turn",
        _leader((1, {"side": 0.5}), (2, {}), (3, {}), (5, {"ahead": -a}), (6, {}), (7, {"ahead": 0.1})),
        _follower(
            (1, {"turn_deg": -80, "z": 0.55}), (2, {"turn_deg": -220, "z": 0.53}), (3, {"turn_deg": -360}),
            (5, {"ahead": a}), (6, {}), (7, {}),
        ),
        ((0, hold), (0.2, (over,)), (3.5, LEFT_HAND), (7, _end_hold(rng, end))),
        end,
    )  # fmt: skip


def leader_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Leader turns, to the right on 5 6 7 or to the left on 1 2 3; follower dances the basic."""
    held: Hold = ("over_leader",) if rng.random() < 0.6 else FREE
    follower = _follower((1, {"ahead": -0.7}), (2, {}), (3, {}), (5, {"ahead": 0.6}), (6, {}), (7, {}))
    if rng.random() < 0.5:
        leader = _leader(
            (1, {"ahead": 0.6}), (2, {}), (3, {"turn_deg": -20}), (5, {"turn_deg": -125, "z": -0.55}),
            (6, {"turn_deg": -245, "z": -0.55}), (7, {"turn_deg": -360}),
        )  # fmt: skip
        return Figure("leader turn", leader, follower, ((0, hold), (3, held), (7.4, _end_hold(rng, end))), end)
    leader = _leader(
        (1, {"turn_deg": 60, "z": -0.55}), (2, {"turn_deg": 215, "z": -0.56}), (3, {"turn_deg": 360}),
        (5, {"ahead": -0.6, "turn_deg": 360}), (6, {"turn_deg": 360}), (7, {"turn_deg": 360}),
    )  # fmt: skip
    return Figure(
        "leader turn", leader, follower, ((0, hold), (0.2, held), (3.6, LEFT_HAND), (7, _end_hold(rng, end))), end
    )


def walks(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Three walks, leader forward and follower back (or the reverse), then a break."""
    way, b = rng.choice([-1.0, 1.0]), rng.uniform(0.4, 0.7)
    far = [way * rng.uniform(0.28, 0.36) * k for k in (1, 2, 2.6)]
    lead = [{"z": -0.5 + f} for f in far] + [{"z": -0.5 + far[2], "ahead": -way * b}] + [{"z": -0.5 + far[2]}] * 2
    follow = [{"z": 0.5 + f} for f in far] + [{"z": 0.5 + far[2], "ahead": way * b}] + [{"z": 0.5 + far[2]}] * 2
    counts = (1, 2, 3, 5, 6, 7)
    return Figure(
        "walks",
        _leader(*zip(counts, lead, strict=True)),
        _follower(*zip(counts, follow, strict=True)),
        ((0, hold), (4, _kept_hold(rng, hold, end))),
        end,
    )


def promenade(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Side by side walks to the leader's left, and round to face again."""
    t, d = rng.uniform(45, 75), rng.uniform(0.26, 0.34)
    xs, turns = (d, 2 * d, 2.9 * d, 3.2 * d, 3.0 * d, 2.8 * d), (t, t, t, 0.3 * t, 0.0, 0.0)
    counts = (1, 2, 3, 5, 6, 7)
    lead = [(c, {"x": x, "turn_deg": a}) for c, x, a in zip(counts, xs, turns, strict=True)]
    follow = [(c, {"x": x, "turn_deg": -a}) for c, x, a in zip(counts, xs, turns, strict=True)]
    held = ("frame",) if hold == CLOSED else ("right",)
    return Figure(
        "promenade", _leader(*lead), _follower(*follow), ((0, hold), (0.5, held), (4, _end_hold(rng, end))), end
    )


def circle(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Both walk round each other, half a turn or a whole one."""
    way, total = rng.choice([-1.0, 1.0]), rng.choice([180.0, 360.0], p=[0.65, 0.35])
    counts, share = (1, 2, 3, 5, 6, 7), np.array([1, 2, 3.2, 4.2, 5.2, 6]) / 6
    lean = np.array([40, 45, 45, 45, 30, 0]) * -way
    phi = way * np.radians(total * share)

    def place(sign: float) -> list[tuple[float, dict[str, float]]]:
        return [
            (c, {"z": sign * 0.5 * np.cos(p), "x": sign * 0.36 * np.sin(p), "turn_deg": float(np.degrees(p) + a)})
            for c, p, a in zip(counts, phi, lean, strict=True)
        ]

    held = hold if hold in (TWO_HANDS, HANDSHAKE, LEFT_HAND) else FREE
    return Figure(
        "circle", _leader(*place(-1)), _follower(*place(1)), ((0, hold), (0.5, held), (6.5, _end_hold(rng, end))), end
    )


def cuddle(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Follower turns left into the leader's right arm, both rock back side by side, and she turns out (16 counts)."""
    a, x = rng.uniform(0.5, 0.8), rng.uniform(0.42, 0.48)
    inside = {"z": -0.42, "x": -x}
    return Figure(
        "cuddle",
        _leader(
            (1, {"ahead": -a}), (2, {}), (3, {}), (5, {"x": 0.05}), (6, {"x": 0.06}), (7, {"x": 0.06, "turn_deg": -8}),
            (9, {"x": 0.06, "ahead": -a, "turn_deg": -8}), (10, {"x": 0.06, "turn_deg": -8}), (11, {"x": 0.05}),
            (13, {"ahead": -0.3}), (14, {}), (15, {}),
        ),
        _follower(
            (1, {"ahead": -a}), (2, {}), (3, {"z": 0.4, "x": -0.1}), (5, {"z": 0.15, "x": -0.3, "turn_deg": 40}),
            (6, {"z": -0.25, "x": -x, "turn_deg": 115}), (7, {**inside, "turn_deg": 180}),
            (9, {**inside, "turn_deg": 185, "ahead": -a}), (10, {**inside, "turn_deg": 185}),
            (11, {"z": -0.3, "x": -x, "turn_deg": 175}), (13, {"z": 0.1, "x": -0.36, "turn_deg": 110}), (14, {"z": 0.42, "x": -0.15, "turn_deg": 50}), (15, {}),
        ),
        (
            (0, hold), (0.5, TWO_HANDS), (3.4, ("over_follower", "right")), (6.5, ("left", "embrace")), (12, ("left",)),
            (15, _end_hold(rng, end)),
        ),
        end,
        counts=16,
    )  # fmt: skip


def groove(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """On the spot: weight from side to side with touches."""
    a = rng.uniform(0.25, 0.5)
    rows = [(1.0, a, 1.0), (2.0, a, 0.0), (3.0, -a, 1.0), (4.0, -a, 0.0), (5.0, a, 1.0), (6.0, a, 0.0), (7.0, -a, 1.0)]
    lead = [(c, {"side": s, "weight": w, "ahead": 0.15 * (w == 0)}) for c, s, w in rows]
    follow = [(c, {"side": -s, "weight": w, "ahead": 0.15 * (w == 0)}) for c, s, w in rows]
    return Figure(
        "groove",
        _leader(*lead),
        _follower(*follow),
        ((0, hold), (4, _kept_hold(rng, hold, end))),
        end,
    )


def shine(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Apart, nothing held: feet cross in front or behind, arms are free."""
    way, a, t = rng.choice([-0.5, 0.45]), rng.uniform(0.6, 0.9), rng.uniform(10, 35)
    left = {"side": -0.55, "ahead": way, "turn_deg": -t * np.sign(way)}
    right = {"side": 0.55, "ahead": way, "turn_deg": t * np.sign(way)}
    out_l, out_r = {"side": a * 0.5}, {"side": -a * 0.5}
    lead = ((1, left), (2, out_r), (3, {}), (5, right), (6, out_l), (7, {}))
    follow = ((1, right), (2, out_l), (3, {}), (5, left), (6, out_r), (7, {}))
    return Figure(
        "shine", _leader(*lead), _follower(*follow), ((0, hold), (0.2, FREE), (7.2, _end_hold(rng, end))), end
    )


@dataclass(frozen=True)
class Entry:
    """A figure's place in the repertoire."""

    make: Callable[[np.random.Generator, Hold, str], Figure]
    weight: float
    starts: tuple[str, ...]
    """Distances it can start from."""
    ends: tuple[str, ...]
    """Distances it can end at."""
    counts: int = 8
    plain: bool = False
    """Danced even by couples of little variety."""


REPERTOIRE = {
    "basic": Entry(basic, 3.0, ("closed", "open", "apart"), ("closed", "open"), plain=True),
    "side basic": Entry(side_basic, 1.2, ("closed", "open", "apart"), ("closed", "open"), plain=True),
    "open break": Entry(open_break, 1.2, ("open", "closed", "apart"), ("open",)),
    "hand to hand": Entry(hand_to_hand, 1.2, ("open", "closed"), ("open",)),
    "cross body lead": Entry(cross_body, 3.2, ("closed", "open"), ("closed", "open", "open")),
    "inside turn": Entry(inside_turn, 2.4, ("closed", "open"), ("open",)),
    "right turn": Entry(right_turn, 2.4, ("open",), ("open", "open", "closed")),
    "leader turn": Entry(leader_turn, 1.2, ("open",), ("open", "apart")),
    "walks": Entry(walks, 0.8, ("closed", "open"), ("closed", "open")),
    "promenade": Entry(promenade, 0.6, ("closed", "open"), ("open", "closed")),
    "circle": Entry(circle, 0.9, ("open", "apart"), ("open",)),
    "cuddle": Entry(cuddle, 1.0, ("open",), ("open",), counts=16),
    "groove": Entry(groove, 0.4, ("closed", "open", "apart"), ("open", "closed"), plain=True),
    "shine": Entry(shine, 0.9, ("open", "apart"), ("apart", "open")),
}  # fmt: skip


def next_figure(rng: np.random.Generator, last: Figure | None, *, variety: float = 1.0, room: int = 16) -> Figure:
    """A figure that can follow ``last`` and takes at most ``room`` counts."""
    start, hold = ("closed", CLOSED) if last is None else (last.end, last.end_hold)
    weights = []
    for name, entry in REPERTOIRE.items():
        fits = start in entry.starts and entry.counts <= room
        again = 0.35 if last is not None and name == last.name else 1.0
        weights.append(fits * again * entry.weight * (1.0 if entry.plain else variety))
    entry = list(REPERTOIRE.values())[rng.choice(len(weights), p=np.array(weights) / sum(weights))]
    # Closed hold is worth staying in.
    stays = start == "closed" and "closed" in entry.ends and rng.random() < 0.5
    end = "closed" if stays else entry.ends[rng.integers(len(entry.ends))]
    return entry.make(rng, hold, end)
