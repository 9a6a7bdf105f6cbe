"""Bodies that users bring: a skinned human figure written as GLB and VRM by code, and everything that can be wrong."""

import base64
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from duet.errors import InputError
from duet.kinematics import heading_yaw
from duet.rotations import matrix_from_rotvec, quaternion_wxyz_from_matrix
from duet.skeleton import BODY
from tests.ui.foreign_figure import RIGS, Figure, original
from ui.avatars.bring import Brought, Wish, bring
from ui.avatars.gltf import MOST_BYTES
from ui.avatars.humanoid import words_of
from ui.cli import main
from ui.drawing.avatar import BodyPose, read_avatar, shipped_avatar, write_avatar
from ui.drawing.wardrobe import avatar_names, own_folder
from ui.staging import Staging


def brought(figure: Figure, folder: Path, name: str = "figure.glb", **wish: Any) -> Brought:
    return bring(figure.write(folder / name), Wish(**wish))


def dancing(**rotvecs: tuple[float, float, float]) -> BodyPose:
    turns = np.zeros((22, 3))
    for name, rotvec in rotvecs.items():
        turns[BODY.index(name)] = rotvec
    return BodyPose(np.array([0.2, 0.85, -0.1]), quaternion_wxyz_from_matrix(matrix_from_rotvec(turns)))


POSES = (
    dancing(),
    dancing(left_hip=(-0.5, 0, 0.1), left_knee=(0.9, 0, 0), right_shoulder=(0, 0.5, 0.9), right_elbow=(0, 1.2, 0)),
    dancing(pelvis=(0.0, 2.1, 0.0), spine2=(0.2, 0.3, 0.0), left_shoulder=(0, -0.4, -0.8), head=(0.0, 0.4, 0.0)),
)


def test_a_body_of_ours_comes_back_as_it_was(tmp_path: Path) -> None:
    """Written as glTF and brought in again, it stands, moves and bends as the one that ships."""
    avatar = brought(Figure(without=("left_foot", "right_foot")), tmp_path).avatar
    assert avatar.names == original().names and avatar.parents == original().parents
    full = brought(Figure(), tmp_path).avatar
    for pose in POSES:
        joints, wanted = full.place(pose)[0], original().place(pose)[0]
        assert np.abs(joints - wanted)[:22].max() < 0.02
        skin, ours = full.skinned_vertices_m(pose), original().skinned_vertices_m(pose)
        assert np.percentile(np.linalg.norm(skin - ours, axis=1), 95) < 0.03


@pytest.mark.parametrize("rig", RIGS)
def test_bones_of_every_usual_rig_are_known(rig: str, tmp_path: Path) -> None:
    got = brought(Figure(rig), tmp_path)
    assert got.way == "by the bones' names"
    assert set(got.fit.guessed) == {"jaw", "left_eye", "right_eye"}
    for pose in POSES:
        np.testing.assert_allclose(got.avatar.place(pose)[0][:22], original().place(pose)[0][:22], atol=0.02)


@pytest.mark.parametrize(
    ("bone", "said"),
    [
        ("mixamorig:LeftForeArm", ("left", "forearm", None)), ("J_Bip_R_Index2", ("right", "index", 2)),
        ("DEF-upper_arm.L", ("left", "upperarm", None)), ("leftLittleProximal", ("left", "little", 1)),
        ("Bip01 R Thigh", ("right", "thigh", 1)), ("ball_l", ("left", "ball", None)),
        ("rightHand", ("right", "hand", None)),
    ],
)  # fmt: skip
def test_names_are_taken_apart(bone: str, said: tuple) -> None:
    assert words_of(bone) == said


@pytest.mark.parametrize(("version", "yaw"), [("0.x", np.pi), ("1.0", 0.0)])
def test_a_vrm_says_which_bone_is_which_and_its_figure_is_turned_to_the_front(
    version: str, yaw: float, tmp_path: Path
) -> None:
    figure = Figure(yaw=yaw)
    figure.vrm(version)
    for node in figure.json["nodes"]:
        node["name"] = f"bone {id(node)}"
    got = brought(figure, tmp_path, "figure.vrm")
    assert got.kind == "VRM" and len(got.fit.found) == 52
    for pose in POSES:
        np.testing.assert_allclose(got.avatar.place(pose)[0][:22], original().place(pose)[0][:22], atol=0.02)
    thumb = [got.avatar.names.index(f"left_thumb{k}") for k in (1, 2, 3)]
    reach = np.linalg.norm(got.avatar.rest_joints_m[thumb] - got.avatar.rest_joints_m[20], axis=1)
    assert (np.diff(reach) > 0.01).all()


STRETCHES = {"tall": (0.95, 1.16, 0.95), "short": (1.08, 0.84, 1.1), "broad": (1.25, 1.0, 1.1)}


@pytest.mark.parametrize("shape", STRETCHES)
def test_any_proportions_stand_on_the_floor_and_face_where_the_pose_does(shape: str, tmp_path: Path) -> None:
    """Soles on the floor to a centimetre in poses whose lowest sole is on it; limbs point where they were danced."""
    avatar = brought(Figure("unreal", stretch=STRETCHES[shape]), tmp_path).avatar
    for pose in POSES:
        _, turns = original().place(pose)
        own = shipped_avatar("leader")
        low = own.skinned_vertices_m(pose)[:, 1].min()
        assert abs(avatar.skinned_vertices_m(pose)[:, 1].min() - low) < 0.015
        joints, wanted = avatar.place(pose)[0], own.place(pose)[0]
        for above, below in (("left_shoulder", "left_elbow"), ("right_elbow", "right_wrist")):
            a, b = avatar.names.index(above), avatar.names.index(below)
            way, danced = joints[b] - joints[a], wanted[b] - wanted[a]
            assert way @ danced > 0.999 * np.linalg.norm(way) * np.linalg.norm(danced)
        yaw = [heading_yaw(BODY, places[:22]) for places in (joints, wanted)]
        assert abs(yaw[0] - yaw[1]) < 0.05
        assert turns.shape == (55, 3, 3)


def test_units_and_heights(tmp_path: Path) -> None:
    tall = original().vertices_m[:, 1].max()
    centimetres = brought(Figure(unit=100.0), tmp_path)
    assert centimetres.fit.unit == "centimetres" and centimetres.fit.height_m == pytest.approx(tall, abs=0.01)
    asked = brought(Figure(unit=7.3), tmp_path, height_m=1.9)
    assert asked.avatar.vertices_m[:, 1].max() == pytest.approx(1.9, abs=0.01)
    with pytest.raises(InputError, match=r"--height M"):
        brought(Figure(unit=7.3), tmp_path)


def test_bones_that_we_do_not_have_go_with_the_nearest(tmp_path: Path) -> None:
    """Two hundred bones of hair: the head carries them all."""
    figure = Figure()
    for k in range(200):
        figure.json["nodes"].append({"name": f"hair_{k:03d}", "translation": [0.0, 0.001, 0.0]})
        node = len(figure.json["nodes"]) - 1
        above = figure.json["nodes"][node - 1 if k else figure.node("head")]
        above.setdefault("children", []).append(node)
        figure.json["skins"][0]["joints"].append(node)
    figure.json["skins"][0].pop("inverseBindMatrices")
    got = brought(figure, tmp_path, height_m=1.7)
    assert got.fit.folded == 200 and "200 other bones" in "\n".join(got.lines())


@pytest.mark.parametrize("spine", [("spine2", "spine3"), ("spine3",)])
def test_a_spine_of_few_bones_bends_softly(spine: tuple[str, ...], tmp_path: Path) -> None:
    avatar = brought(Figure(without=(*spine, "neck", "left_collar", "right_collar")), tmp_path).avatar
    carried = np.zeros(55)
    np.add.at(carried, avatar.bone_index, avatar.bone_weight / 255.0)
    assert (carried[[3, 6, 9]] > 60).all(), "all three carry some of the skin"
    bent = dancing(spine1=(0.3, 0, 0), spine2=(0.3, 0, 0), spine3=(0.3, 0, 0))
    a, b = (np.linalg.norm(v[avatar.faces[:, 0]] - v[avatar.faces[:, 1]], axis=1)
            for v in (avatar.vertices_m, avatar.skinned_vertices_m(bent)))  # fmt: skip
    assert np.percentile(b[a > 1e-3] / a[a > 1e-3], 99.5) < 2.5, "no skin is torn"


def test_textures_and_materials_become_colours(tmp_path: Path) -> None:
    plain = brought(Figure(), tmp_path).avatar
    assert np.abs(plain.colours[0, :3].astype(int) - [128, 51, 230]).max() <= 2
    figure = Figure()
    up = figure.points[:, 1] > figure.places["neck"][1]
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2], picture[2:] = (250, 20, 20), (20, 20, 250)
    figure.paint(picture, np.stack([np.full(len(up), 0.5), np.where(up, 0.2, 0.8)], axis=1))
    painted = brought(figure, tmp_path).avatar
    high = painted.vertices_m[:, 1] > painted.vertices_m[:, 1].max() - 0.1
    assert (painted.colours[high, 0] > 240).all() and (painted.colours[painted.vertices_m[:, 1] < 0.5, 2] > 240).all()
    assert (bring(tmp_path / "figure.glb", Wish(plain=True)).avatar.colours[:, :3] == 255).all()


def test_gloss_tells_the_colours_where_it_is_alone(tmp_path: Path) -> None:
    figure, plain = Figure(), brought(Figure(), tmp_path).avatar
    gloss = "KHR_materials_pbrSpecularGlossiness"
    told = {"diffuseFactor": [0.25, 0.04, 0.81, 1.0], "glossinessFactor": 0.1}
    figure.json["materials"][0] = {"extensions": {gloss: told}}
    np.testing.assert_array_equal(brought(figure, tmp_path).avatar.colours, plain.colours)
    painted = Figure()
    painted.paint(np.full((2, 2, 3), (250, 20, 20), np.uint8), np.zeros((len(painted.points), 2)))
    painted.json["materials"][0] = {"extensions": {gloss: {"diffuseTexture": {"index": 0}}}}
    assert np.abs(brought(painted, tmp_path).avatar.colours[:, :3].astype(int) - [250, 20, 20]).max() <= 2


def test_a_skin_may_have_more_matrices_than_bones(tmp_path: Path) -> None:
    figure, plain = Figure(), brought(Figure(), tmp_path).avatar
    skin, bones = figure.json["skins"][0], len(figure.order)
    matrices = np.tile(np.eye(4, dtype="<f4"), (bones + 3, 1, 1))
    matrices[:bones, 3, :3] = [-figure.places[joint] for joint in figure.order]
    skin["inverseBindMatrices"] = figure.add(matrices.reshape(-1, 16))
    np.testing.assert_array_equal(brought(figure, tmp_path).avatar.vertices_m, plain.vertices_m)
    skin["inverseBindMatrices"] = figure.add(matrices[: bones - 1].reshape(-1, 16))
    with pytest.raises(InputError, match="one matrix for each bone"):
        brought(figure, tmp_path)


def test_parts_that_share_a_buffer_have_each_what_they_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As VRM 0.x has it: every part names all vertices, and draws some."""
    figure, plain = Figure(), brought(Figure(), tmp_path).avatar
    parts = [
        {**figure.primitive, "indices": figure.add(faces.reshape(-1, 1))} for faces in np.array_split(figure.faces, 5)
    ]
    figure.json["meshes"][0]["primitives"] = parts
    monkeypatch.setattr("ui.avatars.figure.MOST_VERTICES", 3 * len(figure.points))
    shared = brought(figure, tmp_path).avatar
    assert len(np.unique(shared.faces)) == len(shared.vertices_m) < 3 * len(figure.points)
    np.testing.assert_allclose(shared.vertices_m[shared.faces], plain.vertices_m[plain.faces], atol=1e-6)
    monkeypatch.setattr("ui.avatars.figure.MOST_SHARED", 4 * len(figure.points))
    with pytest.raises(InputError, match="vertices in what its parts share"):
        brought(figure, tmp_path)


def test_many_vertices_have_long_numbers(tmp_path: Path) -> None:
    figure = Figure()
    times = 65_536 // len(figure.points) + 1
    for name in ("POSITION", "NORMAL", "JOINTS_0", "WEIGHTS_0"):
        values = {"POSITION": figure.points, "NORMAL": figure.normals, "JOINTS_0": figure.joints,
                  "WEIGHTS_0": figure.weights}[name]  # fmt: skip
        figure.primitive["attributes"][name] = figure.add(np.tile(values, (times, 1)))
    faces = figure.faces.astype("<u4").reshape(-1, 3)
    faces = np.concatenate([faces + k * len(figure.points) for k in range(times)])
    figure.primitive["indices"] = figure.add(faces.astype("<u4").reshape(-1, 1))
    got = brought(figure, tmp_path)
    assert got.avatar.faces.dtype == np.uint32 and "graphics card" in got.lines()[-1]
    write_avatar(tmp_path / "many.npz", got.avatar)
    assert read_avatar(tmp_path / "many.npz").faces.max() == len(got.avatar.vertices_m) - 1


def no_skin(figure: Figure) -> None:
    figure.json["nodes"][-1].pop("skin")


def no_mesh(figure: Figure) -> None:
    figure.json["nodes"].pop()
    figure.json["scenes"] = [{"nodes": [0]}]


def no_human(figure: Figure) -> None:
    """Two hundred bones without a name that says anything."""
    for k, node in enumerate(figure.json["nodes"]):
        node["name"] = f"tentacle {k}"
    figure.json["skins"][0].pop("inverseBindMatrices")
    for k in range(150):
        figure.json["nodes"].append({"name": f"more {k}"})
        figure.json["skins"][0]["joints"].append(len(figure.json["nodes"]) - 1)


def no_picture(figure: Figure) -> None:
    figure.paint(np.zeros((2, 2, 3), np.uint8), np.zeros((len(figure.points), 2)))
    figure.json["images"] = [{"uri": "skin.png"}]


def far_picture(figure: Figure) -> None:
    no_picture(figure)
    figure.json["images"] = [{"uri": "https://example.org/skin.png"}]


def huge_picture(figure: Figure) -> None:
    """A small file that unpacks to 100 million pixels."""
    no_picture(figure)
    file = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(file, format="PNG")
    figure.json["images"] = [{"bufferView": figure.add_bytes(file.getvalue()), "mimeType": "image/png"}]


def no_picture_at_all(figure: Figure) -> None:
    no_picture(figure)
    figure.json["images"] = [{"bufferView": figure.add_bytes(b"GIF89a not a picture"), "mimeType": "image/png"}]


def squeezed(figure: Figure) -> None:
    figure.json["extensionsRequired"] = ["KHR_draco_mesh_compression"]


def endless(figure: Figure) -> None:
    figure.json["accessors"][0] = {"componentType": 5126, "type": "VEC3", "count": 4_000_000_000}


def cut_off(figure: Figure) -> None:
    figure.json["bufferViews"][0]["byteLength"] = 1 << 30


def circle(figure: Figure) -> None:
    figure.json["nodes"][figure.node("left_elbow")]["children"] = [figure.node("left_shoulder")]


def crossed(figure: Figure) -> None:
    names = figure.json["nodes"]
    a, b = names[figure.node("left_elbow")], names[figure.node("right_elbow")]
    a["name"], b["name"] = b["name"], a["name"]


def foreign_bone(figure: Figure) -> None:
    figure.primitive["attributes"]["JOINTS_0"] = figure.add(np.full((len(figure.points), 4), 250, "u1"))


def nowhere(figure: Figure) -> None:
    figure.points[5] = np.nan
    figure.primitive["attributes"]["POSITION"] = figure.add(figure.points)


def flat(figure: Figure) -> None:
    figure.json["nodes"][0]["scale"] = [1.0, 0.0, 1.0]


WRONG: dict[Callable[[Figure], None], str] = {
    no_skin: "with a skin", no_mesh: "expected a mesh", no_human: "human figure, got 20[0-9] bones",
    no_picture: "skin.png' beside it, got none", far_picture: "got the address 'https://example.org",
    huge_picture: "8192x8192 pixels", no_picture_at_all: "PNG, JPEG or WebP", squeezed: "Draco",
    endless: "broken one .*4000000000", cut_off: "broken one", circle: "broken one", crossed: "left_elbow below",
    foreign_bone: "broken one", nowhere: "not finite", flat: "expected",
}  # fmt: skip


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__)
def test_a_wrong_file_is_one_clear_sentence(spoil: Callable[[Figure], None], tmp_path: Path) -> None:
    figure = Figure()
    spoil(figure)
    with pytest.raises(InputError, match=WRONG[spoil]) as told:
        brought(figure, tmp_path)
    assert "\n" not in str(told.value) and len(str(told.value)) < 400


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("/etc/passwd", "address"), ("file:///etc/passwd", "address"), ("C:\\body.bin", "address"),
        ("../body.bin", "leads elsewhere"), ("%2e%2e/body.bin", "leads elsewhere"),
        ("a/../../body.bin", "leads elsewhere"),
        ("..\\body.bin", "leads elsewhere"), ("link/body.bin", "leads elsewhere"), ("body.bin", "got none"),
        ("data:text/plain,abc", "base64"), ("data:application/octet-stream;base64,!!", "broken"),
    ],
)  # fmt: skip
def test_only_what_lies_beside_a_file_is_read(uri: str, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "body.bin").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match=said):
        bring(Figure().write_apart(folder / "figure.gltf", uri), Wish())


def test_numbers_beside_a_file_or_within_it_are_read(tmp_path: Path) -> None:
    figure = Figure()
    (tmp_path / "my body.bin").write_bytes(figure.binary)
    beside = bring(figure.write_apart(tmp_path / "figure.gltf", "my%20body.bin"), Wish()).avatar
    held = "data:application/octet-stream;base64," + base64.b64encode(figure.binary).decode()
    within = bring(figure.write_apart(tmp_path / "figure.gltf", held), Wish()).avatar
    np.testing.assert_array_equal(beside.vertices_m, within.vertices_m)


def test_files_of_other_kinds_and_sizes_are_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.glb"
    with huge.open("wb") as file:
        file.truncate(2 << 30)
    assert MOST_BYTES < 2 << 30
    packed = tmp_path / "packed.glb"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("figure.gltf", b"0" * (1 << 24))
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vertices_m.npy", bytes(257 << 20), compresslevel=1)
    (tmp_path / "text.gltf").write_text("{not json")
    (tmp_path / "old.gltf").write_text('{"asset": {"version": "1.0"}}')
    (tmp_path / "list.gltf").write_text('{"asset": {"version": "2.0"}, "nodes": 5}')
    (tmp_path / "deep.gltf").write_text("[" * 100_000)
    (tmp_path / "short.glb").write_bytes(b"glTF\2\0")
    said = {
        "huge.glb": "got 2048 MB", "packed.glb": "zip archive", "text.gltf": "another one", "old.gltf": "version",
        "list.gltf": "broken", "deep.gltf": "broken|another", "short.glb": "broken", "gone.glb": "got none",
        "body.fbx": "Export it as", "body.pkl": "pickle could run anything",
    }  # fmt: skip
    for name, words in said.items():
        with pytest.raises(InputError, match=words):
            bring(tmp_path / name, Wish())
    with pytest.raises(InputError, match="got more"):
        read_avatar(bomb)


def test_bring_list_show_and_dance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path / "settings"))
    path = str(Figure("rigify", stretch=(1.0, 1.06, 1.0)).write(tmp_path / "zoe.glb"))
    assert main(["avatar", "import", path]) == 0
    said = capsys.readouterr()
    assert "52 of 55 joints, 30 of 30 of the fingers" in said.out.replace("\n", " ")
    assert "jaw" in said.out and "zoe" in said.err
    assert avatar_names()[-1] == "zoe" and (own_folder() / "zoe.npz").is_file()
    assert main(["avatar", "list"]) == 0 and "zoe" in capsys.readouterr().out
    assert main(["avatar", "import", path]) == 2 and "--replace" in capsys.readouterr().err
    assert main(["avatar", "import", path, "--replace", "--map", "left_foot=DEF-toe.L"]) == 0
    for wrong, words in (
        (["--name", "leader"], "ships"), (["--name", "a/b"], "letters"), (["--height", "9"], "metres"),
        (["--map", "tail=x"], "expected a joint"), (["--map", "head=x"], "got none called so"),
        (["--map", "x"], "JOINT=BONE"),
        (["--betas", "1"], "SMPL-X model"),
    ):  # fmt: skip
        assert main(["avatar", "import", path, "--name", "other", *wrong]) == 2
        assert words in capsys.readouterr().err.replace("\n", " ")
    assert Staging(leader="zoe", follower="zoe").told("follower") == "follower zoe: a body of your own"
    assert main(["demo", "--follower-avatar", "moon"]) == 2
    assert "expected one of leader, follower, glow, zoe, got 'moon'" in capsys.readouterr().err.replace("\n", " ")


def test_the_map_says_what_names_do_not(tmp_path: Path) -> None:
    figure = Figure()
    figure.json["nodes"][figure.node("left_elbow")]["name"] = "stretchy"
    with pytest.raises(InputError, match="without left_elbow"):
        brought(figure, tmp_path)
    got = bring(tmp_path / "figure.glb", Wish.of(["left_elbow=stretchy"], None, None, False))
    assert "left_elbow" in got.fit.found


def test_reading_a_body_needs_no_learning_and_no_graphics(tmp_path: Path) -> None:
    """Nothing heavy is loaded until it is asked for."""
    path = Figure().write(tmp_path / "figure.glb")
    code = (
        "import sys; from pathlib import Path; from ui.avatars.bring import Wish, bring; "
        f"bring(Path({str(path)!r}), Wish()); print([m for m in ('torch', 'smplx', 'moderngl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
