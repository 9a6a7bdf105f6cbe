"""Unplugging at random: virtual cameras and sound cards that go away in every way and come back elsewhere.

One sequence takes a camera, a microphone and a speaker away, each at its own moment and in its own way (see
``virtual_sound``), beside twins of the same name that stay, and plugs them in again under other numbers; now and then
one vanishes again while it is opened. Measured is how long after its last return each is used again, and whether any
other device was used instead.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from duet.clock import MonotonicClock
from duet.music import RATE_HZ
from realtime.sight.camera import Camera, open_camera
from realtime.sight.virtual_camera import PluggedCamera, VirtualCamera, VirtualCameras, noisy
from realtime.sound.music_input import DeviceMusic
from realtime.sound.music_player import RecordedMusic
from realtime.sound.virtual_sound import FAULTS, VirtualDevice, VirtualSound

GOAL_S = 3.0
_GIVE_UP_S = 20.0
_STEP_S = 0.01
_TONES_HZ = {"mine": 500.0, "twin": 900.0}
_LEVELS = {"mine": 90, "twin": 200}
_SOCKETS = {"mine": "1-1", "twin": "1-2"}
_OPENINGS = ("", "", "error", "hang", "crash")
Kind = Literal["camera", "microphone", "speaker"]
KINDS: tuple[Kind, ...] = ("camera", "microphone", "speaker")


@dataclass(frozen=True)
class Loss:
    """What happens to one device in a sequence."""

    fault: str
    """How it goes."""
    at_s: float
    away_s: float
    false_start: str
    """It comes back for a moment first, and vanishes while it is opened: what that does; empty for none."""
    false_start_s: float


@dataclass(frozen=True)
class Outcome:
    """How one device fared in a sequence."""

    kind: Kind
    loss: Loss
    back_s: float
    """From its last return until it was used again; infinite when it never was."""
    right: bool
    """Whether no other device was used meanwhile."""

    @property
    def good(self) -> bool:
        """Whether it was as it should be."""
        return self.right and self.back_s <= GOAL_S


def plan(seed: int, sequence: int) -> dict[Kind, Loss]:
    """What happens in a sequence."""
    rng = np.random.default_rng((seed, sequence))
    losses: dict[Kind, Loss] = {}
    for kind in KINDS:
        sound = kind != "camera"
        losses[kind] = Loss(
            str(rng.choice(FAULTS if sound else ("silence", "end"))),
            float(rng.uniform(0.0, 0.5)),
            float(rng.uniform(0.1, 2.5)),
            str(rng.choice(_OPENINGS)) if sound else "",
            float(rng.uniform(0.1, 0.6)),
        )
    return losses


@dataclass
class _Watched:
    """One device in the course of a sequence."""

    kind: Kind
    loss: Loss
    begun_s: float
    there: bool = True
    opening: str = ""
    returned_s: float = np.inf
    used_s: float = np.inf
    wrong: bool = False

    def step(self, now_s: float) -> bool:
        """Let what is due happen; whether something changed."""
        loss, before = self.loss, (self.there, self.opening)
        gone_s = self.begun_s + loss.at_s
        false_s = gone_s + loss.away_s
        back_s = false_s + (loss.false_start_s + 0.3 if loss.false_start else 0.0)
        if now_s >= back_s:
            self.there, self.opening = True, ""
            self.returned_s = min(self.returned_s, now_s)
        elif loss.false_start and false_s <= now_s < false_s + loss.false_start_s:
            self.there, self.opening = True, loss.false_start
        else:
            self.there = now_s < gone_s
        return before != (self.there, self.opening)

    def used(self, when_s: float) -> None:
        """The right device was used."""
        if when_s > self.returned_s:
            self.used_s = min(self.used_s, when_s)

    @property
    def over(self) -> bool:
        return np.isfinite(self.used_s) or time.monotonic() - self.returned_s > _GIVE_UP_S


@dataclass
class Bench:
    """Virtual devices and what uses them, as a performance does. Made by ``opened``."""

    sound: VirtualSound
    cameras: VirtualCameras
    servers: dict[str, VirtualCamera]
    clock: MonotonicClock = field(default_factory=lambda: MonotonicClock(0.0))
    has_serials: bool = True
    """Whether the cameras have serial numbers; else they differ by the socket they are plugged into only."""

    def plug(self, watched: Mapping[Kind, _Watched], rng: np.random.Generator) -> None:
        """Plug in what is there, in an order and under numbers of its own each time."""
        cards = [
            VirtualDevice("Webcam Audio", "mic-twin", inputs=1, tone_hz=_TONES_HZ["twin"]),
            VirtualDevice("USB Speaker", "out-twin", outputs=2),
        ]
        microphone, speaker, camera = watched["microphone"], watched["speaker"], watched["camera"]
        if microphone.there:
            cards.append(_sound(microphone, VirtualDevice("Webcam Audio", "mic", inputs=1, tone_hz=_TONES_HZ["mine"])))
        if speaker.there:
            cards.append(_sound(speaker, VirtualDevice("USB Speaker", "out", outputs=2)))
        self.sound.plug([cards[i] for i in rng.permutation(len(cards))])
        numbers = rng.permutation(8)
        plugged = [(int(numbers[0]), self._camera("twin"))]
        if camera.there:
            plugged.append((int(numbers[1]), self._camera("mine")))
        self.cameras.plug(plugged)
        server = self.servers["mine"]
        (server.silent.clear if camera.there else server.silent.set)()
        if camera.there:
            server.hung_up.clear()
        elif camera.loss.fault == "end":
            server.hung_up.set()

    def _camera(self, which: str) -> PluggedCamera:
        return PluggedCamera(
            "Webcam", self.servers[which].url, serial=which if self.has_serials else "", socket=_SOCKETS[which]
        )


def _sound(watched: _Watched, device: VirtualDevice) -> VirtualDevice:
    return replace(device, fault=watched.loss.fault, opening=watched.opening)


@contextmanager
def opened(seed: int) -> Iterator[Callable[[int], list[Outcome]]]:
    """Open a camera, a microphone and a speaker; give what runs one sequence on them.

    The cameras of odd seeds have no serial numbers.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duet-unplug-")))
        (folder / "cameras").mkdir()
        servers = {w: stack.enter_context(VirtualCamera(noisy(level), rate_hz=30.0)) for w, level in _LEVELS.items()}
        bench = Bench(VirtualSound(folder), VirtualCameras(folder / "cameras"), servers, has_serials=seed % 2 == 0)
        calm = Loss("end", np.inf, 0.0, "", 0.0)
        rng = np.random.default_rng(seed)
        all_there: dict[Kind, _Watched] = {kind: _Watched(kind, calm, 0.0) for kind in KINDS}
        bench.plug(all_there, rng)
        mine = ":mine" if bench.has_serials else f":socket {_SOCKETS['mine']}"
        number = next(c.number for c in bench.cameras.listed() or [] if c.known.hardware.endswith(mine))
        names = {d.serial: name for name, d in bench.sound.listed().items()}
        camera = stack.enter_context(open_camera(f"camera:{number}", clock=bench.clock, cameras=bench.cameras))
        microphone = DeviceMusic(names["mic"], bench.sound)
        stack.callback(microphone.stop)
        microphone.start(bench.clock)
        hum = 0.2 * np.sin(2.0 * np.pi * 100.0 * np.arange(RATE_HZ) / RATE_HZ)
        speaker = RecordedMusic(hum, output=names["out"], loop=True, system=bench.sound)
        stack.callback(speaker.stop)
        speaker.start(bench.clock)
        yield lambda sequence: _run(bench, camera, microphone, plan(seed, sequence), rng)


def _run(
    bench: Bench, camera: Camera, microphone: DeviceMusic, losses: dict[Kind, Loss], rng: np.random.Generator
) -> list[Outcome]:
    begun_s = time.monotonic()
    watched: dict[Kind, _Watched] = {kind: _Watched(kind, loss, begun_s) for kind, loss in losses.items()}
    seen = camera.frames
    bench.plug(watched, rng)
    while not all(w.over for w in watched.values()):
        changed = [w.step(time.monotonic()) for w in watched.values()]
        if any(changed):
            bench.plug(watched, rng)
        seen = _look(watched["camera"], camera, seen)
        _listen(watched["microphone"], microphone, bench.clock)
        watched["speaker"].used(bench.sound.last_played_s("out"))
        watched["speaker"].wrong |= bench.sound.last_played_s("out-twin") > begun_s
        time.sleep(_STEP_S)
    return [Outcome(w.kind, w.loss, w.used_s - w.returned_s, not w.wrong) for w in watched.values()]


def _look(watched: _Watched, camera: Camera, seen: int) -> int:
    """Look at the newest picture, if there is one that was not seen."""
    if camera.frames == seen:
        return seen
    frame = camera.read(1.0)
    level = float(frame.image.mean())
    watched.wrong |= abs(level - _LEVELS["mine"]) > 30.0
    watched.used(frame.arrival_s)
    return camera.frames


def _listen(watched: _Watched, microphone: DeviceMusic, clock: MonotonicClock) -> None:
    """Listen to what came: its tone says from which device."""
    block = microphone.read(clock.now())
    if block is None or not block.samples.any() or len(block.samples) < 240:
        return
    times = np.arange(len(block.samples)) / RATE_HZ
    mine, twin = (abs(np.exp(2j * np.pi * hz * times) @ block.samples) for hz in _TONES_HZ.values())
    watched.wrong |= bool(twin > mine)
    watched.used(block.time_s + len(block.samples) / RATE_HZ)
