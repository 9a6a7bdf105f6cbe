"""A dance that is over, to be drawn: from a motion file, a take or a recorded session; and the beat of its music."""

import zipfile
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from duet.beat_scores import SHOWN_CONFIDENCE
from duet.beats import BeatState, BeatTracker
from duet.choreography import Couple
from duet.errors import InputError
from duet.motion import Motion, frame_numbers, npz_times_s, read_motion
from duet.rotations import matrix_from_6d, quaternion_wxyz_from_matrix, slerp_wxyz
from duet.skeleton import BODY
from realtime.sessions.session_file import SESSION_FILE
from ui.drawing.avatar import BodyPose
from ui.drawing.scene import SceneState

_OVER_S = 0.5
"""Before the frame that ends a hole: so long the bodies take to where they are seen next."""


@dataclass(frozen=True)
class Body:
    """One dancer on the canonical body: ``root_m`` (T, 3), ``quaternions_wxyz`` (T, 22, 4)."""

    root_m: NDArray[np.floating]
    quaternions_wxyz: NDArray[np.floating]

    def at(self, row: float) -> BodyPose:
        """The pose at a fractional row."""
        low = min(max(int(row), 0), len(self.root_m) - 1)
        high, share = min(low + 1, len(self.root_m) - 1), float(np.clip(row - low, 0.0, 1.0))
        if not share:
            return BodyPose(self.root_m[low], self.quaternions_wxyz[low])
        root = self.root_m[low] + share * (self.root_m[high] - self.root_m[low])
        return BodyPose(root, slerp_wxyz(self.quaternions_wxyz[low], self.quaternions_wxyz[high], share))


@dataclass(frozen=True)
class Dance:
    """``fps`` frames a second from session time ``start_s`` on; ``leader`` is None where one dances alone."""

    fps: float
    start_s: float
    follower: Body
    leader: Body | None = None
    frames: NDArray[np.float64] | None = None
    """(T,) the number of the frame that each row holds, rising from 0; None: there is a row for every frame."""

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        last = len(self.follower.root_m) - 1 if self.frames is None else float(self.frames[-1])
        return last / self.fps

    def state(self, after_s: float, beat_phase: float | None = None) -> SceneState:
        """The picture ``after_s`` seconds after the first frame."""
        row = self._row(after_s * self.fps)
        leader = self.leader.at(row) if self.leader is not None else None
        return SceneState(after_s, self.follower.at(row), leader, beat_phase=beat_phase)

    def _row(self, frame: float) -> float:
        """The fractional row of a fractional frame number.

        In a hole the bodies stand as live ones did that were not seen, and go over to where they are seen next just
        before: as slow as the whole of it they would glide through the picture.
        """
        if self.frames is None:
            return frame
        row = int(np.clip(np.searchsorted(self.frames, frame, side="right") - 1, 0, len(self.frames) - 1))
        if row + 1 == len(self.frames):
            return float(row)
        here, there = float(self.frames[row]), float(self.frames[row + 1])
        over = min(there - here, max(1.0, _OVER_S * self.fps))
        return row + min(max(0.0, 1.0 - (there - frame) / over), 1.0)


def read_dance(path: Path) -> Dance:
    """The dance in a motion file of both (npz) or a take of one (npz, bvh).

    Raises ``MotionError`` for what is neither.
    """
    leader_too, times_s = _what_it_holds(path)
    follower = read_motion(path, dancer="follower")
    leader = read_motion(path, dancer="leader") if leader_too else None
    frames = None if times_s is None else frame_numbers(path, times_s, follower.frames, follower.fps)
    start_s = 0.0 if times_s is None else float(times_s[0])
    return Dance(follower.fps, start_s, _body(follower), None if leader is None else _body(leader), frames)


def couple_dance(couple: Couple) -> Dance:
    """What was choreographed for two."""
    return Dance(couple.follower.fps, 0.0, _body(couple.follower), _body(couple.leader))


def dance_of(motion: Mapping[str, NDArray]) -> Dance:
    """The dance that a motion log has collected, as ``MotionLog.arrays`` gives it."""
    if not len(motion["time_s"]):
        raise InputError("Session: expected a dance, got none in it. Record a longer one.")

    def body(dancer: str) -> Body:
        turns = matrix_from_6d(motion[f"{dancer}_rotations_6d"].astype(np.float64))
        return Body(motion[f"{dancer}_root_m"], quaternion_wxyz_from_matrix(turns))

    fps, times_s = float(motion["fps"]), motion["time_s"]
    return Dance(fps, float(times_s[0]), body("follower"), body("leader"), np.round((times_s - times_s[0]) * fps))


def is_session(path: Path) -> bool:
    """Whether ``path`` is a folder that ``--record`` wrote."""
    return (path / SESSION_FILE).is_file()


def replayed(path: Path, follower: Path, also: Path | None, told: Callable[[float], None]) -> Dance:
    """The dance of a recorded session, danced again by the ``follower`` folder, and that of ``also`` where there were
    two; ``told`` hears how far it is."""
    from realtime.cast import Member
    from realtime.inference.runner_ort import OrtRunner
    from realtime.motion_log import MotionLog
    from realtime.sessions.session_replay import Session

    session = Session(path)
    try:
        runner = OrtRunner(follower)
        log = MotionLog(runner.contract.fps)
        # Of two sessions side by side, one may be of one follower.
        other = None if also is None or session.also is None else OrtRunner(also)
        beside = None if other is None else (Member(other.contract, other.forecaster), other)
        session.replay(runner.contract, runner, runner.forecaster, log=log, also=beside, told=told)
    finally:
        session.close()
    return dance_of(log.arrays())


def _what_it_holds(path: Path) -> tuple[bool, NDArray[np.float64] | None]:
    """Whether it is a couple, and the session times of its frames, None where it tells none."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False, None
    times_s = npz_times_s(path)
    with zipfile.ZipFile(path) as archive:
        return "leader_rotations_6d.npy" in archive.namelist(), times_s


def _body(motion: Motion) -> Body:
    # What is on the canonical body already is shown as it is, its floor untouched.
    ours = np.array_equal(motion.skeleton.offsets_m, BODY.offsets_m)
    motion = motion if ours else motion.on_body()
    return Body(motion.root_m, quaternion_wxyz_from_matrix(motion.rotations))


@dataclass(frozen=True)
class Beats:
    """Where the music is, as the live tracker heard it."""

    states: tuple[BeatState, ...]
    start_s: float = 0.0
    """Of the music: what is called 0 here."""

    @classmethod
    def of(cls, samples: NDArray[np.float32]) -> "Beats":
        """Of sound (N,) or (N, channels) at the ear's rate."""
        return cls(tuple(BeatTracker().push(samples)))

    def later(self, start_s: float) -> "Beats":
        """The same for what begins ``start_s`` into the music."""
        return replace(self, start_s=start_s)

    def phase_at(self, time_s: float) -> float | None:
        """[0, 1), 0 on the beat; None where none was heard."""
        time_s += self.start_s
        before = bisect_right(self.states, time_s, key=lambda state: state.time_s)
        if not before:
            return None
        state = self.states[before - 1]
        if state.confidence < SHOWN_CONFIDENCE:
            return None
        return (state.beat_phase + (time_s - state.time_s) * state.tempo_bpm / 60.0) % 1.0
