"""Figures in which somebody turns: under raised arms, let go, or rolled into an arm."""

import numpy as np

from duet.choreography.figures import (
    FREE,
    HANDSHAKE,
    LEFT_HAND,
    TWO_HANDS,
    Figure,
    Hold,
    cross_body_leader,
    end_hold,
    follower_steps,
    leader_steps,
)


def inside_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """A cross body lead in which the follower turns left under the joined hands."""
    return _slot_turn("inside turn", 1.0, rng, hold, end)


def outside_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """A cross body lead in which the follower turns right under the joined hands."""
    return _slot_turn("outside turn", -1.0, rng, hold, end)


def _slot_turn(name: str, way: float, rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    z, x, a = rng.uniform(-0.15, 0.3), rng.uniform(0.38, 0.46), rng.uniform(0.5, 0.9)
    return Figure(
        name,
        cross_body_leader(z, x, a),
        follower_steps(
            (1, {"ahead": -a}), (2, {"z": 0.48}), (3, {"z": 0.28, "x": 0.08, "turn_deg": 15 * way}),
            (5, {"z": -0.18, "x": 0.14, "turn_deg": 190 * way}), (6, {"z": -0.66, "x": 0.10, "turn_deg": 370 * way}),
            (7, {"z": z - 1, "turn_deg": 540 * way}),
        ),
        ((0, hold), (1, LEFT_HAND), (3.2, ("over_follower",)), (7.3, end_hold(rng, end))),
        end,
    )  # fmt: skip


def right_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Follower turns right: under the joined hands on 5 6 7, or let go on 1 2 3."""
    a = rng.uniform(0.5, 0.9)
    over = "cross_over" if hold == HANDSHAKE else "over_follower"
    if rng.random() < 0.6:
        return Figure(
            "right turn",
            leader_steps((1, {"ahead": a}), (2, {}), (3, {}), (5, {"ahead": 0.1}), (6, {}), (7, {})),
            follower_steps(
                (1, {"ahead": -a}), (2, {}), (3, {"ahead": 0.1}), (5, {"turn_deg": -115, "z": 0.52, "x": 0.05}),
                (6, {"turn_deg": -240, "z": 0.52, "x": -0.03}), (7, {"turn_deg": -360}),
            ),
            ((0, hold), (3.2, (over,)), (7.5, end_hold(rng, end))),
            end,
            near=True,
        )  # fmt: skip
    return Figure(
        "right turn",
        leader_steps((1, {"side": 0.5}), (2, {}), (3, {}), (5, {"ahead": -a}), (6, {}), (7, {"ahead": 0.1})),
        follower_steps(
            (1, {"turn_deg": -80, "z": 0.55}), (2, {"turn_deg": -220, "z": 0.53}), (3, {"turn_deg": -360}),
            (5, {"turn_deg": -360, "ahead": a}), (6, {"turn_deg": -360}), (7, {"turn_deg": -360}),
        ),
        ((0, hold), (0.0, FREE), (3.6, LEFT_HAND), (7, end_hold(rng, end))),
        end,
    )  # fmt: skip


def double_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Follower spins right twice under the joined hands."""
    a = rng.uniform(0.4, 0.7)
    return Figure(
        "double turn",
        leader_steps((1, {"ahead": a}), (2, {}), (3, {}), (5, {"ahead": 0.1}), (6, {}), (7, {})),
        follower_steps(
            (1, {"ahead": -a}), (2, {"turn_deg": 10}), (3, {"turn_deg": 25}), (5, {"turn_deg": -235, "z": 0.52}),
            (6, {"turn_deg": -470, "z": 0.52}), (7, {"turn_deg": -700}),
            (8, {"turn_deg": -720, "weight": 0.0, "side": 0.1}),
        ),
        ((0, hold), (3.0, ("cross_over" if hold == HANDSHAKE else "over_follower",)), (7.7, end_hold(rng, end))),
        end,
        near=True,
    )  # fmt: skip


def both_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Hands off, and each turns on the spot, away from the other."""
    way = rng.choice([-1.0, 1.0])
    rows = [(5, {"turn_deg": 120 * way}), (6, {"turn_deg": 240 * way}), (7, {"turn_deg": 360 * way})]
    return Figure(
        "both turn",
        leader_steps((1, {"ahead": -0.45}), (2, {}), (3, {}), *rows),
        follower_steps(
            (1, {"ahead": -0.45}), (2, {}), (3, {}), *[(c, {"turn_deg": -row["turn_deg"]}) for c, row in rows]
        ),
        ((0, hold), (3.2, FREE), (7.6, end_hold(rng, end))),
        end,
    )


def in_and_out(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Follower comes in with half a turn to the left, rocks forward beside him, and turns out again (Copa)."""
    a, x = rng.uniform(0.35, 0.55), rng.uniform(0.40, 0.46)
    return Figure(
        "in and out",
        leader_steps(
            (1, {"ahead": -a}), (2, {}), (3, {"x": 0.1}), (5, {"x": 0.1, "ahead": -0.4}), (6, {"x": 0.06}), (7, {}),
        ),
        follower_steps(
            (1, {"ahead": -a}), (2, {"z": 0.42}), (3, {"z": 0.02, "x": 0.05 - x, "turn_deg": 140}),
            (5, {"z": -0.05, "x": 0.02 - x, "turn_deg": 165, "ahead": -0.4}),
            (6, {"z": 0.25, "x": 0.1 - x, "turn_deg": 110}), (7, {"turn_deg": 0}),
        ),
        ((0, hold), (0.5, TWO_HANDS if hold == TWO_HANDS else LEFT_HAND), (7, end_hold(rng, end))),
        end,
    )  # fmt: skip


def leader_turn(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Leader turns, to the right on 5 6 7 or to the left on 1 2 3; follower dances the basic."""
    held: Hold = ("over_leader",) if rng.random() < 0.6 else FREE
    follower = follower_steps((1, {"ahead": -0.7}), (2, {}), (3, {}), (5, {"ahead": 0.6}), (6, {}), (7, {}))
    if rng.random() < 0.5:
        leader = leader_steps(
            (1, {"ahead": 0.6}), (2, {}), (3, {"turn_deg": -20}), (5, {"turn_deg": -125, "z": -0.55}),
            (6, {"turn_deg": -245, "z": -0.55}), (7, {"turn_deg": -360}),
        )  # fmt: skip
        holds = ((0.0, hold), (3.0, held), (7.4, end_hold(rng, end)))
        return Figure("leader turn", leader, follower, holds, end, near=bool(held))
    leader = leader_steps(
        (1, {"turn_deg": 60, "z": -0.55}), (2, {"turn_deg": 215, "z": -0.56}), (3, {"turn_deg": 360}),
        (5, {"ahead": -0.6, "turn_deg": 360}), (6, {"turn_deg": 360}), (7, {"turn_deg": 360}),
    )  # fmt: skip
    holds = ((0.0, hold), (0.2, held), (3.6, LEFT_HAND), (7.0, end_hold(rng, end)))
    return Figure("leader turn", leader, follower, holds, end, near=bool(held))


def cuddle(rng: np.random.Generator, hold: Hold, end: str) -> Figure:
    """Follower turns left into the leader's right arm, both rock back side by side, and she turns out (16 counts)."""
    a, x = rng.uniform(0.35, 0.55), rng.uniform(0.42, 0.48)
    inside = {"z": -0.42, "x": -x}
    return Figure(
        "cuddle",
        leader_steps(
            (1, {"ahead": -a}), (2, {}), (3, {}), (5, {"x": 0.05}), (6, {"x": 0.06}), (7, {"x": 0.06, "turn_deg": -8}),
            (9, {"x": 0.06, "ahead": -a, "turn_deg": -8}), (10, {"x": 0.06, "turn_deg": -8}), (11, {"x": 0.05}),
            (13, {"ahead": -0.3}), (14, {}), (15, {}),
        ),
        follower_steps(
            (1, {"ahead": -a}), (2, {}), (3, {"z": 0.4, "x": -0.1}), (5, {"z": 0.15, "x": -0.3, "turn_deg": 40}),
            (6, {"z": -0.25, "x": -x, "turn_deg": 115}), (7, {**inside, "turn_deg": 180}),
            (9, {**inside, "turn_deg": 185, "ahead": -a}), (10, {**inside, "turn_deg": 185}),
            (11, {"z": -0.3, "x": -x, "turn_deg": 175}), (13, {"z": 0.1, "x": -0.36, "turn_deg": 110}),
            (14, {"z": 0.42, "x": -0.15, "turn_deg": 50}), (15, {}),
        ),
        (
            (0, hold), (0.5, TWO_HANDS), (3.4, ("over_follower", "right")), (6.5, ("left", "embrace")), (12, ("left",)),
            (15, end_hold(rng, end)),
        ),
        end,
        counts=16,
    )  # fmt: skip
