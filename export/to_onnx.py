"""A follower to a folder: one ONNX graph per role of the tick, the contract, and the model card.

Graphs are opset 20 (23 and up emit an op that TensorRT-RTX cannot build), of static shapes, with the sampler unrolled
and noise and state as inputs and outputs. Equal weights give equal bytes.
"""

import hashlib
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from duet.contract import CONTRACT_FILE, FollowerContract, GraphSpec, TensorSpec, sha256_of
from duet.errors import InputError
from duet.features import LAYOUT_VERSION
from duet.golden import GOLDEN_FILE, Golden, save_golden
from duet.music import MUSIC_LAYOUT
from duet.onnx_file import read_onnx
from duet.skeleton import BODY
from export.arithmetic import gflop
from export.card import CARD_FILE, model_card
from export.precision import lowered
from export.verify import GUIDANCE, HALF_TOLERANCE_MM, LEAST_SECONDS, UNGUIDED, Parity, measure, units_of
from models.data.corpus import STYLES
from models.follower import Follower, Role
from models.forecaster import ForecastRole
from models.release import Release
from models.training.bank_stage import fitting_bank

OPSET = 20
FORMAT = "duet-follower-graph/1"

Progress = Callable[[str], None]
Graph = Role | ForecastRole


@dataclass(frozen=True)
class Form:
    """What of a follower is a matter of its export."""

    precision: str = "fp32"
    """One of ``duet.contract.PRECISIONS``."""
    guided: bool = True
    """False leaves out the branch that guidance needs: one pass, and guidance is not heard."""
    untrained: bool = False
    """Random weights: for measuring."""


def export_follower(
    follower: Follower,
    release: Release,
    out: Path,
    *,
    bank: Path | None = None,
    seconds: float = LEAST_SECONDS,
    progress: Progress = lambda _: None,
    form: Form = Form(),
) -> tuple[FollowerContract, Parity]:
    """Write ``follower`` to the folder ``out`` and prove it there over ``seconds`` of carried state.

    What torch danced meanwhile becomes its golden answer (``duet.golden``). The contract is written last, and only when
    the proof holds (see ``export.verify``): a folder without one is no follower, so a broken export is never played.
    FollowerError says what did not hold.
    """
    follower = follower.eval()
    origin = "" if bank is None else _bank_origin(bank, follower)
    out.mkdir(parents=True, exist_ok=True)
    (out / CONTRACT_FILE).unlink(missing_ok=True)
    graphs = write_graphs(follower, out, progress, form)
    forecast = write_forecast(follower, out, progress)
    if bank is not None:
        shutil.copyfile(bank, out / bank.name)
    progress(f"verify {seconds:.0f} s")
    kept: dict[int, np.ndarray] = {}
    parity = measure(follower, out, graphs, seconds=seconds, forecast=forecast, guided=form.guided, kept=kept)
    parity = _judged(parity, form.precision)
    parity.require(out, "Train again, or look for the part that does not export faithfully.")
    answer = Golden(0, units_of(follower), tuple(sorted(kept)), np.stack([kept[tick] for tick in sorted(kept)]))
    save_golden(answer, out / GOLDEN_FILE)
    contract = _contract(follower, release, graphs, parity, out / bank.name if bank else None, origin, forecast)
    contract = _formed(contract, form, parity, out)
    (out / CARD_FILE).write_text(model_card(follower, release, contract, parity))
    (out / CONTRACT_FILE).write_text(contract.to_json())
    return contract, parity


def _judged(parity: Parity, precision: str) -> Parity:
    """``parity`` with what is allowed in ``precision``. Int8 is allowed twice what it showed: that is for who listens
    and looks to judge, and a runtime that is further off computes something else."""
    if precision == "fp32":
        return parity
    most_mm = HALF_TOLERANCE_MM if precision == "fp16" else max(HALF_TOLERANCE_MM, 2.0 * parity.joints_mm)
    return replace(parity, tolerance=0.0, tolerance_mm=round(most_mm, 1))


def _formed(contract: FollowerContract, form: Form, parity: Parity, out: Path) -> FollowerContract:
    """``contract`` with what is a matter of the export, and what is read from the files in ``out``."""
    counted = sum(float(read_onnx(out / graph.file).metadata["gflop"]) for graph in contract.graphs)
    guidance = "both branches in one batch" if form.guided else f"{UNGUIDED}: one pass, guidance is not heard"
    return replace(
        contract,
        precision=form.precision,
        tolerance=parity.tolerance,
        tolerance_mm=parity.tolerance_mm,
        untrained=form.untrained,
        gflop=float(f"{counted:.6g}"),
        golden=GOLDEN_FILE,
        golden_sha256=sha256_of(out / GOLDEN_FILE),
        notes={**contract.notes, GUIDANCE: guidance},
    )


def _bank_origin(bank: Path, follower: Follower) -> str:
    """Where the dances of ``bank`` come from; InputError when the follower has no use for it."""
    if not follower.config.denoiser.references:
        raise InputError(
            f"{bank}: expected a follower that learned from references, got one that did not. "
            "Train it with --set how.references=0.6, or export it without a bank."
        )
    return fitting_bank(bank, follower.codec, follower.config).origin


def write_graphs(
    follower: Follower, out: Path, progress: Progress = lambda _: None, form: Form = Form()
) -> tuple[GraphSpec, ...]:
    """One graph per role of a tick into the folder ``out``, in the order they run."""
    weights = weights_sha256(follower)
    graphs = []
    for role, tensors in example_roles(follower, guided=form.guided):
        progress(f"export {role.name}")
        graphs.append(_write(role, tensors, _properties(follower, role, weights), out, form.precision))
    return tuple(graphs)


def write_forecast(follower: Follower, out: Path, progress: Progress = lambda _: None) -> GraphSpec | None:
    """The graph that foresees leaders into the folder ``out``, where the follower learned with one."""
    if follower.forecaster is None:
        return None
    role = ForecastRole(follower.forecaster).eval()
    progress(f"export {role.name}")
    tensors = role.examples()
    with torch.no_grad():
        tensors["foreseen"] = role(tensors["leader_seen"])
    return _write(role, tensors, _properties(follower, role, weights_sha256(follower)), out)


def _write(
    role: Graph, tensors: dict[str, Tensor], properties: dict[str, str], out: Path, precision: str = "fp32"
) -> GraphSpec:
    model = export_role(role, tensors)
    counted = gflop(model)
    model = lowered(model, role.name, precision)
    onnx.helper.set_model_props(model, {**properties, "precision": precision, "gflop": f"{counted:.6g}"})
    path = out / f"{role.name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    inputs, outputs = _specs(tensors, role.inputs), _specs(tensors, role.outputs)
    return GraphSpec(role.name, path.name, sha256_of(path), inputs, outputs)


def example_roles(follower: Follower, *, guided: bool = True) -> Iterator[tuple[Role, dict[str, Tensor]]]:
    """Every role of a tick with example tensors of all its inputs and outputs, by name."""
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in follower.input_shapes().items()}
    tensors |= follower.initial_state()
    for role in follower.roles(guided=guided):
        role.eval()
        with torch.no_grad():
            tensors |= dict(zip(role.outputs, role(*(tensors[name] for name in role.inputs)), strict=True))
        yield role, tensors


def export_role(role: Graph, tensors: dict[str, Tensor]) -> onnx.ModelProto:
    """One checked graph, stripped of everything that speaks of the machine it was made on."""
    with _quiet():
        program = torch.onnx.export(
            role,
            tuple(tensors[name] for name in role.inputs),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(role.inputs),
            output_names=list(role.outputs),
            external_data=False,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # The exporter notes source lines, with absolute paths, on every node and value.
    for item in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, *model.graph.input):
        del item.metadata_props[:]
    for item in (model, model.graph, *model.graph.output):
        del item.metadata_props[:]
    model.graph.name = f"duet_{role.name}"
    onnx.checker.check_model(model)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter's remarks on its own insides away from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def weights_sha256(follower: Follower) -> str:
    """Hash of every tensor, sorted by name: the same weights give the same hash, however they were saved."""
    digest = hashlib.sha256()
    for name, value in sorted(follower.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def _properties(follower: Follower, role: Graph, weights: str) -> dict[str, str]:
    config = follower.config
    return {
        "format": FORMAT,
        "role": role.name,
        "fps": str(config.fps),
        "token_frames": str(config.token_frames),
        "sampler": f"{config.sampler.kind} x{config.sampler.calls}",
        "skeleton_sha256": BODY.fingerprint,
        "weights_sha256": weights,
    }


def _specs(tensors: dict[str, Tensor], names: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, tuple(tensors[name].shape)) for name in names)


def _contract(
    follower: Follower,
    release: Release,
    graphs: tuple[GraphSpec, ...],
    parity: Parity,
    bank: Path | None,
    origin: str,
    forecast: GraphSpec | None,
) -> FollowerContract:
    config = follower.config
    frames = next(spec for graph in graphs for spec in graph.outputs if spec.name == "frames")
    return FollowerContract(
        name=release.name,
        fps=config.fps,
        token_frames=config.token_frames,
        window_tokens=config.window,
        plan_tokens=config.plan,
        latent_size=config.latent_width,
        style_size=config.style_width,
        joint_names=BODY.names,
        skeleton_fingerprint=BODY.fingerprint,
        feature_layout=LAYOUT_VERSION,
        music_layout=MUSIC_LAYOUT,
        inputs=tuple(TensorSpec(name, shape) for name, shape in follower.input_shapes().items()),
        outputs=(frames,),
        states=tuple(TensorSpec(name, tuple(value.shape)) for name, value in follower.initial_state().items()),
        graphs=graphs,
        style=release.style,
        observed_delay_frames=release.observed_delay_frames,
        root_leak=release.root_leak,
        distance_m=release.distance_m,
        weights_sha256=weights_sha256(follower),
        parity_max_abs=parity.max_abs,
        training_data=release.training_data,
        licence=release.licence,
        bank=bank.name if bank else "",
        bank_sha256=sha256_of(bank) if bank else "",
        forecast=forecast,
        notes={
            "size": config.name,
            "normalisation": "inside the graphs: every input and output is in the units of duet.features",
            "plan": "continuous latents, never snapped to the codec's grid",
            "sampler": f"{config.sampler.kind}, {config.sampler.calls} calls a tick",
            "styles": ", ".join(STYLES),
            **({"bank": origin} if origin else {}),
            **parity.notes(),
        },
    )
