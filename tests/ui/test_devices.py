"""Cameras and sound inputs are chosen while dancing: what works takes over, what does not changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duet.choreography import compose
from duet.clock import MonotonicClock
from duet.errors import DeviceError, InputError
from duet.tempo_override import Pulse
from realtime.sight.leader_take import TakeLeader
from realtime.sight.preview import SightCell, preview_cell
from realtime.sight.stage_shift import Shift, ShiftedLeader
from realtime.sight.virtual_camera import PluggedCamera, VirtualCamera, VirtualCameras, noisy
from realtime.sound.audio import InlineEar, MusicEar, Silence
from realtime.sound.music_switch import MusicSwitch
from realtime.sound.virtual_sound import VirtualDevice, VirtualSound
from tests.waiting import wait_for
from ui.devices import CameraChoice, SoundChoice


class _Camera(TakeLeader):
    """A recorded leader behind a camera's name."""

    sight_name = "a cell"

    def __init__(self, seed: int) -> None:
        super().__init__(compose("salsa", 2.0, 180.0, seed, fps=30.0).leader, 30.0)
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


def test_another_camera_takes_over_once_it_works() -> None:
    first, second = _Camera(0), _Camera(1)

    def see(name: str) -> Any:
        if name == "camera:9":
            raise DeviceError("Camera 9: expected a picture, got none. Connect it.")
        return second

    shifted, clock = ShiftedLeader(first, Shift(0.5, 0.0)), MonotonicClock()
    choice: Any = CameraChoice("camera:0", None, see, lambda camera: camera)
    choice.begin(shifted, clock)
    assert choice.change("camera:0") == "Camera camera:0 is in use" and choice.sight_name is None
    with pytest.raises(InputError, match="expected camera:NAME"):
        choice.change("/etc/passwd")
    assert "is being opened" in choice.change("camera:9")
    choice.wait(60.0)
    assert choice.name == "camera:0" and "Connect it" in choice.trouble and not first.stopped
    choice.change("camera:1")
    choice.wait(60.0)
    assert choice.name == "camera:1" and not choice.trouble and first.stopped and choice.sight_name == "a cell"
    assert shifted.lead_by(first) is second and shifted.shift == Shift(0.5, 0.0)


def test_another_sound_takes_over_with_the_beat_that_was_tapped() -> None:
    ears: dict[str, MusicEar] = {"device:a": InlineEar(Silence()), "song.mp3": InlineEar(Silence())}
    music = MusicSwitch(InlineEar(Silence()))
    pulse = music.override.pulse = Pulse(0.0, 0.0, 120.0)
    music.start(MonotonicClock())
    choice = SoundChoice("song.mp3", music, lambda name: ears[name])
    choice.change("device:a")
    choice.wait(60.0)
    assert choice.name == "device:a" and music.ear is ears["device:a"]
    assert music.ear.override.pulse is pulse and {f.tempo_bpm for f in music.take_new(1.0)} <= {120.0}
    choice.change("song.mp3")
    choice.wait(60.0)
    assert choice.name == "song.mp3" and music.ear is ears["song.mp3"], "back to the first is allowed"
    music.stop()


def test_what_is_read_once_is_no_way_back() -> None:
    music = MusicSwitch(InlineEar(Silence()))
    choice = SoundChoice("-", music, lambda name: InlineEar(Silence()))
    choice.change("device:a")
    choice.wait(60.0)
    with pytest.raises(InputError, match="expected device:NAME"):
        choice.change("-")


def test_what_another_camera_sees_is_found_by_its_name() -> None:
    with preview_cell() as first, preview_cell() as second:
        cell = SightCell("of a camera that was changed for another")
        assert cell.latest("") is None and cell.latest("no such cell") is None
        width = first.width
        first.write(1.0, np.full(width, 1.0, np.float32))
        second.write(2.0, np.full(width, 2.0, np.float32))
        for name, stamp_s in ((first.name, 1.0), (second.name, 2.0), ("", 2.0), (first.name, 1.0)):
            record = cell.latest(name)
            assert record is not None and record.stamp_s == stamp_s
        cell.close()


def test_scouts_see_and_hear_what_is_not_in_use(tmp_path: Path) -> None:
    surroundings = pytest.importorskip("ui.panel.surroundings")
    cameras, sounds = VirtualCameras(tmp_path / "cameras"), VirtualSound(tmp_path)
    cameras.folder.mkdir()
    with VirtualCamera(noisy(128)) as camera:
        cameras.plug([(0, PluggedCamera("Used", "http://127.0.0.1:9/")), (2, PluggedCamera("Free", camera.url))])
        scout = surroundings.CameraScout(cameras)
        scout.want(True, "camera:0")
        assert wait_for(lambda: any(found.picture is not None for found in scout.found)), scout.found
        used, free = scout.found
        assert (used.value, used.picture) == ("camera:0", None) and free.value == "camera:2"
        assert free.label == "camera:2  (Free)" and free.picture.shape == (116, 206, 3)
        assert abs(float(free.picture.mean()) - 128.0) < 12.0
        scout.want(False, "camera:0")
        scout.close()
    sounds.plug([VirtualDevice("Mic", "1", inputs=1, tone_hz=440.0), VirtualDevice("Speakers", "2", outputs=2)])
    ear = surroundings.SoundScout(sounds)
    ear.want(True, "none")
    assert wait_for(lambda: any(found.loudness for found in ear.found)), ear.found
    (heard,) = ear.found
    assert heard.value == "device:Mic (hw:0,0)" and 0.3 < heard.loudness <= 1.0
    ear.close()
