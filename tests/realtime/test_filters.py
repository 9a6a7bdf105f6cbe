"""The One-Euro filter: pure, quiet at rest, quick in motion."""

import numpy as np

from duet.rotations import Array
from realtime.sight.filters import OneEuro


def _run(one_euro: OneEuro, samples: Array, fps: float) -> Array:
    state = None
    out = []
    for i, sample in enumerate(samples):
        state, value = one_euro.step(state, sample, i / fps)
        out.append(value)
    return np.array(out)


def _lag_ms(measured: Array, clean: Array, fps: float, sway_hz: float) -> float:
    carrier = np.exp(-2j * np.pi * sway_hz * np.arange(len(clean)) / fps)
    ratio = np.sum(measured * carrier) / np.sum(clean * carrier)
    return float(-np.angle(ratio) / (2 * np.pi * sway_hz) * 1e3)


def test_step_is_pure() -> None:
    one_euro = OneEuro()
    state, _ = one_euro.step(None, np.zeros(3), 0.0)
    before = (state.time_s, state.value.copy(), state.velocity.copy())
    first = one_euro.step(state, np.ones(3), 0.1)
    second = one_euro.step(state, np.ones(3), 0.1)
    np.testing.assert_array_equal(first[1], second[1])
    assert state.time_s == before[0]
    np.testing.assert_array_equal(state.value, before[1])
    np.testing.assert_array_equal(state.velocity, before[2])


def test_rest_jitter_halves_and_sway_lags_little() -> None:
    fps, sway_hz = 30.0, 1.5
    rng = np.random.default_rng(0)
    time_s = np.arange(1200) / fps
    clean = 0.1 * np.sin(2 * np.pi * sway_hz * time_s)
    noise = rng.normal(size=1200) * 0.008
    rest = _run(OneEuro(), noise, fps)[30:]
    swayed = _run(OneEuro(), clean + noise, fps)
    assert rest.std() < 0.0055
    assert 5.0 < _lag_ms(swayed[30:], clean[30:], fps, sway_hz) < 30.0


def test_look_ahead_takes_the_lag_away() -> None:
    fps, sway_hz = 30.0, 1.5
    clean = 0.1 * np.sin(2 * np.pi * sway_hz * np.arange(600) / fps)
    plain = _lag_ms(_run(OneEuro(), clean, fps)[30:], clean[30:], fps, sway_hz)
    ahead = _lag_ms(_run(OneEuro(lead_s=0.02), clean, fps)[30:], clean[30:], fps, sway_hz)
    assert abs(ahead) < 10.0 < plain


def test_any_shape_and_each_element_on_its_own() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(50, 5, 3))
    together = _run(OneEuro(), samples, 30.0)
    alone = _run(OneEuro(), samples[:, 2, 1], 30.0)
    assert together.shape == samples.shape
    np.testing.assert_allclose(together[:, 2, 1], alone)


def test_repeated_time_stamp_changes_nothing() -> None:
    one_euro = OneEuro()
    state, _ = one_euro.step(None, np.zeros(2), 1.0)
    again, value = one_euro.step(state, np.ones(2), 1.0)
    assert again is state
    np.testing.assert_array_equal(value, np.zeros(2))


def test_predict_follows_the_velocity() -> None:
    one_euro = OneEuro()
    state = None
    for i in range(120):
        state, _ = one_euro.step(state, np.array([i / 30.0]), i / 30.0)  # 1 m/s
    assert state is not None
    np.testing.assert_allclose(one_euro.predict(state, 119 / 30.0 + 0.1) - state.value, 0.1, atol=1e-3)
