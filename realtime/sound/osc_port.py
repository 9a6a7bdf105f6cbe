"""Listens for tempo over OSC on a UDP port, in a thread of its own; on loopback unless another address is asked for."""

import socket
import threading
from collections.abc import Callable

from duet.clock import Clock
from duet.errors import DeviceError
from duet.osc_tempo import OscTempo, messages
from duet.tempo_override import TempoOverride

LARGEST_DATAGRAM = 65_535
POLL_S = 0.2


class OscPort:
    """Sets ``override``'s pulse from what arrives on ``port`` (0: any free one)."""

    def __init__(
        self,
        override: TempoOverride,
        *,
        port: int = 9000,
        host: str = "127.0.0.1",
        metre: int = 4,
        cue: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``cue`` is given the number that ``/cue`` names, on the port's thread."""
        self._cue = cue
        self._override, self._address = override, (host, port)
        self._tempo = OscTempo(metre)
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._address[1] if self._socket is None else self._socket.getsockname()[1]

    def start(self, clock: Clock) -> None:
        """Open the port; DeviceError where it is taken or the address is not of this machine."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listening.bind(self._address)
        except OSError as error:
            listening.close()
            raise DeviceError(
                f"OSC: expected a free port {self._address[0]}:{self._address[1]}, got {error}. Choose another port."
            ) from error
        listening.settimeout(POLL_S)
        self._socket = listening
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(listening, clock), name="osc", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port; the beat is heard again. Safe to call again."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        if self._socket is not None:
            self._socket.close()
        self._thread = self._socket = None
        self._override.pulse = None

    def _run(self, listening: socket.socket, clock: Clock) -> None:
        while not self._stopping.is_set():
            try:
                datagram = listening.recv(LARGEST_DATAGRAM)
            except TimeoutError:
                continue
            except OSError:  # an earlier answer bounced, or the port was closed: neither is news
                if self._stopping.wait(POLL_S):
                    return
                continue
            for address, number in messages(datagram):
                if address == "/cue":
                    self._cue(int(number))
            before = self._tempo.pulse
            pulse = self._tempo.receive(datagram, clock.now())
            # What does not speak of the beat leaves it to whoever gave it last: a cue takes back no tap.
            if pulse is not before:
                self._override.pulse = pulse
