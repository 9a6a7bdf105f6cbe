"""Leads nobody learned, and the numbers of a follower beside them, on motion whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from duet.errors import InputError
from duet.features import FOLLOWER_SIZE, Placement
from duet.motion import read_motion
from duet.rotations import yaw_matrix
from models.config import S
from models.evaluation.strange import (
    Behaviour,
    behaviour,
    longest,
    take_of,
    write_danced,
)
from models.evaluation.strange_leads import LEADS, TOGETHER_M, StrangeLead, joined, spinning, still, strange_leads
from models.rollout import Danced, dance


class Shadow:
    """Stands a metre before the leader and moves as they do."""

    config = S
    foresight = None

    def __init__(self, distance_m: float = 1.0) -> None:
        self.frame = np.zeros(FOLLOWER_SIZE, np.float32)
        self.frame[:132] = np.tile([1, 0, 0, 0, 1, 0], 22)
        self.frame[133], self.frame[135], self.frame[140] = distance_m, -1.0, 0.87

    def reset(self, batch: int) -> None:
        assert batch == 1

    def tick(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return np.repeat(self.frame[None, None], S.plan * S.token_frames, axis=1)


@pytest.fixture(scope="module")
def leads() -> dict[str, StrangeLead]:
    return {lead.name: lead for lead in strange_leads(3)}


@pytest.fixture(scope="module")
def beside(leads: dict[str, StrangeLead]) -> tuple[StrangeLead, Danced]:
    """Somebody who shadows a leader who stops."""
    lead = leads["stop"]
    heard = np.zeros((lead.leader.frames, 8), np.float32)
    return lead, dance(Shadow(), [take_of(lead, heard, Placement())], leak=0.3)[0]


def test_every_lead_is_there_whole_and_on_the_floor(leads: dict[str, StrangeLead]) -> None:
    assert tuple(leads) == LEADS
    for lead in leads.values():
        frames = lead.leader.frames
        assert 20.0 <= lead.leader.seconds <= 40.0
        assert lead.confidence.shape == lead.reachable.shape == (frames,)
        assert -0.15 < lead.leader.joints_m[..., 1].min() < 0.05
        # Salsa at both ends.
        for end in (slice(30, 90), slice(frames - 90, frames - 30)):
            assert np.linalg.norm(np.diff(lead.leader.joints_m[end], axis=0), axis=-1).mean() * 30 > 0.2


def test_leads_do_what_they_are_called(leads: dict[str, StrangeLead]) -> None:
    spin = leads["spin 2 rad/s"].leader
    across = spin.joints_m[:, 1] - spin.joints_m[:, 2]
    turned = np.unwrap(np.arctan2(-across[:, 2], across[:, 0]))[200:460]
    assert np.diff(turned).mean() * 30 == pytest.approx(2.0, rel=0.02)
    assert leads["lie down"].leader.joints_m[330, 15, 1] < 0.5  # the head
    assert np.hypot(*np.diff(leads["run 3 m/s"].leader.root_m[:, [0, 2]], axis=0).T).max() * 30 > 2.9
    jump = np.abs(np.diff(leads["tracker swap"].leader.root_m[:, 0]))
    assert np.flatnonzero(jump > 1.8).tolist() == [239, 419]
    unseen = 1.0 - leads["dropouts"].confidence
    assert unseen.sum() / 30 == pytest.approx(1 + 2 + 3 + 5)
    gone = np.flatnonzero(unseen)
    held = leads["dropouts"].leader.joints_m
    np.testing.assert_array_equal(held[gone[0]], held[gone[0] - 1])
    assert 0.1 < (~leads["run 3 m/s"].reachable).mean() < 0.3
    assert leads["spin 4 rad/s"].reachable.all()


def test_the_same_seed_is_the_same_lead_and_an_unknown_act_is_refused() -> None:
    a, b, c = (strange_leads(seed, ("wave",))[0].leader.root_m for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    from duet.choreography import accompany_tempo

    with pytest.raises(InputError, match="expected acts out of"):
        accompany_tempo(5.0, 180.0, 0, acts=("swim",))


def test_pieces_join_without_a_jump() -> None:
    turned = spinning(2.0, 3.0)
    elsewhere = replace(turned, root_m=turned.root_m + np.array([5.0, 0.0, 2.0], np.float32))
    whole = joined([turned, elsewhere, still(1.0)])
    assert whole.frames == 150
    assert np.linalg.norm(np.diff(whole.joints_m, axis=0), axis=-1).max() * 30 < 3.0
    # Each piece goes on where the one before faced.
    forward = whole.rotations[-1, 0] @ np.array([0.0, 0.0, 1.0])
    assert forward[[0, 2]] == pytest.approx((yaw_matrix(2 * 3.0 * 59 / 30) @ [0.0, 0.0, 1.0])[[0, 2]], abs=1e-3)


def test_a_shadow_is_never_away_looks_at_the_leader_and_calms_down(beside: tuple[StrangeLead, Danced]) -> None:
    lead, danced = beside
    found = behaviour(danced, lead, "stop")
    assert found.missed == ""
    assert found.away_s == 0.0 and found.inside_s == 0.0
    assert found.distance_m == pytest.approx(1.0, abs=0.1)
    assert found.facing_deg < 15.0
    assert found.idle_m_s is not None and found.idle_m_s < 0.1


def changed(danced: Danced, root_m: np.ndarray) -> Danced:
    return replace(danced, root_m=root_m.astype(np.float32))


def test_what_no_dancer_does_is_named(beside: tuple[StrangeLead, Danced]) -> None:
    lead, danced = beside

    def judged(root_m: np.ndarray, rotations: np.ndarray | None = None) -> Behaviour:
        new = changed(danced, root_m)
        return behaviour(new if rotations is None else replace(new, rotations=rotations), lead, "changed")

    jumps, sinks, holes = (danced.root_m.copy() for _ in range(3))
    jumps[100:] += 0.5
    sinks[200:, 1] -= np.minimum(np.arange(len(sinks) - 200) * 0.01, 0.6)
    holes[50] = np.nan
    assert judged(jumps).broken == "teleport"
    assert judged(sinks).broken == "off the floor"
    assert judged(holes).broken == "NaN" and judged(holes).missed == "NaN"
    flips = danced.rotations.copy()
    flips[300:, 16] = flips[300:, 16] @ np.diag([-1.0, 1.0, -1.0]).astype(np.float32)
    assert judged(danced.root_m, flips).broken == "explosion"


def test_bodies_in_bodies_and_partners_who_stay_away_are_seen(beside: tuple[StrangeLead, Danced]) -> None:
    lead, danced = beside
    inside, away = danced.root_m.copy(), danced.root_m.copy()
    inside[120:135] = lead.leader.root_m[120:135]
    away[200:320, 0] += 4.0 * np.sin(np.linspace(0.0, np.pi, 120))
    found = behaviour(changed(danced, inside), lead, "inside")
    assert found.inside_s >= 0.5 and "inside the leader" in found.missed
    found = behaviour(changed(danced, away), lead, "away")
    assert 3.0 < found.away_s < 4.0 and found.missed == "does not come back"
    # Nobody has to be beside a leader who cannot be reached.
    free = replace(lead, reachable=np.zeros_like(lead.reachable))
    free.reachable[:100] = True
    assert behaviour(changed(danced, away), free, "free").away_s == 0.0


def test_the_longest_run_is_counted() -> None:
    assert longest(np.array([1, 1, 0, 1, 1, 1, 0, 1], dtype=bool)) == 3
    assert longest(np.zeros(5, dtype=bool)) == 0
    assert longest(np.ones(4, dtype=bool)) == 4
    assert TOGETHER_M > 1.0


def test_couples_are_written_to_be_filmed(beside: tuple[StrangeLead, Danced], tmp_path) -> None:
    lead, danced = beside
    write_danced(tmp_path / "stop.npz", danced, lead)
    follower, leader = (read_motion(tmp_path / "stop.npz", dancer=who) for who in ("follower", "leader"))
    np.testing.assert_allclose(follower.root_m, danced.root_m, atol=1e-5)
    np.testing.assert_allclose(leader.joints_m, lead.leader.joints_m[: leader.frames], atol=1e-4)
