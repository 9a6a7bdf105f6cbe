"""The contract of a follower folder: what the live half needs to know to play it, checked on loading."""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from duet.errors import FollowerError, InputError
from duet.features import FOLLOWER_SIZE, LAYOUT_VERSION, LEADER_SIZE, PLACE_SIZE
from duet.forecast import FORESEEN_FROM_FRAMES, FORESEEN_SIZE
from duet.music import MUSIC_LAYOUT
from duet.skeleton import BODY
from duet.timeline import Timeline

SCHEMA = "duet-follower/1"
CONTRACT_FILE = "contract.json"
MOST_CONTRACT_BYTES = 4 << 20
MOST_NAME = 100
"""Of a file in a follower folder, in letters."""
MOST_FPS, MOST_WINDOW_FRAMES = 240.0, 4096
"""No follower dances by a finer grid, or looks further; larger numbers would only take memory."""
PRECISIONS = ("fp32", "fp16", "int8")
GUIDANCE_SHAPE = (3, 2)
"""What a performer guides: streams (upper body, lower body, root) by levels (groove, detail)."""
_DTYPE = "float32"
_LATER = "later"
"""Marks a field that came later: at its default it is not written, so that older contracts stay as they were."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and type of one tensor of a graph."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class GraphSpec:
    """One ONNX graph: what it is for, its file and the sha256 of it."""

    role: str
    file: str
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class FollowerContract:
    """Everything that must agree between a trained follower and the live half.

    Graphs run in their order; tensors are wired by name. A state tensor ``x`` is an input ``x`` and
    an output ``new_x``; it starts at zero and is replaced once per tick.
    """

    name: str
    fps: float
    token_frames: int
    window_tokens: int
    plan_tokens: int
    latent_size: int
    style_size: int
    joint_names: tuple[str, ...]
    skeleton_fingerprint: str
    feature_layout: str
    music_layout: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    states: tuple[TensorSpec, ...]
    graphs: tuple[GraphSpec, ...]
    style: tuple[float, ...]
    """The style token a performance starts with."""
    observed_delay_frames: int
    """How much older than a plan's first frame the newest leader measurement was in training, at most."""
    root_leak: float
    """``leak`` of duet.features.integrate_root that closed-loop validation chose."""
    distance_m: float
    """Partner distance the follower was trained around."""
    weights_sha256: str
    parity_max_abs: float
    """Measured max abs error, torch against ONNX Runtime, over the seconds stated in the model card."""
    training_data: str
    licence: str
    bank: str = ""
    """File of the retrieval bank in the folder, "" for none."""
    bank_sha256: str = ""
    forecast: GraphSpec | None = None
    """The graph that foresees the leader (``duet.forecast.Forecaster``); without one the damped forecast plays."""
    precision: str = field(default="fp32", metadata={_LATER: True})
    """Of the graphs' arithmetic, one of ``PRECISIONS``; inputs, outputs and states are float32 in every case."""
    tolerance: float = field(default=1e-4, metadata={_LATER: True})
    """What any output or state may differ from torch, as a share of its scale; 0 where only the joints are judged."""
    tolerance_mm: float = field(default=0.1, metadata={_LATER: True})
    """What any decoded joint may."""
    gflop: float = field(default=0.0, metadata={_LATER: True})
    """Arithmetic of one tick in 10^9 multiplications and additions, counted in the graphs; 0 where it was not."""
    golden: str = field(default="", metadata={_LATER: True})
    """File of the golden answer in the folder (``duet.golden``), "" for none."""
    golden_sha256: str = field(default="", metadata={_LATER: True})
    untrained: bool = field(default=False, metadata={_LATER: True})
    """Random weights: to be measured, not to be danced with."""
    guided: bool = field(default=True, metadata={_LATER: True})
    """Whether the graphs hear ``guidance``; those without the second branch take one pass and do not."""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def timeline(self) -> Timeline:
        """The frame and token grid."""
        return Timeline(self.fps, self.token_frames)

    @property
    def past_tokens(self) -> int:
        """Tokens of the window that are committed."""
        return self.window_tokens - self.plan_tokens

    @property
    def plan_frames(self) -> int:
        """H: frames a plan lasts."""
        return self.plan_tokens * self.token_frames

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the style tokens, in order; none where the follower does not tell them."""
        return tuple(name.strip() for name in self.notes.get("styles", "").split(",") if name.strip())

    def style_named(self, name: str, what: str = "Style") -> tuple[float, ...]:
        """The style token called ``name``; InputError says which there are. ``what`` names it there, such as a key."""
        if name not in self.styles[: self.style_size]:
            known = ", ".join(self.styles) or "none by name"
            raise InputError(f"{what}: expected one of this follower's ({known}), got {name!r}. Choose one of them.")
        return tuple(float(i == self.styles.index(name)) for i in range(self.style_size))

    def to_json(self) -> str:
        """Stable JSON: sorted keys, so that equal contracts are equal bytes."""
        said = asdict(self)
        for spec in fields(self):
            if _LATER in spec.metadata and said[spec.name] == spec.default:
                del said[spec.name]
        return json.dumps({"schema": SCHEMA, **said}, indent=1, sort_keys=True) + "\n"


def graph_metadata(contract: FollowerContract, role: str) -> dict[str, str]:
    """What the metadata of the graph of ``role`` say once more, by name: a graph alone tells whose it is."""
    return {
        "role": role,
        "fps": str(float(contract.fps)),
        "token_frames": str(contract.token_frames),
        "window_tokens": str(contract.window_tokens),
        "plan_tokens": str(contract.plan_tokens),
        "latent_size": str(contract.latent_size),
        "style_size": str(contract.style_size),
        "feature_layout": contract.feature_layout,
        "music_layout": contract.music_layout,
        "skeleton_sha256": contract.skeleton_fingerprint,
        "weights_sha256": contract.weights_sha256,
    }


def _tensor(value: Any) -> TensorSpec:
    return TensorSpec(str(value["name"]), tuple(int(n) for n in value["shape"]), str(value["dtype"]))


def _graph(value: Any) -> GraphSpec:
    inputs, outputs = (tuple(_tensor(v) for v in value[key]) for key in ("inputs", "outputs"))
    return GraphSpec(str(value["role"]), str(value["file"]), str(value["sha256"]), inputs, outputs)


def contract_from_json(text: str, where: str) -> FollowerContract:
    """Parse a contract; FollowerError names what is missing, of another type or of another schema."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FollowerError(f"{where}: expected JSON, got {error}. Fetch or export the follower again.") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        got = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise FollowerError(f"{where}: expected schema {SCHEMA!r}, got {got!r}. Export the follower with this version.")
    raw.pop("schema")
    try:
        return _contract(raw)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FollowerError(f"{where}: expected a complete contract, got {what}. Export the follower again.") from error


def _contract(raw: dict[str, Any]) -> FollowerContract:
    """KeyError names a field that is missing, TypeError and ValueError say what is wrong with one."""
    known = {f.name: f for f in fields(FollowerContract)}
    if unknown := sorted(raw.keys() - known.keys()):
        raise TypeError(f"the unknown field {unknown[0]!r}")
    for name, spec in known.items():
        if name not in raw and spec.default is MISSING and spec.default_factory is MISSING:
            raise KeyError(name)
        accepted = (
            {int: (int,), float: (int, float), str: (str,), bool: (bool,)}.get(spec.type)
            if isinstance(spec.type, type)
            else None
        )
        if accepted and name in raw and type(raw[name]) not in accepted:
            raise TypeError(f"{raw[name]!r} as {name}")
    for key in ("inputs", "outputs", "states"):
        raw[key] = tuple(_tensor(v) for v in raw[key])
    raw["graphs"] = tuple(_graph(g) for g in raw["graphs"])
    raw["forecast"] = _graph(raw["forecast"]) if raw.get("forecast") else None
    raw["joint_names"] = tuple(str(name) for name in raw["joint_names"])
    raw["style"] = tuple(float(v) for v in raw["style"])
    return FollowerContract(**raw)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_contract(folder: str | Path) -> FollowerContract:
    """Read and check a follower folder: complete, unaltered, and made for this body and layout."""
    folder = Path(folder)
    path = folder / CONTRACT_FILE
    if not folder.is_dir():
        raise FollowerError(f"{folder}: expected a follower folder, got no such folder. Give one with --follower.")
    if not path.is_file():
        raise FollowerError(f"{folder}: expected {CONTRACT_FILE} in it, got none. Is this a follower? Export it again.")
    if (size := path.stat().st_size) > MOST_CONTRACT_BYTES:
        raise FollowerError(
            f"{path}: expected a contract of at most {MOST_CONTRACT_BYTES >> 20} MB, got {size >> 20} MB. "
            "Do not use this follower."
        )
    contract = contract_from_json(path.read_text(encoding="utf-8", errors="replace"), str(path))
    _check_fits(contract, str(path))
    files = [(g.file, g.sha256) for g in (*contract.graphs, contract.forecast) if g is not None]
    if contract.bank:
        files.append((contract.bank, contract.bank_sha256))
    if contract.golden:
        files.append((contract.golden, contract.golden_sha256))
    for name, expected in files:
        if Path(name).name != name or len(name) > MOST_NAME:
            raise FollowerError(
                f"{path}: expected plain file names, got {name[:MOST_NAME]!r}. Do not use this follower."
            )
        file = folder / name
        if not file.is_file():
            raise FollowerError(f"{folder}: expected {name}, got no such file. Fetch or export the follower again.")
        if (got := sha256_of(file)) != expected:
            raise FollowerError(
                f"{file}: expected sha256 {expected[:12]}…, got {got[:12]}…. "
                "The file was altered; fetch or export it again."
            )
    return contract


def _check_fits(contract: FollowerContract, where: str) -> None:
    if not (contract.fps > 0 and contract.token_frames > 0 and 0 < contract.plan_tokens < contract.window_tokens):
        raise FollowerError(
            f"{where}: expected a plan inside a window of tokens, got {contract.plan_tokens} of "
            f"{contract.window_tokens} tokens of {contract.token_frames} frames at {contract.fps} fps. Export it again."
        )
    if not (contract.fps <= MOST_FPS and contract.window_tokens * contract.token_frames <= MOST_WINDOW_FRAMES):
        raise FollowerError(
            f"{where}: expected a window of at most {MOST_WINDOW_FRAMES} frames at {MOST_FPS:g} fps, got "
            f"{contract.window_tokens} tokens of {contract.token_frames} frames at {contract.fps:g}. Do not use it."
        )
    foreign = sorted(set(contract.joint_names) ^ set(BODY.names))
    if contract.joint_names != BODY.names:
        raise FollowerError(
            f"{where}: expected the {len(BODY.names)} joints of this version, got "
            f"{f'other ones, such as {foreign[0]!r}' if foreign else 'them in another order'}. "
            "This follower was trained on another body; export one for this version."
        )
    if contract.skeleton_fingerprint != BODY.fingerprint:
        raise FollowerError(
            f"{where}: expected skeleton {BODY.fingerprint[:12]}…, got {contract.skeleton_fingerprint[:12]}…. "
            "This follower was trained on another body; export one for this version."
        )
    if contract.feature_layout != LAYOUT_VERSION:
        raise FollowerError(
            f"{where}: expected feature layout {LAYOUT_VERSION!r}, got {contract.feature_layout!r}. "
            "Export the follower with this version."
        )
    if contract.music_layout != MUSIC_LAYOUT:
        raise FollowerError(
            f"{where}: expected music layout {MUSIC_LAYOUT!r}, got {contract.music_layout!r}. "
            "Export the follower with this version."
        )
    if contract.precision not in PRECISIONS:
        raise FollowerError(
            f"{where}: expected precision {', '.join(PRECISIONS)}, got {contract.precision!r}. "
            "Export the follower with this version."
        )
    _check_shapes(contract, where)
    _check_wiring(contract, where)


def _check_shapes(contract: FollowerContract, where: str) -> None:
    """The tensors that the live half makes and reads have the sizes it gives them."""
    window, plan, latent = contract.window_tokens, contract.plan_tokens, contract.latent_size
    expected = {
        "leader": (1, window, contract.token_frames * LEADER_SIZE),
        "leader_flag": (1, window, 3),
        "music": (1, window, contract.token_frames * len(MUSIC_LAYOUT.split())),
        "place": (1, PLACE_SIZE),
        "noise": (1, plan, latent),
        "style": (1, contract.style_size),
        "frames": (1, contract.plan_frames, FOLLOWER_SIZE),
    }
    shapes = {t.name: t.shape for t in (*contract.inputs, *contract.outputs)}
    optional = {
        "guidance": (1, *GUIDANCE_SHAPE), "reference": (1, plan, latent), "reference_flag": (1, 1),
    }  # fmt: skip
    expected |= {name: shape for name, shape in optional.items() if name in shapes}
    for tensor in contract.inputs:
        if tensor.name not in expected:
            raise FollowerError(
                f"{where}: expected inputs that a stage gives, got {tensor.name!r} among them. Export it again."
            )
    graphs = (*contract.graphs, *((contract.forecast,) if contract.forecast else ()))
    sides = (contract.inputs, contract.outputs, contract.states, *(s for g in graphs for s in (g.inputs, g.outputs)))
    for tensor in (tensor for side in sides for tensor in side):
        if tensor.dtype != _DTYPE:
            raise FollowerError(
                f"{where}: expected tensors of {_DTYPE}, got {tensor.dtype} for {tensor.name!r}. Export it again."
            )
    if len(contract.style) != contract.style_size:
        raise FollowerError(
            f"{where}: expected a style of {contract.style_size} numbers, got {len(contract.style)}. Export it again."
        )
    if contract.forecast is not None:
        expected |= {"leader_seen": (1, FORESEEN_FROM_FRAMES, LEADER_SIZE)}
        shapes |= {t.name: t.shape for t in contract.forecast.inputs}
        made = {t.name: t.shape for t in contract.forecast.outputs}.get("foreseen", ())
        if len(made) != 3 or made[0] != 1 or made[1] < 1 or made[2] != FORESEEN_SIZE:
            raise FollowerError(
                f"{where}: expected tensor 'foreseen' of shape (1, frames, {FORESEEN_SIZE}), got {made or None}. "
                "Export it again."
            )
    for name, shape in expected.items():
        if shapes.get(name) != shape:
            raise FollowerError(
                f"{where}: expected tensor {name!r} of shape {shape}, got {shapes.get(name)}. Export it again."
            )


def _check_wiring(contract: FollowerContract, where: str) -> None:
    """Every graph's inputs are there when it runs, and every state comes out anew."""
    there = {t.name for t in (*contract.inputs, *contract.states)}
    for graph in contract.graphs:
        for tensor in graph.inputs:
            if tensor.name not in there:
                raise FollowerError(
                    f"{where}: expected a source for tensor {tensor.name!r} of graph {graph.role!r}, got none. "
                    "Export it again."
                )
        there |= {t.name for t in graph.outputs}
    missing = [
        n for n in (*(f"new_{t.name}" for t in contract.states), *(t.name for t in contract.outputs)) if n not in there
    ]
    if contract.graphs and missing:
        raise FollowerError(f"{where}: expected a graph that gives {missing[0]!r}, got none. Export it again.")
