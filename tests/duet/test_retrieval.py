from dataclasses import replace

import numpy as np
import pytest

from duet.features import FOLLOWER_SIZE, LEADER_SIZE
from duet.retrieval import KEY_TOKENS, Bank, Held, Holding, Question

F, TOKEN, ROWS, LATENT = 3, 4, 40, 5


def question(rng: np.random.Generator, rows: int = 1) -> Question:
    return Question(
        leader=rng.normal(size=(rows, KEY_TOKENS, TOKEN * LEADER_SIZE)).astype(np.float32),
        place=rng.normal(size=(rows, 8)).astype(np.float32),
        music=rng.normal(size=(rows, 8)).astype(np.float32),
        frame=rng.normal(size=(rows, FOLLOWER_SIZE)).astype(np.float32),
    )


@pytest.fixture
def known() -> Question:
    """What was true at every row of the bank."""
    return question(np.random.default_rng(0), ROWS)


@pytest.fixture
def bank(known: Question) -> Bank:
    """Two couples of 20 tokens; a key is every second number of a question."""
    numbers = np.concatenate(list(known.numbers().values()), axis=1)
    projection = np.eye(numbers.shape[1], dtype=np.float32)[:, ::2]
    mean = numbers.mean(axis=0)
    within = np.arange(ROWS) % 20
    return Bank(
        keys=(numbers - mean) @ projection,
        values=np.arange(ROWS * LATENT, dtype=np.float16).reshape(ROWS, LATENT),
        begins=(within >= 6) & (within <= 20 - F),
        couple=np.repeat(np.arange(2, dtype=np.int32), 20),
        sources=("one", "two"),
        mean=mean,
        projection=projection,
        plan=F,
        codec="codec",
        origin="a test",
    )


def test_what_was_danced_in_this_very_moment_is_found(bank: Bank, known: Question) -> None:
    for row in np.flatnonzero(bank.begins):
        held = bank.ask(known.row(int(row)), Held())
        assert (held.row, held.age) == (row, 0)
        np.testing.assert_array_equal(bank.reference(held), bank.values[row : row + F])


def test_costs_are_squared_distances_of_keys(bank: Bank) -> None:
    keys = bank.key(question(np.random.default_rng(1), 4))
    expected = np.square(bank.keys[None] - keys[:, None]).sum(axis=2)
    expected[:, ~bank.begins] = np.inf
    np.testing.assert_allclose(bank.costs(keys), expected, rtol=1e-4)


def test_no_reference_begins_where_none_may(bank: Bank, known: Question) -> None:
    barred = np.flatnonzero(~bank.begins)
    assert len(barred) > 0
    for row in barred:
        assert bank.begins[bank.ask(known.row(int(row)), Held()).row]


def test_a_clip_is_followed_until_another_is_much_nearer(bank: Bank, known: Question) -> None:
    first = bank.ask(known.row(8), Held())
    # A moment between where the clip goes on (row 9) and another (row 30), a little nearer to the other.
    between = Question(
        *(0.45 * a + 0.55 * b for a, b in zip(vars(known.row(9)).values(), vars(known.row(30)).values(), strict=True))
    )
    assert bank.costs(bank.key(between))[0].argmin() == 30
    followed = bank.ask(between, first)
    assert (followed.row, followed.age) == (9, 1)
    assert bank.ask(known.row(30), first).row == 30
    # Once it is old, whatever is nearer is taken.
    assert bank.ask(between, replace(first, age=bank.holding.tokens)).row == 30


def test_a_clip_that_ends_is_left(bank: Bank, known: Question) -> None:
    last = 20 - F
    assert bank.begins[last] and not bank.begins[last + 1]
    held = bank.ask(known.row(7), Held(row=last, age=0))
    assert (held.row, held.age) == (7, 0)


def test_age_is_fixed_in_size(bank: Bank, known: Question) -> None:
    held = Held()
    for row in range(6, 17):
        held = bank.ask(known.row(row), held)
    assert held.row == 16 and held.age == bank.holding.tokens


def test_barred_rows_are_out_of_the_question(bank: Bank, known: Question) -> None:
    barred = bank.of_source("one")
    assert barred.sum() == 20
    assert bank.ask(known.row(8), Held(), barred).row >= 20
    nothing = bank.ask(known.row(8), Held(), np.ones(ROWS, dtype=bool))
    assert nothing.row == -1 and not bank.reference(nothing).any()


def test_of_equals_the_first_is_taken(bank: Bank, known: Question) -> None:
    keys = bank.keys.copy()
    keys[30] = keys[8]
    assert replace(bank, keys=keys).ask(known.row(8), Held()).row == 8


def test_what_is_not_known_yet_says_nothing(bank: Bank, known: Question) -> None:
    blank = replace(known.row(8), frame=np.full((1, FOLLOWER_SIZE), np.nan, dtype=np.float32))
    assert np.isfinite(bank.key(blank)).all()
    assert bank.ask(blank, Held()).row == 8


def test_a_tick_is_answered_with_references_and_its_inputs_stay(bank: Bank, known: Question) -> None:
    past = 9
    leader = np.zeros((2, past + F, TOKEN * LEADER_SIZE), dtype=np.float32)
    music = np.zeros((2, past + F, TOKEN * 8), dtype=np.float32)
    for i, row in enumerate((8, 30)):
        leader[i, past - KEY_TOKENS : past] = known.leader[row]
        music[i, past, :8] = known.music[row]
    inputs = {"leader": leader, "music": music, "place": known.place[[8, 30]]}
    held = [Held(frame=known.frame[row]) for row in (8, 30)]
    given, now = bank.recall(inputs, held, past, [None, bank.of_source("two")])
    assert now[0].row == 8 and now[1].row < 20
    assert given["reference"].shape == (2, F, LATENT) and given["reference"].dtype == np.float32
    np.testing.assert_array_equal(given["reference"][0], bank.values[8:11])
    np.testing.assert_array_equal(given["reference_flag"], np.ones((2, 1)))
    assert "reference" not in inputs and held[0].row == -1
    again, _ = bank.recall(inputs, held, past, [None, bank.of_source("two")])
    np.testing.assert_array_equal(given["reference"], again["reference"])


def test_the_last_committed_frame_is_remembered() -> None:
    frames = np.arange(3 * TOKEN * FOLLOWER_SIZE, dtype=np.float32).reshape(-1, FOLLOWER_SIZE)
    held = Held(row=3, age=1).after(frames, TOKEN)
    np.testing.assert_array_equal(held.frame, frames[TOKEN - 1])
    assert (held.row, held.age) == (3, 1)


def test_holding_without_patience_takes_the_nearest() -> None:
    costs, begins = np.array([3.0, 2.0, 1.0], dtype=np.float32), np.ones(3, dtype=bool)
    assert Holding(1, 1.0, 1.0).next(Held(row=0), 2, costs, begins).row == 2
    assert Holding(3, 0.4, 1.0).next(Held(row=0), 2, costs, begins).row == 1
