"""What was measured of this stage's devices, kept under what stays the same when they are plugged in again.

One small JSON file (``calibration.json`` in the settings' folder), never a picture or a sound. A camera's entry goes by
the camera, a sound device's by its name: the numbers that systems give them change with every plugging.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from duet.errors import InputError
from duet.files import written_whole
from duet.settings import settings_directory
from realtime.sight.camera_source import CAMERA_LATENCY_S
from realtime.sight.placement import Lens
from realtime.sight.stage_shift import Shift

FILE_NAME = "calibration.json"
_VERSION = 1
_LONGEST_S = 1.0


@dataclass(frozen=True)
class Delay:
    """How much later something is than its stamp says."""

    seconds: float
    spread_s: float
    """Of single measurements, as a standard deviation."""
    measured: str
    """How and when, for people: ``8 claps, 2026-01-31``."""

    def __str__(self) -> str:
        way = "late" if self.seconds >= 0.0 else "early"
        return (
            f"{1e3 * abs(self.seconds):.0f} ms {way}, measured ({self.measured}, within {1e3 * self.spread_s:.0f} ms)"
        )


@dataclass(frozen=True)
class Steady:
    """What ``calibrate tracking`` found."""

    still_mm: float
    """Jitter of somebody who stands still, rms."""
    lag_ms: float
    """Added to an arm that swings."""
    source: str
    """``camera`` or ``synthetic``: where the jitter was measured. The lag always is on synthetic landmarks."""


@dataclass(frozen=True)
class CameraCalibration:
    """One camera's."""

    name: str = ""
    """For people."""
    mark_m: tuple[float, float] | None = None
    """The mark on the floor (x, z) in the room: the middle of the stage."""
    facing_rad: float = 0.0
    """Where somebody faces in the room who faces the audience."""
    fov_rad: float | None = None
    """Field of view, where a measured distance told it."""
    pitch_rad: float = 0.0
    """How far it looks up, where a walk told it."""
    shift: Shift = Shift()
    distance_m: float | None = None
    """How far away the partner dances."""
    latency: Delay | None = None
    """From the middle of the exposure to arrival."""
    steady: Steady | None = None

    @property
    def lens(self) -> Lens:
        """As far as it is known, and as it is assumed."""
        return Lens(Lens().fov_rad if self.fov_rad is None else self.fov_rad, self.pitch_rad)


@dataclass(frozen=True)
class Calibration:
    """Everything measured here; never changed, only replaced."""

    cameras: Mapping[str, CameraCalibration] = field(default_factory=dict)
    outputs: Mapping[str, Delay] = field(default_factory=dict)
    """Of devices that play: how much later music sounds than their drivers say."""
    height_m: float | None = None
    """The performer's, asked once."""
    steady: Steady | None = None
    """Of the smoothing by itself, without a camera."""

    def camera(self, identity: str | None) -> CameraCalibration:
        """The camera's entry, an empty one where there is none."""
        return self.cameras.get(identity or "", CameraCalibration())

    def with_camera(self, identity: str, **changes: Any) -> Self:
        """With an entry changed."""
        return replace(self, cameras={**self.cameras, identity: replace(self.camera(identity), **changes)})

    def with_output(self, identity: str, latency: Delay) -> Self:
        """With the delay of a device that plays."""
        return replace(self, outputs={**self.outputs, identity: latency})

    def with_height(self, height_m: float) -> Self:
        """With the performer's height."""
        return replace(self, height_m=height_m)

    def with_steady(self, identity: str | None, steady: Steady) -> Self:
        """With what ``calibrate tracking`` found, of a camera or (None) of the smoothing by itself."""
        if identity is None:
            return replace(self, steady=steady)
        return self.with_camera(identity, steady=steady)


def calibration_file() -> Path:
    """Where it is kept."""
    return settings_directory() / FILE_NAME


def load_calibration(path: Path | None = None) -> Calibration:
    """What was kept; nothing where nothing was. InputError for a file that is none of ours."""
    path = path or calibration_file()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["version"] != _VERSION:
            raise ValueError(f"version {kept['version']}")
        return Calibration(
            cameras={str(k): _camera(v) for k, v in kept["cameras"].items()},
            outputs={str(k): delay for k, v in kept["outputs"].items() if (delay := _delay(v)) is not None},
            height_m=_number(kept["height_m"]),
            steady=_steady(kept["steady"]),
        )
    except FileNotFoundError:
        return Calibration()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path}: expected what `duet calibrate` wrote, got {error!r}. Delete the file and calibrate again."
        ) from error


def save_calibration(calibration: Calibration, path: Path | None = None) -> Path:
    """Write it, whole or not at all; where it lies. InputError where it cannot be written."""
    path = path or calibration_file()
    try:
        with written_whole(path) as part:
            part.write_text(json.dumps({"version": _VERSION, **asdict(calibration)}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: expected to write it, got {error}. Set DUET_SETTINGS to another folder.") from error
    return path


def camera_notes(calibration: Calibration, identity: str | None) -> tuple[str, ...]:
    """A short line each of what was measured of a camera and what is assumed; a video has no delay and no mark."""
    known = calibration.camera(identity)
    steady = known.steady or calibration.steady
    trembles = "still: not measured"
    if steady is not None:
        trembles = f"still {steady.still_mm:.1f} mm ({steady.source}), lag {steady.lag_ms:+.0f} ms"
    if identity is None:
        return (trembles,)
    return (
        trembles,
        f"camera {_told(known.latency, CAMERA_LATENCY_S)}",
        "mark: calibrated" if known.mark_m is not None else "mark: first place seen",
    )


def output_note(calibration: Calibration, identity: str | None) -> str:
    """The same of the device that plays; empty where none does."""
    if identity is None:
        return ""
    delay = calibration.outputs.get(identity)
    return "sound as its driver says" if delay is None else f"sound {1e3 * delay.seconds:+.0f} ms, measured"


def calibration_told(calibration: Calibration) -> str:
    """Everything that was measured, and what is assumed of the rest, for the doctor."""
    told = [f"any camera not measured is taken to be {1e3 * CAMERA_LATENCY_S:.0f} ms late, sound as its driver says"]
    for identity, known in calibration.cameras.items():
        parts = [f"pictures {known.latency}" if known.latency else "delay assumed"]
        parts.append("no mark" if known.mark_m is None else f"mark {math.hypot(*known.mark_m):.1f} m away")
        if known.steady is not None:
            parts.append(f"still {known.steady.still_mm:.1f} mm")
        told.append(f"{known.name or identity}: {', '.join(parts)}")
    told += [f"{identity}: sounds {delay}" for identity, delay in calibration.outputs.items()]
    if calibration.steady is None or not calibration.cameras:
        told.append("run `duet calibrate stage`, `latency` and `tracking` to measure yours")
    return "; ".join(told)


def _told(delay: Delay | None, assumed_s: float) -> str:
    return f"{1e3 * assumed_s:.0f} ms, assumed" if delay is None else f"{1e3 * delay.seconds:.0f} ms, measured"


def today() -> str:
    """For ``Delay.measured``."""
    return time.strftime("%Y-%m-%d")


def _camera(kept: Mapping[str, Any]) -> CameraCalibration:
    mark = kept["mark_m"]
    shift = kept["shift"]
    return CameraCalibration(
        name=str(kept["name"]),
        mark_m=None if mark is None else (_finite(mark[0]), _finite(mark[1])),
        facing_rad=_finite(kept["facing_rad"]),
        fov_rad=_number(kept["fov_rad"]),
        pitch_rad=_finite(kept.get("pitch_rad", 0.0)),
        shift=Shift(*(_finite(shift[f.name]) for f in fields(Shift))),
        distance_m=_number(kept["distance_m"]),
        latency=_delay(kept["latency"]),
        steady=_steady(kept["steady"]),
    )


def _delay(kept: Mapping[str, Any] | None) -> Delay | None:
    if kept is None:
        return None
    seconds = _finite(kept["seconds"])
    if abs(seconds) > _LONGEST_S:
        raise ValueError(f"a delay of {seconds} s")
    return Delay(seconds, _finite(kept["spread_s"]), str(kept["measured"]))


def _steady(kept: Mapping[str, Any] | None) -> Steady | None:
    if kept is None:
        return None
    return Steady(_finite(kept["still_mm"]), _finite(kept["lag_ms"]), str(kept["source"]))


def _number(value: Any) -> float | None:
    return None if value is None else _finite(value)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"the number {number}")
    return number
