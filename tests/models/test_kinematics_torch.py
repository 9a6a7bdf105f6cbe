"""Torch kinematics equal the numpy ones, and pass gradients. Measured here: 1e-7 (tolerance 1e-5)."""

import numpy as np
import torch

from duet import features, kinematics, rotations
from duet.skeleton import BODY
from models import kinematics_torch


def test_matrix_from_6d_equals_numpy():
    six = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
    got = kinematics_torch.matrix_from_6d(torch.from_numpy(six)).numpy()
    np.testing.assert_allclose(got, rotations.matrix_from_6d(six), atol=1e-5)


def test_forward_equals_numpy():
    rng = np.random.default_rng(1)
    local = rotations.matrix_from_6d(rng.standard_normal((7, 22, 6))).astype(np.float32)
    root = rng.standard_normal((7, 3)).astype(np.float32)
    expected, turned = kinematics.forward(BODY, root, local)
    got = kinematics_torch.forward(BODY, torch.from_numpy(root), torch.from_numpy(local))
    np.testing.assert_allclose(got[0].numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(got[1].numpy(), turned, atol=1e-5)


def test_body_joints_equal_the_live_way():
    rng = np.random.default_rng(2)
    frames = rng.standard_normal((5, features.FOLLOWER_SIZE)).astype(np.float32)
    local = features.follower_rotations(frames, np.zeros(5))
    height = frames[:, features.FOLLOWER_ROOT][:, features.ROOT_HEIGHT]
    root = np.concatenate([0 * height, height, 0 * height], axis=1)
    expected, _ = kinematics.forward(BODY, root, local)
    got = kinematics_torch.body_joints(torch.from_numpy(frames)).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_gradient_reaches_every_rotation_that_moves_a_joint():
    torch.manual_seed(0)
    frames = torch.randn(1, features.FOLLOWER_SIZE, requires_grad=True)
    kinematics_torch.body_joints(frames).square().sum().backward()
    assert frames.grad is not None and torch.isfinite(frames.grad).all()
    # Joints without children (head, wrists, feet) turn nothing; the other 17 each have a gradient.
    per_joint = torch.cat([frames.grad[0, :78], frames.grad[0, 78:132]]).unflatten(0, (22, 6)).abs().sum(-1)
    assert int((per_joint > 0).sum()) == 17
