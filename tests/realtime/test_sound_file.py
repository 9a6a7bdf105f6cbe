"""Sound files of every kind, and streams, at the rate the ear works at."""

import numpy as np
import pytest
import soundfile

from duet.errors import InputError, MediaError
from duet.music import RATE_HZ
from duet.sound_file import load_sound
from realtime.sound.audio import FileMusic, RecordedMusic
from realtime.sound.sound_file import StreamResampler, stereo


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_of_any_rate_and_channels_is_loaded(tmp_path, rate, channels):
    tone = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(rate) / rate)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)
    samples = stereo(load_sound(path))
    assert samples.shape == (RATE_HZ, 2) and samples.dtype == np.float32
    expected = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(RATE_HZ) / RATE_HZ)
    middle = slice(2000, -2000)
    np.testing.assert_allclose(samples[middle, 0], expected[middle], atol=5e-3)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_usual_formats_are_loaded(tmp_path, groove, suffix):
    path = tmp_path / f"music.{suffix}"
    soundfile.write(path, groove.samples[:RATE_HZ], RATE_HZ)
    samples = stereo(load_sound(path))
    assert abs(len(samples) - RATE_HZ) < 4000
    assert np.corrcoef(samples[5000:40_000, 0], groove.samples[5000:40_000, 0])[0, 1] > 0.9 or suffix == "mp3"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"nowhere\.ogg: expected a sound file, got nothing there"):
        FileMusic(tmp_path / "nowhere.ogg")


def test_what_is_not_sound_is_refused(tmp_path):
    path = tmp_path / "song.mp3"
    path.write_text("this is a text")
    with pytest.raises(MediaError, match=r"song\.mp3: expected a sound file .* cannot be read"):
        FileMusic(path)


def test_a_file_without_samples_is_refused(tmp_path):
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros((0, 2)), RATE_HZ)
    with pytest.raises(MediaError, match="got a file without samples"):
        FileMusic(path)


def test_a_file_with_broken_samples_is_refused(tmp_path):
    path = tmp_path / "broken.wav"
    soundfile.write(path, np.array([0.0, np.nan, 1.0]), RATE_HZ, subtype="FLOAT")
    with pytest.raises(MediaError, match="not numbers"):
        FileMusic(path)


def test_samples_that_are_none_are_refused():
    with pytest.raises(InputError, match="expected finite samples"):
        RecordedMusic(np.zeros((0, 2)))


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_a_stream_is_resampled_in_any_pieces(rate):
    rng = np.random.default_rng(0)
    tone = np.sin(2.0 * np.pi * 997.0 * np.arange(rate) / rate).astype(np.float32)
    resampler, pieces, at = StreamResampler(from_hz=rate, to_hz=RATE_HZ), [], 0
    while at < len(tone):
        size = int(rng.integers(0, 700))
        pieces.append(resampler.push(tone[at : at + size]))
        at += size
    got = np.concatenate(pieces)
    time_s = np.arange(len(got)) / RATE_HZ - resampler.delay_s
    assert abs(len(got) - RATE_HZ) < 100
    np.testing.assert_allclose(got[3000:-3000], np.sin(2.0 * np.pi * 997.0 * time_s)[3000:-3000], atol=1e-3)
