"""A performance ends in one order, whatever was opened when."""

import pytest

from ui.ending import ORDER, Ending


@pytest.mark.parametrize("opened", [ORDER, ORDER[::-1], ("leader", "watch", "engine"), ()])
def test_the_order_of_opening_does_not_matter(opened: tuple[str, ...]) -> None:
    ended: list[str] = []
    with Ending() as ending:
        for name in opened:
            ending.of(name, lambda name=name: ended.append(name))
        assert ended == []
    assert ended == [name for name in ORDER if name in opened]


def test_what_fails_to_end_keeps_nothing_open() -> None:
    ended: list[str] = []

    def fail() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"), Ending() as ending:
        ending.of("leader", lambda: ended.append("leader"))
        ending.of("session", fail)
        ending.of("engine", lambda: ended.append("engine"))
    assert ended == ["engine", "leader"]


def test_what_ended_the_dance_is_what_is_raised() -> None:
    ended: list[str] = []
    with pytest.raises(KeyError, match="dance"), Ending() as ending:
        ending.of("leader", lambda: ended.append("leader"))
        raise KeyError("dance")
    assert ended == ["leader"]


def test_nobody_ends_twice_or_out_of_the_table() -> None:
    with Ending() as ending:
        ending.of("music", lambda: None)
        for name in ("music", "lights"):
            with pytest.raises(ValueError, match=f"{name}: expected one of engine, "):
                ending.of(name, lambda: None)
