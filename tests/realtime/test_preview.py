"""What the camera sees travels whole through shared memory, small, and not more often than an eye needs it."""

import numpy as np
import pytest

from duet.frames import LeaderStatus
from duet.skeleton import BODY
from realtime.rings import LatestCell
from realtime.sight.preview import SIDE_PX, PreviewWriter, Sight, preview_cell
from realtime.sight.synthetic import Filmed


def _picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _landmarks():
    return Filmed().landmarks(BODY, BODY.rest_joints_m[0], np.tile(np.eye(3), (22, 1, 1)))


@pytest.mark.parametrize(("height", "width"), [(480, 640), (960, 540), (64, 64), (100, 900)])
def test_a_sight_arrives_as_it_was(height: int, width: int) -> None:
    sight = Sight.of(_picture(height, width), _landmarks(), LeaderStatus.HELD, 1.25, 29.9)
    with preview_cell() as cell, LatestCell.attach(cell.name) as other:
        cell.write(sight.time_s, sight.values())
        record = other.latest()
        assert record is not None
        arrived = Sight.of_record(record)
    assert max(sight.picture.shape[:2]) == SIDE_PX
    np.testing.assert_array_equal(arrived.picture, sight.picture)
    assert arrived.points is not None and sight.points is not None
    np.testing.assert_array_equal(arrived.points, sight.points)
    assert (arrived.status, arrived.time_s, round(arrived.fps, 1)) == (LeaderStatus.HELD, 1.25, 29.9)


def test_nobody_found_is_nobody_drawn() -> None:
    sight = Sight.of(_picture(48, 64), None, LeaderStatus.LOST, 0.0, 0.0)
    with preview_cell() as cell:
        cell.write(0.0, sight.values())
        record = cell.latest()
        assert record is not None and Sight.of_record(record).points is None


def test_showing_costs_tracking_little() -> None:
    with preview_cell() as cell:
        writer = PreviewWriter(cell)
        for i in range(60):
            writer.show(_picture(48, 64), _landmarks(), LeaderStatus.TRACKED, i / 60.0)
        assert 12 <= cell.written <= 16
        record = cell.latest()
        assert record is not None and Sight.of_record(record).fps == pytest.approx(60.0, rel=0.02)
