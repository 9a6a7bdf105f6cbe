"""When ticks begin and what is drawn by then, with and without a display that is late."""

import pytest

from duet.timeline import Timeline
from realtime.tick_times import TickTimes

GRID = Timeline(fps=30.0, token_frames=4)


@pytest.mark.parametrize("lead_s", [0.0, 0.055])
def test_a_tick_begins_so_early_that_its_first_frame_is_not_drawn_before_its_delay_is_over(lead_s: float) -> None:
    times = TickTimes(GRID, lead_s)
    start_s = times.start_s(5, delay_frames=3)
    assert start_s == pytest.approx(17 / 30 - lead_s)
    assert times.drawn_at(start_s) == 17
    assert times.drawn_at(start_s - 0.001) == 16


def test_the_next_frame_is_after_now_even_on_a_frame() -> None:
    times = TickTimes(GRID, 0.055)
    assert times.next_frame_s(0.1) == pytest.approx(4 / 30)
    assert times.next_frame_s(0.099) == pytest.approx(3 / 30)
