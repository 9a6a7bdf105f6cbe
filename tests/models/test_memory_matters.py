"""The follower that ships remembers: taking its memory away, and nothing else, changes how it dances."""

from pathlib import Path

import numpy as np
import pytest

from duet.choreography import choreograph_tempo
from models.data.music import condition_from_beats
from models.data.take import Take
from models.rollout import Danced, Floats, Inputs, OnnxPartner, dance

SHIPPED = Path(__file__).resolve().parents[2] / "followers" / "salsa-s"
SECONDS, TEMPO_BPM = 6.0, 180.0


class Forgetful(OnnxPartner):
    """Forgets everything but what it last danced, before every tick."""

    def tick(self, inputs: Inputs) -> Floats:
        for name in ("memory_conv", "memory_ssm"):
            self._state[name] = np.zeros_like(self._state[name])
        return super().tick(inputs)


@pytest.fixture(scope="module")
def take() -> Take:
    """A leader in code, and their music."""
    couple = choreograph_tempo(SECONDS, TEMPO_BPM, 5)
    rng = np.random.default_rng(0)
    beats_s = np.arange(0.0, SECONDS, 60.0 / TEMPO_BPM)
    joints = couple.leader.joints_m
    return Take("leader", joints, condition_from_beats(beats_s, len(joints), 30.0, rng), 30.0)


def turned_deg(one: Danced, other: Danced) -> float:
    """Mean angle between the joints' rotations over the second half."""
    half = len(one.rotations) // 2
    between = np.einsum("tjab,tjab->tj", one.rotations[half:, 1:], other.rotations[half:, 1:])
    return float(np.degrees(np.arccos(np.clip((between - 1.0) / 2.0, -1.0, 1.0))).mean())


def test_a_follower_without_memory_dances_otherwise(take: Take):
    """Measured over 12 s: 6.8 degrees at a joint and 18 cm on the floor, where equal inputs give equal bits."""
    whole, forgetful = (
        dance(partner(SHIPPED), [take], leak=0.05, seeds=[0])[0] for partner in (OnnxPartner, Forgetful)
    )
    assert turned_deg(whole, forgetful) > 0.5
    assert np.linalg.norm(whole.root_m - forgetful.root_m, axis=1)[-30:].mean() > 0.01
