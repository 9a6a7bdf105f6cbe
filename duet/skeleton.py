"""The skeleton: joint names, parents, rest offsets, mirror map and fingerprint.

22 body joints in SMPL-X order are what models predict and trackers deliver; the renderer uses the
55-joint table of which they are the head. Rest pose is a T-pose facing +Z, so that a joint's
global rotation in the rest pose is the identity.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BODY_JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
    "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar",
    "right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist",
)  # fmt: skip
BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)

FEET = tuple(BODY_JOINT_NAMES.index(n) for n in ("left_ankle", "right_ankle", "left_foot", "right_foot"))
"""Joints whose contact with the floor is predicted, in the order of every ``contacts (4,)``."""

# Rest offsets from the parent, metres: the skeleton of the CC0 MakeHuman base body in a T-pose
# (see ui/drawing/assets/NOTICE.md), 1.66 m tall, left and right exactly mirrored.
_REST_OFFSETS_M = (
    (0.0, 0.8784, 0.0132), (0.1014, -0.0081, -0.0083), (-0.1014, -0.0081, -0.0083),
    (0.0, 0.0798, -0.0387), (0.0411, -0.3909, 0.0324), (-0.0411, -0.3909, 0.0324),
    (0.0, 0.0663, 0.0154), (0.0381, -0.4056, -0.0147), (-0.0381, -0.4056, -0.0147),
    (0.0, 0.0751, 0.0017), (0.0055, -0.0602, 0.1168), (-0.0055, -0.0602, 0.1168),
    (0.0, 0.3189, 0.0135), (0.0227, 0.2477, 0.03), (-0.0227, 0.2477, 0.03),
    (0.0, 0.1009, 0.0392), (0.1473, -0.0227, -0.0023), (-0.1473, -0.0227, -0.0023),
    (0.2421, 0.0, 0.0), (-0.2421, 0.0, 0.0), (0.2386, 0.0, 0.0), (-0.2386, 0.0, 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class Skeleton:
    """Names, parents and rest offsets of a tree of joints.

    ``offsets_m`` (J, 3): each joint's rest position relative to its parent; row 0 is the root's
    rest position above the floor. Parents come before children.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets_m: NDArray[np.float32]

    def __post_init__(self) -> None:
        offsets = np.ascontiguousarray(self.offsets_m, dtype=np.float32)
        if offsets.shape != (len(self.names), 3) or len(self.parents) != len(self.names):
            raise ValueError(f"Skeleton: expected one parent and one offset (3,) per name, got {offsets.shape}.")
        if self.parents[:1] != (-1,) or any(not 0 <= p < j for j, p in enumerate(self.parents) if j > 0):
            raise ValueError("Skeleton: expected one root (parent -1) first, and parents before children.")
        if not np.isfinite(offsets).all():
            raise ValueError("Skeleton: expected finite offsets, got NaN or infinity.")
        offsets.setflags(write=False)
        object.__setattr__(self, "offsets_m", offsets)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def index(self, name: str) -> int:
        """Index of the joint called ``name``; ValueError when there is none."""
        return self.names.index(name)

    @cached_property
    def bone_lengths_m(self) -> NDArray[np.float32]:
        """(J,) distance of each joint to its parent; 0 for the root."""
        lengths = np.linalg.norm(self.offsets_m, axis=-1)
        lengths[0] = 0.0
        lengths.setflags(write=False)
        return lengths

    @cached_property
    def rest_joints_m(self) -> NDArray[np.float32]:
        """(J, 3) joint positions of the rest pose, standing on the floor."""
        joints = self.offsets_m.copy()
        for j, parent in enumerate(self.parents):
            if parent >= 0:
                joints[j] += joints[parent]
        joints.setflags(write=False)
        return joints

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its left-right counterpart."""
        swap = {"left": "right", "right": "left"}
        out = []
        for name in self.names:
            side, _, rest = name.partition("_")
            out.append(self.names.index(f"{swap[side]}_{rest}" if side in swap else name))
        return tuple(out)

    @cached_property
    def leg_length_m(self) -> float:
        """Hip to ankle along the bones, mean of both legs: the scale of a body's steps."""
        legs = [self.index(f"{s}_{j}") for s in ("left", "right") for j in ("knee", "ankle")]
        return float(self.bone_lengths_m[legs].sum() / 2)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over names, parents and offsets rounded to 0.1 mm."""
        text = repr((self.names, self.parents, np.round(self.offsets_m.astype(np.float64) * 1e4).astype(int).tolist()))
        return hashlib.sha256(text.encode()).hexdigest()


BODY = Skeleton(BODY_JOINT_NAMES, BODY_PARENTS, np.array(_REST_OFFSETS_M, dtype=np.float32))
"""The canonical 22-joint body every follower is trained on and every leader is mapped to."""
