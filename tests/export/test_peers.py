"""The naive way gives the same plan; only then is it a peer. Nothing here is timed."""

from pathlib import Path

import pytest
import torch

from export.cli import main
from export.peers import compare, naive_plan
from export.verify import seeded_inputs
from models.follower import DenoiseRole, load_follower


@pytest.mark.parametrize("guided", [True, False])
def test_the_naive_way_is_the_same_mathematics(run: Path, guided: bool):
    follower = load_follower(run / "best")
    role = next(role for role in follower.roles(guided=guided) if isinstance(role, DenoiseRole))
    inputs = {name: torch.from_numpy(value) for name, value in next(iter(seeded_inputs(follower, 1))).items()}
    inputs |= {"guidance": torch.full_like(inputs["guidance"], 0.7), "memory": torch.ones(1, 16)}
    tensors = {**inputs, **follower.initial_state()}
    with torch.no_grad():
        plan = role(*(tensors[name] for name in role.inputs))[1]
        naive = naive_plan(role, tensors)
    assert plan.abs().max() > 0.1
    torch.testing.assert_close(naive, plan, atol=1e-4, rtol=1e-4)


def test_all_three_agree_and_take_some_time(run: Path, exported: Path):
    seen: list[int] = []
    peers = compare(load_follower(run / "best"), exported, 2, seen.append)
    assert peers.apart < 1e-4 and peers.rounds == 2 and seen[-1] == 2
    assert min(peers.naive_ms, peers.hoisted_ms, peers.exported_ms) > 0
    assert set(peers.ratios()) == {"torch, conditions once", "exported, ONNX Runtime"}


def test_only_ratios_are_printed(run: Path, exported: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["bench-peers", str(run), "--follower", str(exported), "--rounds", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("times as fast as the naive way") == 2 and " ms" not in said
    assert "wanted of the exported graph: at least 3: m" in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "expected a run or --preset with --random-weights, got neither"),
        (["--preset", "XS", "--random-weights", "9"], "expected the export of these weights, got"),
        (["--preset", "XXS", "--random-weights", "9"], "--preset: expected XS, S, M, L, got 'XXS'"),
    ],
)
def test_what_is_no_peer_is_refused(exported: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench-peers", *words, "--follower", str(exported)]) == 2
    assert reason in capsys.readouterr().err
