"""What a follower's dance is worth by how many calls of the network a tick makes, and by which sampler.

Few calls from noise average the dance away: the conditional mean stays, its spread collapses. So the table holds,
beside closeness, how lively the dance is, how far two seeds of it are apart, and what a tick costs beside that of one
call.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from duet.retrieval import Bank
from models.config import SamplerConfig, SamplerKind
from models.evaluation.closed_loop import Example, joints_of, judge, lengthened
from models.follower import Follower
from models.rollout import TorchPartner, dance

_LADDERS: dict[SamplerKind, tuple[int, ...]] = {"ddim": (1, 2, 4, 8, 50), "dpm": (4, 8), "pipelined": (1, 2)}
SAMPLERS = tuple(SamplerConfig(kind, calls) for kind, counts in _LADDERS.items() for calls in counts)
"""What a follower that was not distilled is danced with."""
STUDENT_SAMPLERS = (SamplerConfig("ddim", 1), SamplerConfig("ddim", 2))
COLUMNS = {
    "root_ade_m": ("root error m", "{:.3f}"),
    "mpjpe_mm": ("MPJPE mm", "{:.0f}"),
    "heading_deg": ("heading error deg", "{:.0f}"),
    "speed_ratio": ("speed / real", "{:.2f}"),
    "jerk_ratio": ("jerk / real", "{:.2f}"),
    "skate": ("skate", "{:.2f}"),
    "overlap_percent": ("overlap %", "{:.1f}"),
    "spread_mm": ("seeds apart mm", "{:.0f}"),
    "cost": ("cost of a tick", "{:.2f}"),
}


@dataclass(frozen=True)
class Dancer:
    """Weights under one sampler."""

    name: str
    follower: Follower
    sampler: SamplerConfig


def dancers_of(name: str, follower: Follower) -> list[Dancer]:
    """A follower under every sampler of the table; a student, which folded its guidance, under its own."""
    folded = follower.config.denoiser.folded_guidance
    own = follower.config.sampler
    kinds = [s for s in STUDENT_SAMPLERS if s.calls <= own.calls] if folded else SAMPLERS
    # As much noise as it dances with: the table compares ways from noise to a plan.
    samplers = [replace(s, temperature=own.temperature) for s in kinds]
    return [Dancer(f"{name} {s.kind} x{s.calls}", follower, s) for s in samplers]


def measure_calls(
    dancers: Iterable[Dancer],
    examples: list[Example],
    *,
    leak: float,
    bank: Bank | None = None,
    delay_frames: int = 3,
    seeds: tuple[int, ...] = (0, 1),
    done: Callable[[str, dict[str, float]], None] = lambda *_: None,
) -> dict[str, dict[str, float]]:
    """Numbers by name of each dancer on ``examples``, live-causally; ``done`` hears of each as it is there."""
    rows = {}
    cost: float | None = None
    for dancer in dancers:
        numbers = _danced(dancer, examples, leak, bank, delay_frames, seeds)
        took = tick_seconds(dancer)
        cost = tick_seconds(Dancer("", dancer.follower, SamplerConfig("ddim", 1))) if cost is None else cost
        rows[dancer.name] = numbers | {"cost": took / cost}
        done(dancer.name, rows[dancer.name])
    return rows


def _danced(
    dancer: Dancer, examples: list[Example], leak: float, bank: Bank | None, delay_frames: int, seeds: tuple[int, ...]
) -> dict[str, float]:
    longest = max(e.take.frames for e in examples)
    takes = [lengthened(e.take, longest) for e in examples for _ in seeds]
    partner = TorchPartner(dancer.follower, dancer.sampler, bank)
    danced = dance(partner, takes, leak=leak, delay_frames=delay_frames, seeds=list(seeds) * len(examples))
    rows, apart = [], []
    for n, example in enumerate(examples):
        frames = min(len(danced[0].root_m), example.pair.frames)
        own = danced[n * len(seeds) : (n + 1) * len(seeds)]
        joints = np.stack([joints_of(d)[:frames] for d in own])
        rows += [judge(j, d.rotations[:frames], example.pair) for j, d in zip(joints, own, strict=True)]
        centred = joints - joints[:, :, :1]
        gaps = [np.linalg.norm(centred[i] - centred[j], axis=-1).mean() for j in range(len(own)) for i in range(j)]
        apart.append(1000.0 * float(np.mean(gaps)) if gaps else 0.0)
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return mean | {"spread_mm": float(np.mean(apart))}


@torch.no_grad()
def tick_seconds(dancer: Dancer, repeats: int = 40) -> float:
    """Median processor time of an unguided tick of one performance, which other work on the machine hardly changes."""
    partner = TorchPartner(dancer.follower, dancer.sampler)
    shapes = partner.follower.input_shapes()
    inputs = {name: torch.zeros(shape).normal_().numpy() for name, shape in shapes.items()}
    partner.reset(1)
    times = []
    for _ in range(repeats):
        began = time.process_time()
        partner.tick(inputs)
        times.append(time.process_time() - began)
    return float(np.median(times))


def markdown(rows: dict[str, dict[str, float]]) -> str:
    """A table, one row per dancer."""
    lines = ["| sampler | " + " | ".join(t for t, _ in COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(form.format(row[key]) for key, (_, form) in COLUMNS.items()) + " |"
        for name, row in rows.items()
    ]
    return "\n".join(lines) + "\n"
