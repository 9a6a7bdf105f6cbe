"""A loose plug: a device that comes and goes before it plays a sound."""

from types import SimpleNamespace

import numpy as np
import pytest

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
