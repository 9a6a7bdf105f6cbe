"""Sound cards that exist in a folder: they play, hear, and go away like real ones, at the library's boundary.

For ``duet bench unplug`` and tests, on machines without sound hardware. It takes the place of the ``sounddevice``
module inside the sound process. As with PortAudio the list of devices is that of the last start, a device is
opened by its number there, and its name carries a card number that changes with every plugging. What
happens to a program whose device vanishes is as it is with real drivers, by ``fault``: nothing is heard any more,
the stream ends, the library hangs, or the process crashes.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

Fault = Literal["silence", "end", "hang", "crash"]
FAULTS: tuple[Fault, ...] = ("silence", "end", "hang", "crash")
_LISTING = "devices.json"
_WAY_S = 0.02
"""From the converter to the callback, and from there to the converter."""


@dataclass(frozen=True)
class VirtualDevice:
    """One sound card."""

    name: str
    serial: str
    """Tells it from others of its name."""
    inputs: int = 0
    outputs: int = 0
    rate_hz: int = 48_000
    strict: bool = False
    """Whether it takes its own rate and all its channels only."""
    tone_hz: float = 0.0
    """What it hears; silence for 0."""
    tone_channel: int = 0
    """Where it hears it."""
    hears: str = ""
    """A .npy file of samples (N,) at its rate that it hears instead, over and over."""
    fault: Fault = "silence"
    """What becomes of who uses it when it goes away."""
    opening: Literal["", "error", "hang", "crash"] = ""
    """What becomes of who opens it."""


@dataclass(frozen=True)
class VirtualSound:
    """The sound system of a folder."""

    folder: Path

    def plug(self, devices: Sequence[VirtualDevice]) -> None:
        """From now on these are there, in this order; the first of each way is the default."""
        # At once, or not at all; but not for ever: waiting for the disk may take seconds.
        part = self.folder / f".{_LISTING}.part"
        part.write_text(json.dumps([asdict(d) for d in devices]), encoding="utf-8")
        os.replace(part, self.folder / _LISTING)

    def plugged(self) -> list[VirtualDevice]:
        """What is there now."""
        return [VirtualDevice(**d) for d in json.loads((self.folder / _LISTING).read_text(encoding="utf-8"))]

    def load(self) -> "VirtualLibrary":
        """What stands for the ``sounddevice`` module in this process."""
        return _library(self)

    def hardware(self, name: str) -> str:
        """The serial number behind a listed name, as the system knows it now."""
        return next((d.serial for n, d in self.listed().items() if n == name), "")

    def listed(self) -> dict[str, VirtualDevice]:
        """What is there now, by the names under which it is listed."""
        return {f"{d.name} (hw:{i},0)": d for i, d in enumerate(self.plugged())}

    def note(self, serial: str, samples: Any) -> None:
        """Remember that a device played something that can be heard."""
        if np.abs(samples).max() > 1e-3:
            (self.folder / f"played-{serial}").write_text(repr(time.monotonic()), encoding="utf-8")

    def last_played_s(self, serial: str) -> float:
        """When, on the monotonic clock, a device last played something; minus infinity when it never did."""
        try:
            return float((self.folder / f"played-{serial}").read_text(encoding="utf-8") or "-inf")
        except FileNotFoundError:
            return -np.inf


class VirtualError(Exception):
    """What this library raises."""


class VirtualStream:
    """One open stream: calls back from a thread of its own while its device is there."""

    def __init__(self, library: "VirtualLibrary", device: VirtualDevice, way: str, settings: dict[str, Any]) -> None:
        self._library = library
        self._device = device
        self._way = way
        self._rate_hz, self._channels = settings["samplerate"], settings["channels"]
        self._frames, self._callback = settings["blocksize"], settings["callback"]
        self._heard = np.load(device.hears, mmap_mode="r") if device.hears else None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="virtual sound", daemon=True)

    @property
    def active(self) -> bool:
        """Whether the library takes the stream for running."""
        self._library.hang_if_broken()
        return not self._ended.is_set()

    def start(self) -> None:
        """Begin to call back."""
        self._thread.start()

    def abort(self, ignore_errors: bool = True) -> None:
        """Stop; no callback runs any more afterwards."""
        self._library.hang_if_broken()
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    close = abort

    def _run(self) -> None:
        begun_s, blocks = time.monotonic(), 0
        block_s = self._frames / self._rate_hz
        while not self._ended.is_set():
            if not self._library.has(self._device.serial):
                self._go()
                return
            self._call(blocks)
            blocks += 1
            # Like a driver that had an overrun, it leaves out what is long past.
            blocks = max(blocks, int((time.monotonic() - begun_s) / block_s) - 5)
            self._ended.wait(max(begun_s + blocks * block_s - time.monotonic(), 0.0))

    def _call(self, blocks: int) -> None:
        samples = np.zeros((self._frames, self._channels), np.float32)
        when = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=100.0 - _WAY_S, outputBufferDacTime=100.0 + _WAY_S)
        flags = SimpleNamespace(input_overflow=False, output_underflow=False)
        if self._way == "input" and self._device.tone_channel < self._channels:
            samples[:, self._device.tone_channel] = self._heard_from(blocks * self._frames)
        self._callback(samples, self._frames, when, flags)
        if self._way == "output":
            self._library.system.note(self._device.serial, samples)

    def _heard_from(self, first: int) -> Any:
        """(frames,) what the microphone hears from frame ``first`` on."""
        frames = first + np.arange(self._frames)
        if self._heard is not None:
            return self._heard[frames % len(self._heard)]
        return 0.3 * np.sin(2.0 * np.pi * self._device.tone_hz * frames / self._rate_hz)

    def _go(self) -> None:
        """The device was unplugged."""
        if self._device.fault == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._device.fault == "hang":
            self._library.broken.set()
        if self._device.fault == "end":
            self._ended.set()


@dataclass
class VirtualLibrary:
    """Looks like the ``sounddevice`` module, as far as it is used here."""

    system: VirtualSound
    broken: threading.Event = field(default_factory=threading.Event)
    PortAudioError: type[Exception] = VirtualError
    default: Any = None

    def __post_init__(self) -> None:
        self._stamp = 0
        self._there: frozenset[str] = frozenset()
        self._initialize()

    def _initialize(self) -> None:
        self.hang_if_broken()
        self._listed = self.system.listed()
        first = [next((i for i, d in enumerate(self._listed.values()) if n(d)), -1) for n in (_inputs, _outputs)]
        self.default = SimpleNamespace(device=tuple(first))

    def _terminate(self) -> None:
        self.hang_if_broken()

    def hang_if_broken(self) -> None:
        """Where a real driver would not come back from a call, neither does this."""
        while self.broken.is_set():
            time.sleep(60.0)

    def has(self, serial: str) -> bool:
        """Whether a device is plugged in now."""
        stamp = (self.system.folder / _LISTING).stat().st_mtime_ns
        if stamp != self._stamp:
            self._there = frozenset(d.serial for d in self.system.plugged())
            self._stamp = stamp
        return serial in self._there

    def query_devices(self) -> list[dict[str, Any]]:
        """As of the last start of the library."""
        return [
            {
                "name": name,
                "hostapi": 0,
                "max_input_channels": d.inputs,
                "max_output_channels": d.outputs,
                "default_samplerate": float(d.rate_hz),
            }
            for name, d in self._listed.items()
        ]

    def query_hostapis(self) -> list[dict[str, Any]]:
        """One."""
        return [{"name": "virtual"}]

    def check_input_settings(self, *, device: int, channels: int, samplerate: int) -> None:
        """Refuses what the device does not take."""
        self._check(device, channels, samplerate, _inputs)

    def check_output_settings(self, *, device: int, channels: int, samplerate: int) -> None:
        """Refuses what the device does not take."""
        self._check(device, channels, samplerate, _outputs)

    def InputStream(self, **settings: Any) -> VirtualStream:
        """A stream that records."""
        return self._open("input", settings)

    def OutputStream(self, **settings: Any) -> VirtualStream:
        """A stream that plays."""
        return self._open("output", settings)

    def _check(self, device: int, channels: int, rate_hz: int, able: Callable[[VirtualDevice], int]) -> None:
        it = list(self._listed.values())[device]
        if channels > able(it) or (it.strict and channels != able(it)):
            raise VirtualError("Invalid number of channels")
        if it.strict and rate_hz != it.rate_hz:
            raise VirtualError("Invalid sample rate")

    def _open(self, way: str, settings: dict[str, Any]) -> VirtualStream:
        """Open what has the listed number's name by now, as the system's own card numbers do."""
        device = self.system.listed().get(list(self._listed)[settings["device"]])
        if device is None or device.opening == "error":
            raise VirtualError("Device unavailable")
        if device.opening == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if device.opening == "hang":
            self.broken.set()
            self.hang_if_broken()
        return VirtualStream(self, device, way, settings)


def _inputs(device: VirtualDevice) -> int:
    return device.inputs


def _outputs(device: VirtualDevice) -> int:
    return device.outputs


@cache
def _library(system: VirtualSound) -> VirtualLibrary:
    return VirtualLibrary(system)
