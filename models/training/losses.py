"""What training minimises: distances of features, of bodies in metres, of their change, and of contacts."""

import torch
import torch.nn.functional as F
from torch import Tensor

from duet.features import FOLLOWER_CONTACT, FOLLOWER_ROOT
from models.blocks import Normaliser
from models.kinematics_torch import body_joints

POSITION_WEIGHT = 6.0
"""Per metre: a joint 10 cm off costs what a feature 0.6 standard deviations off does."""
VELOCITY_WEIGHT = 12.0
"""Per metre and frame."""
CONTACT_WEIGHT = 0.1
ROOT_WEIGHT = 1.0


def frame_losses(made: Tensor, real: Tensor, norm: Normaliser, weight: Tensor | None = None) -> dict[str, Tensor]:
    """Losses by name of frames made (B, T, 145; contacts as logits) against real ones (contacts in [0, 1]).

    ``weight`` (B,) scales each sample's share.
    """
    contacts = FOLLOWER_CONTACT.start
    away = (norm(made[..., :contacts]) - norm(real[..., :contacts])).abs()
    joints_made, joints_real = body_joints(made), body_joints(real)
    gap = joints_made - joints_real
    terms = {
        "features": away.mean((1, 2)),
        "root": ROOT_WEIGHT * away[..., FOLLOWER_ROOT].mean((1, 2)),
        "position": POSITION_WEIGHT * gap.abs().mean((1, 2, 3)),
        "velocity": VELOCITY_WEIGHT * gap.diff(dim=1).abs().mean((1, 2, 3)),
        "contact": CONTACT_WEIGHT
        * F.binary_cross_entropy_with_logits(
            made[..., FOLLOWER_CONTACT], real[..., FOLLOWER_CONTACT], reduction="none"
        ).mean((1, 2)),
    }
    return {name: (term if weight is None else term * weight).mean() for name, term in terms.items()}


def position_error_mm(made: Tensor, real: Tensor) -> Tensor:
    """Mean joint error in millimetres, place on the floor and heading taken out."""
    return 1000.0 * torch.linalg.vector_norm(body_joints(made) - body_joints(real), dim=-1).mean()
