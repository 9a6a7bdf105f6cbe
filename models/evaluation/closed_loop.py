"""Closed-loop numbers of a follower and of the baselines it has to beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.features import Placement
from duet.kinematics import forward
from duet.skeleton import BODY
from models.data.beats import with_led_beats
from models.data.music import LEAD_IN_S, heard_condition
from models.data.pairs import Pair
from models.data.take import Take
from models.evaluation.metrics import Performance, measure
from models.rollout import Danced, Partner, TorchPartner, dance

WARM_UP_S = 1.0
"""Not judged: the follower enters from the wished place while the real one is already dancing."""


@dataclass(frozen=True)
class Example:
    """A couple to be judged against, and what the follower is shown of it."""

    pair: Pair
    take: Take


def example_of(pair: Pair, seed: int = 0) -> Example:
    """A couple with the music it danced to, or else the built-in groove on the leader's steps, heard as live."""
    conditions = pair.heard
    if conditions is None:
        beats_s = with_led_beats(pair).beats_s
        assert beats_s is not None
        conditions = heard_condition(beats_s, pair.frames, pair.leader.fps, seed=seed, lead_in_s=LEAD_IN_S)
    return Example(pair, Take(pair.name, pair.leader.joints_m, conditions, pair.leader.fps, wish=Placement()))


def judge(danced_m: NDArray, rotations: NDArray, pair: Pair) -> dict[str, float]:
    """Numbers of joints (T, 22, 3) and rotations (T, 22, 3, 3) beside ``pair``, without the warm-up."""
    fps = pair.leader.fps
    judged = slice(round(WARM_UP_S * fps), len(danced_m))
    real = Performance.of(pair.follower.joints_m[judged], pair.follower.rotations[judged])
    made = Performance.of(danced_m[judged], rotations[judged])
    return measure(made, real, pair.leader.joints_m[judged], fps)


def joints_of(danced: Danced) -> NDArray[np.floating]:
    """(T, 22, 3) in the world."""
    return forward(BODY, danced.root_m, danced.rotations)[0]


def judge_follower(
    partner: Partner, examples: list[Example], *, leak: float, delay_frames: int = 3, seeds: tuple[int, ...] = (0, 1)
) -> dict[str, float]:
    """Mean numbers over examples and seeds, weighted alike."""
    rows = []
    if isinstance(partner, TorchPartner):
        # Takes of a batch end together: the short one is danced past its end by a leader who stands still.
        longest = max(e.take.frames for e in examples)
        takes = [lengthened(e.take, longest) for e in examples for _ in seeds]
        danced = dance(partner, takes, leak=leak, delay_frames=delay_frames, seeds=list(seeds) * len(examples))
    else:
        danced = [
            dance(partner, [e.take], leak=leak, delay_frames=delay_frames, seeds=[seed])[0]
            for e in examples
            for seed in seeds
        ]
    for i, own in enumerate(danced):
        pair = examples[i // len(seeds)].pair
        frames = min(len(own.root_m), pair.frames)
        rows.append(judge(joints_of(own)[:frames], own.rotations[:frames], pair))
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def lengthened(take: Take, frames: int) -> Take:
    """``take`` with its last frame held up to ``frames``."""
    more = frames - take.frames

    def hold(x: NDArray) -> NDArray:
        return np.concatenate([x, np.repeat(x[-1:], more, axis=0)])

    return Take(take.name, hold(take.joints_m), hold(take.conditions), take.fps, style=take.style, wish=take.wish)


def closed_loop_score(numbers: dict[str, float]) -> float:
    """One number to choose weights by, lower is better: closeness, with liveliness and bodies kept apart.

    Metres of root and distance error, pose error in units of 0.3 m, a penalty for moving less than 0.8 or more than
    1.2 times as much as the real follower, and for bodies that overlap.
    """
    speed = numbers["speed_ratio"]
    return (
        numbers["root_ade_m"]
        + numbers["distance_mae_m"]
        + numbers["mpjpe_mm"] / 300.0
        + numbers["heading_deg"] / 180.0
        + max(0.0, 0.8 - speed, speed - 1.2)
        + max(0.0, numbers["overlap_percent"] - 3.0) / 20.0
    )
