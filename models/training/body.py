"""Forward kinematics of the follower's features in torch, for losses in metres.

The same maths as ``duet.rotations`` and ``duet.kinematics``; a test holds them together.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from duet.features import FOLLOWER_LOWER, FOLLOWER_UPPER, LOWER_JOINTS, UPPER_JOINTS
from duet.skeleton import BODY


def matrix_from_6d(six: Tensor) -> Tensor:
    """6D (..., 6) to matrices (..., 3, 3) by Gram-Schmidt on the two columns."""
    first = F.normalize(six[..., 0:3], dim=-1, eps=1e-6)
    second = six[..., 3:6]
    second = F.normalize(second - first * (first * second).sum(-1, keepdim=True), dim=-1, eps=1e-6)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def body_joints(features: Tensor) -> Tensor:
    """Features (..., 145) to joints (..., 22, 3) relative to the pelvis, in the follower's own heading frame."""
    upper = matrix_from_6d(features[..., FOLLOWER_UPPER].unflatten(-1, (len(UPPER_JOINTS), 6)))
    lower = matrix_from_6d(features[..., FOLLOWER_LOWER].unflatten(-1, (len(LOWER_JOINTS), 6)))
    order = torch.argsort(torch.tensor(UPPER_JOINTS + LOWER_JOINTS, device=features.device))
    rotations = torch.cat([upper, lower], dim=-3)[..., order, :, :]
    offsets = torch.as_tensor(BODY.offsets_m.copy(), device=features.device)
    positions, globals_ = [torch.zeros_like(rotations[..., 0, :, 0])], [rotations[..., 0, :, :]]
    for joint in range(1, len(BODY)):
        parent = BODY.parents[joint]
        positions.append(positions[parent] + globals_[parent] @ offsets[joint])
        globals_.append(globals_[parent] @ rotations[..., joint, :, :])
    return torch.stack(positions, dim=-2)
