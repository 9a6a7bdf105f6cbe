"""PortAudio's devices by name, and a watch over an open one.

The library is loaded on first use: a machine without it still dances.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from duet.errors import DeviceError

if TYPE_CHECKING:
    import types

BLOCK_S = 0.01  # sound per callback
LATENCY_S = 0.03  # asked of the device: less underruns on sound servers
GONE_S = 1.0  # without a callback for so long, a device is lost
RETRY_S = 2.0


@dataclass(frozen=True)
class AudioDevice:
    """One sound device as PortAudio lists it."""

    index: int
    name: str
    inputs: int
    """Channels it can record, 0 for none."""
    outputs: int
    """Channels it can play, 0 for none."""
    rate_hz: int
    """The rate it prefers."""


def portaudio() -> "types.ModuleType":
    """The ``sounddevice`` module; DeviceError where it or PortAudio itself is missing or does not start."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"Sound: expected the PortAudio library, got: {error}. "
            "Install it (Debian and Ubuntu: apt install libportaudio2), or play a file: --music FILE."
        ) from error
    except Exception as error:  # PortAudio's own, of a class that exists only once the import succeeds
        raise _no_sound_system(error) from error
    return sounddevice


def list_audio_devices(*, refresh: bool = False) -> list[AudioDevice]:
    """Every device, inputs and outputs; empty where no sound system runs.

    ``refresh``: look again for devices that came or went. That ends every stream of this process.
    Raises DeviceError where PortAudio is missing or fails.
    """
    sounddevice = portaudio()
    try:
        if refresh:
            with suppress(sounddevice.PortAudioError):  # ended already, by a refresh that could not start it again
                sounddevice._terminate()
            sounddevice._initialize()
        devices = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        raise _no_sound_system(error) from error
    return [
        AudioDevice(
            index=index,
            name=str(device["name"]),
            inputs=int(device["max_input_channels"]),
            outputs=int(device["max_output_channels"]),
            rate_hz=round(device["default_samplerate"]),
        )
        for index, device in enumerate(devices)
    ]


def find_audio_device(name: str, way: Literal["input", "output"], *, refresh: bool = False) -> AudioDevice:
    """The device whose name is ``name``, or else contains it; ``default`` is the system's choice.

    Raises DeviceError that names what is there.
    """
    able = [d for d in list_audio_devices(refresh=refresh) if (d.inputs if way == "input" else d.outputs)]
    wanted = name.strip().lower()
    if wanted in ("", "default"):
        index = portaudio().default.device[0 if way == "input" else 1]
        matches = [d for d in able if d.index == index] or able
    else:
        matches = [d for d in able if d.name.lower() == wanted] or [d for d in able if wanted in d.name.lower()]
    if not matches:
        there = ", ".join(repr(d.name) for d in able) or "none"
        raise DeviceError(
            f"Sound {way} {name!r}: expected a device of this name, got {there}. "
            f"Name one of these, connect it, or use a sound file: --music FILE. `duet devices` lists them."
        )
    return matches[0]


def _no_sound_system(error: Exception) -> DeviceError:
    return DeviceError(
        f"Sound: expected PortAudio to find this machine's sound system, got: {error}. "
        "Start the sound server, or play a file without sound: --headless."
    )


def cannot_use(name: str, way: Literal["input", "output"], error: Exception) -> DeviceError:
    """The error for a device that is there but does not open."""
    return DeviceError(
        f"Sound {way} {name!r}: expected it to open, got: {error}. "
        "Close what else uses it, or name another; `duet devices` lists them."
    )


class DeviceWatch:
    """Notices that a device went away and opens it again when it is back, in a thread of its own.

    ``silent_s`` tells for how long the device has not called; ``open_again`` raises DeviceError while it
    is away; ``close`` lets go of what is left of it. Any other error of theirs also counts as away, and is
    kept in ``problem``: whoever plays the music must not be left without a watch.
    """

    def __init__(
        self, *, silent_s: Callable[[], float], close: Callable[[], None], open_again: Callable[[], None]
    ) -> None:
        self._silent_s, self._close, self._open_again = silent_s, close, open_again
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sound device", daemon=True)
        self.lost = False
        self.problem = ""
        """Why the device did not open again, last time; empty when it never failed."""

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch; the device is left as it is."""
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._stopping.wait(RETRY_S if self.lost else GONE_S / 4):
            try:
                self._look()
            except Exception as error:  # still away: the next try is in RETRY_S
                self.lost, self.problem = True, str(error)

    def _look(self) -> None:
        if not self.lost and self._silent_s() > GONE_S:
            self.lost = True
            self._close()
        if self.lost:
            self._open_again()
            self.lost = False


def close_stream(stream: Any) -> None:
    """Close a PortAudio stream that may already be broken, or None."""
    if stream is not None:
        stream.abort(ignore_errors=True)
        stream.close(ignore_errors=True)
