"""What a follower is asked on stage is what it was asked in training, and it dances there as it did here.

The same choreographed leader and the same groove go both ways: tick by tick through the live conductor (inline engine,
a clock moved by hand) and through ``models.rollout.dance``, in which followers train, are judged and are chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duet.beats import MusicListener
from duet.choreography import choreograph
from duet.clock import ManualClock
from duet.features import Placement, Standing, leader_headings, pelvis_yaw, place_features
from duet.forecast import leader_course, music_window
from duet.groove import Groove, render_groove
from duet.motion import Motion
from duet.music import extrapolate, music_condition
from duet.rotations import matrix_from_6d, wrap_angle
from models.data.take import Take
from models.rollout import Danced, Grid, OnnxPartner, dance
from realtime.conductor import Conductor
from realtime.engine import InlineEngine
from realtime.health import Health
from realtime.inference.runner_ort import OrtRunner
from realtime.motion_log import MotionLog
from realtime.playout import Playout
from realtime.sight.leader_take import TakeLeader
from realtime.sound.audio import GrooveMusic, InlineEar
from realtime.tick import FollowerState
from realtime.wishes import Wishes

FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
SECONDS, FPS, SEED, TOKEN = 6.0, 30.0, 0, 4
LEADER_DELAY = 2
"""A tick begins this many frames before its plan, and a take has no camera: its newest frame is of that moment."""
MUSIC_DELAY = 3
"""The newest hop that is whole by then: a hop's window ends 0.64 frames after its middle, and its middle lies 0.36
frames before the frame it is taken for. Training draws its delay from 2 to 5 frames, for leader and music together."""
FIRST_MUSIC_FRAME = 1
"""The first hop belongs to frame 1; frame 0 is silence on stage."""
FIRST_TICK = 1
"""Tick 0 would begin before the clock does; a rollout begins with it."""
SETTLED = 45
"""By then the follower has come in from its resting pose."""


@dataclass
class Recording:
    """A runner, or a partner, that keeps what it is asked and what it answers."""

    inner: Any
    asked: list[dict[str, np.ndarray]] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def tick(self, inputs: Mapping[str, np.ndarray], *state: Any) -> Any:
        self.asked.append({name: np.array(value) for name, value in inputs.items()})
        answer = self.inner.tick(inputs, *state)
        self.answers.append(np.array(answer[0]["frames"] if state else answer))
        return answer


@dataclass(frozen=True)
class Performance:
    """Both ways."""

    take: Take
    live: Recording
    shown: dict[str, np.ndarray]
    rolled: Recording
    danced: Danced

    @property
    def grid(self) -> dict[str, Any]:
        return {"fps": FPS, **Grid.of(self.live.contract).window}

    @property
    def ticks(self) -> list[tuple[int, dict[str, np.ndarray]]]:
        """Number and inputs of every tick that was danced both ways."""
        numbered = enumerate(self.live.asked, FIRST_TICK)
        return [(tick, asked) for tick, asked in numbered if tick < len(self.rolled.asked)]


def on_stage(leader: Motion, groove: Groove) -> tuple[Recording, dict[str, np.ndarray]]:
    runner, clock, log = Recording(OrtRunner(FOLLOWER)), ManualClock(), MotionLog(FPS)
    contract = runner.contract
    ear = InlineEar(GrooveMusic(groove))
    ear.start(clock)
    conductor = Conductor(
        contract,
        InlineEngine(runner, FollowerState.initial(contract)),  # type: ignore[arg-type]
        TakeLeader(leader, FPS),
        ear,
        Playout(contract.timeline, Standing(np.zeros(3), 0.0)),
        clock,
        Wishes(Placement(contract.distance_m)),
        Health(),
        seed=SEED,
        delay_frames=LEADER_DELAY,
        log=log,
        forecaster=runner.forecaster,
    )
    conductor.run(lambda: clock.now() >= SECONDS)
    return runner, log.arrays()


def heard(groove: Groove, frames: int) -> np.ndarray:
    """(T, 8) as ``models.data.music`` hears it: the hop nearest to every frame, moved there."""
    hops = MusicListener(rate_hz=groove.rate_hz).push(groove.samples)
    rows = []
    for time_s in np.arange(frames) / FPS:
        hop = hops[int(np.argmin([abs(h.time_s - time_s) for h in hops]))]
        rows.append(extrapolate(hop, time_s - hop.time_s))
        rows[-1][6:8] = music_condition(hop)[6:8]
    return np.stack(rows).astype(np.float32)


@pytest.fixture(scope="module")
def both() -> Performance:
    groove = render_groove(SECONDS + 1, 180.0, seed=3)
    leader = choreograph(groove.beat_times_s, 5, fps=FPS, seconds=SECONDS).leader
    live, shown = on_stage(leader, groove)
    contract = live.contract
    wish = Placement(contract.distance_m)
    # What the take of the stage hands out, frame by frame.
    joints = np.stack([TakeLeader(leader, FPS).frame(i).joints_m for i in range(leader.frames)])
    take = Take("choreographed", joints, heard(groove, leader.frames), FPS, wish=wish)
    rolled = Recording(OnnxPartner(FOLLOWER))
    danced = dance(rolled, [take], leak=contract.root_leak, delay_frames=LEADER_DELAY, seeds=[SEED])[0]
    return Performance(take, live, shown, rolled, danced)


def test_every_tick_is_danced_both_ways(both: Performance) -> None:
    assert len(both.ticks) >= SECONDS * FPS / TOKEN - 2


def test_all_but_music_and_place_is_equal(both: Performance) -> None:
    """The leader's window and flags, and what is the same by definition: noise, style, guidance, reference."""
    for tick, asked in both.ticks:
        trained = both.rolled.asked[tick]
        assert asked.keys() == trained.keys()
        for name in asked.keys() - {"music", "place"}:
            np.testing.assert_allclose(asked[name], trained[name], atol=1e-5, err_msg=f"{name} of tick {tick}")


def test_music_is_that_of_training_one_frame_older(both: Performance) -> None:
    for tick, asked in both.ticks:
        known = both.take.conditions[FIRST_MUSIC_FRAME : max(tick * TOKEN - MUSIC_DELAY + 1, FIRST_MUSIC_FRAME)]
        expected = music_window(known, delay_frames=MUSIC_DELAY, **both.grid)
        np.testing.assert_allclose(asked["music"][0], expected, atol=1e-3, err_msg=f"tick {tick}")


def test_place_is_measured_from_where_the_follower_is_shown(both: Performance) -> None:
    """As in training from where it stood; the two stand a little apart, so each is asked of its own."""
    headings = leader_headings(both.take.joints_m, FPS)
    roots = both.shown["follower_root_m"].astype(np.float64)
    yaws = pelvis_yaw(matrix_from_6d(both.shown["follower_rotations_6d"][:, 0]))
    for tick, asked in both.ticks[1:]:
        before = tick * TOKEN - 1
        known = slice(0, before + 2 - LEADER_DELAY)
        course = leader_course(
            both.take.joints_m[known],
            headings[known],
            np.ones(known.stop),
            delay_frames=LEADER_DELAY,
            **both.grid,
            forecaster=both.live.forecaster,
        )
        standing = Standing(roots[before], float(yaws[before]))
        expected = place_features(standing, course.foreseen().now, both.take.wish, 1.0)
        np.testing.assert_allclose(asked["place"][0], expected, atol=1e-3, err_msg=f"tick {tick}")


def test_asked_alike_the_two_runners_answer_alike(both: Performance) -> None:
    """With the state each carries: the difference of the two dances is in what is asked and shown, not in who runs."""
    partner = OnnxPartner(FOLLOWER)
    for asked, answer in zip(both.live.asked, both.live.answers, strict=True):
        np.testing.assert_array_equal(partner.tick(asked), answer)


def test_the_follower_goes_the_same_way(both: Performance) -> None:
    """The root only: on stage plans fade into each other over three frames, so the two part a little, and stay near."""
    frames = min(len(both.danced.root_m), len(both.shown["follower_root_m"]))
    apart = (both.shown["follower_root_m"][:frames] - both.danced.root_m[:frames])[SETTLED:, [0, 2]]
    distance_m = np.linalg.norm(apart, axis=1)
    assert distance_m.mean() < 0.06 and distance_m.max() < 0.15
    # It is no small dance that is compared.
    assert np.ptp(both.danced.root_m[SETTLED:frames, [0, 2]], axis=0).max() > 0.3
    yaw = pelvis_yaw(matrix_from_6d(both.shown["follower_rotations_6d"][:frames, 0]))
    turned = np.abs(wrap_angle(yaw - both.danced.yaw_rad[:frames]))[SETTLED:]
    assert np.degrees(turned).mean() < 15.0


def test_it_parts_less_than_noise_alone_parts_two_dances() -> None:
    """On stage plans fade into each other, feet are held and music is a frame older, and a dance is a chaotic thing:
    so the two part. They stay nearer to each other than two dances of one rollout that differ in their noise alone.
    """
    parted_m, seeds_part_m = [], []
    for leader_seed in (3, 4, 5):
        groove = render_groove(SECONDS + 1, 180.0, seed=3)
        leader = choreograph(groove.beat_times_s, leader_seed, fps=FPS, seconds=SECONDS).leader
        live, shown = on_stage(leader, groove)
        joints = np.stack([TakeLeader(leader, FPS).frame(i).joints_m for i in range(leader.frames)])
        wish = Placement(live.contract.distance_m)
        take = Take("choreographed", joints, heard(groove, leader.frames), FPS, wish=wish)
        leak, partner = live.contract.root_leak, OnnxPartner(FOLLOWER)
        rolled, other = (
            dance(partner, [take], leak=leak, delay_frames=LEADER_DELAY, seeds=[seed])[0] for seed in (SEED, SEED + 1)
        )
        parted_m.append(_parted_m(shown["follower_root_m"], rolled.root_m))
        seeds_part_m.append(_parted_m(other.root_m, rolled.root_m))
    assert np.mean(parted_m) < 0.7 * np.mean(seeds_part_m)
    assert np.mean(parted_m) < 0.15


def _parted_m(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance on the floor, once both have come in."""
    frames = min(len(one), len(other))
    return float(np.linalg.norm((one[:frames] - other[:frames])[SETTLED:, [0, 2]], axis=1).mean())
