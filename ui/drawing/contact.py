"""Contact shading: the floor darkens under every foot, the more the nearer the sole is."""

from collections.abc import Sequence

import moderngl
import numpy as np
from numpy.typing import NDArray

from duet.skeleton import BODY
from ui.drawing.arms import Placed
from ui.drawing.programs import Programs

_ANKLES = [BODY.index(f"{side}_ankle") for side in ("left", "right")]
_BALLS = [BODY.index(f"{side}_foot") for side in ("left", "right")]
_HEEL_DROP_M, _HEEL_RADIUS_M, _BALL_RADIUS_M, _LOWEST_M = 0.035, 0.06, 0.055, 0.03
_MOST_FEET = 4


class Contact:
    """Darkens a floor that is drawn already: a small patch for each foot, which costs next to nothing."""

    def __init__(self, programs: Programs, corners: moderngl.Buffer) -> None:
        self._context = programs.context
        self._feet = self._context.buffer(reserve=_MOST_FEET * 32, dynamic=True)
        content = [(corners, "2f", "in_corner"), (self._feet, "4f 4f/i", "in_heel", "in_ball")]
        self._array = self._context.vertex_array(programs.get("contact"), content)

    def draw(self, grounded: Sequence[Placed]) -> None:
        """Under the feet of all bodies that stand there."""
        feet = spheres(grounded)
        if not len(feet):
            return
        self._feet.write(feet.tobytes())
        self._context.enable(moderngl.BLEND)
        self._context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        # Patches overlap where feet are close: none may hide another.
        target = self._context.fbo
        target.depth_mask = False
        self._array.render(moderngl.TRIANGLE_STRIP, instances=len(feet))
        target.depth_mask = True
        self._context.disable(moderngl.BLEND)


def spheres(grounded: Sequence[Placed]) -> NDArray[np.float32]:
    """(feet, 2, 4) spheres about heel and ball: x, height, z, radius."""
    rows = []
    for joints, _ in grounded[: _MOST_FEET // 2]:
        feet = np.empty((2, 2, 4), dtype=np.float32)
        feet[:, 0, :3] = joints[_ANKLES] - [0.0, _HEEL_DROP_M, 0.0]
        feet[:, 1, :3] = joints[_BALLS]
        feet[:, 0, 3], feet[:, 1, 3] = _HEEL_RADIUS_M, _BALL_RADIUS_M
        feet[..., 1] = np.maximum(feet[..., 1], _LOWEST_M)
        rows.append(feet)
    return np.concatenate(rows) if rows else np.zeros((0, 2, 4), dtype=np.float32)
