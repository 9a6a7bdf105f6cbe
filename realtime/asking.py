"""What a tick is asked with, a follower's inputs by its contract's names; and what its answer means in the world."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.features import (
    FOLLOWER_CONTACT,
    FOLLOWER_ROOT,
    Standing,
    follower_rotations,
    integrate_root,
    place_features,
)
from duet.forecast import ForeseenLeader, LeaderWindow
from duet.giving_way import Bodies
from duet.rotations import Array
from realtime.playout import Plan
from realtime.tick import Tensors
from realtime.wishes import Wishes


@dataclass(frozen=True)
class Asked:
    """What a tick was asked with; needed to turn its answer into a plan."""

    tick: int
    contract: FollowerContract
    leader: ForeseenLeader
    standing: Standing
    newest_frame: int
    newest_s: float
    begun_s: float
    surprised: bool
    """Whether the leader was just doing what was not foreseen."""
    leak: float
    """How much of the gap to its place the follower closes in a frame."""


def inputs_of(
    contract: FollowerContract,
    leader: LeaderWindow,
    music: NDArray[np.float32],
    standing: Standing,
    wishes: Wishes,
    *,
    confidence: float,
    draw: tuple[int, int],
) -> Tensors:
    """The contract's input tensors. ``music`` (W, token_frames * 8) as heard, ``standing`` the body's, ``confidence``
    the leader's; ``draw``: seed and number of the noise."""
    c = contract
    place = place_features(standing, leader.now, wishes.placement, confidence)
    noise = np.random.Generator(np.random.PCG64(draw)).standard_normal(
        (1, c.plan_tokens, c.latent_size), dtype=np.float32
    )
    # A style of a follower with other styles means nothing to this one.
    style = wishes.style if len(wishes.style) == c.style_size else c.style
    inputs = {
        "leader": leader.features[None],
        "leader_flag": leader.flags[None],
        "music": music[None],
        "place": place[None],
        "noise": noise,
        "guidance": np.array(wishes.guidance, dtype=np.float32)[None],
        "style": np.array(style, dtype=np.float32)[None],
        "reference": np.zeros((1, c.plan_tokens, c.latent_size), dtype=np.float32),
        "reference_flag": np.zeros((1, 1), dtype=np.float32),
    }
    wanted = {t.name for t in c.inputs}
    return {name: tensor for name, tensor in inputs.items() if name in wanted}


def plan_of(frames: Array, asked: Asked, near: int) -> tuple[Plan, dict[int, tuple[float, float]]]:
    """Decoded features (N, 145) as poses in the world; the first ``near`` give way to the leader's body.

    Also returns, by frame, the step (x, z) that gave way.
    """
    c, leader, heading = asked.contract, asked.leader, asked.leader.plan_heading_rad
    first = c.timeline.first_frame(asked.tick)
    rows, walk = frames[:, FOLLOWER_ROOT], list[Standing]()
    room = Bodies(frames, leader.plan_joints_m, heading, asked.leak, asked_frames=near)
    for part, way in ((slice(0, near), room), (slice(near, len(rows)), None)):
        start = walk[-1] if walk else asked.standing
        walk += integrate_root(start, rows[part], leader.plan_root_m[part], heading[part], c.fps, asked.leak, way)
    yaw = np.array([s.yaw_rad for s in walk])
    root = np.array([s.root_m for s in walk], dtype=np.float32)
    plan = Plan(first, root, follower_rotations(frames, yaw), frames[:, FOLLOWER_CONTACT], asked.newest_s)
    return plan, {first + i: s.giving_m for i, s in enumerate(walk)}
