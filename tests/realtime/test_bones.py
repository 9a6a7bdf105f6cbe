"""Bones: learned of one person, and of the next one anew."""

import numpy as np

from duet.skeleton import BODY
from realtime.sight.landmarks import Landmarks
from realtime.sight.lifting import Lifter
from realtime.sight.placement import Lens
from realtime.sight.synthetic import Filmed

FPS = 30.0
LENS = Lens()


def _person() -> Landmarks:
    turns = np.tile(np.eye(3), (len(BODY), 1, 1))
    return Filmed(LENS, (640, 480), 1.0, 3.0).landmarks(BODY, BODY.rest_joints_m[0].astype(np.float64), turns)


def test_whoever_comes_after_a_while_has_bones_of_their_own() -> None:
    person = _person()
    for pause_s, forgotten in ((3.9, False), (4.1, True)):
        lifter = Lifter(lens=LENS, gone_s=4.0)
        for i in range(70):
            lifter.step(person, i / FPS)
        assert lifter.proportions.settled
        end_s = 69 / FPS
        for i in range(1, int(pause_s * FPS)):
            lifter.step(None, end_s + i / FPS)
        lifter.step(person, end_s + pause_s)
        assert lifter.proportions.settled is not forgotten
        assert len(lifter.proportions.samples) == (1 if forgotten else 60)
