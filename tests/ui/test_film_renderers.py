"""Films and sheets with captions and large cells, and by the physically based renderer."""

import subprocess
import sys
from pathlib import Path

import moderngl
import numpy as np
import pytest
from PIL import Image

from duet.choreography import compose
from duet.motion import write_couple
from realtime.bench.record import read_record
from ui.avatar_command import posed
from ui.cli import main
from ui.drawing.caption import captioned
from ui.drawing.pbr import PbrEngine, PbrScene
from ui.drawing.scene import Scene, SceneState
from ui.staging import Staging

SIZE, CAMERAS = (240, 160), ("front", "mirror", "side")
pytestmark = pytest.mark.usefixtures("opengl")


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "motion.npz"
    couple = compose("salsa", 1.5, 180.0, 0, fps=30.0)
    write_couple(path, {"leader": couple.leader.on_body(), "follower": couple.follower.on_body()})
    return path


def film(*arguments: str | Path) -> int:
    return main(["film", *map(str, arguments)])


def sheet(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_a_caption_is_in_the_lower_left_corner_and_nowhere_else() -> None:
    plain = np.full((160, 240, 3), 120, np.uint8)
    changed = (captioned(plain, "salsa-s") != plain).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows.min() > 140 and columns.max() < 90
    assert captioned(plain, "salsa-s").max() > 190 and plain.max() == 120
    clear = np.zeros((160, 240, 4), np.uint8)
    assert captioned(clear, "W")[..., 3].max() > 200 and captioned(clear, "W")[:120].max() == 0
    assert captioned(plain, "") is plain
    assert captioned(np.zeros((20, 30, 3), np.uint8), "a name that is far too long for it").shape == (20, 30, 3)


def test_two_followers_carry_their_names_and_a_cell_is_as_large_as_asked(motion: Path, tmp_path: Path) -> None:
    other, page = tmp_path / "before.npz", tmp_path / "sheet.png"
    other.write_bytes(motion.read_bytes())
    asked = ("--beside", other, "--sheet", page, "--moments", "1", "--cell", "240x160")
    assert film(motion, *asked) == 0
    named = sheet(page)
    assert named.shape == (160, 480, 3)
    different = np.abs(named[:, :240] - named[:, 240:]).max(axis=2) > 20
    assert different[130:].any() and not different[:130].any(), "only the names differ"
    assert film(motion, *asked, "--captions", ",") == 0
    bare = sheet(page)
    np.testing.assert_array_equal(bare[:, :240], bare[:, 240:])
    np.testing.assert_array_equal(bare[:130], named[:130])


def test_captions_and_cells_that_do_not_fit_are_told(
    motion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, words in ((("--captions", "a,b"), "expected 1 separated"), (("--cell", "5x5"), "--cell: expected WxH")):
        assert film(motion, "--sheet", tmp_path / "sheet.png", *wrong) == 2
        assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def by_pyrender() -> None:
    pytest.importorskip("pyrender", reason="the extra film is not installed: nothing draws physically based here")


@pytest.fixture(scope="module")
def live(context: moderngl.Context) -> Scene:
    return Scene(context, SIZE)


@pytest.mark.usefixtures("by_pyrender")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_both_renderers_see_the_same_bodies_in_the_same_places(live: Scene) -> None:
    """Their silhouettes on a clear stage, to a pixel at the edges; mirrored where the camera is."""
    state, masks = SceneState(0.0, posed(0.7), posed(-2.0)), {}
    for camera in CAMERAS:
        live.restage(Staging(stage="clear", camera=camera))
        live.draw(state)
        masks[camera] = live.read_clear()[..., 3] > 240
    engine = PbrEngine(SIZE)
    for camera, mask in masks.items():
        pbr = PbrScene(SIZE, Staging(stage="clear", camera=camera), engine)
        pbr.draw(state)
        covered = pbr.read_clear()[..., 3] > 240
        assert mask.sum() > 1500, camera
        assert (mask & covered).sum() / (mask | covered).sum() > 0.93, camera
    engine.release()


@pytest.mark.usefixtures("by_pyrender")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_still_by_pyrender_has_floor_shadow_and_colours(motion: Path, tmp_path: Path) -> None:
    page = tmp_path / "still.png"
    asked = ("--renderer", "pyrender", "--sheet", page, "--moments", "1", "--cell", "240x160")
    assert film(motion, *asked, "--camera", "front") == 0
    picture = sheet(page)
    red = (picture[..., 0] > 120) & (picture[..., 1] < 60) & (picture[..., 2] < 90)
    white = (picture.min(axis=-1) > 150) & (np.ptp(picture, axis=-1) < 45)
    assert red.sum() > 150 and white.sum() > 100
    floor = picture[110:].sum(axis=-1)
    assert (floor < 0.65 * np.median(floor)).sum() > 60, "a shadow lies on it"
    assert film(motion, *asked, "--leader-as", "ghost") == 2
    assert film(motion, *asked, "--beside", motion, "--stage", "black", "--leader-as", "skeleton") == 0
    both = sheet(page)
    np.testing.assert_array_equal(both[:130, :240], both[:130, 240:])


def test_without_the_package_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pyrender'] = None\n"
        "from ui.drawing.pbr import load_pyrender\n"
        "from duet.errors import PictureError\n"
        "try:\n    load_pyrender()\nexcept PictureError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "-m pip install -e" in done.stdout and "[film]'" in done.stdout


@pytest.mark.usefixtures("by_pyrender")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_bench_holds_both_renderers_against_each_other(tmp_path: Path) -> None:
    """With as many samples a pixel; that ours is faster is the bench's own to say."""
    out = tmp_path / "render.json"
    words = ["--size", "64x64", "--frames", "10", "--stage", "black", "--against", "pyrender", "--json", str(out)]
    assert main(["bench", "render", *words]) == 0
    record = read_record(out)
    assert set(record.series) == {"black", "smooth", "pyrender"}
    assert "--against pyrender" in record.command
    times = [aim for aim in record.aims if aim.unit == "times"]
    assert len(times) == 1 and times[0].at_least
    assert times[0].got == pytest.approx(
        record.series["pyrender"].measured.p50 / record.series["smooth"].measured.p50, rel=1e-3
    )
