"""How far dancers go from one frame to the next: what is bound when a dance is shown has to let this through."""

from collections.abc import Sequence

import numpy as np

from duet.motion import Motion

PERCENTILES = (50.0, 99.0, 99.9)


def paces_m(dancers: Sequence[Motion]) -> dict[str, tuple[float, ...]]:
    """Metres a frame at ``PERCENTILES``, of all frames of all dancers, who share one rate.

    Told are the pelvis' step, its change from one frame to the next, and the step of the joint that goes furthest.
    """
    found: dict[str, list[np.ndarray]] = {"pelvis, step": [], "pelvis, change of its step": [], "furthest joint": []}
    for dancer in dancers:
        steps = np.diff(dancer.joints_m.astype(np.float64), axis=0)
        found["pelvis, step"].append(np.linalg.norm(steps[:, 0], axis=-1))
        found["pelvis, change of its step"].append(np.linalg.norm(np.diff(steps[:, 0], axis=0), axis=-1))
        found["furthest joint"].append(np.linalg.norm(steps, axis=-1).max(axis=-1))
    return {
        what: tuple(float(value) for value in np.percentile(np.concatenate(parts), PERCENTILES))
        for what, parts in found.items()
    }
