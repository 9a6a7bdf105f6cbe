"""What a follower has to beat: holding still, mirroring the leader, and replaying what a partner once did.

All see the leader as late as a follower does and stand through the same root integration.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duet.contract import FollowerContract
from duet.features import (
    FOLLOWER_ROOT,
    FOLLOWER_SIZE,
    LEADER_CONFIDENCE,
    LEADER_SIZE,
    ROOT_VELOCITY,
    ROOT_YAW_RATE,
)
from duet.forecast import Forecaster
from models.config import FollowerConfig
from models.data.sequences import Sequence
from models.rollout import Floats, Grid, Inputs


def mean_frame(sequences: list[Sequence]) -> NDArray[np.float32]:
    """(145,) the mean follower: pose, place and facing, standing still."""
    mean = np.concatenate([s.frames for s in sequences]).mean(axis=0)
    mean[FOLLOWER_ROOT][ROOT_VELOCITY] = 0.0
    mean[FOLLOWER_ROOT][ROOT_YAW_RATE] = 0.0
    return mean.astype(np.float32)


@dataclass
class Hold:
    """The mean pose at the mean offset from the leader."""

    config: FollowerConfig | FollowerContract
    frame: NDArray[np.float32]
    foresight: Forecaster | None = None

    def reset(self, batch: int) -> None:
        """Nothing to forget."""

    def tick(self, inputs: Inputs) -> Floats:
        """See ``models.rollout.Partner``."""
        grid = Grid.of(self.config)
        return np.broadcast_to(self.frame, (len(inputs["leader"]), grid.plan * grid.token, FOLLOWER_SIZE)).copy()


@dataclass
class Retrieval:
    """The follower's clip behind the most similar leader window of the training takes, chosen anew now and then.

    The key is the leader's last ``key_tokens`` tokens, the newest in part forecast; ``continuity`` weighs how well a
    clip goes on from what the follower does now. Changes are cross-faded. The numbers are those that dance the
    validation takes best: a baseline is to be beaten at its best.
    """

    config: FollowerConfig | FollowerContract
    sequences: list[Sequence]
    key_tokens: int = 3
    hold_tokens: int = 3
    continuity: float = 0.1
    fade_frames: int = 6
    foresight: Forecaster | None = None
    """What it sees of the leader is forecast with; that of the follower it is held against."""

    def __post_init__(self) -> None:
        grid = Grid.of(self.config)
        self._grid = grid
        leader = np.concatenate([s.leader.reshape(-1, LEADER_SIZE) for s in self.sequences])
        self._mean, self._spread = leader.mean(0), np.maximum(leader.std(0), 1e-2)
        frames = np.concatenate([s.frames for s in self.sequences])
        self._frame_spread = np.maximum(frames.std(0), 1e-2)
        self._clips, keys, starts = [], [], []
        for index, s in enumerate(self.sequences):
            rows = self._key(s.leader)
            for token in range(self.key_tokens, s.tokens - grid.plan):
                keys.append(rows[token - self.key_tokens : token].ravel())
                starts.append(s.frames[token * grid.token])
                self._clips.append((index, token))
        self._keys, self._starts = np.stack(keys), np.stack(starts)
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Forget what is being played."""
        self._playing: tuple[int, int] | None = None
        self._shown: Floats | None = None
        self._age = 0

    def shown(self, frames: Floats) -> None:
        """The dance goes on as ``frames`` (N, 145), whatever was planned: choose anew, and go on from there."""
        self._playing, self._shown = None, np.repeat(frames[:1], self.fade_frames, axis=0)

    def tick(self, inputs: Inputs) -> Floats:
        """See ``models.rollout.Partner``; one take at a time."""
        grid, length = self._grid, self._grid.plan * self._grid.token
        newest = self._key(inputs["leader"][0, : grid.past])[-self.key_tokens :].ravel()
        fading = False
        if self._playing is None or self._age >= self.hold_tokens:
            self._playing, self._age, fading = self._choose(newest), 0, True
        index, token = self._playing
        first = (token + self._age) * grid.token
        clip = self.sequences[index].frames[first : first + length]
        clip = np.concatenate([clip, np.repeat(clip[-1:], length - len(clip), axis=0)])
        if fading and self._shown is not None:
            weight = np.linspace(0.0, 1.0, self.fade_frames + 2)[1:-1, None]
            clip, faded = clip.copy(), slice(0, self.fade_frames)
            clip[faded] = weight * clip[faded] + (1 - weight) * self._shown[faded]
        self._shown = clip[grid.token :]
        self._age += 1
        return clip[None].astype(np.float32)

    def _key(self, leader: Floats) -> NDArray[np.float32]:
        """Leader tokens (N, f * 72) to normalised keys (N, ...) without the confidence."""
        rows = (leader.reshape(len(leader), -1, LEADER_SIZE) - self._mean) / self._spread
        return rows[..., : LEADER_CONFIDENCE.start].reshape(len(leader), -1)

    def _choose(self, newest: Floats) -> tuple[int, int]:
        cost = np.square(self._keys - newest).mean(axis=1)
        if self._shown is not None:
            gap = (self._starts - self._shown[0]) / self._frame_spread
            cost = cost + self.continuity * np.square(gap).mean(axis=1)
        return self._clips[int(np.argmin(cost))]
