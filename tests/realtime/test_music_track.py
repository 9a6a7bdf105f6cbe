"""Heard music on the frame grid, and how its pulse runs on where nothing is heard yet."""

from pathlib import Path

import numpy as np
import pytest

from duet.contract import load_contract
from duet.frames import MusicFrame
from duet.music import FEATURES, extrapolate
from duet.timeline import Timeline
from realtime.music_track import MusicTrack

FOLLOWER = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
FPS = 30.0


def frame(index: int, metre: int, tempo_bpm: float = 150.0) -> MusicFrame:
    beats = index / FPS * tempo_bpm / 60.0
    return MusicFrame(
        index,
        index / FPS,
        np.zeros(FEATURES.size),
        beat_phase=beats % 1.0,
        bar_phase=beats / metre % 1.0,
        tempo_bpm=tempo_bpm,
        confidence=0.9,
        metre=metre,
    )


@pytest.mark.parametrize("metre", [2, 3, 4, 6])
def test_a_bar_runs_on_in_its_own_metre(metre: int) -> None:
    contract, track = load_contract(FOLLOWER), MusicTrack(Timeline(FPS, 4), 200)
    for index in range(151):
        track.push(frame(index, metre))
    first, delay = 152, 2
    rows = track.window(first, contract).reshape(-1, 8)
    ahead = rows[contract.past_tokens * 4 - delay + 1 :]
    expected = np.stack([extrapolate(frame(150, metre), k / FPS) for k in range(1, len(ahead) + 1)])
    np.testing.assert_allclose(ahead, expected, atol=1e-4)


def test_a_waltz_that_begins_is_counted_in_three_at_once() -> None:
    contract, track = load_contract(FOLLOWER), MusicTrack(Timeline(FPS, 4), 200)
    for index in range(100):
        track.push(frame(index, 4))
    track.push(frame(100, 3))
    newest = track.window(101, contract).reshape(-1, 8)[contract.past_tokens * 4 :]
    bar = np.unwrap(np.arctan2(newest[:, 2], newest[:, 3]))
    # 150 beats a minute are 2.5 / 30 beats a frame.
    np.testing.assert_allclose(np.diff(bar), 2 * np.pi * 2.5 / 30 / 3, atol=1e-4)
