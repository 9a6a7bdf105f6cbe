"""What a tick is asked with: a follower's inputs, by its contract's names."""

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.features import Standing, place_features
from duet.forecast import LeaderWindow
from realtime.tick import Tensors
from realtime.wishes import Wishes


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
