"""Listens for MIDI clock on a port, in a thread of its own.

A port is a raw MIDI device of the system (Linux: ``/dev/snd/midiC1D0``, read without any library), or part of the name
of one that python-rtmidi knows, where that is installed (macOS, Windows, virtual ports).
"""

import contextlib
import os
import queue
import select
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from duet.clock import Clock
from duet.errors import DeviceError
from duet.extras import how_to_install
from duet.midi_clock import MidiClock
from duet.tempo_override import Pulse, TempoOverride

POLL_S = 0.1
RETRY_S = 1.0
_MOST_BYTES = 1024
_RAW_DEVICES = "/dev/snd"


class MidiInput(Protocol):
    """Where MIDI bytes come from."""

    def read(self, clock: Clock, wait_s: float) -> tuple[bytes, float]:
        """Bytes and when they came, nothing and now after ``wait_s``; OSError when the device is gone."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class MidiPort:
    """Sets ``override``'s pulse by the MIDI clock that arrives on ``name``. A device that goes away is waited for.

    Made, the port is open already: DeviceError where there is none of this name.
    """

    def __init__(self, override: TempoOverride, name: str, *, metre: int = 4) -> None:
        self._override, self._name, self._metre = override, name, metre
        self._pulse: Pulse | None = None
        """The newest that the master gave."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._source: MidiInput | None = open_midi(name)

    def start(self, clock: Clock) -> None:
        """Follow the clock from now on; what came before is of another moment."""
        source, self._source = self._source or open_midi(self._name), None
        # Here and not in the thread, which would take the first ticks that come from now on for old ones.
        with contextlib.suppress(OSError):  # unplugged since it was opened: the thread finds that, too, and waits
            while source.read(clock, 0.0)[0]:
                continue
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(source, clock), name="midi", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port; the beat is heard again. Safe to call again."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        if self._source is not None:
            self._source.close()
        self._thread = self._source = None
        self._give(None)

    def _run(self, source: MidiInput, clock: Clock) -> None:
        while not self._stopping.is_set():
            try:
                self._listen(source, clock)
            except OSError:  # unplugged
                source.close()
                self._give(None)
                again = self._wait_for_device()
                if again is None:
                    return
                source = again
        source.close()

    def _listen(self, source: MidiInput, clock: Clock) -> None:
        """Set the pulse until stopped, or until the master goes silent: then the beat is heard again."""
        ticks = MidiClock(self._metre)
        while not self._stopping.is_set():
            data, time_s = source.read(clock, POLL_S)
            self._give(ticks.push(data, time_s))

    def _give(self, pulse: Pulse | None) -> None:
        """The master's newest pulse; where it has none any more, what was tapped meanwhile stays."""
        if pulse is not None or self._override.pulse is self._pulse:
            self._override.pulse = pulse
        self._pulse = pulse

    def _wait_for_device(self) -> MidiInput | None:
        """The device once it is back; None when stopped meanwhile."""
        while not self._stopping.wait(RETRY_S):
            try:
                return open_midi(self._name)
            except DeviceError:
                continue
        return None


def open_midi(name: str) -> MidiInput:
    """A raw device by its path, or a port by part of its name. DeviceError where there is none."""
    return _RawInput(name) if os.sep in name else _NamedInput(name)


class _RawInput:
    """A character device, or a pipe, that bytes are read from."""

    def __init__(self, name: str) -> None:
        try:
            mode = os.stat(name).st_mode
            if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
                raise OSError(f"{name} is no device")
            # A pipe without a writer would be at its end at once; with ourselves as one it never is.
            way = os.O_RDWR if stat.S_ISFIFO(mode) else os.O_RDONLY
            self._handle = os.open(name, way | os.O_NONBLOCK)
        except OSError as error:
            there = ", ".join(sorted(str(p) for p in Path(_RAW_DEVICES).glob("midi*"))) or "none"
            raise DeviceError(
                f"MIDI: expected a MIDI device, got {error}. Connect it, or name another (there: {there})."
            ) from error

    def read(self, clock: Clock, wait_s: float) -> tuple[bytes, float]:
        ready, _, _ = select.select([self._handle], [], [], wait_s)
        now_s = clock.now()
        if not ready:
            return b"", now_s
        data = os.read(self._handle, _MOST_BYTES)
        if not data:
            raise OSError("the device is gone")
        return data, now_s

    def close(self) -> None:
        os.close(self._handle)


class _NamedInput:
    """A port of python-rtmidi."""

    def __init__(self, name: str) -> None:
        self._arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        try:
            import rtmidi  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise DeviceError(
                f"MIDI: expected python-rtmidi for a port by name, got none. Install it ({how_to_install('midi')}), "
                f"or name a raw device such as {_RAW_DEVICES}/midiC1D0."
            ) from error
        try:
            self._midi: Any = rtmidi.MidiIn()
            ports = list(self._midi.get_ports())
            number = matching_port(name, ports)
            self._midi.ignore_types(sysex=True, timing=False, active_sense=True)
            self._midi.set_callback(self._on_message)
            self._midi.open_port(number)
        except DeviceError:
            raise
        except Exception as error:  # of classes that exist only once the import succeeds
            raise DeviceError(
                f"MIDI: expected the system's MIDI, got: {str(error).rstrip('.')}. Name a raw device."
            ) from error
        self._port, self._looked_s = ports[number], time.monotonic()

    def _on_message(self, event: tuple[list[int], float], _: object = None) -> None:
        self._arrived.put(bytes(event[0]))

    def read(self, clock: Clock, wait_s: float) -> tuple[bytes, float]:
        try:
            data = self._arrived.get(timeout=wait_s) if wait_s > 0.0 else self._arrived.get_nowait()
        except queue.Empty:
            data = b""
        # A port that is gone says nothing: whether it is there has to be looked after.
        if not data and time.monotonic() - self._looked_s >= RETRY_S:
            self._looked_s = time.monotonic()
            try:
                there = list(self._midi.get_ports())
            except Exception as error:  # of classes that exist only once the import succeeds
                raise OSError(str(error)) from error
            if self._port not in there:
                raise OSError("the port is gone")
        return data, clock.now()

    def close(self) -> None:
        self._midi.close_port()


def matching_port(name: str, ports: Sequence[str]) -> int:
    """Index of the port of this name, else of the first whose name contains it; DeviceError names what is there."""
    wanted = name.strip().lower()
    exact = [i for i, port in enumerate(ports) if port.lower() == wanted]
    found = exact or [i for i, port in enumerate(ports) if wanted in port.lower()]
    if not found:
        there = ", ".join(repr(port) for port in ports) or "none"
        raise DeviceError(f"MIDI {name!r}: expected a port of this name, got {there}. Connect it, or name another.")
    return found[0]
