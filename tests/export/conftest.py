"""One run with random weights, exported once by the command for all tests here."""

from dataclasses import replace
from pathlib import Path

import pytest

from duet.bank_file import save_bank
from export.cli import main
from models.config import XS, ForecasterConfig, MemoryConfig
from models.follower import random_follower, save_follower
from models.release import Release
from models.training.bank_stage import choreographed_bank


@pytest.fixture(scope="session")
def release() -> Release:
    """What a run says about itself."""
    return Release(
        name="trial",
        style=(1.0,) + (0.0,) * (XS.style_width - 1),
        observed_delay_frames=5,
        root_leak=0.05,
        distance_m=0.85,
        training_data="Nothing: random weights.",
        licence="Apache-2.0",
        command="duet-lab train --preset XS",
        seeds=(0, 1),
        bank="bank.npz",
    )


@pytest.fixture(scope="session")
def run(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder as training leaves it."""
    folder = tmp_path_factory.mktemp("run")
    forecaster = ForecasterConfig(waves=3, memory=MemoryConfig(width=16, layers=1, head=8, state=4))
    follower = random_follower(replace(XS, denoiser=replace(XS.denoiser, references=True), forecaster=forecaster))
    save_follower(follower, folder / "best")
    release.write(folder / "best")
    bank = choreographed_bank(follower.codec, follower.config, couples=2, seconds=8.0)
    save_bank(bank, folder / "best" / release.bank)
    return folder


@pytest.fixture(scope="session")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The follower that ``duet-lab export`` makes of the run."""
    folder = tmp_path_factory.mktemp("followers") / "trial"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DUET_DATA", raising=False)
        assert main(["export", str(run), "--out", str(folder), "--seconds", "1"]) == 0
    return folder


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A folder in which couples of three data sets are found by the names of their files."""
    danced = [f"dd100/motion/smplx/all/Salsa_{take}_{who}.npy" for take in ("1_0", "2_0") for who in ("00", "01")]
    others = ["cmu_salsa/60_01.bvh", "cmu_salsa/61_01.bvh", "interdance/a_0.pkl", "interdance/a_1.pkl"]
    for name in (*danced, *others):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    return tmp_path / "data"
