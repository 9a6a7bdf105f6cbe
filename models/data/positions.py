"""Rotations of a body of which only joint positions are known, analytically.

What positions show is met exactly: the plane of hips and lower spine turns the pelvis, the plane of collars and neck
the chest, and every limb lies where it is. What they do not show is chosen: a bone's twist comes from its hinge, that
of a nearly straight limb from its parent; a head turns with the eyes where there are eyes.

How the planes of an unknown body lie in its T-pose is not in the positions either. It is taken from the whole take: on
average a dancer's pelvis and chest are to the line from hips to neck as those of the canonical body at rest.
"""

import numpy as np
from numpy.typing import NDArray

from duet.kinematics import limb_rotations, local_from_global
from duet.motion import Motion
from duet.rotations import (
    Array,
    matrix_between,
    matrix_from_quaternion_wxyz,
    matrix_from_rotvec,
    normalise,
    quaternion_wxyz_from_matrix,
    slerp_wxyz,
)
from duet.skeleton import BODY, Skeleton
from models.data.recording import JOINTS
from models.data.smpl import skeleton_of, standing

_J = {name: j for j, name in enumerate(BODY.names)}
_REST = BODY.rest_joints_m.astype(np.float64)
_EYES = (23, 24)
"""Left and right among the 55 joints of SMPL-X."""
_SAME_BODY = 0.01
"""Bones that differ by less than this share are those of the canonical body."""
_STRAIGHT_M = 0.02
"""An elbow or a knee that stands out by less leans to where it points by default."""
_HINGES = {"knee": np.array([1.0, 0.0, 0.0]), "left": np.array([0.0, -1.0, 0.0]), "right": np.array([0.0, 1.0, 0.0])}


def motion_of_positions(fps: float, joints_m: NDArray[np.floating]) -> Motion:
    """A take of joints (T, 22 or more, 3) in metres, y up, on a body of its own proportions."""
    joints = np.asarray(joints_m, dtype=np.float64)
    known = _canonical(joints)
    turned = np.broadcast_to(np.eye(3), (len(joints), JOINTS, 3, 3)).copy()
    _torso(joints, turned, known)
    _head(joints, turned)
    for side in ("left", "right"):
        _aim(joints, turned, f"{side}_collar", f"{side}_shoulder", turned[:, _J["spine3"]], known)
        _limb(joints, turned, side, ("shoulder", "elbow", "wrist"), turned[:, _J["spine3"]], _HINGES[side])
        turned[:, _J[f"{side}_wrist"]] = turned[:, _J[f"{side}_elbow"]]
        _limb(joints, turned, side, ("hip", "knee", "ankle"), turned[:, 0], _HINGES["knee"])
        _aim(joints, turned, f"{side}_ankle", f"{side}_foot", turned[:, _J[f"{side}_knee"]], BODY)
        turned[:, _J[f"{side}_foot"]] = turned[:, _J[f"{side}_ankle"]]
    local = local_from_global(BODY, turned)
    skeleton = known or skeleton_of(local, joints[:, :JOINTS])
    return Motion(fps, skeleton, joints[:, 0].astype(np.float32), local.astype(np.float32))


def _canonical(joints: Array) -> Skeleton | None:
    """The canonical body in the size of ``joints`` (T, J, 3), if that is whose joints they are."""
    parents = list(BODY.parents[1:])
    lengths = np.linalg.norm(joints[:, 1:JOINTS] - joints[:, parents], axis=-1)
    ratio = np.median(lengths, axis=0) / BODY.bone_lengths_m[1:]
    size = float(np.median(ratio))
    if np.abs(ratio / size - 1.0).max() > _SAME_BODY:
        return None
    return BODY if abs(size - 1.0) < 1e-3 else standing(BODY.offsets_m.astype(np.float64) * size)


def _axes(across: Array, up: Array) -> Array:
    """Frames (..., 3, 3): x along ``across`` (to the left), y nearest ``up``, z ahead."""
    x = normalise(across)
    z = normalise(np.cross(x, up))
    return np.stack([x, np.cross(z, x), z], axis=-1)


def _plane(joints: Array, left: str, right: str, foot: Array, top: str) -> Array:
    """The frame of a triangle of joints: ``left`` and ``right``, and from ``foot`` up to ``top``."""
    return _axes(joints[..., _J[left], :] - joints[..., _J[right], :], joints[..., _J[top], :] - foot)


def _middle(joints: Array) -> Array:
    """Between the hips."""
    return (joints[..., _J["left_hip"], :] + joints[..., _J["right_hip"], :]) / 2.0


def _torso(joints: Array, turned: Array, known: Skeleton | None) -> None:
    """Pelvis and chest by their planes, the spine in between by where its joints are."""
    pelvis = _plane(joints, "left_hip", "right_hip", _middle(joints), "spine1")
    chest = _plane(joints, "left_collar", "right_collar", joints[:, _J["spine3"]], "neck")
    if known is not None:
        pelvis = pelvis @ _plane(_REST, "left_hip", "right_hip", _middle(_REST), "spine1").T
        chest = chest @ _plane(_REST, "left_collar", "right_collar", _REST[_J["spine3"]], "neck").T
    else:
        line = joints[:, _J["neck"]] - _middle(joints)
        pelvis, chest = _settled(pelvis, line), _settled(chest, line)
    turned[:, 0], turned[:, _J["spine3"]] = pelvis, chest
    low, high = quaternion_wxyz_from_matrix(pelvis), quaternion_wxyz_from_matrix(chest)
    for share, (name, child) in ((1 / 3, ("spine1", "spine2")), (2 / 3, ("spine2", "spine3"))):
        between = matrix_from_quaternion_wxyz(slerp_wxyz(low, high, np.full(len(joints), share)))
        _aim(joints, turned, name, child, between, known)
    _aim(joints, turned, "neck", "head", chest, BODY)


def _settled(frames: Array, line: Array) -> Array:
    """Frames (T, 3, 3) pitched by one angle, so that ``line`` (T, 3) lies in them on average as it does at rest."""
    mean = np.einsum("tji,tj->i", frames, line)
    rest = _REST[_J["neck"]] - _middle(_REST)
    excess = np.arctan2(mean[2], mean[1]) - np.arctan2(rest[2], rest[1])
    return frames @ matrix_from_rotvec(np.array([excess, 0.0, 0.0]))


def _aim(joints: Array, turned: Array, name: str, child: str, like: Array, body: Skeleton | None) -> None:
    """Turn joint ``name`` as ``like`` (T, 3, 3), and then by the least that points it at its ``child``.

    The bone's rest direction is that of ``body``, or its mean in ``like``.
    """
    bone = joints[:, _J[child]] - joints[:, _J[name]]
    seen = np.einsum("tji,tj->ti", like, bone)
    rest = seen.mean(axis=0) if body is None else body.offsets_m[_J[child]].astype(np.float64)
    turned[:, _J[name]] = like @ matrix_between(rest, seen)


def _limb(joints: Array, turned: Array, side: str, chain: tuple[str, str, str], parent: Array, hinge: Array) -> None:
    """Upper and lower bone of an arm or a leg, from its three joints."""
    upper, middle, end = (_J[f"{side}_{joint}"] for joint in chain)
    root, bend, target = joints[:, upper], joints[:, middle], joints[:, end]
    way = normalise(target - root)
    out = bend - root - way * np.sum((bend - root) * way, axis=-1, keepdims=True)
    default = np.array([0.0, 0.0, 1.0]) if chain[0] == "hip" else np.array([0.0, -0.6, -0.8])
    unsure = np.clip(1.0 - np.linalg.norm(out, axis=-1, keepdims=True) / _STRAIGHT_M, 0.0, 1.0)
    rest = [BODY.offsets_m[j].astype(np.float64) for j in (middle, end)]
    lengths = [np.median(np.linalg.norm(b - a, axis=-1)) for a, b in ((root, bend), (bend, target))]
    turned[:, upper], turned[:, middle], _, _ = limb_rotations(
        root,
        target,
        out + _STRAIGHT_M * unsure * np.einsum("tij,j->ti", parent, default),
        upper=normalise(rest[0]) * lengths[0],
        lower=normalise(rest[1]) * lengths[1],
        hinge=hinge,
    )


def _head(joints: Array, turned: Array) -> None:
    """A head turns with the line between its eyes, and with its neck where there are none."""
    neck = turned[:, _J["neck"]]
    turned[:, _J["head"]] = neck
    if joints.shape[1] <= max(_EYES):
        return
    left, right = joints[:, _EYES[0]], joints[:, _EYES[1]]
    if np.linalg.norm(left - right, axis=-1).min() < 0.01:
        return
    ahead = (left + right) / 2.0 - joints[:, _J["head"]]
    face = _axes(left - right, np.cross(ahead, left - right))
    # How the eyes lie in a head is taken from the take: on average a head is held as its neck.
    mean = np.einsum("tji,tjk->ik", face, neck)
    u, _, v = np.linalg.svd(mean)
    turned[:, _J["head"]] = face @ (u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v)
