"""From landmark positions to the rotations of a body: directions first, then least squares.

The analytic pass reads bone directions, so that it does not care how long the pose model makes a
bone (its lengths wobble by 4 to 16 percent). Two damped least squares steps over all joints then
draw the body's sites to the landmarks. What the landmarks do not show (how a bend is shared along
the spine, the twist of a straight limb, the collars) follows the rest pose.
"""

import numpy as np

from duet.kinematics import forward, local_from_global
from duet.rotations import (
    Array,
    matrix_between,
    matrix_from_rotvec,
    normalise,
    quaternion_wxyz_from_matrix,
    rotvec_from_quaternion_wxyz,
)
from duet.skeleton import BODY, Skeleton
from realtime.sight.landmarks import (
    ANKLES,
    ELBOWS,
    HEELS,
    HIPS,
    INDEXES,
    KNEES,
    LEFT_EAR,
    LEFT_EYE,
    NOSE,
    PINKIES,
    REST_POINTS_M,
    RIGHT_EAR,
    RIGHT_EYE,
    SHOULDERS,
    SITES,
    TOES,
    WRISTS,
)

_DLS_STEPS = 2
_DAMPING = 0.004
_DEPTH_TRUST = 0.3
_WRIST_BEND_RAD = 1.2
_NECK_SHARE = 0.4
_FOREARM_SHARE = 0.5
# Bends below the first sine say nothing about a hinge's axis, above the second everything.
_HINGE_FROM, _HINGE_TO = 0.09, 0.34

_JOINTS = {name: i for i, name in enumerate(BODY.names)}
_LEGS = [[_JOINTS[f"{side}_{joint}"] for side in ("left", "right")] for joint in ("hip", "knee", "ankle", "foot")]
_ARMS = [[_JOINTS[f"{side}_{joint}"] for side in ("left", "right")] for joint in ("shoulder", "elbow", "wrist")]
_COLLARS = [_JOINTS["left_collar"], _JOINTS["right_collar"]]
_KNEE_AXES = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
_ELBOW_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])


def _ancestors() -> Array:
    """(S, J): 1 where turning a joint moves a site."""
    table = np.zeros((len(SITES.joints), len(BODY)))
    for site, joint in enumerate(SITES.joints):
        while joint >= 0:
            table[site, joint] = 1.0
            joint = BODY.parents[joint]
    return table


def _stiffness() -> Array:
    """(3 * J + 3,) how unwilling each joint is to leave the analytic pose; the last three are the root's position."""
    stiffness = np.ones(len(BODY))
    for name, value in {"spine1": 3, "spine2": 3, "spine3": 3, "neck": 3, "head": 2}.items():
        stiffness[_JOINTS[name]] = value
    stiffness[_COLLARS] = 5.0
    return np.concatenate([np.repeat(stiffness, 3) * _DAMPING, np.full(3, 1e-6)])


def _frame(primary: Array, secondary: Array) -> Array:
    """Right-handed orthonormal columns (..., 3, 3): ``primary``, ``secondary`` made orthogonal to it, their cross."""
    first = normalise(primary)
    third = normalise(_cross(first, secondary))
    return np.stack([first, _cross(third, first), third], axis=-1)


def _rotvec(matrix: Array) -> Array:
    return rotvec_from_quaternion_wxyz(quaternion_wxyz_from_matrix(matrix))


def _cross(a: Array, b: Array) -> Array:
    return a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]


def _rest(end: tuple[int, int], start: tuple[int, int]) -> Array:
    """(2, 3) from one pair of landmarks to another, at rest."""
    return REST_POINTS_M[list(end)] - REST_POINTS_M[list(start)]


_REST_THIGHS, _REST_SHINS = _rest(KNEES, HIPS), _rest(ANKLES, KNEES)
_REST_UPPER_ARMS, _REST_FOREARMS = _rest(ELBOWS, SHOULDERS), _rest(WRISTS, ELBOWS)
_REST_FEET = _frame(_rest(TOES, HEELS), np.array([1.0, 0.0, 0.0]))
_REST_HANDS = _frame((_rest(INDEXES, WRISTS) + _rest(PINKIES, WRISTS)) / 2.0, _rest(INDEXES, PINKIES))
_MOVES = _ancestors()[:, :, None, None]
_STIFFNESS = np.diag(_stiffness())


def solve(
    skeleton: Skeleton, points_m: Array, weights: Array, scale: float, place_m: Array | None = None
) -> tuple[Array, Array]:
    """Local rotations (22, 3, 3) and pelvis position (3,) of ``skeleton`` that fit ``points_m``.

    ``points_m`` (33, 3) are upright landmarks, ``weights`` (33,) how far each is trusted, ``scale``
    the person's size relative to the canonical body (for the sites that are no joints), ``place_m``
    (3,) where the points' origin is as seen from the camera: along the line of sight, points are
    trusted less, and the fixed bones say how far away a joint must be that is seen where it is seen.
    None: trusted alike in all directions.
    """
    points = np.asarray(points_m, dtype=np.float64)
    rotations = analytic(skeleton, points)
    positions, globals_ = forward(skeleton, np.zeros(3), rotations)
    hips = list(HIPS)
    pelvis = points[hips].mean(axis=0) - positions[_LEGS[0]].mean(axis=0)
    targets = points[SITES.landmarks]
    site_weights = np.sqrt(SITES.weights * weights[SITES.landmarks])
    offsets = SITES.offsets_m * scale
    positions = positions + pelvis
    trust = site_weights[:, None, None] * _less_deep(targets, place_m)
    for _ in range(_DLS_STEPS):
        turns, shift = _step(positions, globals_, targets, trust, offsets)
        rotations = _turned(skeleton, rotations, globals_, turns)
        pelvis = pelvis + shift
        positions, globals_ = forward(skeleton, pelvis, rotations)
    return rotations, pelvis


def analytic(skeleton: Skeleton, points: Array) -> Array:
    """Local rotations (22, 3, 3) from the directions between upright landmarks (33, 3)."""
    turned = np.broadcast_to(np.eye(3), (len(skeleton), 3, 3)).copy()
    _torso(points, turned)
    _head(points, turned)
    hips, knees, ankles, feet = _LEGS
    thigh, shin = points[list(KNEES)] - points[list(HIPS)], points[list(ANKLES)] - points[list(KNEES)]
    parents = turned[[0, 0]]
    turned[hips], turned[knees] = _limb(parents, _REST_THIGHS, _REST_SHINS, thigh, shin, _KNEE_AXES, one_way=True)
    turned[ankles] = turned[feet] = _feet(points, turned[knees])
    shoulders, elbows, wrists = _ARMS
    upper, lower = points[list(ELBOWS)] - points[list(SHOULDERS)], points[list(WRISTS)] - points[list(ELBOWS)]
    parents = turned[_COLLARS]
    turned[shoulders], turned[elbows] = _limb(
        parents, _REST_UPPER_ARMS, _REST_FOREARMS, upper, lower, _ELBOW_AXES, one_way=False
    )
    turned[wrists] = _hands(points, turned[elbows])
    turned[elbows] = _with_forearm_twist(turned[elbows], turned[wrists])
    return local_from_global(skeleton, turned)


def _torso(points: Array, turned: Array) -> None:
    """Pelvis across the hips, chest across the shoulders, the spine in between in equal parts."""
    hips, shoulders = points[list(HIPS)], points[list(SHOULDERS)]
    up = shoulders.mean(axis=0) - hips.mean(axis=0)
    rest_up = REST_POINTS_M[list(SHOULDERS)].mean(axis=0) - REST_POINTS_M[list(HIPS)].mean(axis=0)
    turned[0] = _frame(hips[0] - hips[1], up) @ _frame(np.array([1.0, 0.0, 0.0]), rest_up).T
    chest = _frame(up, shoulders[1] - shoulders[0]) @ _frame(rest_up, np.array([-1.0, 0.0, 0.0])).T
    third = matrix_from_rotvec(_rotvec(turned[0].T @ chest) / 3.0)
    parent = turned[0]
    for name in ("spine1", "spine2", "spine3"):
        parent = turned[_JOINTS[name]] = parent @ third
    turned[_COLLARS] = parent
    turned[_JOINTS["neck"]] = parent


def _head(points: Array, turned: Array) -> None:
    """Head across the ears, facing the middle of eyes and nose; the neck takes a share of its turn."""
    across = points[LEFT_EAR] - points[RIGHT_EAR]
    face = (points[NOSE] + points[LEFT_EYE] + points[RIGHT_EYE]) / 3.0 - (points[LEFT_EAR] + points[RIGHT_EAR]) / 2.0
    if np.linalg.norm(across) < 1e-3 or np.linalg.norm(face) < 1e-3:
        turned[_JOINTS["head"]] = turned[_JOINTS["neck"]]
        return
    # Columns (forward, left, up) of the head's frame, brought into (left, up, forward).
    frame = _frame(face, across)
    head = np.stack([frame[:, 1], frame[:, 2], frame[:, 0]], axis=-1)
    chest = turned[_JOINTS["neck"]].copy()
    turned[_JOINTS["neck"]] = chest @ matrix_from_rotvec(_rotvec(chest.T @ head) * _NECK_SHARE)
    turned[_JOINTS["head"]] = head


def _feet(points: Array, knees: Array) -> Array:
    """Global rotations (2, 3, 3) of the feet: along heel to toe, sideways with the knee's axis."""
    feet = _frame(points[list(TOES)] - points[list(HEELS)], knees[:, :, 0])
    return feet @ np.swapaxes(_REST_FEET, -1, -2)


def _hands(points: Array, forearms: Array) -> Array:
    """Global rotations (2, 3, 3) of the hands from index and little finger, bent at the wrist within reason."""
    knuckles = (points[list(INDEXES)] + points[list(PINKIES)]) / 2.0
    hands = _frame(knuckles - points[list(WRISTS)], points[list(INDEXES)] - points[list(PINKIES)])
    hands = hands @ np.swapaxes(_REST_HANDS, -1, -2)
    bend = _rotvec(np.swapaxes(forearms, -1, -2) @ hands)
    angle = np.linalg.norm(bend, axis=-1, keepdims=True)
    bend = bend * np.minimum(1.0, _WRIST_BEND_RAD / np.maximum(angle, 1e-6))
    return forearms @ matrix_from_rotvec(bend)


def _with_forearm_twist(forearms: Array, hands: Array) -> Array:
    """Forearms (2, 3, 3) turned about themselves toward their hands: a hand turns over along the whole forearm."""
    w, x, _, _ = np.moveaxis(quaternion_wxyz_from_matrix(np.swapaxes(forearms, -1, -2) @ hands), -1, 0)
    turns = np.zeros((2, 3))
    turns[:, 0] = 2.0 * np.arctan2(x, w) * _FOREARM_SHARE
    return forearms @ matrix_from_rotvec(turns)


def _limb(
    parents: Array, rest_upper: Array, rest_lower: Array, upper: Array, lower: Array, axes: Array, *, one_way: bool
) -> tuple[Array, Array]:
    """Global rotations (2, 3, 3) of the upper and the lower bones of both sides.

    The twist of the upper bone comes from the plane the limb bends in (``axes`` (2, 3) are the
    hinges at rest); a straight limb keeps its parent's twist. ``one_way``: a joint that bends one
    way only (knees): a small bend the other way is noise.
    """
    local = np.swapaxes(parents, -1, -2)
    upper = normalise(upper)
    lower = normalise(lower)
    swung = parents @ matrix_between(rest_upper, (local @ upper[..., None])[..., 0])
    hinge = (swung @ axes[..., None])[..., 0]
    hinge = normalise(hinge - upper * np.sum(hinge * upper, axis=-1, keepdims=True))
    normal = _cross(upper, lower)
    sine = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal = normal / np.maximum(sine, 1e-9)
    trust = np.clip((sine - _HINGE_FROM) / (_HINGE_TO - _HINGE_FROM), 0.0, 1.0)
    agree = np.sum(normal * hinge, axis=-1, keepdims=True)
    if one_way:
        trust = np.where(agree < 0.0, trust * np.clip(1.0 + agree, 0.0, 1.0), trust)
    blended = normal * trust + hinge * (1.0 - trust) * np.where((agree < -0.3) & (trust > 0.5), -1.0, 1.0)
    blended = normalise(blended - upper * np.sum(blended * upper, axis=-1, keepdims=True))
    twist = np.arctan2(np.sum(_cross(hinge, blended) * upper, axis=-1), np.sum(hinge * blended, axis=-1))
    uppers = matrix_from_rotvec(upper * twist[:, None]) @ swung
    lowers = uppers @ matrix_between(rest_lower, (np.swapaxes(uppers, -1, -2) @ lower[..., None])[..., 0])
    return uppers, lowers


def _less_deep(targets: Array, place_m: Array | None) -> Array:
    """(S, 3, 3) or (1, 3, 3): what of a residual counts; less of what lies along the line of sight."""
    if place_m is None:
        return np.eye(3)[None]
    sight = normalise(targets + place_m)
    return np.eye(3) - (1.0 - _DEPTH_TRUST) * sight[:, :, None] * sight[:, None, :]


def _step(positions: Array, globals_: Array, targets: Array, trust: Array, offsets: Array) -> tuple[Array, Array]:
    """One damped Gauss-Newton step: turns of every joint (22, 3) about world axes, and a shift (3,).

    ``trust`` (S, 3, 3) weighs each site's residual.
    """
    carriers = SITES.joints
    sites = positions[carriers] + (globals_[carriers] @ offsets[..., None])[..., 0]
    x, y, z = np.moveaxis(sites[:, None] - positions[None], -1, 0)  # (S, J) lever arms
    zero = np.zeros_like(x)
    jacobian = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], axis=-1).reshape(*x.shape, 3, 3) * _MOVES
    turning = np.swapaxes(jacobian, 1, 2).reshape(len(sites), 3, -1)
    rows = np.concatenate([turning, np.broadcast_to(np.eye(3), (len(sites), 3, 3))], axis=-1)
    rows = (trust @ rows).reshape(3 * len(sites), -1)
    residual = (trust @ (targets - sites)[..., None]).ravel()
    step = np.linalg.solve(rows.T @ rows + _STIFFNESS, rows.T @ residual)
    return step[:-3].reshape(-1, 3), step[-3:]


def _turned(skeleton: Skeleton, rotations: Array, globals_: Array, turns: Array) -> Array:
    """Local rotations after turning each joint by its own ``turns`` (22, 3) about world axes."""
    parents = np.concatenate([np.eye(3)[None], globals_[list(skeleton.parents[1:])]])
    return np.swapaxes(parents, -1, -2) @ matrix_from_rotvec(turns) @ parents @ rotations
