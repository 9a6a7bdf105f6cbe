"""Who is there: whatever a camera shows, an exhibit keeps its manners."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from realtime.kiosk.presence import BLINK_S, Presence, Rules, Scene, advance

RULES = Rules(enter_s=1.5, leave_s=4.0, welcome_s=1.0, farewell_s=2.0, attract_s=20.0, longest_s=60.0)
NEXT = {
    Scene.ATTRACT: {Scene.WELCOME, Scene.INTERLUDE},
    Scene.WELCOME: {Scene.DANCE, Scene.ATTRACT},
    Scene.DANCE: {Scene.FAREWELL},
    Scene.FAREWELL: {Scene.ATTRACT},
    Scene.INTERLUDE: {Scene.WELCOME, Scene.ATTRACT},
}
LOOKS = st.lists(st.tuples(st.floats(0.01, 3.0), st.booleans()), max_size=120)
"""(seconds since the look before, whether somebody is seen)."""
STAYS = st.lists(st.tuples(st.floats(0.1, 12.0), st.floats(0.0, 1.0)), max_size=12)
"""(seconds, how often somebody is seen meanwhile)."""


def run(looks: list[tuple[float, bool]], rules: Rules = RULES) -> list[Presence]:
    states, time_s = [Presence()], 0.0
    for after_s, seen in looks:
        time_s += after_s
        states.append(advance(states[-1], time_s, seen, rules))
    return states


def steady(seconds: float, seen: bool, every_s: float = 1 / 30) -> list[tuple[float, bool]]:
    return [(every_s, seen)] * round(seconds / every_s)


def scenes(states: list[Presence]) -> list[Scene]:
    return [scene for scene, _ in itertools.groupby(state.scene for state in states)]


def test_a_visitor_comes_dances_and_leaves() -> None:
    states = run(steady(5, False) + steady(10, True) + steady(8, False))
    assert scenes(states) == [Scene.ATTRACT, Scene.WELCOME, Scene.DANCE, Scene.FAREWELL, Scene.ATTRACT]
    begun = {scene: next(s.at_s for s in states if s.scene is scene) for scene in scenes(states)[1:4]}
    assert abs(begun[Scene.WELCOME] - 6.5) < 0.1 and abs(begun[Scene.DANCE] - 7.5) < 0.1
    assert abs(begun[Scene.FAREWELL] - 19.0) < 0.1
    assert states[-1].visits == 1


def test_who_passes_by_is_not_welcomed_and_who_is_hidden_for_a_moment_dances_on() -> None:
    passing = run((steady(1.0, True) + steady(2.0, False)) * 6)
    assert Scene.WELCOME not in scenes(passing)
    dancing = run(steady(6, True) + (steady(3.0, False) + steady(1.0, True)) * 5)
    assert dancing[-1].scene is Scene.DANCE


def test_a_coat_that_is_taken_for_somebody_now_and_then_keeps_no_dance_going() -> None:
    left = run(steady(6, True) + ([(1 / 30, True)] * 3 + steady(0.9, False)) * 8)
    assert Scene.FAREWELL in scenes(left)


def test_the_longest_dance_ends_while_others_wait() -> None:
    states = run(steady(70, True))
    assert scenes(states)[:5] == [Scene.ATTRACT, Scene.WELCOME, Scene.DANCE, Scene.FAREWELL, Scene.ATTRACT]
    assert states[-1].visits >= 1


def test_an_empty_room_is_danced_for_and_nobody_is_thanked() -> None:
    states = run(steady(70, False))
    assert scenes(states) == [Scene.ATTRACT, Scene.INTERLUDE] * 3 + [Scene.ATTRACT]
    assert states[-1].visits == 0


def test_who_comes_in_an_interlude_is_welcomed_at_once() -> None:
    states = run(steady(20.2, False) + steady(3.0, True))
    assert scenes(states) == [Scene.ATTRACT, Scene.INTERLUDE, Scene.WELCOME, Scene.DANCE]


def test_nobody_looked_so_nobody_stayed() -> None:
    states = run([(0.1, True), (100.0, True)])
    assert Scene.WELCOME not in scenes(states)


@given(LOOKS)
def test_whatever_is_seen_scenes_follow_each_other_as_drawn(looks: list[tuple[float, bool]]) -> None:
    states = run(looks)
    for before, after in itertools.pairwise(states):
        assert after.at_s >= before.at_s
        assert after.scene is before.scene or after.scene in NEXT[before.scene]
        assert (after.since_s == after.at_s) if after.scene is not before.scene else (after.since_s == before.since_s)
        assert after.visits - before.visits == (before.scene is Scene.WELCOME and after.scene is Scene.DANCE)


@given(STAYS, st.integers(0, 9))
def test_scenes_last_as_long_as_the_rules_say(stays: list[tuple[float, float]], seed: int) -> None:
    looks = [
        (1 / 15, (i * 7919 + seed * 31) % 100 < 100 * share)
        for seconds, share in stays
        for i in range(round(seconds * 15))
    ]
    states = run(looks)
    spans = [(scene, list(group)) for scene, group in itertools.groupby(states, key=lambda s: s.scene)]
    for index, (scene, group) in enumerate(spans):
        lasted_s, is_over = group[-1].at_s - group[0].at_s, index < len(spans) - 1
        longest_s = {
            Scene.ATTRACT: RULES.attract_s, Scene.WELCOME: RULES.welcome_s,
            Scene.DANCE: RULES.longest_s, Scene.FAREWELL: RULES.farewell_s, Scene.INTERLUDE: RULES.farewell_s,
        }[scene]  # fmt: skip
        assert lasted_s <= longest_s + 0.1
        if scene is Scene.FAREWELL:
            assert spans[index - 1][0] is Scene.DANCE, "only who danced is thanked"
        if is_over and scene is Scene.FAREWELL:
            assert lasted_s >= RULES.farewell_s - 0.1
        if is_over and scene is Scene.DANCE and lasted_s < RULES.longest_s - 0.1:
            # Nobody had been believed to be there for as long as it takes.
            assert lasted_s >= RULES.leave_s - RULES.welcome_s - BLINK_S - 0.1


@given(LOOKS, st.floats(-5.0, 0.0))
def test_a_look_into_the_past_changes_no_clock(looks: list[tuple[float, bool]], back_s: float) -> None:
    state = run(looks)[-1]
    again = advance(state, state.at_s + back_s, True, RULES)
    assert again.at_s == state.at_s
    assert advance(state, state.at_s, True, RULES) == advance(state, state.at_s, True, RULES)
