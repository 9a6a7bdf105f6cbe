"""Followers that learned nothing, of every preset's size: for timing, engines and proofs before there is a training."""

from dataclasses import replace

from duet.errors import InputError
from models.config import PRESETS
from models.follower import Follower, random_follower
from models.release import Release


def untrained(preset: str, seed: int, calls: int | None = None) -> tuple[Follower, Release]:
    """A follower of ``preset`` with random weights, ``calls`` network calls a tick, and what it says of itself."""
    if preset not in PRESETS:
        raise InputError(f"--preset: expected {', '.join(PRESETS)}, got {preset!r}. Choose one of them.")
    config = PRESETS[preset]
    if calls is not None:
        config = replace(config, sampler=replace(config.sampler, calls=calls))
    command = f"duet-lab export --preset {preset} --random-weights {seed} --calls {config.sampler.calls}"
    release = Release(
        name=f"untrained-{preset.lower()}-{config.sampler.calls}",
        style=(1.0,) + (0.0,) * (config.style_width - 1),
        observed_delay_frames=5,
        root_leak=0.05,
        distance_m=0.85,
        training_data="Nothing: random weights, to be measured and not to be danced with.",
        licence="Apache-2.0",
        command=command,
        seeds=(seed,),
        limits="It cannot dance.",
    )
    return random_follower(config, seed), release
