"""How playing begins: with a loose plug, a device that comes and goes before a sound; with two threads at once."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.sound import music_player
from realtime.sound.music_player import GrooveMusic
from realtime.sound.music_source import MusicStatus

CALM = SimpleNamespace(output_underflow=False)


def test_a_device_that_goes_before_it_played_holds_nothing_back(sound, by_hand, groove):
    source = GrooveMusic(groove, output="Loud", system=sound)
    source.start(by_hand)
    try:
        port, out = source._port, np.zeros((480, 2), np.float32)
        for _ in range(50):
            port.call(out, CALM)
            by_hand.advance(0.01)
        begun_s = source.position_s
        port.unplug()
        by_hand.advance(1.0)
        port.start()
        source._give(port.opening)
        port.unplug()
        by_hand.advance(3.0)
        assert source.status is MusicStatus.LOST
        assert source.position_s == pytest.approx(begun_s + 4.0, abs=0.02)
        assert source.read(by_hand.now()) is not None
        port.start()
        port.call(out, CALM)
        assert source.position_s == pytest.approx(begun_s + 4.0, abs=0.05)
    finally:
        source.stop()


def test_each_sample_is_given_once_though_the_device_asks_while_playing_begins(sound, by_hand, groove, monkeypatch):
    source = GrooveMusic(groove, output="Loud", system=sound)
    givers = []

    class Slow(music_player._Feed):
        """While one thread makes it the device's own thread asks for sound."""

        def __init__(self, opening, first, offset_s):
            super().__init__(opening, first, offset_s)
            if threading.current_thread() is threading.main_thread():
                givers.append(threading.Thread(target=source._give, args=(opening,)))
                givers[0].start()
                givers[0].join(0.2)

    monkeypatch.setattr(music_player, "_Feed", Slow)
    source.start(by_hand)
    try:
        assert len(givers) == 1
        givers[0].join()
        played = []
        for _ in range(60):
            out = np.zeros((480, 2), np.float32)
            source._port.call(out, CALM)
            played.append(out)
            by_hand.advance(0.01)
        np.testing.assert_array_equal(np.concatenate(played), groove.samples[: 60 * 480])
        assert source.started_s == pytest.approx(0.05, abs=1e-6)
    finally:
        source.stop()
