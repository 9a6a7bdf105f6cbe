"""Fixtures that every package's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

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


@pytest.fixture(autouse=True, scope="session")
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor change what the user has calibrated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUET_SETTINGS", str(tmp_path_factory.mktemp("settings")))
        yield
