"""What ``duet bench follow`` makes of many leads: one figure a kind, and none of too few windows."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ui.bench.follow import LEAST_WINDOWS, Found, both, couples, kinds, worst


def found(name: str, lags: int, lag_ms: float = 80.0, known_ms: float = 50.0) -> Found:
    return Found(name, (lag_ms,) * lags, (60.0,), (known_ms,) * 10, (100.0,), (200.0,), (30.0,), 1)


def test_leads_of_a_kind_are_counted_together() -> None:
    few, many = LEAST_WINDOWS // 2, LEAST_WINDOWS
    rows = [found("choreographed 5", few, 80.0), found("choreographed 6", few, 120.0), found("take 12", many, 90.0)]
    drawn, recorded = kinds(rows)
    assert len(drawn.lags_ms) == 2 * few and both(drawn.lags_ms) == (80.0, 120.0)
    assert drawn.late_ticks == 2 and len(drawn.answered_ms) == 2
    assert recorded.lags_ms == rows[2].lags_ms
    assert worst(rows) == {"lag p95": 120.0, "start p95": 200.0, "known p50": 50.0}


def test_too_few_windows_are_no_percentile() -> None:
    assert math.isnan(worst([found("take 12", LEAST_WINDOWS - 1)])["lag p95"])
    rows = [found("take 12", LEAST_WINDOWS, 70.0), found("choreographed 5", LEAST_WINDOWS - 1, 500.0)]
    assert worst(rows)["lag p95"] == 70.0


def test_mirrored_takes_are_other_leads() -> None:
    if "DUET_DATA" not in os.environ:
        pytest.skip("DUET_DATA names no recorded couples")
    leads = couples(Path(os.environ["DUET_DATA"]), 8.0)
    leader, mirrored = leads["take 12"][0], leads["take 12 mirrored"][0]
    assert leader.frames == mirrored.frames == 240
    root, other = leader.joints_m[:, 0], mirrored.joints_m[:, 0]
    assert abs(root[:, 0] + other[:, 0]).max() < 1e-3 and abs(root[:, 1:] - other[:, 1:]).max() < 1e-3


def test_feet_are_told_beside_the_partner_s() -> None:
    one = replace(found("take 12", 3), glides_mm_s=(100.0, 300.0), couple_glides_mm_s=(200.0,))
    (all_takes,) = kinds([one, replace(one, name="take 13")])
    assert both(all_takes.glides_mm_s) == (100.0, 300.0) and all_takes.couple_glides_mm_s == (200.0, 200.0)
