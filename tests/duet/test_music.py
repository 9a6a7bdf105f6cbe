import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.beats import MusicListener
from duet.errors import InputError
from duet.frames import MusicFrame
from duet.groove import render_groove
from duet.music import (
    CONDITION_SIZE,
    FEATURES,
    N_FFT,
    RATE_HZ,
    MusicFeatures,
    extrapolate,
    mono,
    music_condition,
)

HOP = 1600


@pytest.fixture(scope="module")
def samples():
    return render_groove(4.0, 180.0, seed=2).samples.mean(axis=1)


@pytest.fixture(scope="module")
def whole(samples):
    return MusicFeatures().push(samples)


def music_frame(**changes) -> MusicFrame:
    features = np.zeros(FEATURES.size, np.float32)
    features[FEATURES.onset], features[FEATURES.loudness] = 5.0, -15.0
    frame = MusicFrame(
        index=0, time_s=1.0, features=features, beat_phase=0.25, bar_phase=0.5, tempo_bpm=240.0, confidence=0.8
    )
    return replace(frame, **changes)


def test_layout_names_every_column_once():
    named = [FEATURES.onset, FEATURES.loudness, FEATURES.mfcc, FEATURES.mfcc_delta, FEATURES.chroma]
    columns = np.concatenate([np.arange(FEATURES.size)[s] for s in named])
    assert columns.tolist() == list(range(54))


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=40))
def test_any_chunking_gives_the_same_frames(samples, whole, sizes):
    stream, frames, at = MusicFeatures(), [], 0
    for size in sizes:
        frames.append(stream.push(samples[at : at + size]))
        at = min(at + size, len(samples))
    got = np.concatenate(frames)
    assert len(got) == max(0, (at - N_FFT) // HOP + 1)
    np.testing.assert_array_equal(got, whole[: len(got)])


def test_no_frame_depends_on_a_later_sample(samples, whole):
    changed = samples.copy()
    frame = 40
    end = frame * HOP + N_FFT
    changed[end:] = np.random.default_rng(0).normal(size=len(changed) - end)
    frames = MusicFeatures().push(changed)
    np.testing.assert_array_equal(frames[: frame + 1], whole[: frame + 1])
    assert not np.array_equal(frames[frame + 1], whole[frame + 1])


def test_silence_is_finite_and_at_the_floor():
    frames = MusicFeatures().push(np.zeros(RATE_HZ))
    assert np.isfinite(frames).all()
    np.testing.assert_allclose(frames[:, FEATURES.loudness], -100.0)
    np.testing.assert_allclose(frames[:, FEATURES.onset], 0.0)
    np.testing.assert_allclose(frames[:, FEATURES.chroma], 0.0)


def test_a_tone_is_found_in_its_pitch_class():
    tone = 0.3 * np.sin(2.0 * np.pi * 440.0 * np.arange(RATE_HZ) / RATE_HZ)
    frames = MusicFeatures().push(tone)
    assert (frames[2:, FEATURES.chroma].argmax(axis=1) == 9).all()  # A
    np.testing.assert_allclose(frames[2:, FEATURES.loudness], 20.0 * math.log10(0.3 / math.sqrt(2.0)), atol=0.1)


def test_what_is_not_a_number_becomes_silence(samples):
    broken = samples.copy()
    broken[5000:5100] = np.nan
    broken[9000] = np.inf
    frames = MusicFeatures().push(broken)
    assert np.isfinite(frames).all()
    np.testing.assert_array_equal(mono(broken)[5000:5100], 0.0)


def test_channels_are_mixed_down(samples, whole):
    stereo = np.stack([samples, samples], axis=1)
    np.testing.assert_allclose(MusicFeatures().push(stereo), whole, atol=1e-3)


def test_other_shapes_and_rates_are_refused():
    with pytest.raises(InputError, match=r"expected samples \(N,\) or \(N, channels\), got shape \(2, 3, 4\)"):
        MusicFeatures().push(np.zeros((2, 3, 4)))
    with pytest.raises(InputError, match="Resample to 48000 Hz"):
        MusicFeatures(rate_hz=22_051)


def test_the_condition_says_phase_tempo_and_level():
    condition = music_condition(music_frame())
    assert condition.shape == (CONDITION_SIZE,) and condition.dtype == np.float32
    np.testing.assert_allclose(condition, [1.0, 0.0, 0.0, -1.0, 1.0, 0.8, 0.5, 0.75], atol=1e-6)


def test_levels_in_the_condition_are_bounded():
    features = np.zeros(FEATURES.size, np.float32)
    features[FEATURES.onset], features[FEATURES.loudness] = 90.0, -100.0
    condition = music_condition(music_frame(features=features))
    assert condition[6] == 3.0 and condition[7] == 0.0


def test_extrapolation_moves_the_phases_on_and_knows_no_sound():
    later = extrapolate(music_frame(), 0.125)  # half a beat at 240 bpm, an eighth of a bar
    expected = music_condition(music_frame(beat_phase=0.75, bar_phase=0.625))
    np.testing.assert_allclose(later[:6], expected[:6], atol=1e-6)
    assert later[6] == later[7] == 0.0


def test_extrapolation_counts_in_the_metre():
    np.testing.assert_allclose(
        extrapolate(music_frame(metre=3), 0.75)[:4], extrapolate(music_frame(metre=3), 0.0)[:4], atol=1e-6
    )


def test_extrapolation_meets_what_is_heard_later():
    frames = MusicListener().push(render_groove(10.0, 180.0, seed=1).samples)
    early, late = frames[-20], frames[-1]
    ahead = extrapolate(early, late.time_s - early.time_s)
    np.testing.assert_allclose(ahead[:5], music_condition(late)[:5], atol=0.15)


def test_listener_stamps_frames_in_session_time():
    samples = np.zeros(RATE_HZ, np.float32)
    frames = MusicListener(start_s=5.0).push(samples)
    assert [f.index for f in frames] == list(range(len(frames)))
    assert frames[0].time_s == pytest.approx(5.0 + N_FFT / 2 / RATE_HZ)
    np.testing.assert_allclose(np.diff([f.time_s for f in frames]), 1 / 30, atol=1e-9)

    listener = MusicListener()
    listener.push(samples, time_s=2.0)
    first = listener.push(samples, time_s=3.25)[0]  # the device's clock turned out 0.25 s later
    assert first.time_s == pytest.approx(2.25 + (first.index * HOP + N_FFT / 2) / RATE_HZ)


def test_listener_gives_the_features_of_the_stream(samples, whole):
    listener = MusicListener()
    frames = [f for start in range(0, len(samples), 480) for f in listener.push(samples[start : start + 480])]
    np.testing.assert_array_equal(np.stack([f.features for f in frames]), whole)


@pytest.mark.parametrize("block", [400, 480, 1_601, 2_400])
def test_listener_stamps_features_and_beat_alike_however_the_sound_comes(samples: np.ndarray, block: int):
    whole = MusicListener(start_s=5.0).push(samples)
    listener = MusicListener(start_s=5.0, first_index=7)
    frames = [f for start in range(0, len(samples), block) for f in listener.push(samples[start : start + block])]
    assert [f.index - 7 for f in frames] == [f.index for f in whole]
    told = [[(f.time_s, f.beat_phase, f.bar_phase, f.tempo_bpm) for f in some] for some in (frames, whole)]
    np.testing.assert_allclose(told[0], told[1], atol=1e-9)
