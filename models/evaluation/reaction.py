"""Does the follower follow? What changes when the leader does something else than they did.

A follower that only dances along to the music passes closeness tests by luck; one that follows is late when its leader
is late, and calms down when its leader stops.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from duet.errors import InputError
from models.data.take import Take
from models.evaluation.closed_loop import WARM_UP_S, Example, joints_of
from models.rollout import Danced, Partner, dance

LATE_S = 1.0
"""By how much the leader is made late."""
STOP_AFTER_S = 12.0
"""When the leader is made to stop, and from when on the follower is judged."""
SETTLE_S = 2.0
LEAST_S = STOP_AFTER_S + SETTLE_S + 2.0
"""Of a take that reactions are judged in."""


def reactions(partner: Partner, examples: list[Example], *, leak: float, delay_frames: int = 3) -> dict[str, float]:
    """Mean numbers over ``examples``: shift in seconds that explains a late leader best, place error there and without
    it, speed beside a leader who stopped as a share of the speed before, and the distance kept. Nothing where all takes
    are shorter than LEAST_S."""
    rows = []
    for example in examples:
        if example.take.frames < round(LEAST_S * example.take.fps):
            continue  # nothing would be left to judge after the leader has stopped
        takes = {"as danced": example.take, "late": late(example.take), "stopped": stopped(example.take)}
        danced = {
            name: dance(partner, [take], leak=leak, delay_frames=delay_frames, seeds=[0])[0]
            for name, take in takes.items()
        }
        rows.append(
            _shift(danced["as danced"], danced["late"], example.take.fps) | _calm(danced["stopped"], takes["stopped"])
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} if rows else {}


def late(take: Take) -> Take:
    """The same leader LATE_S later, the music as it was."""
    frames = round(LATE_S * take.fps)
    return replace(take, joints_m=np.concatenate([take.joints_m[:1].repeat(frames, 0), take.joints_m])[: take.frames])


def stopped(take: Take) -> Take:
    """The same leader, who stands still from STOP_AFTER_S on."""
    joints = take.joints_m.copy()
    stop = round(STOP_AFTER_S * take.fps)
    if take.frames <= stop:
        raise InputError(
            f"{take.name}: expected over {STOP_AFTER_S:g} s, to stop the leader then, got "
            f"{take.frames / take.fps:.1f} s. Leave the take out."
        )
    joints[stop:] = joints[stop]
    return replace(take, joints_m=joints)


def _shift(danced: Danced, late: Danced, fps: float) -> dict[str, float]:
    first, shifts = round(WARM_UP_S * fps), range(round(2 * LATE_S * fps) + 1)
    last = len(danced.root_m) - shifts[-1]

    def gap(shift: int) -> float:
        away = late.root_m[first + shift : last + shift] - danced.root_m[first:last]
        return float(np.hypot(away[:, 0], away[:, 2]).mean())

    best = min(shifts, key=gap)
    return {"late_shift_s": best / fps, "late_gap_m": gap(best), "unshifted_gap_m": gap(0)}


def _calm(danced: Danced, take: Take) -> dict[str, float]:
    settled = round((STOP_AFTER_S + SETTLE_S) * take.fps)
    away = danced.root_m[settled:] - take.joints_m[settled : len(danced.root_m), 0]
    return {
        "stopped_speed_share": speed_share(danced, take.fps),
        "stopped_distance_m": float(np.hypot(away[:, 0], away[:, 2]).mean()),
    }


def speed_share(danced: Danced, fps: float) -> float:
    """Joint speed after STOP_AFTER_S and a time to settle, as a share of that before."""
    joints, stop = joints_of(danced), round(STOP_AFTER_S * fps)
    before = _speed(joints[round(WARM_UP_S * fps) : stop])
    return _speed(joints[stop + round(SETTLE_S * fps) :]) / max(before, 1e-9)


def _speed(joints_m: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(np.diff(joints_m, axis=0), axis=-1).mean())
