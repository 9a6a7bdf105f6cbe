"""Devices that vanish, hang, crash and come back, with the real processes; nothing is left of any of it."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duet.clock import MonotonicClock
from duet.errors import DeviceError
from duet.music import RATE_HZ
from realtime import child
from realtime.bench.unplug import KINDS, opened, plan
from realtime.sound import sound_port
from realtime.sound.music_player import RecordedMusic
from realtime.sound.music_source import MusicStatus
from realtime.sound.sound_port import SoundPort, list_audio_devices
from realtime.sound.virtual_sound import FAULTS, VirtualDevice, VirtualSound
from tests.waiting import is_gone, runs, wait_for
from ui import cli

MICROPHONE = VirtualDevice("USB Microphone", "M", inputs=1, tone_hz=500.0)


@pytest.fixture
def sound(tmp_path: Path) -> VirtualSound:
    system = VirtualSound(tmp_path)
    system.plug([MICROPHONE])
    return system


def test_vanished_devices_come_back_and_no_other_takes_their_place(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "duet")
    with opened(3) as run:
        outcomes = [outcome for sequence in range(2) for outcome in run(sequence)]
    assert [o.kind for o in outcomes] == [*KINDS, *KINDS]
    assert all(o.right for o in outcomes), outcomes
    # Three seconds are the aim of `duet bench unplug`; a machine that tests beside much else may take longer.
    assert all(o.back_s < 12.0 for o in outcomes), outcomes
    told = caplog.text
    assert "sound input: 'Webcam Audio" in told and "went away" in told and "back after" in told


def test_the_plans_know_every_fault_and_are_the_same_each_time() -> None:
    losses = [plan(0, i)[kind] for i in range(100) for kind in ("microphone", "speaker")]
    assert {loss.fault for loss in losses} == set(FAULTS)
    assert {loss.false_start for loss in losses} == {"", "error", "hang", "crash"}
    assert plan(0, 7) == plan(0, 7) != plan(1, 7)


def test_a_process_that_crashes_while_it_opens_is_a_sentence(sound: VirtualSound) -> None:
    sound.plug([VirtualDevice("USB Microphone", "M", inputs=1, opening="crash")])
    port = SoundPort("usb", "input", sound)
    with pytest.raises(DeviceError, match="Sound input 'usb': expected its process to go on, got signal 9"):
        port.start()


def test_a_driver_that_hangs_while_it_opens_is_a_sentence(sound: VirtualSound, monkeypatch) -> None:
    monkeypatch.setattr(sound_port, "_START_S", 0.5)
    sound.plug([VirtualDevice("USB Microphone", "M", inputs=1, opening="hang")])
    port = SoundPort("usb", "input", sound)
    with pytest.raises(DeviceError, match="expected it to open within 0 s, got no answer from its driver"):
        port.start()
    assert not port._process.is_alive()


def test_nothing_is_left_after_a_stop(sound: VirtualSound) -> None:
    port = SoundPort("usb", "input", sound)
    opening = port.start()
    assert wait_for(lambda: port._spare is not None)
    assert port._spare is not None
    processes = [port._process, port._spare[0]]
    names = opening.channels.names
    port.stop()
    port.stop()
    assert not any(process.is_alive() for process in processes)
    assert all(is_gone(name) for name in names) and port._log.fd < 0


def test_a_port_outlives_errors_of_who_feeds_it(sound: VirtualSound) -> None:
    sound.plug([VirtualDevice("USB Speaker", "S", outputs=2)])
    errors = [RuntimeError("out of order")]

    def feed(opening: sound_port.Opening) -> None:
        if errors:
            raise errors.pop()
        opening.channels.sound.push(0.0, np.full(960, 0.1, np.float32))  # type: ignore[union-attr]

    port = SoundPort("usb", "output", sound, feed=feed)
    try:
        port.start()
        assert wait_for(lambda: port.losses == 1 and not port.lost)
        assert port.problem == "out of order"
        assert wait_for(lambda: sound.last_played_s("S") > 0.0)
    finally:
        port.stop()


def test_a_process_for_which_there_is_no_room_comes_later(
    sound: VirtualSound, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spawn, refused = child.spawn, []

    def short_of_memory(*given: Any, **named: Any) -> Any:
        if len(refused) < 2:
            refused.append(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
            raise refused[-1]
        return spawn(*given, **named)

    port = SoundPort("usb", "input", sound)
    try:
        first = port.start()
        monkeypatch.setattr(sound_port.child, "spawn", short_of_memory)
        assert wait_for(lambda: port._spare is not None)
        assert len(refused) == 2 and port.opening is first, "one that stands by is not worth the device"
        refused.clear()
        assert port._spare is not None and port.pid is not None and port._spare[0].pid is not None
        for pid in (port._spare[0].pid, port.pid):
            os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda: port.opening not in (None, first) and not port.lost)
        assert len(refused) == 2 and port.losses == 1
        assert len([r for r in caplog.records if "no room for its process" in r.getMessage()]) == 1
    finally:
        port.stop()


@pytest.mark.parametrize("what", [(sound_port.child, "spawn"), (sound_port.ChildLog, "new")])
def test_no_room_at_the_start_is_a_sentence(
    what: tuple[Any, str], sound: VirtualSound, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(*what, full)
    for begin in (lambda: SoundPort("usb", "input", sound), lambda: list_audio_devices(sound)):
        with pytest.raises(DeviceError, match="expected a process of its own, got: .*Close other programs"):
            begin()


def test_a_lean_hour_is_forgotten_once_a_process_stands_by(
    sound: VirtualSound, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = [False, False, False, True, False]

    def stands_by(_: SoundPort) -> Any:
        if not rooms.pop(0):
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return None  # it is told by the pause alone

    port = SoundPort("usb", "input", sound)
    try:
        monkeypatch.setattr(SoundPort, "_idle", stands_by)
        port._begun_s = -sound_port._SPARE_S
        pauses_s = []
        for _ in range(5):
            port._spare_s = 0.0
            port._go_on()
            pauses_s.append(port._spare_s - time.monotonic())
    finally:
        port.stop()
    assert pauses_s[0] < pauses_s[1] < pauses_s[2] and 0.0 < pauses_s[4] < pauses_s[1]


def test_a_default_output_that_comes_later_is_used(sound: VirtualSound, caplog: pytest.LogCaptureFixture) -> None:
    tone = 0.1 * np.sin(np.arange(RATE_HZ) / 20.0)
    music = RecordedMusic(tone, output="default", loop=True, system=sound)
    music.start(MonotonicClock())
    try:
        assert "got none" in music.unheard_because and music.device is None
        assert music.status is MusicStatus.PLAYING
        sound.plug([MICROPHONE, VirtualDevice("USB Speaker", "S", outputs=2)])
        assert wait_for(lambda: sound.last_played_s("S") > 0.0)
        assert music.device is not None and not music.unheard_because and not music.problem
        assert "sound output: there after" in caplog.text and "went away" not in caplog.text
    finally:
        music.stop()


def test_the_list_of_devices_is_fresh_and_survives_a_driver(sound: VirtualSound, monkeypatch) -> None:
    assert [d.name for d in list_audio_devices(sound)] == ["USB Microphone (hw:0,0)"]
    sound.plug([])
    assert list_audio_devices(sound) == []
    monkeypatch.setattr(sound_port, "_LIST_S", 0.3)
    monkeypatch.setattr(sound_port, "tell_devices", time.sleep)
    with pytest.raises(DeviceError, match="Sound: expected a list of devices"):
        list_audio_devices(sound)


_PARENT = """
import sys, time
from pathlib import Path
from realtime.sound.sound_port import SoundPort
from realtime.sound.virtual_sound import VirtualSound
port = SoundPort("usb", "input", VirtualSound(Path(sys.argv[1])))
opening = port.start()
while port._spare is None:
    time.sleep(0.01)
print(port._process.pid, port._spare[0].pid, *opening.channels.names, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_processes_and_memory_go_when_the_application_does(sound: VirtualSound, number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(sound.folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=environment, start_new_session=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        *pids, first, second, third = parent.stdout.readline().split()
        # Ctrl-C reaches the whole group, the sound processes, too; a kill the application alone.
        if number is signal.SIGINT:
            os.killpg(parent.pid, number)
        else:
            parent.kill()
        parent.wait(20.0)
    assert wait_for(lambda: all(is_gone(name) for name in (first, second, third)))
    if Path("/proc").is_dir():
        assert wait_for(lambda: not any(runs(int(pid)) for pid in pids))


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "unplug", "--sequences", "0"]) == 2
    assert "--sequences: expected 1 to 10000, got 0" in capsys.readouterr().err
    assert cli.main(["bench", "unplug", "--sequences", "1", "--seed", "5"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "1 sequences, seed 5: no crash" in printed
    for kind in KINDS:
        assert kind in printed
