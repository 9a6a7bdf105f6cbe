import threading
import time

import numpy as np
import pytest

from duet.clock import AudioClock, Clock, ManualClock, MonotonicClock

RATE_HZ = 48_000.0
BLOCK = 480


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(2.0)
    assert clock.now() == 2.0
    clock.advance(0.5)
    clock.sleep_until(1.0)
    assert clock.now() == 2.5
    clock.sleep_until(4.0)
    assert clock.now() == 4.0
    with pytest.raises(ValueError, match="expected a step forward, got -0.1 s"):
        clock.advance(-0.1)


def test_a_monotonic_clock_starts_at_zero_and_waits() -> None:
    clock: Clock = MonotonicClock()
    start = clock.now()
    assert 0.0 <= start < 0.5
    clock.sleep_until(start + 0.05)
    assert start + 0.05 <= clock.now() < start + 0.5
    before = time.monotonic()
    clock.sleep_until(start - 1.0)
    assert time.monotonic() - before < 0.02


def test_two_monotonic_clocks_of_one_epoch_agree() -> None:
    one = MonotonicClock()
    other = MonotonicClock(one.epoch_s)
    assert other.now() == pytest.approx(one.now(), abs=0.01)


def deliver(clock: AudioClock, arrivals_s: np.ndarray) -> np.ndarray:
    """The loop's time of the last sample of each block, after the block was delivered."""
    out = np.empty(len(arrivals_s))
    for k, at_s in enumerate(arrivals_s):
        clock.tick(BLOCK, float(at_s))
        out[k] = clock.time_of_sample((k + 1) * BLOCK)
    return out


def true_times(blocks: int, rate_hz: float, start_s: float = 5.0) -> np.ndarray:
    return start_s + np.arange(1, blocks + 1) * BLOCK / rate_hz


def test_the_loop_takes_most_of_the_jitter_away() -> None:
    true_s = true_times(3000, RATE_HZ)
    jitter_s = np.random.default_rng(0).uniform(-0.005, 0.005, len(true_s))
    kept = (deliver(AudioClock(ManualClock(), rate_hz=RATE_HZ), true_s + jitter_s) - true_s)[500:]
    assert kept.std() < jitter_s.std() / 4
    assert abs(kept.mean()) < 0.0005


@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_the_loop_follows_a_device_that_runs_fast_or_slow(drift: float) -> None:
    true_s = true_times(6000, RATE_HZ * (1.0 + drift))
    error = deliver(AudioClock(ManualClock(), rate_hz=RATE_HZ), true_s) - true_s
    assert np.abs(error[1000:]).max() < 0.00001


def test_sample_times_go_on_between_and_before_blocks() -> None:
    clock = AudioClock(ManualClock(), rate_hz=RATE_HZ)
    clock.tick(BLOCK, 1.0)
    assert clock.time_of_sample(BLOCK) == pytest.approx(1.0)
    assert clock.time_of_sample(0) == pytest.approx(0.99)
    assert clock.time_of_sample(2 * BLOCK) == pytest.approx(1.01)


def test_before_the_first_block_it_is_now() -> None:
    assert AudioClock(ManualClock(7.0), rate_hz=RATE_HZ).time_of_sample(12345) == 7.0


def test_lost_sound_is_caught_up_with_at_once() -> None:
    true_s = true_times(1500, RATE_HZ)
    true_s[1000:] += 2.0  # a device that stopped for two seconds and went on
    error = deliver(AudioClock(ManualClock(), rate_hz=RATE_HZ), true_s) - true_s
    assert np.abs(error).max() < 0.001


@pytest.mark.parametrize(("gap_s", "told", "off_s"), [(0.2, True, 0.001), (0.2, False, 0.2), (0.01, True, 0.011)])
def test_lost_sound_is_made_up_for_at_once_where_the_device_tells_of_it(gap_s: float, told: bool, off_s: float) -> None:
    clock = AudioClock(ManualClock(), rate_hz=RATE_HZ)
    for k in range(500):
        clock.tick(BLOCK, (k + 1) * BLOCK / RATE_HZ)
    if told:
        clock.lose()
    clock.tick(BLOCK, 501 * BLOCK / RATE_HZ + gap_s)
    late_s = gap_s - clock.time_of_sample(0)
    assert abs(late_s) <= off_s and (told or late_s > 0.1)


def test_readers_and_the_audio_thread_do_not_disturb_each_other() -> None:
    clock = AudioClock(ManualClock(), rate_hz=RATE_HZ)
    clock.tick(BLOCK, 5.0 + BLOCK / RATE_HZ)
    read: list[float] = []
    reader = threading.Thread(target=lambda: read.extend(clock.time_of_sample(0) for _ in range(2000)))
    reader.start()
    deliver(clock, true_times(501, RATE_HZ)[1:] + 0.0)
    reader.join()
    assert np.ptp(read) < 0.1
