"""A trouble is told once and its end, whatever it says, and nothing floods who is told."""

from types import SimpleNamespace

import pytest

from realtime.health import Health
from realtime.told import QUIET_S, Told


@pytest.fixture
def health() -> Health:
    return Health()


def test_a_trouble_that_lasts_is_told_once_and_another_one_at_once(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, told = [0.0], []
    monkeypatch.setattr("realtime.told.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    tells = Told(health, "music_failures", told.append)
    for step in range(100):
        now_s[0] = float(step)
        tells.see(f"music: out of step by {step}.5 s")
    assert told == ["music: out of step by 0.5 s (music failures)"] and health.counter("music_failures") == 100
    tells.see("music: torn cable")
    tells.see("")
    tells.see("")
    assert told[1:] == ["music: torn cable (music failures)", "no more music failures"]
    tells.see("music: torn cable")
    assert len(told) == 3, "it comes and goes"
    now_s[0] += QUIET_S
    tells.see("music: torn cable")
    assert told[3:] == ["music: torn cable (music failures, 1 untold before)"]


def test_ever_new_sentences_do_not_fill_the_memory(health: Health) -> None:
    tells = Told(health, "music_failures", lambda _: None)
    for step in range(1000):
        tells.see("music: " + "".join(chr(97 + int(digit)) for digit in str(step)))
    assert len(tells._told_s) <= 64
