"""``duet soak``: a show goes on, is sampled, judged and drawn; an interrupted one keeps what it has."""

import errno
import json
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from duet.clock import ManualClock
from duet.contract import load_contract
from duet.errors import DeviceError
from duet.features import FOLLOWER_SIZE
from duet.frames import PoseSource
from realtime.bench import soak_show
from realtime.bench.soak import BOUNDS, Sample, judge
from realtime.commands import Freeze
from realtime.conductor import Conductor
from realtime.health import Health
from realtime.pose_line import SOURCES, PoseLine
from realtime.process_use import Use
from realtime.tick import FollowerState, Tensors
from ui.cli import DEFAULT_FOLLOWER, main
from ui.soak.curves import ROW, WIDTH, readable, told, write_curves
from ui.soak.exhibit import exhibit

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


def test_a_visitor_who_fails_is_counted_by_the_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no such step")

    monkeypatch.setattr(soak_show.Visitors, "take_new", fails)
    show = soak_show.Show(CONTRACT, Still(), None, seed=3)
    show.perform(2.0, 0.25, lambda _: None)
    assert show.health.counter("leader_failures") > 10


def test_a_sample_that_the_system_refuses_holds_no_numbers_and_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    known, asked = soak_show.use_of_all, list[int]()

    def refused_now_and_then() -> Use:
        asked.append(len(asked))
        if len(asked) % 3 == 0:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return known()

    monkeypatch.setattr(soak_show, "use_of_all", refused_now_and_then)
    samples: list[Sample] = []
    soak_show.Show(CONTRACT, Still(), None, seed=3).perform(6.0, 0.25, samples.append)
    missing = [sample for sample in samples if np.isnan(sample.memory_mb)]
    assert len(samples) == 24 and len(missing) == 8 and samples[-1].ticks > 35
    assert all(np.isnan(sample.handles) and np.isnan(sample.threads) for sample in missing)
    # Slopes are drawn through the others.
    assert all(np.isfinite(slope.per_hour) for slope in judge(samples, 6.0 / 3600.0).slopes)


def shown(count: int, *, twitch_at: int | None = None, rests: range = range(0)) -> PoseLine:
    """A dance of ``count`` frames at 30 a second whose pelvis glides, but for one frame."""
    root_m = np.zeros((count, 3), np.float32)
    root_m[:, 0] = 0.01 * np.arange(count)
    if twitch_at is not None:
        root_m[twitch_at, 0] += 0.05
    source = np.full(count, SOURCES.index(PoseSource.MODEL), np.uint8)
    source[list(rests)] = SOURCES.index(PoseSource.HOLD)
    turns = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 22, 1))
    ages = np.arange(count) / 30.0 - 0.1
    return PoseLine(
        fps=30.0, first_frame=0, root_m=root_m, quaternions=turns, contacts=np.zeros((count, 4), np.float32),
        source=source, leader_time_s=ages,
    )  # fmt: skip


def seen(line: PoseLine, every_s: float = soak_show.LOOK_S) -> Sample:
    """What is told of ten seconds of it, of which no more than the last two are ever there to be looked at."""
    clock, playout = ManualClock(), Namespace(line=line)
    sampler = soak_show.Sampler(cast(Conductor, Namespace(playout=playout, health=Health())), clock)
    for _ in range(round(10.0 / every_s)):
        clock.advance(every_s)
        first = max(int(clock.now() * 30) - 60, 0)
        rows = {name: getattr(line, name)[first:] for name in ("root_m", "quaternions", "contacts", "source")}
        playout.line = replace(line, first_frame=first, leader_time_s=line.leader_time_s[first:], **rows)
        sampler.look()
    return sampler.sample()


@pytest.mark.parametrize("twitch_at", [5, 27, 28, 29, 30, 142, 290])
def test_no_moment_between_two_samples_is_left_out(twitch_at: int) -> None:
    calm, twitching = seen(shown(310)), seen(shown(310, twitch_at=twitch_at))
    assert calm.jerk < 1.0 and calm.lag_ms == pytest.approx(100.0, abs=1.0)
    # One frame of 5 cm makes third differences of 1, -3, 3 and -1 of them, among the ten seconds' 300.
    assert twitching.jerk == pytest.approx(0.05 * 30.0**3 * np.sqrt(20 / 297), rel=0.02)


def test_what_was_not_danced_is_not_judged() -> None:
    assert seen(shown(310, twitch_at=100, rests=range(90, 110))).jerk < 1.0
    assert np.isnan(seen(shown(310, rests=range(310))).jerk)


def test_curves_are_drawn_whatever_was_sampled(tmp_path: Path) -> None:
    nothing = float("nan")
    many = [Sample(i * 10.0, 300.0 + i % 3, 40, 12, 150.0, nothing, 0, i) for i in range(200)]
    for name, samples in (("many", many), ("one", many[:1]), ("none", [])):
        write_curves(tmp_path / f"{name}.png", samples, judge(samples, 0.5))
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == (WIDTH, ROW * len(BOUNDS))
            assert len(set(picture.convert("L").tobytes())) > 2


@pytest.mark.parametrize(
    ("value", "bound", "text"),
    [
        (2.042e-10, 6.0, "0"), (-2.042e-10, 6.0, "0"), (0.0, 0.0, "0"), (-0.0, 6.0, "0"),
        (float("-inf"), 6.0, "–"), (float("nan"), 6.0, "–"), (-1.329e4, 30.0, "-13290"), (-13294.0, 0.0, "-13290"),
        (246.44, 6.0, "246.4"), (246.0, 6.0, "246"), (0.02, 6.0, "0.02"), (99999.0, 0.0, "100000"),
        (0.00128, 0.0, "0.00128"),
    ],
)  # fmt: skip
def test_numbers_are_told_without_an_exponent(value: float, bound: float, text: str) -> None:
    assert readable(value, bound) == text


def test_a_rise_has_its_sign() -> None:
    assert [readable(value, sign=True) for value in (6.8, -6.8, 0.0)] == ["+6.8", "-6.8", "0"]


def test_a_table_holds_numbers_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rises = {"memory_mb": 2e-10, "jerk": -1.3294e4}

    def told_of(self, seconds, every_s, told) -> None:
        for at_s in np.arange(every_s, seconds + every_s / 2, every_s):
            rising = {name: 4e4 + rise * at_s / 3600.0 for name, rise in rises.items()}
            told(Sample(at_s, rising["memory_mb"], 40, 12, float("nan"), rising["jerk"], 0, int(at_s * 7.5)))

    monkeypatch.setattr(soak_show.Show, "perform", told_of)
    main(["soak", "--hours", "1", "--speed-up", "--out", str(tmp_path)])
    table = capsys.readouterr().err
    lines = {
        name: next(line for line in table.splitlines() if line.startswith(name)) for name in ("memory", "jerk", "lag")
    }
    assert "-13290 … -13290" in lines["jerk"] and "0 … 0" in lines["memory"] and "–" in lines["lag"]
    assert "inf" not in table and "e-" not in table.replace("late", "") and "e+" not in table


def test_a_picture_tells_numbers_that_can_be_read() -> None:
    samples = [Sample(i * 10.0, 300.0 + 1e-12 * i, 40, 12, 150.0, 9e4 - 40.0 * i, 0, i) for i in range(400)]
    said = {slope.curve: told(slope) for slope in judge(samples, 1.0).slopes}
    assert said["memory_mb"] == "pass: 0 MB an hour (0 to 0; at most 6)"
    assert said["jerk"] == "pass: -14400 m/s³ an hour (-14400 to -14400; at most 30)"


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
    told = capsys.readouterr().err
    assert (out / "soak.png").is_file() and "unsure" in told
    # All of it was a start.
    memory = next(line for line in told.splitlines() if line.startswith("memory"))
    assert memory.split("MB")[1].split() == ["–", "–", "–", "–", "6", "unsure"]
    # Where no bar is to be seen, every tenth of 36 s would be a line; there were 1.5 s of it.
    assert "MB, 0 of" not in told


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_a_soak_that_saw_nothing_leaves_an_earlier_verdict_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_interrupted: bool
) -> None:
    def ended(self, seconds, every_s, told) -> None:
        if is_interrupted:
            raise KeyboardInterrupt

    monkeypatch.setattr(soak_show.Show, "perform", ended)
    earlier = {tmp_path / name: name.encode() for name in ("soak.json", "soak.png")}
    for path, content in earlier.items():
        path.write_bytes(content)
    code = 130 if is_interrupted else 3
    assert main(["soak", "--hours", "1", "--speed-up", "--out", str(tmp_path)]) == code
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == earlier
    assert "Nothing was sampled" in capsys.readouterr().err


def test_in_a_log_every_tenth_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told_of(self, seconds, every_s, told) -> None:
        for at_s in np.arange(every_s, seconds + every_s / 2, every_s):
            told(Sample(at_s, 300.0, 40, 12, 150.0, 400.0, 0, int(at_s * 7.5)))

    monkeypatch.setattr(soak_show.Show, "perform", told_of)
    main(["soak", "--hours", "1", "--speed-up", "--out", str(tmp_path)])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.endswith(" late")]
    assert len(lines) == 10 and lines[0].startswith("0.10 h, 300 MB, 0 of") and lines[-1].startswith("1.00 h")


def test_a_soak_that_breaks_off_keeps_what_it_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self, seconds, every_s, told) -> None:
        for at_s in range(1, 20):
            told(Sample(at_s, 300.0, 40, 12, 150.0, 400.0, 0, at_s * 7))
        raise DeviceError("The display: expected it to stay, got none. Plug it in.")

    monkeypatch.setattr(soak_show.Show, "perform", broken)
    assert main(["soak", "--hours", "1", "--speed-up", "--seed", "3", "--out", str(tmp_path)]) == 2
    assert "expected it to stay" in capsys.readouterr().err
    kept = json.loads((tmp_path / "soak.json").read_text())
    assert len(kept["samples"]) == 19 and kept["interrupted"] and kept["verdict"]["judgement"] == "unsure"
    assert "--speed-up" in kept["command"] and "--seed 3" in kept["command"] and "salsa-s" in kept["command"]


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
    assert sentence in capsys.readouterr().err and not (tmp_path / "s").exists()


def test_a_show_of_ones_own_is_checked_and_its_cues_are_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # It is not performed here.
    monkeypatch.setattr("ui.soak.exhibit.ensure_pose_model", lambda progress: None)
    file, out = tmp_path / "show.toml", tmp_path / "soak"
    for wrong, sentence in {
        "[kiosk]\nmusic = 'nothere.mp3'": "[kiosk] music: expected a sound file",
        "[[cue]]\ndo = 'freeze'": "cue 1: expected at, in seconds, got none",
    }.items():
        file.write_text(wrong)
        assert main(["soak", "--config", str(file), "--out", str(out)]) == 2
        told = capsys.readouterr().err
        assert sentence in told and str(file) in told and not out.exists()
    # Nothing else of its command line is needed to begin.
    file.write_text("[kiosk.picture]\nheadless = true\n[kiosk.keep]\nlog = 'a.jsonl'\n[[cue]]\ndo = 'freeze'\nat = 1")
    arguments = Namespace(config=file, follower=DEFAULT_FOLLOWER, hours=0.5, out=out, seed=0, data=None)
    with exhibit(arguments, Console(quiet=True)) as (make, output):
        cues = make(Health()).cues
        assert cues is not None and [cue.command for cue in cues.cues] == [Freeze()]
        assert output.report == out / "report.json" and output.seconds == 1800.0
