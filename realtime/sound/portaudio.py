"""PortAudio's devices: listed, found by name, found again after they were away.

PortAudio lists devices once, when it starts, and a device that vanishes can hang or end the process that
uses it. So whoever plays or listens does it in a process of its own (``realtime.sound.sound_port``); this module is
what such a process knows of devices. The library is loaded on first use: a machine without it still dances.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from duet.errors import DeviceError
from realtime.identity import sound_hardware, sound_identity
from realtime.plugged import Known, Pin

Way = Literal["input", "output"]


@dataclass(frozen=True)
class AudioDevice:
    """One sound device as PortAudio lists it."""

    index: int
    """Good until something is plugged in or out."""
    name: str
    inputs: int
    """Channels it can record, 0 for none."""
    outputs: int
    """Channels it can play, 0 for none."""
    rate_hz: int
    """The rate it prefers."""
    known: Known
    """What does not change with its number."""

    def channels(self, way: Way) -> int:
        """How many it has that way."""
        return self.inputs if way == "input" else self.outputs


class SoundSystem(Protocol):
    """Where a sound library comes from; a value that travels to the process that loads it."""

    def load(self) -> Any:
        """What looks like the ``sounddevice`` module; DeviceError where it cannot be used."""
        ...

    def hardware(self, name: str) -> str:
        """What the system tells of the hardware behind a listed device; empty for nothing."""
        ...


@dataclass(frozen=True)
class PortAudio:
    """This machine's sound."""

    def load(self) -> Any:
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

    def hardware(self, name: str) -> str:
        return sound_hardware(name)


PORTAUDIO = PortAudio()


def look(system: SoundSystem = PORTAUDIO, *, refresh: bool = False) -> list[AudioDevice]:
    """Every device, inputs and outputs; empty where no sound system runs.

    ``refresh``: look again for devices that came or went. That ends every stream of this process.
    Raises DeviceError where PortAudio is missing or fails. May hang with a broken driver.
    """
    library = system.load()
    try:
        if refresh:
            with suppress(library.PortAudioError):  # ended already, by a refresh that could not start it again
                library._terminate()
            library._initialize()
        devices = list(library.query_devices())
        hosts = [str(host["name"]) for host in library.query_hostapis()]
    except library.PortAudioError as error:
        raise _no_sound_system(error) from error
    return [_device(system, index, device, hosts) for index, device in enumerate(devices)]


def _device(system: SoundSystem, index: int, device: Any, hosts: Sequence[str]) -> AudioDevice:
    name = str(device["name"])
    # Windows lists a device once for each of its sound systems: they are different ways to it.
    stable = f"{hosts[device['hostapi']]}: {sound_identity(name)}"
    return AudioDevice(
        index=index,
        name=name,
        inputs=int(device["max_input_channels"]),
        outputs=int(device["max_output_channels"]),
        rate_hz=round(device["default_samplerate"]),
        known=Known(stable, system.hardware(name)),
    )


def find_audio_device(
    name: str, way: Way, system: SoundSystem = PORTAUDIO, *, pin: Pin | None = None, refresh: bool = False
) -> tuple[AudioDevice, Pin]:
    """The device whose name is ``name``, or else contains it; ``default`` is the system's choice. With it, its pin.

    With a ``pin`` that very device is meant, whatever its number and its name's are by now.
    Raises DeviceError that names what is there.
    """
    able = [d for d in look(system, refresh=refresh) if d.channels(way)]
    there = [d.known for d in able]
    at = pin.find(there) if pin is not None else _named(name, way, system, able)
    if at is None:
        listed = ", ".join(repr(d.name) for d in able) or "none"
        raise DeviceError(
            f"Sound {way} {name!r}: expected a device of this name, got {listed}. "
            f"Name one of these, connect it, or use a sound file: --music FILE. `duet devices` lists them."
        )
    return able[at], pin or Pin.of(at, there)


def _named(name: str, way: Way, system: SoundSystem, able: Sequence[AudioDevice]) -> int | None:
    wanted = name.strip().lower()
    names = [d.name.lower() for d in able]
    if wanted in ("", "default"):
        index = system.load().default.device[0 if way == "input" else 1]
        return next((i for i, d in enumerate(able) if d.index == index), 0 if able else None)
    parts = (i for i, n in enumerate(names) if wanted in n)
    return names.index(wanted) if wanted in names else next(parts, None)


def _no_sound_system(error: Exception) -> DeviceError:
    return DeviceError(
        f"Sound: expected PortAudio to find this machine's sound system, got: {error}. "
        "Start the sound server, or play a file without sound: --headless."
    )


def cannot_use(name: str, way: Way, error: Exception) -> DeviceError:
    """The error for a device that is there but does not open."""
    return DeviceError(
        f"Sound {way} {name!r}: expected it to open, got: {error}. "
        "Close what else uses it, or name another; `duet devices` lists them."
    )
