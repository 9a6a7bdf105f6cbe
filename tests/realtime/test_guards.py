"""What stands between the conductor and the world: nothing ends a dance, and nothing floods who is told."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from duet.errors import DeviceError
from duet.forecast import FORESEEN_SIZE
from duet.frames import LeaderFrame, LeaderStatus, MusicFrame
from duet.music import FEATURES
from duet.skeleton import BODY
from realtime.guards import DrawnLeader, GuardedForecaster, GuardedLeader, GuardedMusic
from realtime.health import Health

STANDING = LeaderFrame(
    index=0,
    time_s=0.0,
    root_m=BODY.rest_joints_m[0],
    joints_m=BODY.rest_joints_m,
    rotations_6d=np.tile(np.eye(3, dtype=np.float32)[:2].ravel(), (len(BODY), 1)),
    visibility=np.ones(len(BODY), np.float32),
    status=LeaderStatus.TRACKED,
)


class Sick:
    """A leader that raises while it is ``sick``; else it gives ``frames``, once."""

    def __init__(self) -> None:
        self.sick = False
        self.frames: list[LeaderFrame] = []

    def take_new(self, until_s: float) -> Sequence[LeaderFrame]:
        self.shown(until_s)
        frames, self.frames = self.frames, []
        return frames

    def shown(self, time_s: float) -> LeaderFrame | None:
        if self.sick:
            raise DeviceError(f"Tracker: expected to watch, got nothing at {time_s:.2f} s.")
        return replace(STANDING, time_s=time_s)


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's clock, which the test moves."""
    now_s = [0.0]
    monkeypatch.setattr("realtime.told.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    return now_s


def test_a_forecaster_that_fails_ends_no_dance(health: Health, now_s: list[float]) -> None:
    told, says = list[str](), [np.full((4, FORESEEN_SIZE), 0.01, np.float32)]

    def foresee(leader: np.ndarray) -> np.ndarray:
        if not len(says[0]):
            raise DeviceError("ONNX Runtime: expected a tick, got: no memory.")
        return says[0]

    guarded, seen = GuardedForecaster(foresee, health, told.append), np.zeros((32, 72), np.float32)
    assert guarded(seen) is says[0] and not told
    for sick in (np.zeros((0, FORESEEN_SIZE)), np.full((4, FORESEEN_SIZE), np.nan), np.full((4, FORESEEN_SIZE), 1e6)):
        says[0] = sick.astype(np.float32)
        assert guarded(seen).shape == guarded(seen).shape == (0, FORESEEN_SIZE)
    assert health.counter("failed_forecasts") == 6 and "no memory" in told[0]
    says[0] = np.ones((4, FORESEEN_SIZE), np.float32)
    assert guarded(seen) is says[0] and told[-1] == "no more failed forecasts"


def test_frames_good_and_bad_in_turn_do_not_flood_who_is_told(health: Health, now_s: list[float]) -> None:
    """Each bad one says another time, so that no two sentences are the same."""
    told, source = [], Sick()
    leader = GuardedLeader(source, health, told.append)
    taken = 0
    for step in range(1, 601):  # 20 s, good and bad in turn
        now_s[0] = step / 30.0
        late = step / 30.0 - (0.5 if step % 2 else 0.0)
        source.frames = [replace(STANDING, time_s=late)]
        taken += len(leader.take_new(now_s[0]))
    refused = health.counter("refused_leader_frames")
    assert taken >= 300 and refused >= 290, "what cannot be is left out, the rest is not"
    assert len(told) <= 5, told
    assert told[0].startswith("leader: a frame of ") and told[0].endswith("(refused leader frames)")
    assert any("untold before" in sentence for sentence in told), "and how often it came is said"


def test_a_leader_that_cannot_be_drawn_ends_no_show(health: Health) -> None:
    told, source = [], Sick()
    leader = DrawnLeader(source, health, told.append)
    assert leader.shown(1.0) is not None and told == []
    source.sick = True
    for step in range(20):
        assert leader.shown(2.0 + 0.1 * step) is None
    assert len(told) == 1 and "expected to watch, got nothing at 2.00 s" in told[0]
    assert health.counter("leader_undrawn") == 20
    assert leader.take_new(4.0) == [] and health.counter("leader_failures") == 1
    source.sick = False
    assert leader.shown(5.0) is not None and told[-1] == "no more leader undrawn"


def test_music_without_a_tempo_is_left_out(health: Health) -> None:
    """Of a tempo of nothing the follower cannot be told: it is told of its logarithm."""
    told, heard = [], list[MusicFrame]()
    music = GuardedMusic(SimpleNamespace(take_new=lambda until_s: heard), health, told.append)
    for tempo_bpm in (120.0, 0.0, -120.0, 5e-324, 1e4):
        heard[:] = [MusicFrame(0, 1.0, np.zeros(FEATURES.size), 0.25, 0.5, tempo_bpm, 0.9)]
        assert bool(music.take_new(1.0)) == (tempo_bpm == 120.0)
    assert health.counter("refused_music_frames") == 4 and health.counter("music_failures") == 0
    assert told == ["music: what was heard cannot be (0 bpm) (refused music frames)"]
