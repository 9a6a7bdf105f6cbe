import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.errors import InputError
from duet.timeline import Timeline, check_law

GRID = Timeline(fps=30.0, token_frames=4)


@given(st.integers(-10_000, 1_000_000), st.sampled_from([24.0, 30.0, 59.94, 60.0]))
def test_every_frame_is_the_newest_one_at_its_own_time(frame: int, fps: float) -> None:
    grid = Timeline(fps, 4)
    assert grid.frame_at(grid.time_of_frame(frame)) == frame
    assert grid.frame_at(grid.time_of_frame(frame) + 0.9 * grid.frame_s) == frame
    assert grid.frame_at(grid.time_of_frame(frame) - 0.1 * grid.frame_s) == frame - 1


@given(st.integers(-1000, 100_000))
def test_a_token_covers_its_frames_and_no_other(token: int) -> None:
    first = GRID.first_frame(token)
    assert {GRID.token_of_frame(first + i) for i in range(4)} == {token}
    assert GRID.token_of_frame(first - 1) == token - 1


def test_lengths() -> None:
    assert GRID.frame_s == pytest.approx(1 / 30)
    assert GRID.token_s == pytest.approx(4 / 30)


@pytest.mark.parametrize(("latency_s", "frames"), [(0.0, 0), (0.001, 1), (1 / 30, 1), (0.0334, 2), (0.1, 3)])
def test_a_delay_is_rounded_up_to_whole_frames(latency_s: float, frames: int) -> None:
    assert GRID.delay_frames(latency_s) == frames


@given(st.integers(1, 64), st.integers(0, 64), st.integers(0, 64))
def test_the_law_holds_or_is_quoted_with_all_its_numbers(plan: int, commit: int, delay: int) -> None:
    if delay <= commit <= plan - delay:
        check_law(plan_frames=plan, commit_frames=commit, delay_frames=delay)
        return
    with pytest.raises(InputError) as caught:
        check_law(plan_frames=plan, commit_frames=commit, delay_frames=delay)
    message = str(caught.value)
    assert "d <= s <= H - d" in message
    assert f"d={delay}, commit s={commit}, plan H={plan}" in message
    assert "\n" not in message
