"""The real pose model on real pictures, turned, mirrored, cut out, and with a second person in view."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.sight.camera import CameraFrame, fitted
from realtime.sight.landmarks import HIPS, Landmarks
from realtime.sight.pose_model import find_pose_model
from realtime.sight.tracking import PoseModel
from realtime.sight.view import View

DANCING_MAN = Path(os.environ.get("DUET_DATA", "")) / "video" / "dancing_man.mp4"
MODEL = find_pose_model()
pytestmark = pytest.mark.skipif(
    "DUET_DATA" not in os.environ or not DANCING_MAN.is_file() or MODEL is None,
    reason="DUET_DATA names no folder with video/dancing_man.mp4, or the pose model is not in the cache",
)
COUNT = 8


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(DANCING_MAN))
    return [fitted(np.asarray(capture.read()[1], dtype=np.uint8)) for _ in range(COUNT)]


def _tracked(pictures: list[NDArray[np.uint8]], view: View, people: int = 1) -> list[Landmarks | None]:
    assert MODEL is not None
    with PoseModel(MODEL, view=view, people=people) as pose:
        return [
            pose.landmarks(CameraFrame(i, i / 20.0, i / 20.0, np.ascontiguousarray(picture)))
            for i, picture in enumerate(pictures)
        ]


def test_a_view_sees_the_same_person_in_the_same_place(pictures: list[NDArray[np.uint8]]) -> None:
    plain = _tracked(pictures, View())[-1]
    assert plain is not None
    for view, shown in (
        (View(turn_deg=90, mirror=True), [np.rot90(p[:, ::-1], 1) for p in pictures]),
        (View(region=(0.2, 0.0, 0.75, 1.0)), pictures),
    ):
        seen = _tracked(shown, view)[-1]
        assert seen is not None
        assert seen.size_px == plain.size_px
        assert np.abs(seen.image - plain.image)[list(HIPS)].max() < 0.03
        assert np.linalg.norm(seen.world_m - plain.world_m, axis=-1).mean() < 0.08


def test_of_two_one_leads_throughout(pictures: list[NDArray[np.uint8]]) -> None:
    both = []
    for picture in pictures:
        small = cv2.resize(picture, None, fx=0.6, fy=0.6)
        stage = np.full((picture.shape[0], 2 * picture.shape[1], 3), 235, np.uint8)
        stage[:, : picture.shape[1]] = picture
        stage[-small.shape[0] :, -small.shape[1] :] = small
        both.append(stage)
    seen = _tracked(both, View(), people=2)
    places = [s.image[list(HIPS), 0].mean() for s in seen if s is not None]
    assert len(places) >= COUNT - 1
    assert max(places) < 0.5  # the larger, nearer one, on the left
