"""A follower to a folder: one ONNX graph per role of the tick, the contract, and the model card.

Graphs are opset 20 (23 and up emit an op that TensorRT-RTX cannot build), of static shapes, with the sampler unrolled
and noise and state as inputs and outputs. Equal weights give equal bytes.
"""

import hashlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from duet.contract import (
    CONTRACT_FILE,
    GUIDANCE_SHAPE,
    FollowerContract,
    GraphSpec,
    TensorSpec,
    load_contract,
    sha256_of,
)
from duet.errors import FollowerError, InputError
from duet.features import LAYOUT_VERSION
from duet.files import part_beside
from duet.golden import GOLDEN_FILE, Golden, save_golden
from duet.music import MUSIC_LAYOUT
from duet.onnx_file import read_onnx
from duet.skeleton import BODY
from export.arithmetic import gflop
from export.card import CARD_FILE, model_card
from export.precision import LOWERED, lowered
from export.verify import HALF_TOLERANCE_MM, LEAST_SECONDS, Parity, measure, units_of
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
    beside: tuple[Path, ...] = (),
) -> tuple[FollowerContract, Parity]:
    """Write ``follower`` to the folder ``out`` and prove it there over ``seconds`` of carried state.

    What torch danced meanwhile becomes its golden answer (``duet.golden``); files ``beside`` come along. Everything is
    made in a folder of its own and takes its place only when the proof holds (see ``export.verify``): an export that is
    stopped, fails, or meets a full disk leaves ``out`` as it was. FollowerError says what did not hold.
    """
    follower = follower.eval()
    _check_guidance(follower)
    origin = "" if bank is None else _bank_origin(bank, follower)
    with _published(out) as part:
        graphs = write_graphs(follower, part, progress, form)
        forecast = write_forecast(follower, part, progress)
        for path in (*beside, *((bank,) if bank else ())):
            shutil.copyfile(path, part / path.name)
        progress(f"verify {seconds:.0f} s")
        kept: dict[int, np.ndarray] = {}
        parity = measure(follower, part, graphs, seconds=seconds, forecast=forecast, guided=form.guided, kept=kept)
        parity = _judged(parity, form.precision)
        parity.require(out, "Train again, or look for the part that does not export faithfully.")
        ticks = tuple(sorted(kept))
        save_golden(Golden(0, units_of(follower), ticks, np.stack([kept[t] for t in ticks])), part / GOLDEN_FILE)
        contract = _contract(follower, release, form, _Made(part, graphs, forecast, parity, bank, origin))
        (part / CARD_FILE).write_text(model_card(follower, release, contract, parity), encoding="utf-8")
        (part / CONTRACT_FILE).write_text(contract.to_json(), encoding="utf-8")
    return contract, parity


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """Gives a folder to make a follower in; without an error inside, its files take the place of the one in ``out``.

    The contract goes first and comes last: whoever looks meanwhile finds no follower, and never a mixed one.
    """
    begun = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    part = part_beside(out / "export")
    try:
        part.mkdir()
        yield part
        former = _files_of(out)
        (out / CONTRACT_FILE).unlink(missing_ok=True)
        made = sorted((path.name for path in part.iterdir()), key=lambda name: name == CONTRACT_FILE)
        for name in former - set(made):
            (out / name).unlink(missing_ok=True)
        for name in made:
            os.replace(part / name, out / name)
    except OSError as error:
        # A full disk says where it was met, and nobody asked for the part.
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if begun and not any(out.iterdir()):
            out.rmdir()


def _files_of(folder: Path) -> set[str]:
    """What the contract in ``folder`` names, where one is there that holds: another follower has no use for it."""
    try:
        contract = load_contract(folder)
    except FollowerError:
        return set()
    graphs = (*contract.graphs, *((contract.forecast,) if contract.forecast else ()))
    return {*(graph.file for graph in graphs), *filter(None, (contract.bank, contract.golden))}


def _judged(parity: Parity, precision: str) -> Parity:
    """``parity`` with what is allowed in ``precision``. Int8 is allowed twice what it showed: that is for who listens
    and looks to judge, and a runtime that is further off computes something else."""
    if precision == "fp32":
        return parity
    most_mm = HALF_TOLERANCE_MM if precision == "fp16" else max(HALF_TOLERANCE_MM, 2.0 * parity.joints_mm)
    return replace(parity, tolerance=0.0, tolerance_mm=round(most_mm, 1))


def _check_guidance(follower: Follower) -> None:
    """InputError for a codec of other levels than a stage has knobs for; before the work, not when it is loaded."""
    got = follower.input_shapes()["guidance"][1:]
    if got != GUIDANCE_SHAPE:
        raise InputError(
            f"{follower.config.name}: expected {GUIDANCE_SHAPE[1]} residual levels, as a stage can guide them, got "
            f"{got[1]}. Train it with follower.codec.residuals={GUIDANCE_SHAPE[1]}."
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
    told = {"precision": precision if role.name in LOWERED[precision] else "fp32", "gflop": f"{counted:.6g}"}
    onnx.helper.set_model_props(model, properties | told)
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
    """As ``duet.contract.graph_metadata`` has them, and what only this half knows."""
    config = follower.config
    return {
        "format": FORMAT,
        "role": role.name,
        "fps": str(config.fps),
        "token_frames": str(config.token_frames),
        "window_tokens": str(config.window),
        "plan_tokens": str(config.plan),
        "latent_size": str(config.latent_width),
        "style_size": str(config.style_width),
        "feature_layout": LAYOUT_VERSION,
        "music_layout": MUSIC_LAYOUT,
        "sampler": f"{config.sampler.kind} x{config.sampler.calls}",
        "skeleton_sha256": BODY.fingerprint,
        "weights_sha256": weights,
    }


def _specs(tensors: dict[str, Tensor], names: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, tuple(tensors[name].shape)) for name in names)


@dataclass(frozen=True)
class _Made:
    """What an export wrote, and what came of it."""

    folder: Path
    graphs: tuple[GraphSpec, ...]
    forecast: GraphSpec | None
    parity: Parity
    bank: Path | None
    origin: str
    """Where the dances of the bank come from."""


def _contract(follower: Follower, release: Release, form: Form, made: _Made) -> FollowerContract:
    config, parity = follower.config, made.parity
    frames = next(spec for graph in made.graphs for spec in graph.outputs if spec.name == "frames")
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
        graphs=made.graphs,
        style=release.style,
        observed_delay_frames=release.observed_delay_frames,
        root_leak=release.root_leak,
        distance_m=release.distance_m,
        weights_sha256=weights_sha256(follower),
        parity_max_abs=parity.max_abs,
        training_data=release.training_data,
        licence=release.licence,
        forecast=made.forecast,
        tolerance=parity.tolerance,
        tolerance_mm=parity.tolerance_mm,
        **_files(form, made),
        notes=_notes(follower, form, made),
    )


def _files(form: Form, made: _Made) -> dict[str, Any]:
    """Fields of the contract that are read off the files of the export."""
    counted = sum(float(read_onnx(made.folder / graph.file).metadata["gflop"]) for graph in made.graphs)
    return {
        "precision": form.precision,
        "untrained": form.untrained,
        "guided": form.guided,
        "gflop": float(f"{counted:.6g}"),
        "golden": GOLDEN_FILE,
        "golden_sha256": sha256_of(made.folder / GOLDEN_FILE),
        "bank": made.bank.name if made.bank else "",
        "bank_sha256": sha256_of(made.folder / made.bank.name) if made.bank else "",
    }


def _notes(follower: Follower, form: Form, made: _Made) -> dict[str, str]:
    """What a reader of the contract may want to know, and no program asks for but the styles."""
    sampler = follower.config.sampler
    return {
        "size": follower.config.name,
        "normalisation": "inside the graphs: every input and output is in the units of duet.features",
        "plan": "continuous latents, never snapped to the codec's grid",
        "sampler": f"{sampler.kind}, {sampler.calls} calls a tick",
        "guidance": "both branches in one batch" if form.guided else "none: one pass, guidance is not heard",
        "styles": ", ".join(STYLES),
        **({"bank": made.origin} if made.origin else {}),
        **made.parity.notes(),
    }
