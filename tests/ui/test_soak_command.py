"""``duet soak``: a show goes on, is sampled, judged and drawn; an interrupted one keeps what it has."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from duet.contract import load_contract
from duet.features import FOLLOWER_SIZE
from realtime.bench import soak_show
from realtime.bench.soak import BOUNDS, Sample, judge
from realtime.tick import FollowerState, Tensors
from ui.cli import DEFAULT_FOLLOWER, main
from ui.soak.curves import ROW, WIDTH, write_curves

CONTRACT = load_contract(DEFAULT_FOLLOWER)


class Still:
    """A follower that costs nothing."""

    def tick(self, inputs: Tensors, state: FollowerState) -> tuple[Tensors, FollowerState]:
        frames = np.zeros((1, CONTRACT.plan_frames, FOLLOWER_SIZE), np.float32)
        frames[..., :132:6] = frames[..., 4:132:6] = 1.0
        return {"frames": frames}, state


def test_a_show_goes_on_by_itself_and_is_sampled() -> None:
    samples: list[Sample] = []
    show = soak_show.Show(CONTRACT, Still(), None, seed=3)
    show.perform(6.0, 0.25, samples.append)
    assert len(samples) == 24 and show.visits.presence.at_s > 5.0
    assert samples[-1].ticks > 35 and samples[-1].late_ticks == 0
    assert all(sample.memory_mb > 10 and sample.handles > 0 and sample.threads > 0 for sample in samples)
    lags = np.array([sample.lag_ms for sample in samples])
    assert 50.0 < np.nanmedian(lags) < 300.0


def test_curves_are_drawn_whatever_was_sampled(tmp_path: Path) -> None:
    nothing = float("nan")
    many = [Sample(i * 10.0, 300.0 + i % 3, 40, 12, 150.0, nothing, 0, i) for i in range(200)]
    for name, samples in (("many", many), ("one", many[:1]), ("none", [])):
        write_curves(tmp_path / f"{name}.png", samples, judge(samples, 0.5))
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == (WIDTH, ROW * len(BOUNDS))
            assert len(set(picture.convert("L").tobytes())) > 2


def test_an_interrupted_soak_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = soak_show.Show.perform

    def interrupted(self, seconds, every_s, told) -> None:
        whole(self, 1.5, every_s, told)
        raise KeyboardInterrupt

    monkeypatch.setattr(soak_show.Show, "perform", interrupted)
    out = tmp_path / "soak"
    assert main(["soak", "--hours", "0.01", "--speed-up", "--out", str(out)]) == 130
    kept = json.loads((out / "soak.json").read_text())
    assert kept["interrupted"] and kept["verdict"]["judgement"] == "unsure" and len(kept["samples"]) >= 4
    assert {bound.curve for bound in BOUNDS} <= kept["samples"][0].keys()
    assert (out / "soak.png").is_file() and "unsure" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--hours", "0"], "--hours: expected 0.001 to 1000"),
        (["--hours", "nan"], "--hours: expected"),
        (["--seed", "-1"], "--seed: expected 0 or more"),
        (["--speed-up", "--config", "x"], "got --speed-up beside it"),
        (["--config", "nowhere.toml"], "expected a show's file"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["soak", *options, "--out", str(tmp_path / "s")]) == 2
    assert sentence in capsys.readouterr().err
