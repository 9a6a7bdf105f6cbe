"""Forward kinematics with gradients: ``duet.kinematics`` and ``duet.rotations`` once more, in torch, for losses.

Held equal to the numpy ones by a test.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from duet.features import FOLLOWER_LOWER, FOLLOWER_ROOT, FOLLOWER_UPPER, LOWER_JOINTS, ROOT_HEIGHT, UPPER_JOINTS
from duet.skeleton import BODY, Skeleton


def matrix_from_6d(six: Tensor) -> Tensor:
    """6D (..., 6) to matrices (..., 3, 3) by Gram-Schmidt on the two columns."""
    first = F.normalize(six[..., 0:3], dim=-1)
    second = six[..., 3:6]
    second = F.normalize(second - first * (first * second).sum(-1, keepdim=True), dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def forward(skeleton: Skeleton, root_m: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
    """Joint positions (..., J, 3) and global rotations (..., J, 3, 3), as ``duet.kinematics.forward``."""
    offsets = torch.from_numpy(skeleton.offsets_m.copy()).to(rotations)
    positions, turned = [root_m], [rotations[..., 0, :, :]]
    for j in range(1, len(skeleton)):
        parent = skeleton.parents[j]
        positions.append(positions[parent] + turned[parent] @ offsets[j])
        turned.append(turned[parent] @ rotations[..., j, :, :])
    return torch.stack(positions, dim=-2), torch.stack(turned, dim=-3)


def body_rotations(frames: Tensor) -> Tensor:
    """Follower features (..., >= 141) to local rotations (..., 22, 3, 3), pelvis in the heading frame."""
    upper = matrix_from_6d(frames[..., FOLLOWER_UPPER].unflatten(-1, (len(UPPER_JOINTS), 6)))
    lower = matrix_from_6d(frames[..., FOLLOWER_LOWER].unflatten(-1, (len(LOWER_JOINTS), 6)))
    order = torch.tensor([*UPPER_JOINTS, *LOWER_JOINTS], device=frames.device).argsort()
    return torch.cat([upper, lower], dim=-3).index_select(-3, order)


def body_joints(frames: Tensor) -> Tensor:
    """Follower features (..., >= 141) to joints (..., 22, 3) on BODY in metres.

    The follower stands over the origin of its heading frame with its pelvis at the height the features say.
    """
    height = frames[..., FOLLOWER_ROOT][..., ROOT_HEIGHT]
    root = torch.cat([torch.zeros_like(height), height, torch.zeros_like(height)], dim=-1)
    return forward(BODY, root, body_rotations(frames))[0]
