import inspect

import pytest

from duet import errors
from duet.errors import DeviceError, DuetError, InputError, MediaError, MotionError, StaleFrame

TREE = {
    "InputError": DuetError, "MotionError": InputError, "MediaError": InputError, "DeviceError": DuetError,
    "StaleFrame": DeviceError, "FollowerError": DuetError, "ModelError": DuetError, "PictureError": DuetError,
}  # fmt: skip


def test_the_tree_is_the_one_its_docstring_draws() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert classes.keys() == {"DuetError", *TREE}
    for name, parent in TREE.items():
        assert classes[name].__bases__ == (parent,)
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", [MotionError, MediaError, StaleFrame])
def test_one_base_catches_what_is_shown_to_a_user(kind: type[DuetError]) -> None:
    with pytest.raises(DuetError, match="one sentence"):
        raise kind("one sentence")


def test_a_bug_is_not_a_sentence_for_users() -> None:
    assert not issubclass(ValueError, DuetError)
    assert not issubclass(DuetError, ValueError | OSError)
