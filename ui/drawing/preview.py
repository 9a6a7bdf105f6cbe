"""The camera's picture with the skeleton that was found in it, as it is shown in a corner of the stage."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from duet.frames import LeaderStatus
from realtime.sight.landmarks import ANKLES, ELBOWS, HEELS, HIPS, INDEXES, KNEES, NOSE, SHOULDERS, TOES, WRISTS
from realtime.sight.preview import Sight

_LEFT, _RIGHT, _MIDDLE = (98, 222, 133), (250, 143, 82), (235, 235, 245)
_SEEN = 0.5
_FAINT = 0.45


def _bones() -> list[tuple[int, int, tuple[int, int, int]]]:
    bones = [(*SHOULDERS, _MIDDLE), (*HIPS, _MIDDLE)]
    for side, colour in ((0, _LEFT), (1, _RIGHT)):
        chain = (INDEXES, WRISTS, ELBOWS, SHOULDERS, HIPS, KNEES, ANKLES, TOES)
        bones += [(a[side], b[side], colour) for a, b in zip(chain, chain[1:], strict=False)]
        bones.append((ANKLES[side], HEELS[side], colour))
        bones.append((NOSE, SHOULDERS[side], _MIDDLE))
    return bones


_BONES = _bones()


def with_skeleton(sight: Sight) -> NDArray[np.uint8]:
    """(H, W, 3) RGB: the picture, dimmed where nobody is tracked, and the landmarks as bones.

    Bones that the pose model guesses rather than sees are faint.
    """
    picture = sight.picture
    if sight.status is not LeaderStatus.TRACKED:
        picture = (picture // 2).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(picture))
    if sight.points is None:
        return np.asarray(image)
    pen = ImageDraw.Draw(image)
    height, width = picture.shape[:2]
    at = sight.points[:, :2] * np.array([width, height])
    for first, second, colour in _BONES:
        seen = float(min(sight.points[first, 2], sight.points[second, 2])) >= _SEEN
        shade = colour if seen else tuple(int(_FAINT * c) for c in colour)
        pen.line([tuple(map(float, at[first])), tuple(map(float, at[second]))], fill=shade, width=2 if seen else 1)
    for x, y in at[[*SHOULDERS, *ELBOWS, *WRISTS, *HIPS, *KNEES, *ANKLES]]:
        pen.ellipse([x - 1.5, y - 1.5, x + 1.5, y + 1.5], fill=_MIDDLE)
    return np.asarray(image)
