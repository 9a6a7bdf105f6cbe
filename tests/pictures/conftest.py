"""What tests of pictures share."""

from collections.abc import Iterator

import moderngl
import pytest

from ui.drawing.scene import Scene


@pytest.fixture(scope="module")
def stage(context: moderngl.Context, request: pytest.FixtureRequest) -> Scene:
    """One stage for a module's tests."""
    return Scene(context, request.module.SIZE)


@pytest.fixture
def scene(stage: Scene, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A stage of the module's ``SIZE``, whatever became of the test before."""
    yield stage
    if stage.size != request.module.SIZE:
        stage.resize(request.module.SIZE)
