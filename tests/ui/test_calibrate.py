"""``duet calibrate tracking``: what it prints, and what it says when it cannot."""

import pytest

from realtime.calibration import Delay, Steady, calibration_told, camera_notes, load_calibration
from realtime.sight import steadiness
from realtime.sight.filters import Smoothing
from realtime.sight.steadiness import Jitter, Steadiness
from ui.calibration import command as calibrate
from ui.camera_options import camera_source
from ui.cli import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--noise", "-1"], "--noise: expected 0 to 50 mm, got -1"),
        (["--seconds", "1"], "--seconds: expected 5 to 600, got 1"),
        (["--camera", "nothing.mp4", "--turn", "90", "--region", "0,0,2,1"], "Region: expected"),
        (["--camera", "nothing.mp4", "--people", "0"], "--people: expected 1 to 6, got 0"),
    ],
)
def test_what_does_not_fit_is_a_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "tracking", *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(("still_mm", "code"), [(2.4, 0), (5.4, 1)])
def test_the_verdict_is_the_exit_code(
    still_mm: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[float] = []

    def measured(fps: float, noise_m: float, smoothing: Smoothing | None = None) -> Steadiness:
        asked.append(fps)
        return Steadiness(fps, 1e3 * noise_m, Jitter(still_mm, 1.0, 3.0, "head"), 7.0, 1.0, 8.0, 9.0)

    monkeypatch.setattr(steadiness, "measure", measured)
    assert main(["calibrate", "tracking"]) == code
    printed = capsys.readouterr().out
    assert {5.0, 30.0, 60.0, 120.0} == set(asked)
    assert ("both aims hold" in printed) is (code == 0)
    assert f"{still_mm}" in printed and "calm" in printed
    assert load_calibration().steady == Steady(still_mm, 7.0, "synthetic")


def test_what_was_measured_of_a_camera_is_what_the_panel_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    still = Steadiness(30.0, 8.0, Jitter(2.4, 1.0, 3.0, "head"), 7.0, 1.0, 8.0, 9.0)
    monkeypatch.setattr(steadiness, "measure", lambda *_: still)
    monkeypatch.setattr(steadiness, "rest_jitter", lambda _: Jitter(3.1, 1.0, 4.0, "head"))
    monkeypatch.setattr(calibrate, "watch", lambda *_, **__: [])
    camera = "http://stage.local/camera"
    assert main(["calibrate", "tracking", "--camera", camera]) == 0
    kept = load_calibration()
    assert kept.camera(camera).steady == Steady(3.1, 7.0, "camera")
    assert camera_notes(kept, camera)[0] == "still 3.1 mm (camera), lag +7 ms"
    assert camera_notes(kept, None) == ("still 2.4 mm (synthetic), lag +7 ms",)
    assert camera_notes(kept, camera)[1] == "camera 50 ms, assumed"
    kept = kept.with_camera(camera, latency=Delay(0.083, 0.004, "8 claps, 2026-01-31"), mark_m=(3.0, -4.0))
    assert camera_notes(kept, camera)[1:] == ("camera 83 ms, measured", "mark: calibrated")
    told = calibration_told(kept.with_output("Speakers", Delay(0.02, 0.001, "9 clicks, 2026-01-31")))
    assert "pictures 83 ms late, measured (8 claps, 2026-01-31, within 4 ms), mark 5.0 m away, still 3.1 mm" in told
    assert "Speakers: sounds 20 ms late, measured" in told and "not measured is taken to be 50 ms late" in told


def test_a_bare_number_is_a_camera() -> None:
    assert camera_source("1") == "camera:1"
    assert camera_source("dance.mp4") == "dance.mp4"
