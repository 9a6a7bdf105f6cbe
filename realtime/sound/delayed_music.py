"""Music that sounds later than its device says: by the delay that was measured of that device."""

from collections.abc import Mapping
from typing import Protocol

from duet.clock import Clock
from realtime.calibration import Delay
from realtime.identity import sound_identity
from realtime.sound.music_source import Block, Floats, MusicStatus


class _Device(Protocol):
    @property
    def name(self) -> str: ...


class _Played(Protocol):
    """Music that this application plays."""

    @property
    def status(self) -> MusicStatus: ...
    @property
    def position_s(self) -> float: ...
    @property
    def xruns(self) -> int: ...
    @property
    def losses(self) -> int: ...
    @property
    def problem(self) -> str: ...
    @property
    def soundtrack(self) -> tuple[Floats, int] | None: ...
    @property
    def started_s(self) -> float: ...
    @property
    def device(self) -> _Device | None: ...
    @property
    def unheard_because(self) -> str: ...
    def start(self, clock: Clock) -> None: ...
    def stop(self) -> None: ...
    def read(self, until_s: float) -> Block | None: ...


class DelayedMusic:
    """``played``, heard later than it stamps by what ``delays`` (by identity) says of the device that plays it."""

    def __init__(self, played: _Played, delays: Mapping[str, Delay]) -> None:
        self.played = played
        self._delays = delays

    @property
    def identity(self) -> str | None:
        """Of the device that plays; None while the music is unheard."""
        device = self.played.device
        return None if device is None else sound_identity(device.name)

    @property
    def delay_s(self) -> float:
        """Of that device; 0 where none was measured."""
        delay = self._delays.get(self.identity or "")
        return 0.0 if delay is None else delay.seconds

    @property
    def status(self) -> MusicStatus:
        return self.played.status

    @property
    def position_s(self) -> float:
        return max(0.0, self.played.position_s - self.delay_s)

    @property
    def xruns(self) -> int:
        return self.played.xruns

    @property
    def losses(self) -> int:
        return self.played.losses

    @property
    def problem(self) -> str:
        return self.played.problem

    @property
    def soundtrack(self) -> tuple[Floats, int] | None:
        return self.played.soundtrack

    @property
    def started_s(self) -> float:
        """Session time at which the first sample sounded."""
        return self.played.started_s + self.delay_s

    def start(self, clock: Clock) -> None:
        self.played.start(clock)

    def stop(self) -> None:
        self.played.stop()

    def read(self, until_s: float) -> Block | None:
        delay_s = self.delay_s
        block = self.played.read(until_s - delay_s)
        return None if block is None else Block(block.samples, block.time_s + delay_s)
