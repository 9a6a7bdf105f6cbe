"""What tests of pictures share."""

import moderngl
import pytest

from ui.drawing.scene import Scene


@pytest.fixture(scope="module")
def scene(context: moderngl.Context, request: pytest.FixtureRequest) -> Scene:
    """A stage of the module's ``SIZE``."""
    return Scene(context, request.module.SIZE)
