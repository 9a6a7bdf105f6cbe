"""Fixtures that every package's tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import moderngl

    from models.data.corpus import Corpus

# The same examples in every run: a test that passed passes again.
settings.register_profile("duet", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("duet")


@pytest.fixture(scope="session")
def duet_data() -> Path:
    """Folder of public salsa motion, music and video that the environment names; skips where it is absent."""
    named = os.environ.get("DUET_DATA")
    if not named:
        pytest.skip("DUET_DATA is not set: no real takes, music or video to test with")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"DUET_DATA names {named}, which is not a folder")
    return folder


@pytest.fixture(scope="session")
def opengl() -> None:
    """Skips where nothing can be drawn without a window."""
    from duet.errors import PictureError
    from ui.drawing.scene import create_headless_context

    try:
        create_headless_context().release()
    except PictureError as error:
        pytest.skip(f"no OpenGL without a window here: {error}")


@pytest.fixture(scope="module")
def context(opengl: None) -> "Iterator[moderngl.Context]":
    """OpenGL without a window."""
    from ui.drawing.scene import create_headless_context

    made = create_headless_context()
    yield made
    made.release()


@pytest.fixture(autouse=True, scope="session")
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor change what the user has calibrated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUET_SETTINGS", str(tmp_path_factory.mktemp("settings")))
        yield


@pytest.fixture(autouse=True, scope="session")
def can_be_interrupted() -> None:
    """Ctrl-C reaches the tests' children: a shell that starts the tests in the background leaves all of them deaf."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def room_for() -> Callable[[int], AbstractContextManager[None]]:
    """``room_for(size)``: no file may grow beyond ``size`` bytes meanwhile, which is what a full disk does."""
    import resource

    @contextmanager
    def room_for(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)

    return room_for


@pytest.fixture(scope="session")
def corpus() -> "Corpus":
    """Three seconds of one couple in code: to train on, and to be judged on."""
    # The tests of the live half need no torch: it is imported where this is asked for.
    from duet.features import Placement
    from models.config import XS
    from models.data.corpus import Corpus
    from models.data.in_code import couple_in_code
    from models.data.music import condition_from_beats
    from models.data.sequences import CLEAN, build_sequence
    from models.evaluation.closed_loop import Example

    pair = couple_in_code("cmu-01", 3.0, 180.0, 2)
    assert pair.beats_s is not None
    rng = np.random.default_rng(0)
    conditions = condition_from_beats(pair.beats_s, pair.frames, 30.0, rng)
    sequence = build_sequence(pair, conditions, XS, style=0, wish=Placement(), corruption=CLEAN, rng=rng)
    return Corpus([sequence], [sequence], [Example(pair, sequence.take)])
