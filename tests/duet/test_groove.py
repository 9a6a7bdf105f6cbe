import time

import numpy as np
import pytest

from duet.errors import InputError
from duet.groove import render_groove
from duet.music import FEATURES, RATE_HZ, MusicFeatures


@pytest.fixture(scope="module")
def groove():
    return render_groove(12.0, 180.0, seed=0)


def test_beats_are_exact(groove):
    np.testing.assert_allclose(groove.beat_times_s, np.arange(36) / 3.0, atol=1e-12)
    np.testing.assert_array_equal(np.flatnonzero(groove.downbeats), np.arange(0, 36, 4))


def test_samples_are_playable(groove):
    assert groove.samples.shape == (12 * RATE_HZ, 2) and groove.samples.dtype == np.float32
    assert groove.rate_hz == RATE_HZ
    assert 0.5 < np.abs(groove.samples).max() < 0.9
    assert np.abs(groove.samples.mean(axis=0)).max() < 0.01


def test_every_register_sounds_and_the_sides_differ(groove):
    power = np.abs(np.fft.rfft(groove.samples.mean(axis=1))) ** 2
    hz = np.fft.rfftfreq(len(groove.samples), 1.0 / RATE_HZ)
    share = [
        power[(hz >= low) & (hz < high)].sum() / power.sum() for low, high in ((40, 160), (160, 1300), (1300, 16000))
    ]
    assert all(0.03 < s < 0.8 for s in share), share
    left, right = groove.samples.T
    assert 0.3 < np.corrcoef(left, right)[0, 1] < 0.98


def test_no_second_is_silent_and_bars_differ(groove):
    seconds = groove.samples.mean(axis=1).reshape(12, -1)
    assert np.sqrt((seconds**2).mean(axis=1)).min() > 0.03
    bar = 4 * RATE_HZ // 3
    first, third = groove.samples[:bar, 0], groove.samples[2 * bar : 3 * bar, 0]
    assert np.corrcoef(first, third)[0, 1] < 0.95


def test_something_begins_on_the_beats(groove):
    """Onsets are stronger around the eighths of the grid than between them."""
    frames = MusicFeatures(fps=60).push(groove.samples)
    onset = frames[:, FEATURES.onset][:, 0]
    centre_s = (np.arange(len(onset)) * 800 + 1024) / RATE_HZ
    phase = (centre_s * 6.0 + 0.12) % 1.0  # of an eighth; a window hears an onset about 20 ms ahead of its centre
    assert onset[phase < 0.25].mean() > 2.0 * onset[(phase > 0.5) & (phase < 0.75)].mean()


def test_equal_seeds_give_equal_music(groove):
    again = render_groove(12.0, 180.0, seed=0)
    np.testing.assert_array_equal(again.samples, groove.samples)
    assert not np.array_equal(render_groove(12.0, 180.0, seed=1).samples, groove.samples)


def test_a_tempo_map_is_kept_and_continued():
    beats = 2.0 + np.cumsum(np.linspace(0.30, 0.40, 12))
    groove = render_groove(10.0, beats, seed=2, first_beat=2)
    at = [int(np.abs(groove.beat_times_s - b).argmin()) for b in beats]
    np.testing.assert_allclose(groove.beat_times_s[at], beats, atol=1e-12)
    np.testing.assert_array_equal(np.flatnonzero(groove.downbeats[at]), [2, 6, 10])
    assert groove.beat_times_s[0] < 0.4 and groove.beat_times_s[-1] > 9.5
    assert np.abs(groove.samples[:RATE_HZ]).max() > 0.1


@pytest.mark.parametrize("seconds", [0.05, 1.0, 7.3])
def test_any_length_is_kept(seconds):
    groove = render_groove(seconds, 180.0)
    assert len(groove.samples) == round(seconds * RATE_HZ)
    assert np.isfinite(groove.samples).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0,), "more than 0"),
        ((5.0, 1000.0), "40 to 400 per minute"),
        ((5.0, 0.0), "40 to 400 per minute"),
        ((5.0, [1.0]), "at least two"),
        ((5.0, [0.0, np.nan, 1.0]), "finite beat times"),
        ((5.0, [0.0, 0.5, 0.4]), "beats between -0.100 and 0.500"),
    ],
)
def test_what_cannot_be_played_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        render_groove(*arguments)


def test_rendering_is_fast():
    begun = time.perf_counter()
    render_groove(10.0, 180.0, seed=9)
    assert time.perf_counter() - begun < 5.0  # 0.2 s on one free core
