"""A leader forecaster that learns: the damped forecast of ``duet.forecast``, and what a Mamba memory adds to it.

Frame by frame it hears the leader's features and the music, and says for the frames ahead how pose, path and heading
will leave the damped extrapolation. What it adds is a sum of a few slow waves that begin at nothing: close ahead the
measured velocity is hard to beat, far ahead a dancer comes back where the beat wants them. Untrained it adds nothing.

Glossary: B batch, T frames, n frames asked from, h frames ahead, K waves, D = 70 numbers of a leader (22 joints
relative to the pelvis in the heading frame, pelvis path, heading).
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from duet.errors import InputError
from duet.features import LEADER_SIZE
from duet.forecast import (
    FORESEEN_FROM_FRAMES,
    FORESEEN_PATH,
    FORESEEN_POSE,
    FORESEEN_SIZE,
    FORESEEN_TURN,
    HEADING_TIME_CONSTANT_S,
    PATH_TIME_CONSTANT_S,
    POSE_TIME_CONSTANT_S,
    VELOCITY_FRAMES,
)
from duet.music import CONDITION_SIZE
from models.blocks import Normaliser
from models.config import ForecasterConfig, MemoryConfig
from models.mamba import MambaStack, MemoryState
from models.weights import load_numbers, load_weights, save_weights

POSE_SIZE = FORESEEN_POSE.stop - FORESEEN_POSE.start
AHEAD_SIZE = FORESEEN_SIZE
_SCALE = (0.1, 0.2, 0.3)
"""Metres of pose, metres of path, radians of heading that one unit of the network's output stands for."""


def _config_from(numbers: dict[str, Any]) -> ForecasterConfig:
    memory = MemoryConfig(**numbers.pop("memory"))
    return ForecasterConfig(memory=memory, **numbers)


class Track(NamedTuple):
    """A leader over time: as seen, or as they really were."""

    pose: Tensor
    """(B, T, 22, 3) joints relative to the pelvis, in the heading frame of their own frame."""
    root: Tensor
    """(B, T, 3) pelvis in the world."""
    heading: Tensor
    """(B, T) smoothed heading, unwrapped."""


class Ahead(NamedTuple):
    """Frames ahead of one frame, in the heading frame and from the pelvis of that frame."""

    pose: Tensor
    """(B, n, h, 22, 3) in the heading frame of the frame ahead."""
    path: Tensor
    """(B, n, h, 3)."""
    turn: Tensor
    """(B, n, h)."""

    def joints_m(self) -> Tensor:
        """(B, n, h, 22, 3)."""
        return turned(self.pose, self.turn[..., None]) + self.path[..., None, :]


def turned(vectors: Tensor, yaw: Tensor) -> Tensor:
    """Vectors (..., 3) turned about +Y by ``yaw`` (...)."""
    x, y, z = vectors.unbind(-1)
    c, s = yaw.cos(), yaw.sin()
    return torch.stack([c * x + s * z, y.expand_as(c * x), c * z - s * x], dim=-1)


def damped_ahead(seen: Track, at: Tensor, ahead: Tensor, fps: float) -> Ahead:
    """``duet.forecast.forecast_leader`` from frames ``at`` (n,), VELOCITY_FRAMES or later, to frames ``ahead`` (h,)."""
    before = at - VELOCITY_FRAMES
    per_s, later_s = fps / VELOCITY_FRAMES, ahead / fps

    def travel(time_constant_s: float) -> Tensor:
        return time_constant_s * (1.0 - torch.exp(-later_s / time_constant_s))

    now = seen.pose[:, at]
    pose = now[:, :, None] + travel(POSE_TIME_CONSTANT_S)[:, None, None] * (
        (now - seen.pose[:, before]) * per_s
    ).unsqueeze(2)
    path = travel(PATH_TIME_CONSTANT_S)[:, None] * ((seen.root[:, at] - seen.root[:, before]) * per_s).unsqueeze(2)
    turn = travel(HEADING_TIME_CONSTANT_S) * ((seen.heading[:, at] - seen.heading[:, before]) * per_s).unsqueeze(2)
    return Ahead(pose, turned(path, -seen.heading[:, at, None]), turn)


def true_ahead(seen: Track, real: Track, at: Tensor, ahead: Tensor) -> Ahead:
    """What ``real`` did at the frames ``at`` + ``ahead``, in the frame in which it was ``seen`` at ``at``."""
    later = at[:, None] + ahead[None, :]
    path = real.root[:, later] - seen.root[:, at, None]
    heading = seen.heading[:, at, None]
    return Ahead(real.pose[:, later], turned(path, -heading), real.heading[:, later] - heading)


def waves(ahead: Tensor, horizon: int, count: int) -> Tensor:
    """(h, K): quarter waves that are 0 now and free at the horizon."""
    k = torch.arange(count, device=ahead.device)
    return torch.sin((k + 0.5) * math.pi * ahead[:, None] / horizon)


class Forecaster(nn.Module):
    """Leader features and music frame by frame, to what the damped forecast misses."""

    def __init__(self, config: ForecasterConfig) -> None:
        super().__init__()
        self.config = config
        width = config.memory.width
        self.leader_norm = Normaliser(LEADER_SIZE)
        self.music_norm = Normaliser(CONDITION_SIZE)
        self.embed = nn.Sequential(nn.Linear(LEADER_SIZE + CONDITION_SIZE, width), nn.SiLU(), nn.Linear(width, width))
        self.stack = MambaStack(config.memory)
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, config.waves * AHEAD_SIZE))
        for parameter in self.head[-1].parameters():
            nn.init.zeros_(parameter)
        scale = torch.tensor(_SCALE).repeat_interleave(torch.tensor([POSE_SIZE, 3, 1]))
        self.register_buffer("scale", scale, persistent=False)

    scale: Tensor

    def initial_state(self, batch: int) -> MemoryState:
        """Nothing seen."""
        return self.stack.initial_state(batch)

    def forward(self, leader: Tensor, music: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """Frames (B, T, 72) and (B, T, 8) after ``state``: weights of the waves (B, T, K, D), and the new state."""
        said, state = self.stack(self._tokens(leader, music), state)
        return self._weights(said), state

    def corrected(self, damped: Ahead, weights: Tensor, ahead: Tensor) -> Ahead:
        """The damped forecast with what ``weights`` (B, n, K, D) add to it ``ahead`` (h,)."""
        added = waves(ahead, self.config.horizon, self.config.waves) @ weights  # B n h D
        pose, path, turn = added[..., FORESEEN_POSE], added[..., FORESEEN_PATH], added[..., FORESEEN_TURN]
        return Ahead(damped.pose + pose.unflatten(-1, (-1, 3)), damped.path + path, damped.turn + turn)

    def foreseen(self, leader: Tensor) -> Tensor:
        """What is added (B, horizon, D) to frames 1 to ``horizon`` after the last of frames (B, T, 72), as live."""
        ahead = torch.arange(1.0, self.config.horizon + 1.0, device=leader.device)
        return waves(ahead, self.config.horizon, self.config.waves) @ self.weights_now(leader)

    def weights_now(self, leader: Tensor) -> Tensor:
        """Weights of the waves (B, K, D) after the last of frames (B, T, 72).

        As a live tick asks: about the newest ``FORESEEN_FROM_FRAMES`` frames, whatever was before, and in silence.
        The music tells it nothing that the leader does not (measured: the errors with and without are equal to 3 %),
        and on stage it is of another moment than the leader.
        """
        music = leader.new_zeros(*leader.shape[:2], CONDITION_SIZE)
        weights, _ = self(leader, music, self.initial_state(len(leader)))
        return weights[:, -1]

    def _tokens(self, leader: Tensor, music: Tensor) -> Tensor:
        return self.embed(torch.cat([self.leader_norm(leader), self.music_norm(music)], dim=-1))

    def _weights(self, said: Tensor) -> Tensor:
        return self.head(said).unflatten(-1, (self.config.waves, AHEAD_SIZE)) * self.scale


class ForecastRole(nn.Module):
    """The forecaster as a graph of its own, which runs before the tick and makes a part of its inputs."""

    name = "forecast"
    inputs = ("leader_seen",)
    outputs = ("foreseen",)

    def __init__(self, forecaster: Forecaster) -> None:
        super().__init__()
        self.forecaster = forecaster

    def forward(self, leader_seen: Tensor) -> Tensor:
        """See ``inputs`` and ``outputs``."""
        return self.forecaster.foreseen(leader_seen)

    def examples(self) -> dict[str, Tensor]:
        """Example tensors of its inputs, by name: leader features as far from the mean as those it was trained on."""
        noise = torch.randn(1, FORESEEN_FROM_FRAMES, LEADER_SIZE, generator=torch.Generator().manual_seed(0))
        return {"leader_seen": self.forecaster.leader_norm.inverse(noise)}


class Foresight:
    """A trained forecaster as ``duet.forecast.leader_course`` asks it: numpy in, numpy out."""

    def __init__(self, forecaster: Forecaster) -> None:
        self._forecaster = forecaster

    @torch.no_grad()
    def __call__(self, leader: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``duet.forecast.Forecaster``."""
        asked = torch.from_numpy(leader)[None].to(self._forecaster.scale)
        return self._forecaster.foreseen(asked)[0].cpu().numpy()


def save_forecaster(forecaster: Forecaster, path: Path, datasets: tuple[str, ...] = ()) -> None:
    """Write weights, sizes and the names of the ``datasets`` that it learned from as one safetensors file."""
    save_weights(forecaster.state_dict(), path, {"forecaster": asdict(forecaster.config), "datasets": list(datasets)})


def load_forecaster(path: Path) -> Forecaster:
    """Read what ``save_forecaster`` wrote; InputError when it is something else."""
    weights = load_weights(path)
    try:
        forecaster = Forecaster(_config_from(load_numbers(path)["forecaster"]))
        forecaster.load_state_dict(weights)
    except (InputError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path}: expected a forecaster of this version, got other weights. Train it again: duet-lab forecast."
        ) from error
    return forecaster.eval()


def forecaster_datasets(path: Path) -> tuple[str, ...]:
    """The data sets that the forecaster in ``path`` learned from; none where the file does not tell."""
    told = load_numbers(path).get("datasets")
    return tuple(str(name) for name in told) if isinstance(told, list) else ()
