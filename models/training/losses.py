"""What training minimises: distances of features, of bodies in metres, of their change, and of contacts."""

import torch
import torch.nn.functional as F
from torch import Tensor

from duet.features import (
    FOLLOWER_CONTACT,
    FOLLOWER_ROOT,
    ROOT_FACING,
    ROOT_PLACE,
    ROOT_VELOCITY,
    ROOT_YAW_RATE,
)
from duet.skeleton import FEET
from models.blocks import Normaliser
from models.kinematics_torch import body_joints

POSITION_WEIGHT = 6.0
"""Per metre: a joint 10 cm off costs what a feature 0.6 standard deviations off does."""
VELOCITY_WEIGHT = 12.0
"""Per metre and frame."""
CONTACT_WEIGHT = 0.1
SLIDE_WEIGHT = 1.0
"""Per m/s that a foot on the floor moves faster than the real one."""
ROOT_WEIGHT = 1.0
STANDING_WEIGHT = 2.0
"""Per metre between where the follower comes to stand and where the real one does."""
TURN_WEIGHT = 0.5
CROWDING_WEIGHT = 10.0
"""Per metre nearer to the leader than ``NEAR_M``, where the real follower was not as near."""
NEAR_M = 0.55


def frame_losses(
    made: Tensor,
    real: Tensor,
    norm: Normaliser,
    weight: Tensor | None = None,
    fps: float = 30.0,
    acceleration: float = 0.0,
) -> dict[str, Tensor]:
    """Losses by name of frames made (B, T, 145; contacts as logits) against real ones (contacts in [0, 1]).

    ``weight`` (B,) scales each sample's share. ``acceleration`` weighs the second difference of the joints, per metre
    and frame squared.
    """
    contacts = FOLLOWER_CONTACT.start
    away = (norm(made[..., :contacts]) - norm(real[..., :contacts])).abs()
    joints_made, joints_real = body_joints(made), body_joints(real)
    gap = joints_made - joints_real
    sliding = (_foot_speeds(made, joints_made, fps) - _foot_speeds(real, joints_real, fps)).clamp(min=0.0)
    terms = {
        "features": away.mean((1, 2)),
        "root": ROOT_WEIGHT * away[..., FOLLOWER_ROOT].mean((1, 2)),
        "position": POSITION_WEIGHT * gap.abs().mean((1, 2, 3)),
        "velocity": VELOCITY_WEIGHT * gap.diff(dim=1).abs().mean((1, 2, 3)),
        "slide": SLIDE_WEIGHT * (sliding * real[:, 1:, FOLLOWER_CONTACT]).mean((1, 2)),
        "contact": CONTACT_WEIGHT
        * F.binary_cross_entropy_with_logits(
            made[..., FOLLOWER_CONTACT], real[..., FOLLOWER_CONTACT], reduction="none"
        ).mean((1, 2)),
    }
    if acceleration:
        terms["acceleration"] = acceleration * gap.diff(dim=1, n=2).abs().mean((1, 2, 3))
    return {name: (term if weight is None else term * weight).mean() for name, term in terms.items()}


def _foot_speeds(frames: Tensor, joints: Tensor, fps: float) -> Tensor:
    """(B, T - 1, 4) horizontal speed of the feet over the floor, m/s: root, turn and pose together.

    ``joints`` (B, T, 22, 3) are in the heading frame of their own frame, in which root velocity and yaw rate are
    given, too.
    """
    feet, root = joints[:, :, list(FEET)], frames[:, 1:, FOLLOWER_ROOT]
    moved = feet.diff(dim=1) * fps
    turn, velocity = root[..., ROOT_YAW_RATE], root[..., ROOT_VELOCITY]
    x = moved[..., 0] + velocity[..., 0:1] + turn * feet[:, 1:, :, 2]
    z = moved[..., 2] + velocity[..., 2:3] - turn * feet[:, 1:, :, 0]
    return (x.square() + z.square() + 1e-6).sqrt()


def position_error_mm(made: Tensor, real: Tensor) -> Tensor:
    """Mean joint error in millimetres, place on the floor and heading taken out."""
    return 1000.0 * torch.linalg.vector_norm(body_joints(made) - body_joints(real), dim=-1).mean()


def standing_losses(
    made: Tensor, real: Tensor, before: Tensor, place: Tensor, *, fps: float, leak: float
) -> dict[str, Tensor]:
    """How far from the real follower one stands that walks by ``made`` from where it stood.

    ``made``, ``real`` (B, T, 145) are the plan's frames, ``before`` (B, 145) the real frame before them, ``place``
    (B, 8) where the follower really stood then. The walk is in the leader's frame, written as the error against the
    real follower's: the straight leak of ``duet.features.integrate_root``, without its going round the leader. So
    velocities learn to take an error of place back, and not only to copy. Standing in the leader's way costs extra.
    """
    wanted, stood = real[..., FOLLOWER_ROOT], before[..., FOLLOWER_ROOT]
    said = made[..., FOLLOWER_ROOT]
    error = place[:, :2] - stood[:, ROOT_PLACE]
    turn = _angle(place[:, 2:4]) - _angle(stood[:, ROOT_FACING])
    facing, facing_said = _angle(wanted[..., ROOT_FACING]), _angle(said[..., ROOT_FACING])
    errors, turns = [], []
    for t in range(made.shape[1]):
        turn = turn + (said[:, t, ROOT_YAW_RATE] - wanted[:, t, ROOT_YAW_RATE])[:, 0] / fps
        turn = turn + leak * _wrap(facing_said[:, t] - facing[:, t] - turn)
        walked = _turned(said[:, t, ROOT_VELOCITY], facing[:, t] + turn) - _turned(
            wanted[:, t, ROOT_VELOCITY], facing[:, t]
        )
        error = error + walked / fps
        error = error + leak * (said[:, t, ROOT_PLACE] - wanted[:, t, ROOT_PLACE] - error)
        errors.append(error)
        turns.append(turn)
    away = torch.stack(errors, dim=1).square().sum(-1).add(1e-6).sqrt()
    turned = 1.0 - torch.stack(turns, dim=1).cos()
    apart = torch.stack(errors, dim=1) + wanted[..., ROOT_PLACE]
    allowed = wanted[..., ROOT_PLACE].norm(dim=-1).clamp(max=NEAR_M)
    crowded = (allowed - apart.square().sum(-1).add(1e-6).sqrt()).clamp(min=0.0)
    return {
        "standing": STANDING_WEIGHT * away.mean(),
        "turn": TURN_WEIGHT * turned.mean(),
        "crowding": CROWDING_WEIGHT * crowded.mean(),
    }


def _angle(sine_cosine: Tensor) -> Tensor:
    # A vector of no length has no angle: a hair of cosine keeps the gradient finite there.
    return torch.atan2(sine_cosine[..., 0], sine_cosine[..., 1] + 1e-6)


def _wrap(angle: Tensor) -> Tensor:
    return torch.atan2(angle.sin(), angle.cos())


def _turned(velocity: Tensor, yaw: Tensor) -> Tensor:
    """Velocities (B, 3) in a heading frame to (x, z) (B, 2) in the frame it is turned in by ``yaw`` (B,)."""
    x, z = velocity[:, 0], velocity[:, 2]
    return torch.stack([yaw.cos() * x + yaw.sin() * z, yaw.cos() * z - yaw.sin() * x], dim=-1)
