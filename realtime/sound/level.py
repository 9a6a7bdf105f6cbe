"""How loud the music comes in, and an automatic gain for what comes in at no known level: microphones, lines, streams.

Training heard recordings as they are mastered; a microphone may be 40 dB below. The gain follows slowly, like a hand on
a fader, so that the music's own dynamics stay, and rests in silence, so that no noise is drawn up into music. Causal:
a block is raised by what was heard before it and in it.
"""

import math
from dataclasses import dataclass

import numpy as np

from duet.music import RATE_HZ, mono
from realtime.sound.music_source import Floats

TARGET_DB = -18.0
"""Root mean square of full scale: where recordings of dance music are."""
SILENT_DB = -60.0
"""Below this nothing plays: a room's own noise through a microphone."""
SILENT_S = 2.0
_FLOOR_DB = -100.0
_GAIN_DB = (-12.0, 36.0)
_UP_DB_S, _DOWN_DB_S = 3.0, 24.0
_QUICK_S = 3.0
"""Of the first sound: until then the gain may rise as fast as it falls, so that the dance begins at once."""
_LOUDNESS_S = 3.0
_PEAK_DB_S = 20.0
_CLIPPED = 0.999
_CLIPPING_S = 1.0


@dataclass(frozen=True)
class Level:
    """What a level meter shows; decibels of full scale as it comes in."""

    rms_db: float = _FLOOR_DB
    """Of the newest block."""
    peak_db: float = _FLOOR_DB
    """Falls back slowly."""
    gain_db: float = 0.0
    """By which it is raised."""
    is_silent: bool = False
    """Nothing has been heard for a while."""
    is_clipping: bool = False
    """Its loudest samples are cut off: turn it down."""

    @property
    def sentence(self) -> str:
        """For who looks after it."""
        if self.is_silent:
            return "no sound comes in"
        return f"{self.rms_db:.0f} dB, clipping: turn it down" if self.is_clipping else f"{self.rms_db:.0f} dB"


class LevelMeter:
    """Measures block after block, and raises them where ``automatic``. One writer; ``level`` is replaced whole."""

    def __init__(self, *, automatic: bool) -> None:
        self._automatic = automatic
        self._power = 0.0  # mean square of what was heard that was no silence
        self._heard_s = 0.0
        self._silent_s = 0.0
        self._since_clip_s = math.inf
        self._gain_db = 0.0
        self.level = Level()

    def push(self, samples: Floats) -> Floats:
        """(N,) the block, raised. What is no finite number counts as silence, what is beyond full scale as full scale:
        a driver that gives one such sample must not turn the gain for minutes.
        """
        if not len(samples):
            return samples
        block_s = len(samples) / RATE_HZ
        sound = np.clip(mono(samples), -1.0, 1.0)
        power, peak = float(np.mean(np.square(sound, dtype=np.float64))), float(np.abs(sound).max())
        rms_db = _db(math.sqrt(power))
        self._silent_s = self._silent_s + block_s if rms_db < SILENT_DB else 0.0
        self._since_clip_s = 0.0 if peak >= _CLIPPED else self._since_clip_s + block_s
        before_db = self._gain_db
        if self._automatic and rms_db >= SILENT_DB:
            self._follow(power, block_s)
        self.level = Level(
            rms_db,
            max(_db(peak), self.level.peak_db - _PEAK_DB_S * block_s),
            self._gain_db,
            self._silent_s >= SILENT_S,
            self._since_clip_s < _CLIPPING_S,
        )
        if not self._automatic:
            return samples
        # In a ramp: a step would be an onset that nobody played.
        gain = 10.0 ** (np.linspace(before_db, self._gain_db, len(samples), dtype=np.float32) / 20.0)
        return np.clip(sound * gain, -1.0, 1.0).astype(np.float32)

    def _follow(self, power: float, block_s: float) -> None:
        """Move the gain toward where the loudness so far meets the target."""
        self._heard_s += block_s
        # A mean of all while there is little, then one that forgets.
        share = block_s / min(self._heard_s, _LOUDNESS_S)
        self._power += min(share, 1.0) * (power - self._power)
        wanted_db = min(max(TARGET_DB - _db(math.sqrt(self._power)), _GAIN_DB[0]), _GAIN_DB[1])
        up_db_s = _DOWN_DB_S if self._heard_s < _QUICK_S else _UP_DB_S
        step_db = min(max(wanted_db - self._gain_db, -_DOWN_DB_S * block_s), up_db_s * block_s)
        self._gain_db += step_db


def _db(amplitude: float) -> float:
    return max(20.0 * math.log10(amplitude), _FLOOR_DB) if amplitude > 0.0 else _FLOOR_DB
