"""A sound device from the application's side: a process that is watched over and replaced.

When the device goes away its process ends, or hangs, or crashes: in each case it is replaced by one that waits for
that very device; a second process stands by, since starting one takes long on a busy machine. Nobody who plays or
listens waits for any of it.

Threading: a thread per port hears the process and calls ``feed``; ``opening`` is replaced whole.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from duet.errors import DeviceError, DuetError
from realtime import child, topology
from realtime.child_log import ChildLog
from realtime.sound.portaudio import PORTAUDIO, AudioDevice, SoundSystem, Way, look
from realtime.sound.sound_host import Opened, Phase, SoundChannels, SoundTask, run
from realtime.supervisor import BackOff

LOG = logging.getLogger("duet.sound")

_TICK_S = 0.02
_START_S = 15.0
_ROW = topology.process("duet-sound")
_SPAWN_S = _ROW.start_s
"""For Python to start."""
_HANG_S = _ROW.silent_s
"""Some drivers are slow to list and to open devices: each time in a row that a process hangs there, the next is given
twice as long."""
_LONGEST_HANG_S = 12.0
_AGAIN_S = (0.1, 1.0)
_SPARE_S = 0.5
"""The next process is not started while this one still opens its device: both would take longer."""
_LIST_S = 15.0


@dataclass(frozen=True)
class Opening:
    """One opening of the device, while it lasts."""

    device: AudioDevice
    rate_hz: int
    channels: SoundChannels

    @property
    def zero_s(self) -> float | None:
        """When, on the monotonic clock, the first frame given to play sounds; None before any does."""
        heart = self.channels.heart.latest()
        zero = self.channels.zero.latest()
        return zero.stamp_s if heart is not None and zero is not None and heart.values[2] else None


class SoundPort:
    """One sound device, opened by ``start``, kept open, closed by ``stop``; made anew for another start.

    ``waits``: for a device that is not there yet. It is opened, by itself, when it is; ``start`` is not called.
    """

    def __init__(
        self,
        name: str,
        way: Way,
        system: SoundSystem = PORTAUDIO,
        *,
        feed: Callable[[Opening], None] | None = None,
        waits: bool = False,
    ) -> None:
        self._task = SoundTask(way, name.strip() or "default", system, waits=waits)
        self._feed = feed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sound device", daemon=True)
        self._retired: list[SoundChannels] = []
        self._past_xruns = 0
        self._back_off, self._patience_s = BackOff(*_AGAIN_S), _HANG_S
        self._spares = BackOff()
        self._spare_s = 0.0
        """When one that stands by may be tried again."""
        self._lost_s: float | None = None
        self.opening: Opening | None = None
        """None while the device is away."""
        self.device: AudioDevice | None = None
        """The one that is or was open."""
        self.problem = ""
        """Why the device is away; empty when it never was."""
        self.losses = 0
        """How often it went away."""
        self._spare: tuple[BaseProcess, Connection] | None = None
        try:
            self._log = ChildLog.new("duet-sound")
            self._begin()
        except OSError as error:
            raise _no_room(f"Sound {way} {self._task.name!r}", error) from error
        if waits:
            self._lost_s = time.monotonic()
            self._thread.start()

    def _begin(self) -> None:
        """Put a process to work, with memory of its own; OSError where the system has no room for them."""
        channels = SoundChannels.create(self._task.way)
        spare, self._spare = self._spare, None
        try:
            process, control = spare if spare is not None and spare[0].is_alive() else self._idle()
            control.send((self._task, channels.names))
        except OSError:
            channels.close()
            raise
        self._channels, self._process, self._control = channels, process, control
        self._begun_s = time.monotonic()

    def _idle(self) -> tuple[BaseProcess, Connection]:
        """A process that waits for its task."""
        return child.spawn("duet-sound", run, None, (), self._log, at_once=True)

    @property
    def pid(self) -> int | None:
        """Of the process that holds the device or waits for it."""
        return self._process.pid

    @property
    def lost(self) -> bool:
        """Whether the device was there and is away."""
        return self._lost_s is not None and self.device is not None

    @property
    def xruns(self) -> int:
        """Times that the device had too much or too little, over all openings."""
        opening = self.opening
        heart = opening.channels.heart.latest() if opening is not None else None
        return self._past_xruns + (int(heart.values[1]) if heart is not None else 0)

    def start(self) -> Opening:
        """Wait until sound flows, then watch over it; DeviceError where the device cannot be used."""
        begun_s = time.monotonic()
        try:
            while time.monotonic() - begun_s < _SPAWN_S:
                heart = self._channels.heart.latest()
                if heart is not None and time.monotonic() - heart.stamp_s > _START_S:
                    break
                if self._hear(_TICK_S) and self.opening is not None:
                    self._thread.start()
                    return self.opening
        except BaseException:
            self.stop()
            raise
        self.stop()
        raise DeviceError(
            f"Sound {self._task.way} {self._task.name!r}: expected it to open within {_START_S:.0f} s, got no answer "
            "from its driver. Plug it in again, restart the sound server, or name another; `duet devices` lists them."
        )

    def stop(self) -> None:
        """Close the device and end its process. Safe to call again."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._past_xruns = self.xruns
        self.opening = None
        child.end(self._process, self._control, _ROW.stop_s)
        if self._spare is not None:
            child.end(*self._spare, _ROW.stop_s)
        for channels in (*self._retired, self._channels):
            channels.close()
        self._log.close()

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_S):
            try:
                trouble = self._trouble()
                if trouble is None:
                    self._go_on()
                    continue
            except Exception as error:  # whoever plays the music must not be left without a watch
                trouble = str(error)
            self._replace(trouble)

    def _go_on(self) -> None:
        self._log.bound()
        opening = self.opening
        if opening is not None and self._feed is not None:
            self._feed(opening)
        if self._spare is None and time.monotonic() > max(self._begun_s + _SPARE_S, self._spare_s):
            try:
                self._spare = self._idle()
                self._spares.settle()
            except OSError as error:
                # The device that is there is not to suffer by it.
                self._spare_s = time.monotonic() + self._spares.pause_s()
                LOG.debug("sound %s: no process to stand by: %s", self._task.way, error)

    def _trouble(self) -> str | None:
        """Why the process has to be replaced; None while all is well or it waits for the device."""
        try:
            while self._hear(0.0):
                pass
        except DuetError as error:
            return str(error)
        heart = self._channels.heart.latest()
        beat_s = self._begun_s if heart is None else heart.stamp_s
        # Nothing has beaten yet while Python itself still starts.
        patience_s = self._patience_s if heart is not None else _SPAWN_S
        if time.monotonic() - beat_s > patience_s:
            phase = None if heart is None else Phase(int(heart.values[0]))
            if phase is not Phase.STREAMING:
                self._patience_s = min(2.0 * self._patience_s, _LONGEST_HANG_S)
            return f"a driver that hangs ({'starting' if phase is None else phase.name.lower()})"
        return None

    def _hear(self, wait_s: float) -> bool:
        """Take one message; whether there was one. DeviceError where the process gave up or is gone."""
        try:
            if not self._control.poll(wait_s):
                return False
            message = self._control.recv()
        except (EOFError, OSError) as error:
            words = child.last_words(self._process, self._log)
            raise DeviceError(
                f"Sound {self._task.way} {self._task.name!r}: expected its process to go on, got {words}. "
                "Plug the device in again, or name another; `duet devices` lists them."
            ) from error
        if message[0] == "opened":
            self._take_up(message[1])
        elif message[0] == "away":
            self.problem = message[1]
        elif message[0] == "lost":
            raise DeviceError("no more sound from it")
        else:
            raise child.raised(message)
        return True

    def _take_up(self, opened: Opened) -> None:
        come = "there" if self.device is None else "back"
        self.device = opened.device
        self._task = replace(self._task, pin=opened.pin)
        self.opening = Opening(opened.device, opened.rate_hz, self._channels)
        self._back_off.settle()
        self._patience_s = _HANG_S
        where = f"{opened.device.name!r}, {opened.channels} channels at {opened.rate_hz} Hz"
        if self._lost_s is None:
            LOG.info("sound %s: opened %s", self._task.way, where)
        else:
            away_s = time.monotonic() - self._lost_s
            LOG.warning("sound %s: %s after %.1f s: %s", self._task.way, come, away_s, where)
        self._lost_s = None

    def _replace(self, trouble: str) -> None:
        """A new process that waits for the device; the old one's memory is kept for who may still read it."""
        self.problem = trouble
        if self._lost_s is None:
            self._lost_s = time.monotonic()
            self.losses += 1
            name = self.device.name if self.device is not None else self._task.name
            LOG.warning("sound %s: %r went away (%s); it is waited for", self._task.way, name, trouble)
        self._past_xruns = self.xruns
        self.opening = None
        child.end(self._process, self._control, 0.0)
        self._retired.append(self._channels)
        while len(self._retired) > 2:
            self._retired.pop(0).close()
        while not self._stopping.wait(self._back_off.pause_s()):
            try:
                self._begin()
                return
            except OSError as error:
                self._tell(f"no room for its process ({error.strerror or error})")
        self._channels = self._retired.pop()

    def _tell(self, problem: str) -> None:
        """What keeps it away now, once."""
        if problem != self.problem:
            LOG.warning("sound %s: %s; it is tried again", self._task.way, problem)
        self.problem = problem


def _no_room(who: str, error: OSError) -> DeviceError:
    said = error.strerror or error
    return DeviceError(f"{who}: expected a process of its own, got: {said}. Close other programs, then start again.")


def list_audio_devices(system: SoundSystem = PORTAUDIO) -> list[AudioDevice]:
    """Every device as it is plugged in now, inputs and outputs; empty where no sound system runs.

    Asked of a process of its own: the list is fresh, and a driver that hangs or crashes is a sentence. Raises
    DeviceError for that, and where PortAudio is missing or fails.
    """
    try:
        log = ChildLog.new("duet-sound")
    except OSError as error:
        raise _no_room("Sound", error) from error
    try:
        process, control = child.spawn("duet-sound", tell_devices, system, (), log, at_once=True)
    except OSError as error:
        log.close()
        raise _no_room("Sound", error) from error
    try:
        if not control.poll(_LIST_S):
            raise DeviceError(
                f"Sound: expected a list of devices within {_LIST_S:.0f} s, got none: a driver or the sound server "
                "hangs. Restart it, or unplug the device that was plugged in last."
            )
        message = control.recv()
    except (EOFError, OSError) as error:
        words = child.last_words(process, log)
        raise DeviceError(f"Sound: expected a list of devices, got {words}. Restart the sound server.") from error
    finally:
        child.end(process, control, 0.1)
        log.close()
    if message[0] != "devices":
        raise child.raised(message)
    return message[1]


def tell_devices(system: SoundSystem, _: tuple[str, ...], control: Connection, log: ChildLog) -> None:
    """The process behind ``list_audio_devices``."""
    child.begin(log)
    try:
        control.send(("devices", look(system)))
    except DuetError as error:
        control.send(child.failed(error))
