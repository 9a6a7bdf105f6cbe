"""What tests of pictures share."""

from collections.abc import Iterator

import moderngl
import pytest

from ui.drawing.scene import Scene


@pytest.fixture(scope="module")
def one_stage(context: moderngl.Context, request: pytest.FixtureRequest) -> Scene:
    """One stage for a module's tests."""
    return Scene(context, request.module.SIZE)


@pytest.fixture
def scene(one_stage: Scene, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A stage of the module's ``SIZE``, whatever became of the test before."""
    yield one_stage
    if one_stage.size != request.module.SIZE:
        one_stage.resize(request.module.SIZE)
