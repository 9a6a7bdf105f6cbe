"""The streaming features against librosa called causally. Measured maxima stand beside the tolerances."""

import librosa
import numpy as np
import pytest

from duet.beat_scores import Announced
from duet.groove import Groove, render_groove
from duet.music import FEATURES, N_FFT, RATE_HZ, MusicFeatures, chroma_filters, mel_filters
from duet.pieces import Trial, piece_set, play
from realtime.bench.beats import judge, track_live


def test_filter_banks_are_librosas():
    mel = librosa.filters.mel(sr=RATE_HZ, n_fft=N_FFT, n_mels=128)
    chroma = librosa.filters.chroma(sr=RATE_HZ, n_fft=N_FFT, tuning=0.0)
    np.testing.assert_allclose(mel_filters(rate_hz=RATE_HZ), mel, atol=1e-7)  # 2e-9
    np.testing.assert_allclose(chroma_filters(rate_hz=RATE_HZ), chroma, atol=1e-6)  # 0


@pytest.mark.parametrize("fps", [30, 60])
def test_every_feature_is_librosas(fps):
    samples = render_groove(6.0, 180.0, seed=3).samples.mean(axis=1)
    hop = RATE_HZ // fps
    frames = MusicFeatures(fps=fps).push(samples)

    power = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=hop, center=False)) ** 2
    mel_db = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=RATE_HZ, n_mels=128), top_db=None)
    onset = librosa.onset.onset_strength(S=mel_db, sr=RATE_HZ, hop_length=hop, center=False, lag=1)
    rms = librosa.feature.rms(y=samples, frame_length=N_FFT, hop_length=hop, center=False)[0]
    loudness = librosa.amplitude_to_db(rms, ref=1.0, amin=1e-5, top_db=None)
    mfcc = librosa.feature.mfcc(S=mel_db, n_mfcc=20).T
    chroma = librosa.feature.chroma_stft(S=power, sr=RATE_HZ, n_fft=N_FFT, tuning=0.0).T

    assert len(frames) == power.shape[1]
    np.testing.assert_allclose(frames[:, FEATURES.onset][:, 0], onset[: len(frames)], atol=1e-3)  # 4e-5
    np.testing.assert_allclose(frames[:, FEATURES.loudness][:, 0], loudness, atol=1e-3)  # 8e-6
    np.testing.assert_allclose(frames[:, FEATURES.mfcc], mfcc, atol=0.05)  # 1e-2, of values up to 600
    np.testing.assert_allclose(frames[1:, FEATURES.mfcc_delta], np.diff(mfcc, axis=0), atol=0.05)  # 1e-2
    np.testing.assert_allclose(frames[:, FEATURES.chroma], chroma, atol=1e-4)  # 2e-6


def test_the_live_tracker_is_about_as_near_to_the_beat_as_librosa_that_knows_the_whole_piece() -> None:
    piece = next(p for p in piece_set(0) if p.style == "salsa" and p.trial is Trial.STEADY)
    groove = play(piece)

    def track_offline(groove: Groove) -> Announced:
        samples = groove.samples if groove.samples.ndim == 1 else groove.samples.mean(axis=1)
        low = librosa.resample(samples, orig_sr=groove.rate_hz, target_sr=22_050, res_type="polyphase")
        beats_s = np.asarray(librosa.beat.beat_track(y=low, sr=22_050, units="time")[1], dtype=np.float64)
        return Announced(beats_s, downbeats_s=np.zeros(0), next_s=beats_s)

    live, offline = judge([piece], {"live": track_live, "librosa": track_offline})
    assert groove.beat_times_s.size > 20
    assert live.score.f > offline.score.f - 0.1
