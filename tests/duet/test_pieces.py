import numpy as np
import pytest

from duet import pieces
from duet.drumkit import crowd, voice
from duet.groove import Groove
from duet.instruments import RATE_HZ
from duet.pieces import TEMPI_BPM, Piece, Trial, beyond_pieces, piece_set, play, render, usual_pieces


def onset_strength(samples: np.ndarray, at_s: float) -> float:
    """Energy of 40 ms from ``at_s`` on against the 40 ms before."""
    k, n = round(at_s * RATE_HZ), round(0.04 * RATE_HZ)
    before, after = np.mean(samples[max(k - n, 0) : k] ** 2), np.mean(samples[k : k + n] ** 2)
    return float(after / (before + 1e-9))


def test_the_set_is_large_varied_and_always_the_same():
    pieces = piece_set()
    assert pieces == piece_set()
    assert pieces != piece_set(1)
    assert len({piece.name for piece in pieces}) == len(pieces) >= 40
    assert {piece.style for piece in pieces} == set(TEMPI_BPM)
    assert {piece.trial for piece in pieces} == set(Trial)
    assert min(piece.bpm for piece in pieces) < 70.0
    assert max(piece.bpm for piece in usual_pieces(0)) == 200.0
    assert pieces[: len(usual_pieces(0))] == usual_pieces(0)
    for piece in beyond_pieces(0):
        slow, fast = TEMPI_BPM[piece.style]
        assert (piece.bpm < slow or piece.bpm > fast) and 55.0 <= piece.bpm <= 215.0


@pytest.mark.parametrize("style", [style for style in TEMPI_BPM if style != "salsa"])
def test_something_begins_on_the_downbeats(style):
    piece = Piece(style, sum(TEMPI_BPM[style]) / 2, Trial.STEADY, 3)
    groove = render(piece, 8.0)
    strengths = [onset_strength(groove.samples, t - 0.005) for t in groove.beat_times_s[groove.downbeats][:-1]]
    assert np.median(strengths) > 1.5
    assert np.diff(groove.beat_times_s) == pytest.approx(60.0 / piece.bpm)
    assert np.abs(groove.samples).max() <= 1.0
    assert np.array_equal(render(piece, 8.0).samples, groove.samples)


def test_trials_do_what_they_say(tmp_path, monkeypatch):
    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    ramp = render(Piece("swing", 150.0, Trial.RAMP, 10), 26.0).beat_times_s
    assert (ramp[1] - ramp[0]) / (ramp[-1] - ramp[-2]) == pytest.approx(1.10, abs=0.005)
    jump = np.diff(render(Piece("6/8", 80.0, Trial.JUMP, 0), 20.0).beat_times_s)
    assert jump[-1] / jump[0] == pytest.approx(1.15, rel=1e-6)
    piece = Piece("tango", 120.0, Trial.SILENCE, 5)
    silent = play(piece)
    assert np.abs(silent.samples[round(13.5 * RATE_HZ) : 17 * RATE_HZ]).max() < 1e-3
    assert not ((silent.beat_times_s > 12.0) & (silent.beat_times_s < 17.0)).any()
    assert np.array_equal(play(piece).beat_times_s, silent.beat_times_s)  # now from the cache
    assert len(list(tmp_path.rglob("*.npz"))) == 1


@pytest.mark.parametrize("left", [b"", b"no archive", b"PK\x03\x04cut off", b"\x93NUMPY\x01"])
def test_a_piece_whose_file_was_damaged_is_rendered_anew(tmp_path, monkeypatch, left):
    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    rendered = []

    def render_shortly(piece):
        rendered.append(piece)
        return Groove(np.full(8, 0.5, np.float32), RATE_HZ, np.array([0.5]), np.array([True]))

    monkeypatch.setattr(pieces, "render", render_shortly)
    piece = Piece("tango", 120.0, Trial.STEADY, 5)
    play(piece)
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(left)
    for _ in range(2):  # the second time from the cache, which is whole again
        assert play(piece).samples == pytest.approx(np.full(8, 0.5), abs=1e-4)
    assert len(rendered) == 2


def test_a_crowd_talks_and_a_voice_pauses():
    rng = np.random.default_rng(0)
    speech, hall = voice(8.0, rng), crowd(2.0, rng)
    loud = np.sqrt(np.mean(speech[: 8 * RATE_HZ].reshape(-1, RATE_HZ // 20) ** 2, axis=1))
    assert np.quantile(loud, 0.02) < 1e-3 < np.median(loud)
    assert hall.std() == pytest.approx(1.0, abs=0.01)
