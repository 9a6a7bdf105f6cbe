"""Dancing a whole take as live: tick by tick, from what a tick can know and from the follower's own past alone.

The loop is the conductor's (gather -> tick -> integrate), without its clock: the follower enters at the wished place
with an empty state, the leader's frames after ``delay_frames`` before each plan are forecast, and the follower's place
is measured from where it really stands. Several takes, or several seeds of one, run side by side as a batch.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from duet.bank_file import bank_of
from duet.contract import GUIDANCE_SHAPE, FollowerContract, load_contract
from duet.errors import InputError
from duet.features import (
    FOLLOWER_CONTACT,
    FOLLOWER_ROOT,
    Standing,
    follower_rotations,
    integrate_root,
    leader_headings,
    partner_standing,
    place_features,
)
from duet.forecast import Forecaster, LeaderWindow, leader_course, music_window
from duet.giving_way import Bodies
from duet.poses import RELAXED_PELVIS_HEIGHT_M
from duet.retrieval import Bank, Held
from models.config import STREAMS, FollowerConfig, SamplerConfig
from models.data.take import Take
from models.follower import Follower
from models.onnx_tick import OnnxForecaster, OnnxTick
from models.samplers import check_calls

Floats = NDArray[np.float32]
Inputs = dict[str, Floats]


@dataclass(frozen=True)
class Danced:
    """What the follower danced to a take: whole tokens, frame 0 with the take's frame 0."""

    root_m: Floats
    """(T, 3)."""
    yaw_rad: Floats
    """(T,)."""
    rotations: Floats
    """(T, 22, 3, 3) local, row 0 in the world."""
    contacts: Floats
    """(T, 4)."""
    place: Floats
    """(N, 8) what each tick was told of the follower's place."""
    leader: Floats
    """(N, TAIL, f * 72) the end of the leader window of each tick, where it is kept."""
    leader_flags: Floats
    music: Floats
    latents: Floats
    """(N, L) committed latents; empty when the partner does not tell them."""
    references: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(N,) row of the bank with which each tick's reference began, -1 for none; empty as ``latents``."""


class Partner(Protocol):
    """A follower that plans for a batch of takes."""

    @property
    def config(self) -> FollowerConfig | FollowerContract:
        """Its fixed numbers."""
        ...

    @property
    def foresight(self) -> Forecaster | None:
        """What its leader windows are made with, where it learned to foresee leaders."""
        ...

    def reset(self, batch: int) -> None:
        """Forget everything; ``batch`` takes begin."""
        ...

    def tick(self, inputs: Inputs) -> Floats:
        """Inputs with a batch axis, as in ``models.follower.Follower.input_shapes``; frames (B, 4 F, 145)."""
        ...


class Around:
    """A partner around another one, which it asks: what it does not change is the other's."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner

    @property
    def config(self) -> FollowerConfig | FollowerContract:
        """See ``Partner``."""
        return self.partner.config

    @property
    def foresight(self) -> Forecaster | None:
        """See ``Partner``."""
        return self.partner.foresight

    def reset(self, batch: int) -> None:
        """See ``Partner``."""
        self.partner.reset(batch)

    def tick(self, inputs: Inputs) -> Floats:
        """See ``Partner``."""
        return self.partner.tick(inputs)


class Guided(Around):
    """A partner that is asked for ``guidance`` (3, R) in every tick."""

    def __init__(self, partner: Partner, guidance: Floats) -> None:
        super().__init__(partner)
        self.guidance = np.asarray(guidance, np.float32)

    def tick(self, inputs: Inputs) -> Floats:
        """See ``Partner``."""
        asked = np.broadcast_to(self.guidance, (len(inputs["leader"]), *self.guidance.shape))
        return super().tick({**inputs, "guidance": np.ascontiguousarray(asked)})


class TorchPartner:
    """A follower in torch, batched and without guidance: for training and for choosing.

    With a ``bank`` it is shown references, as on stage; ``barred`` (R,) are the rows it may not see beside each take.
    """

    guided = False
    """Set, it answers the guidance it is asked for (``Guided``), at twice the work."""

    def __init__(
        self,
        follower: Follower,
        sampler: SamplerConfig | None = None,
        bank: Bank | None = None,
        barred: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> None:
        # The same weights under another sampler: a shallow copy shares every module.
        self.follower = copy.copy(follower)
        self.follower.config = replace(follower.config, sampler=sampler or follower.config.sampler)
        check_calls(self.follower.config.sampler, self.follower.config.steps)
        self.config, self.foresight = self.follower.config, self.follower.foresight
        self.bank, self.barred = bank, barred
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Forget everything."""
        self._state = self.follower.initial_state(batch)
        self._held = [Held() for _ in range(batch)]

    @property
    def committed(self) -> Floats:
        """(B, L) the newest committed latent."""
        return self._state["past"][:, -1].cpu().numpy()

    @property
    def followed(self) -> list[int]:
        """Row of the bank with which the last reference beside each take began."""
        return [held.row for held in self._held]

    @torch.no_grad()
    def tick(self, inputs: Inputs) -> Floats:
        """See ``Partner``."""
        if self.bank is not None:
            inputs, self._held = self.bank.recall(inputs, self._held, self.config.past, self.barred)
        device = self._state["past"].device
        given = {name: torch.from_numpy(value).to(device) for name, value in inputs.items()}
        with nullcontext() if device.type == "cpu" else device:  # a sampler's ladder is made where the weights are
            outputs, self._state = self.follower.tick(given, self._state, guided=self.guided)
        frames = outputs["frames"].cpu().numpy()
        self._held = [h.after(made, self.config.token_frames) for h, made in zip(self._held, frames, strict=True)]
        return frames


class OnnxPartner:
    """An exported follower folder, one take at a time: what the live half plays, for the numbers that are reported."""

    def __init__(self, folder: str | Path) -> None:
        self.config = load_contract(folder)
        self._tick = OnnxTick(folder, self.config.graphs)
        self._bank = bank_of(Path(folder), self.config)
        self.foresight = None if self.config.forecast is None else OnnxForecaster(folder, self.config.forecast)
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Forget everything; exported graphs hold a batch of one."""
        if batch != 1:
            raise ValueError(f"Exported follower: expected a batch of 1, got {batch}. Dance the takes one by one.")
        self._state = {t.name: np.zeros(t.shape, dtype=np.float32) for t in self.config.states}
        self._held = [Held()]

    def tick(self, inputs: Inputs) -> Floats:
        """See ``Partner``."""
        if self._bank is not None:
            inputs, self._held = self._bank.recall(inputs, self._held, self.config.past_tokens)
        outputs, self._state = self._tick.tick(inputs, self._state)
        self._held = [self._held[0].after(outputs["frames"][0], self.config.token_frames)]
        return outputs["frames"]


@dataclass
class _Dancer:
    """One take of a batch on its way."""

    take: Take
    heading_rad: NDArray[np.float64]
    confidence: Floats
    standing: Standing
    foresight: Forecaster | None
    walk: list[Standing] = field(default_factory=list)
    frames: list[Floats] = field(default_factory=list)
    places: list[Floats] = field(default_factory=list)
    tails: list[tuple[Floats, Floats, Floats]] = field(default_factory=list)
    latents: list[Floats] = field(default_factory=list)
    references: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Grid:
    """The numbers of a tick that a configuration and a contract name differently."""

    fps: float
    past: int
    plan: int
    token: int
    latent: int
    style: int
    guidance: tuple[int, int]
    """Streams and residual levels."""

    @classmethod
    def of(cls, config: FollowerConfig | FollowerContract) -> "Grid":
        """From either."""
        if isinstance(config, FollowerConfig):
            latent, style, guidance = config.latent_width, config.style_width, (len(STREAMS), config.codec.residuals)
            return cls(config.fps, config.past, config.plan, config.token_frames, latent, style, guidance)
        c = config
        return cls(c.fps, c.past_tokens, c.plan_tokens, c.token_frames, c.latent_size, c.style_size, GUIDANCE_SHAPE)

    @property
    def window(self) -> dict[str, int]:
        """The sizes that ``leader_course`` and ``music_window`` share."""
        return {"past_tokens": self.past, "plan_tokens": self.plan, "token_frames": self.token}


def dance(
    partner: Partner,
    takes: list[Take],
    *,
    leak: float,
    delay_frames: int | Iterable[NDArray[np.int64]] = 3,
    seeds: list[int] | None = None,
    keep_tail: int = 0,
) -> list[Danced]:
    """Every take as ``partner`` dances it, to the whole token below the shortest take; InputError where that has none.

    ``delay_frames``: age of the newest measurement, counted from the plan's first frame; or one array (B,) per tick.
    ``keep_tail``: tokens of each tick's leader and music window to return, for training on what was danced.
    """
    grid = Grid.of(partner.config)
    seeds = list(range(len(takes))) if seeds is None else seeds
    partner.reset(len(takes))
    shortest = min(takes, key=lambda take: take.frames)
    ticks = shortest.frames // grid.token
    if not ticks:
        raise InputError(
            f"{shortest.name}: expected at least {grid.token} frames at {grid.fps:g} fps to dance beside, got "
            f"{shortest.frames}. Give a longer take."
        )
    dancers = [_enter(take, grid, partner.foresight) for take in takes]
    delays = [np.full(len(takes), delay_frames)] * ticks if isinstance(delay_frames, int) else list(delay_frames)
    for tick in range(ticks):
        views = [_view(d, tick, int(delays[tick][i]), grid) for i, d in enumerate(dancers)]
        frames = partner.tick(_inputs(dancers, views, seeds, tick, grid))
        for i, (dancer, (leader, music, _)) in enumerate(zip(dancers, views, strict=True)):
            _advance(dancer, frames[i], leader, leak, grid)
            if keep_tail:
                dancer.tails.append((leader.features[-keep_tail:], leader.flags[-keep_tail:], music[-keep_tail:]))
            if isinstance(partner, TorchPartner):
                dancer.latents.append(partner.committed[i].copy())
                dancer.references.append(partner.followed[i])
    return [_danced(d) for d in dancers]


def dance_on(partner: Partner, take: Take, *, leak: float, delay_frames: int = 3, seed: int = 0) -> Iterator[Danced]:
    """The same as ``dance`` of one take, token by token, and nothing of it is kept: for performances of any length."""
    grid = Grid.of(partner.config)
    partner.reset(1)
    dancer = _enter(take, grid, partner.foresight)
    for tick in range(take.frames // grid.token):
        view = _view(dancer, tick, delay_frames, grid)
        frames = partner.tick(_inputs([dancer], [view], [seed], tick, grid))
        _advance(dancer, frames[0], view[0], leak, grid)
        yield _danced(dancer)
        for kept in (dancer.walk, dancer.frames, dancer.places):
            kept.clear()


def _enter(take: Take, grid: Grid, foresight: Forecaster | None) -> _Dancer:
    heading = leader_headings(take.joints_m, take.fps)
    leader = Standing(take.joints_m[0, 0], float(heading[0]))
    standing = take.entrance or partner_standing(leader, take.wish, RELAXED_PELVIS_HEIGHT_M)
    return _Dancer(take, heading, take.sure, standing, foresight)


def _view(dancer: _Dancer, tick: int, delay: int, grid: Grid) -> tuple[LeaderWindow, Floats, Floats]:
    """What a tick sees of leader and music, and its place features."""
    stop = max(1, tick * grid.token - delay + 1)
    begin = max(0, stop - (grid.past + 1) * grid.token)
    seen = slice(begin, stop)
    take = dancer.take
    music = music_window(take.conditions[seen], fps=grid.fps, delay_frames=delay, **grid.window)
    leader = leader_course(
        take.joints_m[seen],
        dancer.heading_rad[seen],
        dancer.confidence[seen],
        fps=grid.fps,
        delay_frames=delay,
        **grid.window,
        forecaster=dancer.foresight,
    ).window()
    place = place_features(dancer.standing, leader.now, take.wish, float(dancer.confidence[stop - 1]))
    dancer.places.append(place)
    return leader, music, place


def _inputs(
    dancers: list[_Dancer], views: list[tuple[LeaderWindow, Floats, Floats]], seeds: list[int], tick: int, grid: Grid
) -> Inputs:
    batch = len(dancers)
    noise = [
        np.random.Generator(np.random.PCG64([seed, tick])).standard_normal((grid.plan, grid.latent), dtype=np.float32)
        for seed in seeds
    ]
    return {
        "leader": np.stack([v[0].features for v in views]),
        "leader_flag": np.stack([v[0].flags for v in views]),
        "music": np.stack([v[1] for v in views]),
        "place": np.stack([v[2] for v in views]),
        "noise": np.stack(noise),
        "guidance": np.zeros((batch, *grid.guidance), dtype=np.float32),
        "style": np.eye(grid.style, dtype=np.float32)[[d.take.style for d in dancers]],
        "reference": np.zeros((batch, grid.plan, grid.latent), dtype=np.float32),
        "reference_flag": np.zeros((batch, 1), dtype=np.float32),
    }


def _advance(dancer: _Dancer, frames: Floats, leader: LeaderWindow, leak: float, grid: Grid) -> None:
    """Commit the first token of a plan (4 F, 145)."""
    n, heading = grid.token, leader.plan_heading_rad
    room = Bodies(frames, leader.plan_joints_m, heading, leak, asked_frames=n)
    walk = integrate_root(
        dancer.standing, frames[:n, FOLLOWER_ROOT], leader.plan_root_m[:n], heading[:n], grid.fps, leak, room
    )
    dancer.walk += walk
    dancer.standing = walk[-1]
    dancer.frames.append(frames[:n])


def _danced(dancer: _Dancer) -> Danced:
    frames = np.concatenate(dancer.frames)
    yaw = np.array([s.yaw_rad for s in dancer.walk], dtype=np.float32)
    leader, flags, music = (
        (np.stack(part) for part in zip(*dancer.tails, strict=True)) if dancer.tails else (np.zeros(0, np.float32),) * 3
    )
    return Danced(
        root_m=np.array([s.root_m for s in dancer.walk], dtype=np.float32),
        yaw_rad=yaw,
        rotations=follower_rotations(frames, yaw),
        contacts=np.ascontiguousarray(frames[:, FOLLOWER_CONTACT]),
        place=np.stack(dancer.places),
        leader=leader,
        leader_flags=flags,
        music=music,
        latents=np.stack(dancer.latents) if dancer.latents else np.zeros((0, 0), np.float32),
        references=np.array(dancer.references, dtype=np.int64),
    )
