"""Samples that are no sound, as a driver or a sender may give one: forgotten with the block that held them."""

from types import SimpleNamespace

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.music import RATE_HZ
from realtime.rings import HistoryCell
from realtime.sound.level import LevelMeter
from realtime.sound.sound_host import FRAMES, Microphone

CALM = SimpleNamespace(input_overflow=False)
WHEN = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=99.98)
ODD = [np.inf, -np.inf, np.nan, 1e30, -3e38]
TONE = np.sin(2.0 * np.pi * 440.0 * np.arange(30 * RATE_HZ) / RATE_HZ).astype(np.float32)


def _push(meter: LevelMeter, samples: np.ndarray) -> np.ndarray:
    return np.concatenate([meter.push(samples[at : at + FRAMES]) for at in range(0, len(samples), FRAMES)])


@pytest.mark.parametrize("odd", ODD)
def test_the_gain_is_what_it_was(odd: float) -> None:
    meter, quiet = LevelMeter(automatic=True), 0.05 * TONE
    _push(meter, quiet[: 10 * RATE_HZ])
    gain_db, peak_db = meter.level.gain_db, meter.level.peak_db
    assert gain_db > 3.0
    block = quiet[:FRAMES].copy()
    block[7] = odd
    raised = meter.push(block)
    assert np.isfinite(raised).all() and np.abs(raised).max() <= 1.0
    raised = _push(meter, quiet)
    assert meter.level.gain_db == pytest.approx(gain_db, abs=1.0)
    assert meter.level.peak_db == pytest.approx(peak_db, abs=0.1) and not meter.level.is_clipping
    assert np.isfinite(raised).all()


def test_a_meter_without_a_gain_shows_the_sound_again() -> None:
    meter, block = LevelMeter(automatic=False), TONE[:FRAMES].copy()
    block[7] = np.inf
    meter.push(block)
    assert np.isfinite(meter.level.peak_db) and np.isfinite(meter.level.rms_db)
    _push(meter, 0.1 * TONE[: 2 * RATE_HZ])
    assert meter.level.peak_db == pytest.approx(-20.0, abs=0.1)


@pytest.mark.parametrize("odd", ODD)
def test_channels_count_as_they_did(odd: float) -> None:
    """Eight that carry the same are no louder than one of them; one odd sample in one of them changes that for long."""
    samples = np.repeat(0.8 * TONE[:FRAMES, None], 8, axis=1)
    spoilt = samples.copy()
    spoilt[7, 3] = odd
    with HistoryCell.create(width=1 + FRAMES, capacity=8) as cell:
        microphone = Microphone(cell, RATE_HZ, ManualClock())
        for block in (samples, spoilt, samples):
            microphone.callback(block, FRAMES, WHEN, CALM)
            record = cell.latest()
            assert record is not None and np.isfinite(record.values).all()
            heard = np.delete(record.values[1:], 7)
            np.testing.assert_allclose(heard, np.delete(samples[:, 0], 7), atol=1e-6)
