"""Landings as they happen, of feet whose steps are known."""

import numpy as np
import pytest

from duet.choreography import choreograph
from duet.footfalls import Footfalls
from duet.frames import LeaderFrame, LeaderStatus
from duet.skeleton import BODY

FPS = 30.0
STEP_S, SWING_S, STRIDE_M = 0.5, 0.25, 0.4


def walk(seconds: float, *, noise_m: float = 0.0, fps: float = FPS) -> list[LeaderFrame]:
    """Feet that land in turn every ``STEP_S``, the left one first at 0.5 s."""
    rng, frames = np.random.default_rng(0), []
    for k in range(int(seconds * fps)):
        time_s, joints = k / fps, np.tile(BODY.rest_joints_m, (1, 1)).astype(float)
        for number, side in enumerate(("left", "right")):
            since = (time_s - STEP_S * (1 + number)) / (2 * STEP_S)
            within = (since % 1.0) * 2 * STEP_S - (2 * STEP_S - SWING_S)  # seconds into the swing
            done = np.floor(since) + (0.5 - 0.5 * np.cos(np.pi * within / SWING_S) if within > 0 else 0.0)
            for part in ("ankle", "foot"):
                joints[BODY.index(f"{side}_{part}"), 2] += STRIDE_M * done
        joints += rng.normal(0.0, noise_m, joints.shape)
        frames.append(leader_frame(k, time_s, joints))
    return frames


def leader_frame(index: int, time_s: float, joints: np.ndarray, status=LeaderStatus.TRACKED) -> LeaderFrame:
    visible = np.ones(22, np.float32)
    turns = np.tile(np.array([1.0, 0, 0, 0, 1, 0], np.float32), (22, 1))
    joints = joints.astype(np.float32)
    return LeaderFrame(index, time_s, joints[0], joints, turns, visible, status)


def landed(frames: list[LeaderFrame]) -> np.ndarray:
    footfalls = Footfalls()
    return np.array([at_s for frame in frames for at_s in footfalls.push(frame)])


@pytest.mark.parametrize("noise_m", [0.0, 0.003], ids=["clean", "jitter"])
def test_every_step_is_found_once_when_it_lands(noise_m):
    found = landed(walk(6.0, noise_m=noise_m))
    true = np.arange(1, 12) * STEP_S
    assert abs(len(found) - len(true)) <= 1
    assert max(np.abs(true - at_s).min() for at_s in found) < 0.05


def test_a_landing_is_told_at_once():
    footfalls = Footfalls()
    delays_s = [frame.time_s - at_s for frame in walk(6.0) for at_s in footfalls.push(frame)]
    assert len(delays_s) > 8 and min(delays_s) >= 0.0 and max(delays_s) < 0.1


def test_who_stands_does_not_step():
    still = [leader_frame(k, k / FPS, BODY.rest_joints_m) for k in range(90)]
    assert len(landed(still)) == 0


def test_what_was_made_up_or_missed_is_no_step():
    made_up = [leader_frame(f.index, f.time_s, f.joints_m, LeaderStatus.HELD) for f in walk(4.0)]
    assert len(landed(made_up)) == 0
    assert len(landed(walk(4.0)[::6])) == 0  # five frames a second tell no speed


def test_a_dancer_lands_on_the_beats_of_the_dance():
    beats_s = np.arange(0.0, 20.0, 1.0 / 3.0)
    leader = choreograph(beats_s, 3, fps=FPS, seconds=19.0).leader
    found = landed([leader_frame(k, k / FPS, joints) for k, joints in enumerate(leader.joints_m)])
    assert len(found) > 25
    place = np.exp(2j * np.pi * np.interp(found, beats_s, np.arange(len(beats_s)))).mean()
    assert np.abs(place) > 0.5  # they gather about one place in the beat,
    assert abs(np.angle(place)) < 0.2 * 2.0 * np.pi  # which is near the beat
