"""Salsa figures as timed foot plans for both dancers, danced "on 1": steps on 1 2 3 and 5 6 7.

A figure is written in the *slot*: the origin lies between the two dancers, z runs from leader to
follower and is measured in their distance (leader at -0.5, follower at +0.5), x is the leader's
left in metres. ``turn_deg`` is relative to facing the partner, positive to the dancer's own left.
``side`` and ``ahead`` move the stepping foot from its place under the body, in the body's own
directions and in step lengths. The leader begins with the left foot, the follower with the right,
and feet alternate; a step of weight 0 is a touch of the foot that steps next.
"""

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
    near: bool = False
    """Whether they come close half-way, as under raised arms."""

    @property
    def last_hold(self) -> Hold:
        """What is held when it ends."""
        return self.holds[-1][1]


def leader_steps(*rows: tuple[float, dict[str, float]]) -> tuple[Step, ...]:
    """Count and what differs from standing in place, for each of the leader's steps."""
    return tuple(Step(count, **{"z": -0.5, **row}) for count, row in rows)


def follower_steps(*rows: tuple[float, dict[str, float]]) -> tuple[Step, ...]:
    """The same for the follower."""
    return tuple(Step(count, **{"z": 0.5, **row}) for count, row in rows)


def end_hold(rng: np.random.Generator, end: str) -> Hold:
    """A hold that suits the distance ``end``."""
    if end == "closed":
        return CLOSED
    if end == "apart":
        return FREE
    return (TWO_HANDS, LEFT_HAND, HANDSHAKE)[rng.choice(3, p=[0.4, 0.5, 0.1])]


def kept_hold(rng: np.random.Generator, hold: Hold, end: str) -> Hold:
    """The hands stay as they are where the distance at the end allows it."""
    return hold if hold and (hold == CLOSED) == (end == "closed") else end_hold(rng, end)


def basic(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Forward and back: leader breaks forward on 1 and back on 5, follower mirrors."""
    a, b = rng.uniform(0.8, 1.15, 2)
    t = rng.uniform(0.05, 0.45)
    return Figure(
        "basic",
        leader_steps((1, {"ahead": a}), (2, {}), (3, {"ahead": -t}), (5, {"ahead": -b}), (6, {}), (7, {"ahead": t})),
        follower_steps((1, {"ahead": -a}), (2, {}), (3, {"ahead": t}), (5, {"ahead": b}), (6, {}), (7, {"ahead": -t})),
        ((0, hold), (4, kept_hold(rng, hold, end))),
        end,
    )


def side_basic(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """To the leader's left, back, to the right, back."""
    a = rng.uniform(0.7, 1.1)
    return Figure(
        "side basic",
        leader_steps((1, {"side": a}), (2, {}), (3, {}), (5, {"side": -a}), (6, {}), (7, {})),
        follower_steps((1, {"side": -a}), (2, {}), (3, {}), (5, {"side": a}), (6, {}), (7, {})),
        ((0, hold), (4, kept_hold(rng, hold, end))),
        end,
    )


def open_break(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Both rock back on 1, away from each other, and meet again."""
    a = rng.uniform(0.28, 0.48)
    first = hold if hold in (TWO_HANDS, LEFT_HAND, HANDSHAKE) else LEFT_HAND
    return Figure(
        "open break",
        leader_steps((1, {"ahead": -a}), (2, {}), (3, {"ahead": 0.2}), (5, {"ahead": -0.6}), (6, {}), (7, {})),
        follower_steps((1, {"ahead": -a}), (2, {}), (3, {"ahead": 0.2}), (5, {"ahead": 0.6}), (6, {}), (7, {})),
        ((0, hold), (0.5, first), (5, end_hold(rng, end))),
        end,
    )


def hand_to_hand(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Hand to hand: both open out to one side and rock back, then to the other."""
    t, a = rng.uniform(50, 80), rng.uniform(0.5, 0.8)
    open_, shut = {"turn_deg": t, "ahead": -a}, {"turn_deg": 0.3 * t}
    back, close = {"turn_deg": -t, "ahead": -a}, {"turn_deg": -0.3 * t}
    return Figure(
        "hand to hand",
        leader_steps((1, open_), (2, shut), (3, {}), (5, back), (6, close), (7, {})),
        follower_steps((1, back), (2, close), (3, {}), (5, open_), (6, shut), (7, {})),
        (
            (0, hold),
            (0.3, ("right",)),
            (3, TWO_HANDS),
            (4.3, ("left",)),
            (7, TWO_HANDS if end == "open" else end_hold(rng, end)),
        ),
        end,
    )


def cross_body(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Leader opens the slot; follower walks through to the other end."""
    z, x, a = rng.uniform(-0.15, 0.35), rng.uniform(0.4, 0.5), rng.uniform(0.5, 0.9)
    lead: Hold = ("aside", "embrace") if hold == CLOSED else (hold or LEFT_HAND)
    return Figure(
        "cross body lead",
        cross_body_leader(z, x, a),
        follower_steps(
            (1, {"ahead": -a}), (2, {"z": 0.48}), (3, {"z": 0.25, "x": 0.05}), (5, {"z": -0.18, "x": 0.10}),
            (6, {"z": -0.70, "x": 0.06, "turn_deg": 50}), (7, {"z": z - 1, "turn_deg": 180}),
        ),
        ((0, hold), (1, lead), (4.5, LEFT_HAND if lead != HANDSHAKE else HANDSHAKE), (7, end_hold(rng, end))),
        end,
    )  # fmt: skip


def cross_body_leader(z: float, x: float, ahead: float) -> tuple[Step, ...]:
    """The leader's steps of a cross body lead: aside by ``x``, and round to face the follower from ``z``."""
    return leader_steps(
        (1, {"ahead": ahead}), (2, {"x": -0.12, "turn_deg": 25}), (3, {"z": -0.36, "x": -x, "turn_deg": 75}),
        (5, {"z": -0.2, "x": -x - 0.02, "turn_deg": 95}), (6, {"z": min(z, 0.0) * 0.5, "x": -0.6 * x, "turn_deg": 140}),
        (7, {"z": z, "turn_deg": 180}),
    )  # fmt: skip


def walks(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Three walks, leader forward and follower back (or the reverse), then a break."""
    way, b = rng.choice([-1.0, 1.0]), rng.uniform(0.4, 0.7)
    far = [way * rng.uniform(0.28, 0.36) * k for k in (1, 2, 2.6)]
    lead = [{"z": -0.5 + f} for f in far] + [{"z": -0.5 + far[2], "ahead": -way * b}] + [{"z": -0.5 + far[2]}] * 2
    follow = [{"z": 0.5 + f} for f in far] + [{"z": 0.5 + far[2], "ahead": way * b}] + [{"z": 0.5 + far[2]}] * 2
    counts = (1, 2, 3, 5, 6, 7)
    return Figure(
        "walks",
        leader_steps(*zip(counts, lead, strict=True)),
        follower_steps(*zip(counts, follow, strict=True)),
        ((0, hold), (4, kept_hold(rng, hold, end))),
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
        "promenade",
        leader_steps(*lead),
        follower_steps(*follow),
        ((0, hold), (0.5, held), (4, end_hold(rng, end))),
        end,
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
        "circle",
        leader_steps(*place(-1)),
        follower_steps(*place(1)),
        ((0, hold), (0.5, held), (6.5, end_hold(rng, end))),
        end,
    )


def groove(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """On the spot: weight from side to side with touches."""
    a = rng.uniform(0.25, 0.5)
    rows = [(1.0, a, 1.0), (2.0, a, 0.0), (3.0, -a, 1.0), (4.0, -a, 0.0), (5.0, a, 1.0), (6.0, a, 0.0), (7.0, -a, 1.0)]
    lead = [(c, {"side": s, "weight": w, "ahead": -0.1 * (w == 0)}) for c, s, w in rows]
    follow = [(c, {"side": -s, "weight": w, "ahead": -0.1 * (w == 0)}) for c, s, w in rows]
    return Figure(
        "groove",
        leader_steps(*lead),
        follower_steps(*follow),
        ((0, hold), (4, kept_hold(rng, hold, end))),
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
        "shine", leader_steps(*lead), follower_steps(*follow), ((0, hold), (0.2, FREE), (7.2, end_hold(rng, end))), end
    )
