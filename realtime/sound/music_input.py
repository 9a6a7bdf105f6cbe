"""Music that is heard by a sound device: a microphone, a line input, a monitor of what plays."""

import logging
import time

import numpy as np

from duet.clock import Clock
from duet.errors import DeviceError
from duet.music import RATE_HZ
from realtime.rings import HistoryCell
from realtime.sound.music_source import Block, Floats, MusicStatus, first_heard
from realtime.sound.portaudio import PORTAUDIO, AudioDevice, SoundSystem
from realtime.sound.sound_file import StreamResampler
from realtime.sound.sound_host import HEARD_RECORDS
from realtime.sound.sound_port import Opening, SoundPort

LOG = logging.getLogger("duet.sound")
_KEPT_RECORDS = HEARD_RECORDS // 2
_GAP_S = (0.02, 5.0)
"""Sound of at least so long that never came, and at most: silence stands for it, so that the beat runs on in step."""


class Hearing:
    """What one opening of a device hears, in order. For one reader."""

    def __init__(self, cell: HistoryCell, rate_hz: int) -> None:
        self._cell = cell
        self._resampler = None if rate_hz == RATE_HZ else StreamResampler(from_hz=rate_hz, to_hz=RATE_HZ)
        self._next = 0
        self.skipped = 0
        """Records passed over."""

    def read(self) -> Block | None:
        """What came since the last call, stamped on the monotonic clock. Who reads too seldom skips ahead."""
        waiting = self._cell.written - self._next
        if waiting <= 0:
            return None
        # More than wait now may have come by the time they are read; what was read already is left out.
        records = [r for r in self._cell.history(min(waiting + 8, _KEPT_RECORDS)) if r.index >= self._next]
        if not records:
            return None
        self.skipped += records[0].index - self._next
        self._next = records[-1].index + 1
        samples: Floats = np.concatenate([r.values[1 : 1 + int(r.values[0])] for r in records])
        time_s = records[0].stamp_s
        if self._resampler is None:
            return Block(samples, time_s)
        samples = self._resampler.push(samples)
        return Block(samples, time_s - self._resampler.delay_s) if len(samples) else None


class DeviceMusic:
    """What a sound device hears.

    ``name``: part of the device's name, or ``default``. A device that goes away is shown as ``LOST`` and waited for:
    that very device, whatever its number is by then. Meanwhile there is silence. ``waits``: one that is not there
    at the beginning is waited for, too.
    """

    soundtrack = None

    def __init__(self, name: str = "default", system: SoundSystem = PORTAUDIO, *, waits: bool = False) -> None:
        self.name = name
        self._system, self._waits = system, waits
        self._absent = ""  # why there was none at the start
        self._port: SoundPort | None = None
        self._opening: Opening | None = None
        self._hearing: Hearing | None = None
        self._skips = 0  # openings whose reader skipped
        self._offset_s = 0.0  # session time less the machine's monotonic time
        self._begun_s = 0.0
        self._heard_s = 0.0  # session time up to which samples were handed out
        self._flows = False  # whether this opening has given sound

    @property
    def status(self) -> MusicStatus:
        if self._port is None:
            return MusicStatus.STOPPED
        return MusicStatus.LOST if self._port.lost else MusicStatus.PLAYING

    @property
    def device(self) -> AudioDevice | None:
        """The one that is or was open."""
        return self._port.device if self._port is not None else None

    @property
    def pid(self) -> int | None:
        """Of the process that holds the device; None before there is one."""
        return self._port.pid if self._port is not None else None

    @property
    def problem(self) -> str:
        """Why the device is away; empty while it is not."""
        if self._port is None:
            return ""
        return self._port.problem if self._port.lost else "" if self._port.device is not None else self._absent

    @property
    def position_s(self) -> float:
        return self._heard_s - self._begun_s

    @property
    def xruns(self) -> int:
        skipped = self._hearing is not None and self._hearing.skipped > 0
        return self._skips + skipped + (self._port.xruns if self._port is not None else 0)

    @property
    def losses(self) -> int:
        return self._port.losses if self._port is not None else 0

    def start(self, clock: Clock) -> None:
        self.stop()
        port = SoundPort(self.name, "input", self._system)
        try:
            self._take_up(port.start())
        except DeviceError as error:
            if not self._waits:
                raise
            LOG.warning("sound input: %s It is waited for.", error)
            self._absent = str(error)
            port = SoundPort(self.name, "input", self._system, waits=True)
        self._begun_s = self._heard_s = clock.now()
        self._offset_s = clock.now() - time.monotonic()
        self._port = port

    def stop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.stop()

    def read(self, until_s: float) -> Block | None:
        port = self._port
        if port is None:
            return None
        opening = port.opening
        if opening is None:
            block = self._silence(until_s)
        else:
            if opening is not self._opening:
                self._take_up(opening)
            heard = self._hearing.read() if self._hearing is not None else None
            block = None if heard is None else self._after_gap(Block(heard.samples, heard.time_s + self._offset_s))
        if block is not None:
            self._heard_s = block.time_s + len(block.samples) / RATE_HZ
        return block

    def _after_gap(self, block: Block) -> Block:
        """The block, after silence for what was lost before it: samples must not move up to where it was."""
        gap_s = block.time_s - self._heard_s
        if not (self._flows and _GAP_S[0] <= gap_s <= _GAP_S[1]):
            self._flows = True
            return block
        lost = np.zeros(round(gap_s * RATE_HZ), np.float32)
        return Block(np.concatenate([lost, block.samples]), block.time_s - len(lost) / RATE_HZ)

    def _take_up(self, opening: Opening) -> None:
        if self._hearing is not None:
            self._skips += self._hearing.skipped > 0
        assert isinstance(opening.channels.sound, HistoryCell)
        self._opening, self._hearing = opening, Hearing(opening.channels.sound, opening.rate_hz)
        self._flows = False

    def _silence(self, until_s: float) -> Block | None:
        count = int((until_s - self._heard_s) * RATE_HZ)
        first = first_heard(0, count)
        return Block(np.zeros(count - first, np.float32), self._heard_s + first / RATE_HZ) if count > 0 else None
