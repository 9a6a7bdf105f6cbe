"""The follower: codec, memory and denoiser, and one tick of it as three roles wired by name.

A tick is a pure function ``(inputs, state) -> (outputs, new state)``. Its roles are the graphs that are exported: each
names the tensors it reads and those it gives, and a state ``x`` is replaced by the output ``new_x``. Nothing is kept in
a module between ticks.

The plan stays continuous: committed latents are not snapped to the codec's grid, because rounding at a tie may differ
between runtimes and would make one of them take another step.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from duet.errors import InputError
from duet.files import written_whole
from models.blocks import Normaliser
from models.codec import Codec
from models.conditions import Conditions, Drop
from models.config import STREAMS, FollowerConfig, read_config
from models.denoiser import Denoiser
from models.forecaster import Forecaster, Foresight
from models.guidance import guide
from models.mamba import MambaStack, MemoryState
from models.samplers import carry_noise, ladder, sample, start
from models.weights import save_weights

CONFIG_FILE = "follower.json"
WEIGHTS_FILE = "follower.safetensors"


class Memory(nn.Module):
    """The committed performance so far: one token in, what is remembered out.

    Token k holds the leader and the music as they were known when token k was the newest committed one, the style, and
    the committed latent. What comes out after token k conditions the plan that starts with token k + 1.
    """

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        self.config = config
        frames, width = config.token_frames, config.memory.width
        self.leader_norm = Normaliser(config.leader_width)
        self.music_norm = Normaliser(config.music_width)
        inputs = frames * (config.leader_width + config.music_width) + config.leader_flags
        self.embed = nn.Sequential(
            nn.Linear(inputs + config.style_width + config.latent_width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.stack = MambaStack(config.memory)

    def tokens(self, latent: Tensor, leader: Tensor, leader_flag: Tensor, music: Tensor, style: Tensor) -> Tensor:
        """Inputs (..., L), (..., 4*72), (..., 3), (..., 4*8), (..., S) to memory tokens (..., M)."""
        frames = self.config.token_frames
        leader = self.leader_norm(leader.unflatten(-1, (frames, -1))).flatten(-2)
        music = self.music_norm(music.unflatten(-1, (frames, -1))).flatten(-2)
        return self.embed(torch.cat([latent, leader, leader_flag, music, style], dim=-1))

    def forward(self, tokens: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """Tokens (B, N, M) after ``state``: what is remembered after each (B, N, M), and the state after the last."""
        return self.stack(tokens, state)

    def step(self, token: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """One token (B, M) after ``state``."""
        return self.stack.step(token, state)

    def initial_state(self, batch: int) -> MemoryState:
        """Nothing remembered."""
        return self.stack.initial_state(batch)


class Role(nn.Module):
    """A part of a tick that becomes one graph."""

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]


class MemoryRole(Role):
    """Remember the newest committed token, with the leader and the music beside it."""

    name = "memory"
    inputs = ("leader", "leader_flag", "music", "style", "past", "memory_conv", "memory_ssm")
    outputs = ("memory", "new_memory_conv", "new_memory_ssm")

    def __init__(self, memory: Memory, config: FollowerConfig) -> None:
        super().__init__()
        self.memory = memory
        self.newest = config.past - 1

    def forward(
        self,
        leader: Tensor,
        leader_flag: Tensor,
        music: Tensor,
        style: Tensor,
        past: Tensor,
        memory_conv: Tensor,
        memory_ssm: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See ``inputs`` and ``outputs``."""
        n = self.newest
        token = self.memory.tokens(past[:, n], leader[:, n], leader_flag[:, n], music[:, n], style)
        remembered, state = self.memory.step(token, MemoryState(memory_conv, memory_ssm))
        return remembered, state.conv, state.ssm


class DenoiseRole(Role):
    """Plan anew: a few guided calls of the denoiser, then commit the plan's first token."""

    name = "denoise"
    inputs = (
        "leader", "leader_flag", "music", "place", "style", "memory", "reference", "reference_flag",
        "noise", "guidance", "past", "plan", "noise_ring",
    )  # fmt: skip
    outputs = ("new_past", "new_plan", "new_noise_ring")

    def __init__(self, denoiser: Denoiser, config: FollowerConfig, *, guided: bool = True) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.config = config
        self.guided = guided and not config.denoiser.folded_guidance
        """False leaves out the unconditional branch: half the work, the same plan where guidance is zero. A follower
        that folded the guidance has none."""

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See ``inputs`` and ``outputs``."""
        *conditions, noise, guidance, past, plan, noise_ring = tensors
        config = self.config
        ring = carry_noise(noise_ring, noise) if config.sampler.keep_noise else noise
        x = start(config.sampler, plan, ring, config.steps)
        new_plan = self._sample(x, past, Conditions(*conditions), guidance)
        return torch.cat([past[:, 1:], new_plan[:, :1]], dim=1), new_plan, ring

    def _sample(self, x: Tensor, past: Tensor, conditions: Conditions, guidance: Tensor) -> Tensor:
        """Both branches of the guidance run as one batch: only the first half sees leader, music and memory."""
        batch = len(past)
        if self.guided:
            conditions = Conditions(*(torch.cat([value, value]) for value in conditions))
            past = torch.cat([past, past])
        hidden = torch.cat([past.new_zeros(batch), past.new_ones(len(past) - batch)])
        context = self.denoiser.prepare(past, conditions, Drop(hidden, hidden, hidden), guidance)

        def predict(x: Tensor, t: Tensor) -> Tensor:
            if not self.guided:
                return self.denoiser.step(x, t, context, conditions)
            both = self.denoiser.step(torch.cat([x, x]), t, context, conditions)
            return guide(both[:batch], both[batch:], guidance)

        return sample(predict, x, ladder(self.config.sampler, self.config.plan, self.config.steps))


class DecodeRole(Role):
    """Decode the whole plan; the cache advances by the committed token only."""

    name = "decode"
    inputs = ("new_plan", "codec_cache")
    outputs = ("frames", "new_codec_cache")

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, new_plan: Tensor, codec_cache: Tensor) -> tuple[Tensor, Tensor]:
        """See ``inputs`` and ``outputs``."""
        frames, cache = self.codec.decode_step(new_plan, codec_cache, commit=1)
        contacts = self.codec.config.contacts
        return torch.cat([frames[..., :-contacts], frames[..., -contacts:].sigmoid()], dim=-1), cache


class Follower(nn.Module):
    """All that is trained, and the tick that is exported."""

    def __init__(self, config: FollowerConfig) -> None:
        super().__init__()
        self.config = config
        self.codec = Codec(config.codec)
        self.memory = Memory(config)
        self.denoiser = Denoiser(config)
        self.forecaster = Forecaster(config.forecaster) if config.forecaster.waves else None

    @property
    def foresight(self) -> Foresight | None:
        """How it foresees leaders, where it learned to: what their windows are made with."""
        return None if self.forecaster is None else Foresight(self.forecaster)

    def roles(self, *, guided: bool = True) -> tuple[Role, ...]:
        """The roles of a tick, in the order they run."""
        return (
            MemoryRole(self.memory, self.config),
            DenoiseRole(self.denoiser, self.config, guided=guided),
            DecodeRole(self.codec),
        )

    def set_normalisation(
        self, *, leader: tuple[Tensor, Tensor], music: tuple[Tensor, Tensor], place: tuple[Tensor, Tensor]
    ) -> None:
        """Take (mean, standard deviation) of the raw conditions per feature, from training data."""
        for part in (self.memory, self.denoiser.conditions):
            part.leader_norm.set(*leader)
            part.music_norm.set(*music)
        self.denoiser.conditions.place_norm.set(*place)

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """What a tick is asked, by name. All float32."""
        c = self.config
        return {
            "leader": (1, c.window, c.token_frames * c.leader_width),
            "leader_flag": (1, c.window, c.leader_flags),
            "music": (1, c.window, c.token_frames * c.music_width),
            "place": (1, c.place_width),
            "noise": (1, c.plan, c.latent_width),
            "guidance": (1, len(STREAMS), c.codec.residuals),
            "style": (1, c.style_width),
            "reference": (1, c.plan, c.latent_width),
            "reference_flag": (1, 1),
        }

    def initial_state(self, batch: int = 1) -> dict[str, Tensor]:
        """The state before the first tick, by name: zeros."""
        c, like = self.config, self.codec.frame_norm.mean
        memory = self.memory.initial_state(batch)
        return {
            "past": like.new_zeros(batch, c.past, c.latent_width),
            "plan": like.new_zeros(batch, c.plan, c.latent_width),
            "noise_ring": like.new_zeros(batch, c.plan, c.latent_width),
            "memory_conv": memory.conv,
            "memory_ssm": memory.ssm,
            "codec_cache": self.codec.initial_cache(batch),
        }

    def tick(
        self, inputs: Mapping[str, Tensor], state: Mapping[str, Tensor], *, guided: bool = True
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One token of the performance: ``inputs`` as ``input_shapes``, ``state`` as ``initial_state``.

        Several performances may run side by side, stacked along the first axis of inputs and state.
        Returns ``{"frames": (1, 4 F, 145)}``, the decoded plan with contacts as probabilities, and the new state.
        """
        tensors = {**inputs, **state}
        for role in self.roles(guided=guided):
            given = role(*(tensors[name] for name in role.inputs))
            tensors.update(zip(role.outputs, given, strict=True))
        return {"frames": tensors["frames"]}, {name: tensors[f"new_{name}"] for name in state}


def random_follower(config: FollowerConfig, seed: int = 0) -> Follower:
    """Random weights in every part, those too that training starts at zero: for timing and tests, not for dancing.

    Decoded rotations lie near the identity and the follower near 0.8 m before the leader, as those of a trained one.
    """
    torch.manual_seed(seed)
    follower = Follower(config).eval()
    rest = torch.cat([torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(22), torch.tensor([0, 0.8, 0, -1, 0, 0, 0, 0, 0.9])])
    with torch.no_grad():
        for part in (follower.denoiser, follower.forecaster or nn.Module()):
            for parameter in part.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.2)
    follower.codec.frame_norm.set(rest, torch.full_like(rest, 0.3))
    return follower


def with_calls(follower: Follower, calls: int) -> Follower:
    """The same weights, danced in ``calls`` network calls a tick."""
    other = Follower(replace(follower.config, sampler=replace(follower.config.sampler, calls=calls)))
    other.load_state_dict(follower.state_dict())
    return other.eval()


def grown(follower: Follower, config: FollowerConfig) -> Follower:
    """The same weights under a configuration that adds options of the denoiser, or a forecaster: it dances as before.

    What an option adds starts at no effect and learns from there. InputError when more than options differ.
    """
    torch.manual_seed(0)
    other = Follower(config)
    try:
        missing, unknown = other.load_state_dict(follower.state_dict(), strict=False)
    except RuntimeError as error:
        missing, unknown = [], [str(error).splitlines()[-1].strip()]
    options = ("temporal", "folded", "conditions.experts", "conditions.music_context")
    added = ("forecaster.", *(f"denoiser.{name}." for name in options))
    foreign = [*unknown, *(name for name in missing if not name.startswith(added))]
    if foreign:
        raise InputError(
            f"{follower.config.name}: expected a configuration that only adds options, got one that differs in "
            f"{foreign[0]}. Train it from the start."
        )
    if config.denoiser.references and not follower.config.denoiser.references:
        other.denoiser.begin_references()
    return other.train(follower.training)


def save_follower(follower: Follower, folder: Path) -> None:
    """Write weights and configuration into ``folder``, each whole or not at all."""
    save_weights(follower.state_dict(), folder / WEIGHTS_FILE)
    with written_whole(folder / CONFIG_FILE) as part:
        part.write_text(follower.config.to_json())


def load_follower(folder: Path) -> Follower:
    """Read what ``save_follower`` wrote; InputError names what is missing or does not fit."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: expected {name} in it, got none. Give the folder of a finished training run.")
    follower = Follower(read_config(folder / CONFIG_FILE))
    try:
        weights = load_file(folder / WEIGHTS_FILE)
    except SafetensorError as error:
        raise InputError(
            f"{folder / WEIGHTS_FILE}: expected weights in safetensors, got a broken file ({error}). "
            "Copy it again, or train again."
        ) from error
    try:
        follower.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise InputError(
            f"{folder / WEIGHTS_FILE}: expected the weights of a {follower.config.name} follower, got others "
            f"({str(error).splitlines()[-1].strip()}). Train again with this version."
        ) from error
    return follower.eval()
