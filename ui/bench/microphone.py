"""A microphone that exists in a folder and hears a salsa over and over: live sound on a machine that has none."""

from pathlib import Path

import numpy as np

from duet.groove import render_groove
from duet.music import RATE_HZ
from realtime.sound.audio import DeviceMusic
from realtime.sound.virtual_sound import VirtualDevice, VirtualSound

NAME = "Microphone"
_MUSIC_S, _TEMPO_BPM, _LOUDNESS = 64.0, 180.0, 0.2


def microphone(folder: Path) -> DeviceMusic:
    """A sound device in ``folder``, in a process of its own as real ones are."""
    heard = render_groove(_MUSIC_S, _TEMPO_BPM, seed=0).samples.mean(axis=1)
    np.save(folder / "heard.npy", (_LOUDNESS * heard).astype(np.float32))
    sound = VirtualSound(folder)
    sound.plug([VirtualDevice(NAME, "mic", inputs=1, rate_hz=RATE_HZ, hears=str(folder / "heard.npy"))])
    return DeviceMusic(NAME, sound)
