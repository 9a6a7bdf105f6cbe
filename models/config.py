"""What a follower is made of, as frozen values: sizes, sampler, and the presets XS, S, M and L.

A configuration is written beside the weights as JSON and read back strictly: an unknown or a missing
field is an error, never a default. Only the options that came later (``option``) may be missing: they are off.
"""

import dataclasses
import json
import math
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from duet.errors import InputError
from duet.features import FOLLOWER_CONTACT, FOLLOWER_LOWER, FOLLOWER_ROOT, FOLLOWER_UPPER, LEADER_SIZE, PLACE_SIZE
from models.bounds import ABOVE, check_bounds

STREAMS = ("upper", "lower", "root")
"""The codec's streams, in the order of a frame's features and of the latent."""

_STREAM_WIDTHS = tuple(part.stop - part.start for part in (FOLLOWER_UPPER, FOLLOWER_LOWER, FOLLOWER_ROOT))

SamplerKind = Literal["ddim", "dpm", "pipelined"]
Built = TypeVar("Built")

_SOME = (1, math.inf)
"""Of a size that may not be nothing."""

_LATER = "later"


def option(what: str) -> bool:
    """A field that is off unless said otherwise, in a file written before there was such a thing, too."""
    return field(default=False, metadata={_LATER: what})


@dataclass(frozen=True)
class CodecConfig:
    """The causal codec: three streams, grouped residual finite scalar quantisation."""

    stream_widths: tuple[int, ...] = _STREAM_WIDTHS
    """Features per frame of the upper, lower and root stream."""
    contacts: int = FOLLOWER_CONTACT.stop - FOLLOWER_CONTACT.start
    """Foot contact logits, read from the lower stream's decoder."""
    channels: tuple[int, ...] = (96, 96, 48)
    """Convolution channels of each stream."""
    dilations: tuple[int, ...] = (1, 3)
    """Dilations of the residual blocks at each rate."""
    groups: int = 4
    levels: tuple[int, ...] = (15, 15, 15, 15)
    """Grid points of each code dimension in a group. Fine grids: on coarse ones ([8, 5, 5, 5] is usual) half of what
    a denoiser has to foresee is the rounding."""
    residuals: int = 2
    """Residual levels: coarse posture first, then what is left."""

    def __post_init__(self) -> None:
        for name in ("stream_widths", "channels"):
            if (got := len(getattr(self, name))) != len(STREAMS):
                raise InputError(
                    f"CodecConfig.{name}: expected {len(STREAMS)} numbers, one for each of {', '.join(STREAMS)}, "
                    f"got {got}. Give {len(STREAMS)}."
                )
        check_bounds(
            "CodecConfig", self, stream_widths=_SOME, contacts=_SOME, channels=_SOME, dilations=_SOME, groups=_SOME,
            levels=(2, math.inf), residuals=_SOME,
        )  # fmt: skip

    @property
    def code_width(self) -> int:
        """Code dimensions of one stream at one residual level."""
        return self.groups * len(self.levels)

    @property
    def latent_width(self) -> int:
        """L: the latent of one token, laid out [stream][level][dimension]."""
        return len(self.stream_widths) * self.residuals * self.code_width


@dataclass(frozen=True)
class MemoryConfig:
    """The Mamba memory whose state is carried across the whole performance."""

    width: int = 192
    layers: int = 2
    expand: int = 2
    head: int = 64
    state: int = 32
    kernel: int = 4

    def __post_init__(self) -> None:
        check_bounds(
            "MemoryConfig", self, width=_SOME, layers=_SOME, expand=_SOME, head=_SOME, state=_SOME, kernel=_SOME
        )
        if self.expand * self.width % self.head:
            raise InputError(
                f"MemoryConfig: expected expand * width to be a multiple of head, got {self.expand} * {self.width} "
                f"and {self.head}. Choose another width."
            )

    @property
    def inner(self) -> int:
        """E: channels inside a block."""
        return self.expand * self.width

    @property
    def heads(self) -> int:
        """H: heads of ``head`` channels, each with one decay rate."""
        return self.inner // self.head

    @property
    def convolved(self) -> int:
        """Channels that pass the causal convolution: x, B and C."""
        return self.inner + 2 * self.state


@dataclass(frozen=True)
class DenoiserConfig:
    """The blockwise-local-context transformer that denoises the plan."""

    width: int = 192
    layers: int = 4
    heads: int = 4
    feedforward: int = 768
    memory_tokens: int = 4
    dropout: float = 0.0
    mtmm: bool = option("a temporal Mamba module after every second layer (``models.mtmm``)")
    experts: bool = option("a slow and a fast expert for the reference (``models.experts``)")
    music_context: bool = option("music heard in the light of the music before it (``models.music_context``)")
    references: bool = option("reference dances from a bank were learned from (``duet.retrieval``)")
    folded_guidance: bool = option("the guidance as an input of the network (``models.guidance``)")

    def __post_init__(self) -> None:
        check_bounds(
            "DenoiserConfig", self, width=_SOME, layers=_SOME, heads=_SOME, feedforward=_SOME, memory_tokens=_SOME,
            dropout=(0.0, 0.99),
        )  # fmt: skip
        if self.width % (2 * self.heads):
            raise InputError(
                f"DenoiserConfig: expected an even width per head, got width {self.width} and {self.heads} heads. "
                "Choose another width."
            )


@dataclass(frozen=True)
class ForecasterConfig:
    """Sizes of the leader forecaster (``models.forecaster``)."""

    fps: float = 30.0
    horizon: int = 37
    """Frames ahead that are foreseen: plans of 8 tokens, delays up to 6 frames. Further ahead, for older measurements
    and longer plans, what is added stays what it is at the last of them."""
    waves: int = 6
    """What is added to the damped forecast is a sum of so many; 0 for no forecaster."""
    memory: MemoryConfig = MemoryConfig(width=128, layers=2, head=32, state=16)

    def __post_init__(self) -> None:
        check_bounds("ForecasterConfig", self, fps=(ABOVE, math.inf), horizon=_SOME)


@dataclass(frozen=True)
class SamplerConfig:
    """How a tick goes from noise (or from the last plan) to a plan. Unrolled into the exported graph.

    ``ddim`` and ``dpm`` start every plan token at full noise; ``pipelined`` re-noises the last plan, shifted by
    one token, to levels that rise over the plan: ``t_i = min(t0 + slope * i, T - 1)``, the newest at T - 1.
    """

    kind: SamplerKind = "ddim"
    calls: int = 2
    t0: int = 600
    slope: int = 60
    keep_noise: bool = True
    """A token keeps its noise from tick to tick, so that its plan changes only as the inputs do."""
    temperature: tuple[float, ...] = field(default=(1.0, 1.0, 1.0), metadata={_LATER: "noise by stream"})
    """By what the noise of upper body, lower body and root is multiplied. Below 1 the follower does what is likely
    rather than what is possible: nearer to what a partner would do, and less lively. (The noise of the residual level
    above the first hardly matters: measured.)"""

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise InputError(f"SamplerConfig: expected at least 1 call, got {self.calls}. Raise calls.")
        if len(self.temperature) != len(STREAMS) or not all(0.0 <= t <= 2.0 for t in self.temperature):
            raise InputError(
                f"SamplerConfig: expected temperatures from 0 to 2 for {', '.join(STREAMS)}, got {self.temperature}. "
                "Choose others."
            )


@dataclass(frozen=True)
class FollowerConfig:
    """Everything that fixes the shapes of a follower."""

    name: str = "S"
    fps: float = 30.0
    token_frames: int = 4
    past: int = 24
    """P: committed tokens the denoiser sees."""
    plan: int = 8
    """F: tokens it plans."""
    leader_width: int = LEADER_SIZE
    """Leader features per frame."""
    leader_flags: int = 3
    """One-hot observed, partial, forecast, per token."""
    music_width: int = 8
    """Music features per frame."""
    place_width: int = PLACE_SIZE
    style_width: int = 8
    steps: int = 1000
    """Noise levels of the diffusion, T."""
    codec: CodecConfig = field(default_factory=CodecConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    forecaster: ForecasterConfig = field(
        default=ForecasterConfig(waves=0), metadata={_LATER: "foresees the leader better than by running on"}
    )

    def __post_init__(self) -> None:
        check_bounds(
            "follower", self, fps=(ABOVE, math.inf), token_frames=_SOME, past=_SOME, plan=_SOME, steps=_SOME,
            style_width=_SOME,
        )  # fmt: skip

    @property
    def window(self) -> int:
        """W = P + F tokens."""
        return self.past + self.plan

    @property
    def latent_width(self) -> int:
        """L: the latent of one token."""
        return self.codec.latent_width

    def to_json(self) -> str:
        """Indented JSON, read back by ``config_from_json``."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


def read_config(path: Path) -> FollowerConfig:
    """The configuration in a file; InputError as ``config_from_json``, and for a file that is no text."""
    try:
        return config_from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected JSON, got a file that is no text. Train or copy the run again.") from error


def config_from_json(text: str) -> FollowerConfig:
    """The configuration written by ``FollowerConfig.to_json``; InputError on a field that is missing, unknown or of
    another kind."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"Follower configuration: expected JSON, got {error}. Train or copy the run again.") from error
    return _build(FollowerConfig, values)


def _build(kind: type[Built], values: Any) -> Built:
    """An instance of the frozen dataclass ``kind`` from plain JSON values, or ``values`` where they are one."""
    if isinstance(values, kind):
        return values
    hints = typing.get_type_hints(kind)
    later = {f.name: f.default for f in dataclasses.fields(kind) if _LATER in f.metadata}  # type: ignore[arg-type]
    if isinstance(values, dict):
        values = later | values
    if not isinstance(values, dict) or set(values) != set(hints):
        got = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise InputError(
            f"{kind.__name__}: expected the fields {sorted(hints)}, got {got}. "
            "Use weights and code of the same version."
        )
    built = {
        name: _build(hint, values[name])
        if dataclasses.is_dataclass(hint) and isinstance(hint, type)
        else (tuple(values[name]) if isinstance(values[name], list) else values[name])
        for name, hint in hints.items()
    }
    for name, hint in hints.items():
        if not _is(built[name], hint):
            raise InputError(
                f"{kind.__name__}.{name}: expected {_said(hint)}, got {built[name]!r}. "
                "Use weights and code of the same version."
            )
    return kind(**built)


def _said(hint: Any) -> str:
    """A field's type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(arguments)}"
    if origin is tuple:
        return f"a list, each {_said(arguments[0])}"
    words = {int: "a whole number from 0 on", float: "a number", str: "a word", bool: "true or false"}
    return words.get(hint, "a group of settings")


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of a field's type; sizes are whole numbers from 0 on."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and all(_is(part, arguments[0]) for part in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint and (hint is not int or value >= 0)


XS = FollowerConfig(
    name="XS",
    past=8,
    plan=3,
    codec=CodecConfig(channels=(16, 12, 8), dilations=(1,), groups=1),
    memory=MemoryConfig(width=16, layers=1, head=8, state=8),
    denoiser=DenoiserConfig(width=32, layers=2, heads=2, feedforward=64, memory_tokens=2),
)
"""For trying the whole way in seconds; it learns nothing worth dancing with."""

S = FollowerConfig()
"""For CPUs and small data: a tick of a few milliseconds on one thread."""

M = FollowerConfig(
    name="M",
    past=24,
    plan=12,
    codec=CodecConfig(channels=(160, 160, 80), dilations=(1, 3), groups=8),
    memory=MemoryConfig(width=256, layers=3),
    denoiser=DenoiserConfig(width=288, layers=4, heads=6, feedforward=1152),
    sampler=SamplerConfig(calls=4),
)
"""For larger data: about as large as a tick of four guided calls may be to take 35 ms of one CPU core. Wide rather than
deep: every layer costs the same handful of small operations, however wide it is."""

L = FollowerConfig(
    name="L",
    past=44,
    plan=16,
    codec=CodecConfig(channels=(384, 384, 128), dilations=(1, 3, 9), groups=8),
    memory=MemoryConfig(width=512, layers=4),
    denoiser=DenoiserConfig(width=512, layers=8, heads=8, feedforward=2048),
    sampler=SamplerConfig(calls=4),
)
"""For a large GPU."""

PRESETS = {config.name: config for config in (XS, S, M, L)}
