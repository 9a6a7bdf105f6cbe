"""How long a person's bones are: learned in the first seconds, then fixed.

The pose model's bone lengths wobble from frame to frame; a body whose bones breathe looks wrong and
misleads the features. So lengths are medians over a short while, eased in and then kept.
"""

from typing import NamedTuple

import numpy as np

from duet.rotations import Array
from duet.skeleton import BODY, Skeleton
from realtime.sight.landmarks import ANKLES, ELBOWS, HIPS, KNEES, REST_POINTS_M, SHOULDERS, WRISTS

BODY_HEIGHT_M = 1.66
"""Height of the canonical body."""
_SAMPLES = 60
_FIRST = 5
_EASE = 0.15
_RATIO = (0.6, 1.6)
_SEEN = 0.6

# Lengths measured on a person: (name, landmark pairs whose mean distance it is).
_SEGMENTS: dict[str, tuple[tuple[int, int], ...]] = {
    "thigh": tuple(zip(HIPS, KNEES, strict=True)),
    "shin": tuple(zip(KNEES, ANKLES, strict=True)),
    "upper_arm": tuple(zip(SHOULDERS, ELBOWS, strict=True)),
    "forearm": tuple(zip(ELBOWS, WRISTS, strict=True)),
    "hips": (HIPS,),
    "shoulders": (SHOULDERS,),
}
_NAMES = (*_SEGMENTS, "torso")
_ARMS = {"upper_arm": SHOULDERS + ELBOWS, "forearm": ELBOWS + WRISTS}


def measure(points_m: Array) -> Array:
    """Lengths (7,) in metres between upright landmarks (33, 3): both sides' mean."""
    lengths = [np.mean([np.linalg.norm(points_m[a] - points_m[b]) for a, b in pairs]) for pairs in _SEGMENTS.values()]
    up = points_m[list(SHOULDERS)].mean(axis=0) - points_m[list(HIPS)].mean(axis=0)
    return np.array([*lengths, np.linalg.norm(up)])


_BODY_LENGTHS = measure(REST_POINTS_M)
"""Of the canonical body, between what the pose model calls its joints."""
_TALL = [_NAMES.index(name) for name in ("thigh", "shin", "torso")]
# Which measured ratio scales each bone; bones that are not measured follow the person's size.
_RULES = {
    "hip": "hips", "knee": "thigh", "ankle": "shin", "elbow": "upper_arm", "wrist": "forearm",
    "spine1": "torso", "spine2": "torso", "spine3": "torso", "collar": "torso", "neck": "torso",
}  # fmt: skip


class Proportions(NamedTuple):
    """A person's bones. ``observe`` gives the next state; nothing is changed in place."""

    samples: Array
    """(N, 7) lengths measured so far, metres as the pose model sees them; NaN where a limb was not seen."""
    ratios: Array
    """(7,) present lengths relative to the canonical body."""
    height_m: float | None
    """The person's height, where it was told."""

    @classmethod
    def of_body(cls, height_m: float | None = None) -> "Proportions":
        """A person nothing is known of but, perhaps, the height."""
        scale = 1.0 if height_m is None else height_m / BODY_HEIGHT_M
        return cls(np.zeros((0, len(_NAMES))), np.full(len(_NAMES), scale), height_m)

    @property
    def settled(self) -> bool:
        """Whether the lengths are fixed."""
        return len(self.samples) >= _SAMPLES

    @property
    def size(self) -> float:
        """The person's size relative to the canonical body, from legs and torso."""
        return float(np.sum(self.ratios[_TALL] * _BODY_LENGTHS[_TALL]) / np.sum(_BODY_LENGTHS[_TALL]))

    @property
    def metres(self) -> float:
        """Factor from the pose model's metres to the person's: 1 unless the height was told."""
        if self.height_m is None or len(self.samples) < _FIRST:
            return 1.0
        return self.height_m / (BODY_HEIGHT_M * _size(_ratios(self.samples)))

    def observe(self, points_m: Array, visibility: Array) -> "Proportions":
        """The state after one more frame of upright landmarks (33, 3) in the pose model's metres."""
        if self.settled:
            goal = self._goal(self.samples)
            return self._replace(ratios=self.ratios + _EASE * (goal - self.ratios))
        if visibility[list(HIPS + SHOULDERS + KNEES + ANKLES)].min() < _SEEN:
            return self
        lengths = measure(points_m)
        for name, landmarks in _ARMS.items():  # the body often hides an arm, and size cannot wait for it
            if visibility[list(landmarks)].min() < _SEEN:
                lengths[_NAMES.index(name)] = np.nan
        samples = np.concatenate([self.samples, lengths[None]])
        if len(samples) < _FIRST:
            return self._replace(samples=samples)
        ratios = self.ratios + _EASE * (self._goal(samples) - self.ratios)
        return self._replace(samples=samples, ratios=ratios)

    def differ(self, other: "Proportions") -> float:
        """Mean difference of the lengths that both have samples of, as a share; 0 where either has none."""
        if not len(self.samples) or not len(other.samples):
            return 0.0
        return float(np.abs(np.log(self._goal(self.samples) / self._goal(other.samples))).mean())

    def skeleton(self) -> Skeleton:
        """The canonical body with this person's bone lengths; directions at rest stay as they are."""
        factors = np.full(len(BODY), self.size)
        shoulders = self.ratios[_NAMES.index("shoulders")]
        for joint, name in enumerate(BODY.names):
            rule = _RULES.get(name.rpartition("_")[2])
            if rule is not None:
                factors[joint] = self.ratios[_NAMES.index(rule)]
            if name.endswith("_shoulder"):
                # The collar's sideways part grows with the torso; the shoulder makes up the rest.
                collar = abs(float(BODY.offsets_m[BODY.parents[joint], 0]))
                bone = abs(float(BODY.offsets_m[joint, 0]))
                torso = self.ratios[_NAMES.index("torso")]
                factors[joint] = max(0.3, (shoulders * (collar + bone) - torso * collar) / bone)
        return Skeleton(BODY.names, BODY.parents, (BODY.offsets_m * factors[:, None]).astype(np.float32))

    def _goal(self, samples: Array) -> Array:
        ratios = _ratios(samples)
        scale = 1.0 if self.height_m is None else self.height_m / (BODY_HEIGHT_M * _size(ratios))
        return np.clip(ratios * scale, *_RATIO)


def _ratios(samples: Array) -> Array:
    """(7,) median lengths (N, 7) relative to the canonical body; a limb that was never seen follows the size."""
    ratios = np.full(len(_NAMES), np.nan)
    seen = np.isfinite(samples).any(axis=0)
    ratios[seen] = np.nanmedian(samples[:, seen], axis=0) / _BODY_LENGTHS[seen]
    ratios[~seen] = _size(ratios)
    return ratios


def _size(ratios: Array) -> float:
    return float(np.sum(ratios[_TALL] * _BODY_LENGTHS[_TALL]) / np.sum(_BODY_LENGTHS[_TALL]))
