"""The level meter and the automatic gain: what they show, what they raise, and what they leave alone."""

import numpy as np
import pytest

from duet.clock import ManualClock
from duet.music import FEATURES, RATE_HZ
from realtime.sound.audio import InlineEar, RecordedMusic
from realtime.sound.level import TARGET_DB, LevelMeter

BLOCK = 480


def blocks(samples):
    return [samples[at : at + BLOCK] for at in range(0, len(samples) - BLOCK + 1, BLOCK)]


def push(meter, samples):
    return np.concatenate([meter.push(block) for block in blocks(samples)])


def rms_db(samples):
    return 20.0 * np.log10(np.sqrt(np.mean(samples**2)))


@pytest.fixture
def music(groove):
    samples = groove.samples.mean(axis=1)
    return (samples / np.sqrt(np.mean(samples**2))).astype(np.float32)  # 0 dB


@pytest.mark.parametrize("level_db", [-50.0, -30.0, -10.0])
def test_music_is_raised_or_lowered_to_where_recordings_are(music, level_db):
    meter = LevelMeter(automatic=True)
    raised = push(meter, music * 10.0 ** (level_db / 20.0))
    assert rms_db(raised[3 * RATE_HZ :]) == pytest.approx(TARGET_DB, abs=2.5)
    assert np.abs(raised).max() <= 1.0
    assert meter.level.rms_db == pytest.approx(level_db, abs=12.0)
    assert not meter.level.is_silent


def test_noise_of_a_silent_room_is_not_drawn_up(music):
    meter = LevelMeter(automatic=True)
    push(meter, music * 10.0 ** (-30.0 / 20.0))
    gain_db = meter.level.gain_db
    room = np.random.default_rng(1).normal(0.0, 10.0 ** (-70.0 / 20.0), 4 * RATE_HZ).astype(np.float32)
    raised = push(meter, room)
    assert meter.level.is_silent and meter.level.sentence == "no sound comes in"
    assert meter.level.gain_db == gain_db
    assert rms_db(raised) < -50.0
    push(meter, music[: RATE_HZ // 2])
    assert not meter.level.is_silent


def test_the_gain_moves_without_a_step_and_slowly_upwards(music):
    meter = LevelMeter(automatic=True)
    push(meter, 0.1 * np.tile(music, 2))
    before_db = meter.level.gain_db
    tone = (0.01 * np.sin(2.0 * np.pi * 200.0 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    raised = push(meter, tone)
    assert 0.0 < meter.level.gain_db - before_db <= 6.1
    ratio = np.diff(np.abs(raised).reshape(-1, BLOCK).max(axis=1)) / np.abs(raised).max()
    assert np.abs(ratio).max() < 0.02


def test_the_meter_alone_changes_nothing_and_tells_of_clipping(music):
    meter = LevelMeter(automatic=False)
    loud = np.clip(music, -1.0, 1.0)
    np.testing.assert_array_equal(push(meter, loud), loud[: len(loud) // BLOCK * BLOCK])
    assert meter.level.is_clipping and "turn it down" in meter.level.sentence and meter.level.gain_db == 0.0
    assert meter.level.peak_db == pytest.approx(0.0, abs=1.0)
    push(meter, np.zeros(3 * RATE_HZ, np.float32))
    assert not meter.level.is_clipping and meter.level.is_silent and meter.level.peak_db < -50.0


def test_it_does_not_look_ahead(music):
    one, other = LevelMeter(automatic=True), LevelMeter(automatic=True)
    changed = music.copy()
    changed[2 * RATE_HZ :] *= 0.01
    np.testing.assert_array_equal(push(one, music)[: 2 * RATE_HZ], push(other, changed)[: 2 * RATE_HZ])


def test_an_ear_hears_a_quiet_source_as_if_it_were_loud(music):
    def loudness(scale, automatic_gain):
        clock, ear = ManualClock(), InlineEar(RecordedMusic(scale * music), automatic_gain=automatic_gain)
        ear.start(clock)
        frames = []
        for _ in range(110):
            clock.advance(0.05)
            frames += ear.take_new(clock.now())
        return np.array([f.features[FEATURES.loudness][0] for f in frames[90:]]), ear.level

    quiet, level = loudness(0.005, True)
    assert np.median(quiet) == pytest.approx(TARGET_DB, abs=5.0)
    assert level.gain_db > 20.0
    as_it_is, level = loudness(0.005, False)
    assert np.median(as_it_is) < -40.0 and level.gain_db == 0.0 and -60.0 < level.rms_db < -30.0
