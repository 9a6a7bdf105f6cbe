"""What is to be seen: names, and what does not fit."""

import argparse
import pickle

import pytest

from duet.errors import InputError
from ui.drawing.stages import STAGES
from ui.staging import Staging, add_staging, staging_of


@pytest.mark.parametrize("what", ["stage", "camera", "leader_as", "leader", "follower", "hud"])
def test_an_unknown_name_is_told_with_the_known_ones(what: str) -> None:
    with pytest.raises(InputError, match=f"{what}: expected one of .*, got 'moon'"):
        Staging(**{what: "moon"})


def test_it_travels_to_another_process() -> None:
    staging = Staging(stage="club", camera="mirror", display=1)
    assert pickle.loads(pickle.dumps(staging)) == staging  # noqa: S301
    assert Staging.of_words(staging.words()) == staging and Staging.of_words(Staging().words()) == Staging()


def test_a_body_whose_file_has_gone_travels_and_is_left_out_where_one_begins_anew() -> None:
    gone = Staging(stage="club").altered(follower="moon", leader="glow")
    assert Staging.of_words(gone.words()) == gone and (gone.stage, gone.follower) == ("club", "moon")
    assert gone.in_shipped_bodies() == Staging(stage="club", leader="glow")


def test_lights_swell_on_the_beat_and_breathe_without_one() -> None:
    club = STAGES["club"]
    assert club.swell(0.0, 3.0) == 1.0
    over = [club.swell(k / 100, 0.0) for k in range(100)]
    assert min(over) < 0.45
    steps = [abs(b - a) for a, b in zip(over, [*over[1:], over[0]], strict=True)]
    assert max(steps) < 0.12, "no flash"
    breath = [club.swell(None, k / 10) for k in range(40)]
    assert max(breath) > 0.95 and min(breath) < 0.5
    assert STAGES["studio"].swell(0.5, 0.0) == 1.0


def test_a_film_has_no_panel_to_choose() -> None:
    film, performance = argparse.ArgumentParser(), argparse.ArgumentParser()
    add_staging(film, window=False)
    add_staging(performance)
    assert staging_of(performance.parse_args(["--hud", "off"])).hud == "off"
    assert staging_of(film.parse_args([])) == Staging()
    with pytest.raises(SystemExit):
        film.parse_args(["--hud", "off"])
