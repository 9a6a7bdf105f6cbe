"""Settings by name are taken all together: whether they fit is a matter of what comes out, not of their order."""

import pytest

from duet.errors import InputError
from models.config import PRESETS, S
from models.training.overrides import flat, overridden
from models.training.settings import Settings, plain

WIDER = {"follower.denoiser.width": 180, "follower.denoiser.heads": "6"}


@pytest.mark.parametrize("turned", [1, -1])
def test_settings_that_fit_each_other_are_taken_in_any_order(turned: int) -> None:
    changes = dict(list(WIDER.items())[::turned])
    made = overridden(Settings(follower=S), changes).follower.denoiser
    assert (made.width, made.heads, made.layers) == (180, 6, S.denoiser.layers)


@pytest.mark.parametrize("turned", [1, -1])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_settings_of_one_preset_are_taken_from_any_other(preset: str, turned: int) -> None:
    asked = Settings(follower=PRESETS[preset], seed=4)
    changes = dict(list(flat(plain(asked)).items())[::turned])
    assert all(overridden(Settings(follower=other), changes) == asked for other in PRESETS.values())


def test_what_does_not_fit_in_the_end_is_refused() -> None:
    with pytest.raises(InputError, match="expected an even width per head, got width 180 and 4 heads"):
        overridden(Settings(follower=S), {"follower.denoiser.width": 180, "seed": 3})
    with pytest.raises(InputError, match=r"follower\.denoiser\.heads\.more: expected heads to be a group"):
        overridden(Settings(), {**WIDER, "follower.denoiser.heads.more": 1})
    with pytest.raises(InputError, match=r"follower\.denoiser: expected a single setting, got a group"):
        overridden(Settings(), {**WIDER, "follower.denoiser": 1})
