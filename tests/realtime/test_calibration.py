"""What was measured is found again, by the device and not by its number, and what is no calibration is a sentence."""

import json
from pathlib import Path

import pytest

from duet.errors import InputError
from realtime.calibration import Calibration, Delay, Steady, calibration_file, load_calibration, save_calibration
from realtime.identity import camera_identity, camera_name, sound_identity
from realtime.sight.stage_shift import Shift

FULL = (
    Calibration(height_m=1.78, steady=Steady(2.4, 7.0, "synthetic"))
    .with_camera(
        "usb:1:2:3", name="Webcam", mark_m=(0.1, -2.5), facing_rad=0.2, fov_rad=1.1, shift=Shift(0.1, 0.2, 0.3)
    )
    .with_camera(
        "usb:1:2:3",
        distance_m=1.1,
        pitch_rad=-0.2,
        latency=Delay(0.07, 0.004, "8 claps"),
        steady=Steady(3, 7, "camera"),
    )
    .with_output("Speaker", Delay(0.03, 0.001, "clicks"))
)


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    path = save_calibration(FULL, tmp_path / "new" / "calibration.json")
    assert load_calibration(path) == FULL
    assert load_calibration(tmp_path / "none.json") == Calibration()
    assert FULL.camera("usb:1:2:3").mark_m == (0.1, -2.5)
    assert FULL.camera("another").mark_m is None and FULL.camera(None).latency is None


def test_the_settings_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_SETTINGS", str(tmp_path))
    assert calibration_file() == tmp_path / "calibration.json"
    save_calibration(FULL)
    assert load_calibration() == FULL


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"version": 9}', "x" * 100, "FULL height NaN", "FULL delay 5", "FULL height 400 digits",
        "FULL mark of one", pytest.param("[" * 200_000, id="deep"),
    ],
)  # fmt: skip
def test_another_file_is_a_sentence(text: str, tmp_path: Path) -> None:
    path = save_calibration(FULL, tmp_path / "calibration.json")
    kept = json.loads(path.read_text())
    if text == "FULL height NaN":
        kept["height_m"] = float("nan")
        text = json.dumps(kept)
    elif text == "FULL delay 5":
        kept["outputs"]["Speaker"]["seconds"] = 5.0
        text = json.dumps(kept)
    elif text == "FULL height 400 digits":
        kept["height_m"] = 10**400
        text = json.dumps(kept)
    elif text == "FULL mark of one":
        kept["cameras"]["usb:1:2:3"]["mark_m"] = [1.0]
        text = json.dumps(kept)
    path.write_text(text)
    with pytest.raises(InputError, match="expected what `duet calibrate` wrote"):
        load_calibration(path)


def test_a_camera_is_known_by_itself_and_not_by_its_number(tmp_path: Path) -> None:
    def plug(number: int, port: str, serial: str | None) -> None:
        usb = tmp_path / "devices" / port
        (usb / f"{port}:1.0").mkdir(parents=True)
        (usb / "idVendor").write_text("046d\n")
        (usb / "idProduct").write_text("0825\n")
        if serial:
            (usb / "serial").write_text(f"{serial}\n")
        node = tmp_path / "class" / f"video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text("HD Webcam\n")
        (node / "device").symlink_to(usb / f"{port}:1.0")

    plug(0, "1-1", "AB12")
    plug(2, "1-4", "AB12")
    plug(4, "1-7", None)
    cameras = tmp_path / "class"
    assert camera_identity("camera:0", cameras) == camera_identity("camera:2", cameras) == "usb:046d:0825:AB12"
    assert camera_identity("camera:4", cameras) == "usb:046d:0825:socket 1-7"
    assert camera_name("camera:0", cameras) == "HD Webcam"
    assert camera_identity("camera:9", cameras) == "camera:9"
    assert camera_identity("http://camera.local/video", cameras) == "http://camera.local/video"
    assert camera_identity("dance.mp4", cameras) is None


def test_a_sound_card_s_number_is_no_part_of_it() -> None:
    assert (
        sound_identity("USB Audio: Codec (hw:2,0)") == sound_identity("USB Audio: Codec (hw:1,0)") == "USB Audio: Codec"
    )
    assert sound_identity("default") == "default"
