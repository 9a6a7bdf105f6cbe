"""The model card: what a follower is, what it was made from, what was measured, and what it cannot do."""

import platform
from pathlib import Path

from torch import nn

from duet.contract import FollowerContract
from duet.errors import InputError
from duet.files import written_whole
from export.recipe import names_in
from export.verify import Parity
from models.follower import Follower
from models.release import Release

CARD_FILE = "MODEL_CARD.md"
_BEGIN, _END = "<!-- closed loop: written by duet-lab evaluate -->", "<!-- end of closed loop -->"
_PRECISIONS = {
    "fp32": "float32",
    "fp16": "float16 in denoiser and decoder, float32 in the memory, which carries a state for ever",
    "int8": "int8 weights per channel in the denoiser, float32 elsewhere",
}
_UNTRAINED = (
    "**Untrained: random weights. It is there to be measured (`duet bench model`); `duet play` refuses it.**\n\n"
)
_UNMEASURED = "Not measured yet: `duet-lab evaluate` dances the validation takes and writes the numbers here."


def model_card(follower: Follower, release: Release, contract: FollowerContract, parity: Parity) -> str:
    """MODEL_CARD.md, filled with values; every number in it comes from the run or from the export itself."""
    return f"""# {release.name}

{_what_it_is(follower, contract)}

## What it was made from
{release.training_data}

Licence: {release.licence}

Repeat the training:

    {release.command}

{names_in(release.command)}

Seeds: {", ".join(str(seed) for seed in release.seeds)}. Those of earlier runs are in their commands.

## What was measured
{_BEGIN}
{release.results.strip() or _UNMEASURED}
{_END}

{_export(contract, parity)}

## What it cannot do
{release.limits.strip() or "Nothing was recorded with this run; expect little beyond the dances it was trained on."}
"""


def _what_it_is(follower: Follower, contract: FollowerContract) -> str:
    config = follower.config
    parts = {"codec": follower.codec, "memory": follower.memory, "denoiser": follower.denoiser}
    parts |= {"forecaster": follower.forecaster} if follower.forecaster else {}
    sizes = "\n".join(f"| {name} | {_millions(part)} |" for name, part in parts.items())
    foreseen = "a forecaster that learned how leaders go on" if follower.forecaster else "damped velocity"
    warning = _UNTRAINED if contract.untrained else ""
    return f"""\
{warning}A follower for Duet: given a leader's movement and the music as they are known now, it plans the next
{contract.plan_frames} frames of its partner's dance at {config.fps:g} frames a second and plans anew every
{config.token_frames} frames.

## What it is
Preset {config.name}: a causal codec of three streams (upper body, lower body, root; grouped residual finite
scalar quantisation, {config.latent_width} numbers a token), a blockwise denoiser over {config.past} committed and
{config.plan} planned tokens, and a Mamba memory carried across the whole performance. Sampler:
{config.sampler.kind}, {config.sampler.calls} network calls a tick, unrolled in the graph. What the leader has not
danced yet is foreseen by {foreseen}.

| part | parameters |
|---|---|
{sizes}

Weights sha256 `{contract.weights_sha256}`."""


def _export(contract: FollowerContract, parity: Parity) -> str:
    times = "\n".join(f"| {role} | {p50:.2f} | {p99:.2f} |" for role, (p50, p99) in parity.milliseconds.items())
    judged = f"tolerance {parity.tolerance:g}" if parity.tolerance else "not judged in this precision"
    return f"""### Export
Torch against ONNX Runtime over {parity.seconds:.0f} s ({parity.ticks} ticks) of carried state on seeded inputs in
the units of the training data: greatest difference of any output or state {parity.max_relative:.3e} of its scale
(`{parity.worst}`; {judged}), in its own units {parity.max_abs:.3e}; of any joint
{parity.joints_mm:.3e} mm (tolerance {parity.tolerance_mm:g} mm). Arithmetic: {_PRECISIONS[contract.precision]};
{contract.gflop:.3g} GFLOP a tick.
The plan stays continuous: committed latents are not snapped to the codec's grid, where a rounding tie could make two
runtimes part.

Milliseconds on one thread of {platform.machine()} ({platform.system()}), guidance included:
{parity.tick_ms:.1f} ms a tick.

| role | p50 | p99 |
|---|---|---|
{times}"""


def put_results(folder: Path, results: str) -> None:
    """Put measured numbers, as markdown, into the card of an exported ``folder``."""
    path = folder / CARD_FILE
    if not path.is_file():
        raise InputError(f"{folder}: expected {CARD_FILE} in it, got none. Export the follower again.")
    before, begin, rest = path.read_text(encoding="utf-8", errors="replace").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise InputError(f"{path}: expected the marked place of the results, got none. Export the follower again.")
    with written_whole(path) as part:
        part.write_text(f"{before}{_BEGIN}\n{results.strip()}\n{_END}{after}", encoding="utf-8")


def _millions(part: nn.Module) -> str:
    count = sum(p.numel() for p in part.parameters())
    return f"{count / 1e6:.2f} M"
