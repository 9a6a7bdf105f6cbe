"""A motion graph of couples: recorded takes cut where both dancers' states agree, and joined to new dances.

A frame of a couple is both bodies, seen from between them: joints and velocities, so that pose, relative place and
facing are compared at once (Kovar, Gleicher and Pighin 2002, "Motion graphs", for two bodies on one floor). A cut
needs the same feet on the floor and the same place in the bar on both sides; around it the two takes are cross-faded
and standing feet are put back where they stood.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from duet.choreography.curves import ease, smooth
from duet.choreography.score import BeatGrid
from duet.errors import InputError
from duet.motion import Motion
from duet.rotations import (
    matrix_from_quaternion_wxyz,
    quaternion_wxyz_from_matrix,
    slerp_wxyz,
    wrap_angle,
    yaw_matrix,
)
from models.data.bank import SPLICED_OF, source_of
from models.data.beats import BEATS_PER_BAR, with_beats
from models.data.footing import replanted, stride
from models.data.pairs import Pair

Floats = NDArray[np.float64]

BLEND_S = 0.5
"""Length of a cross-fade, half of it before the cut."""
LEAST_STAY_S = 1.6
"""A piece of a take is danced for at least this long."""
TYPICAL_STAY_S = 4.0
LARGEST_STRETCH = 0.12
"""Takes whose tempo is further from the common one than this are left out: they would have to be danced too fast."""
PHASE_BEATS = 0.06
"""Largest difference of beat phase at a cut: a frame's length at salsa tempo."""
COST_LIMIT_M = 0.14
"""Largest cost of a cut that is made, see ``CoupleGraph``."""
_VELOCITY_S = 0.15
"""Weight of velocities against places: how long a wrong velocity goes on before it is seen as a wrong place."""
_APART_S = 1.0
"""Cuts within a take lead at least this far away."""
_SPREAD_S = 0.5
_KEPT = 24
"""Best cuts kept for each frame."""


@dataclass(frozen=True)
class Cut:
    """From frame ``source`` of one take to frame ``target`` of another, or of the same."""

    source: int
    target: int
    cost_m: float


@dataclass(frozen=True)
class Splice:
    """A new dance of old pieces."""

    pair: Pair
    seams_s: list[float]
    """When one piece gives way to the next."""
    costs_m: list[float]
    """What each seam costs."""


class CoupleGraph:
    """Every good cut between ``pairs``, all brought to one tempo.

    Frames are numbered through all takes. A cut costs the root mean square over both dancers' joints of their
    distance plus ``_VELOCITY_S`` times their difference of velocity, in metres. Pairs without known beats get those
    of their steps. Raises InputError for pairs that must not meet (mirrored or swapped with others) or too few.
    """

    def __init__(self, pairs: list[Pair], *, tempo_bpm: float | None = None) -> None:
        self.kind = _kind(pairs)
        self.pairs = _at_one_tempo(pairs, tempo_bpm)
        self.fps = self.pairs[0].leader.fps
        self.half = round(0.5 * BLEND_S * self.fps)
        self.starts = np.concatenate([[0], np.cumsum([p.frames for p in self.pairs])])
        self.beat = np.concatenate([_beat_numbers(p) for p in self.pairs])
        """Beat number of every frame within its take; a multiple of four begins a bar."""
        middles, yaws = zip(*(_couple_frames(p) for p in self.pairs), strict=True)
        self._frames = np.concatenate(middles), np.concatenate(yaws)
        self.states = np.concatenate([_states(p) for p in self.pairs])
        self.strides = [(stride(p.leader), stride(p.follower)) for p in self.pairs]
        self.cuts = self._reachable(self._cuts())
        if not self.cuts:
            raise InputError(
                f"Couples: expected takes that can be joined, got none that agree within {COST_LIMIT_M} m. "
                "Give more takes, of dances that resemble each other, or splice none (--set multiply.spliced=0)."
            )

    def take_of(self, frame: int) -> int:
        """Index of the take a frame belongs to."""
        return int(np.searchsorted(self.starts, frame, side="right")) - 1

    def couple_frame(self, frame: int) -> tuple[Floats, float]:
        """Midpoint (3,) on the floor between the pelvises, and yaw of the way from leader to follower."""
        middle, yaw = self._frames
        return middle[frame], float(yaw[frame])

    def _cuts(self) -> list[Cut]:
        """For every frame its best cuts, within the limit; of neighbouring targets only the best."""
        owner = np.repeat(np.arange(len(self.pairs)), np.diff(self.starts))
        frame = np.arange(len(owner))
        room = np.minimum(frame - self.starts[owner], self.starts[owner + 1] - frame) > self.half
        flags = np.concatenate([np.concatenate([a.stands, b.stands], axis=1) for a, b in self.strides])
        feet = flags @ (1 << np.arange(4))
        squares = (self.states**2).sum(axis=1)
        cuts: list[Cut] = []
        for i in np.flatnonzero(room):
            near = np.abs((self.beat - self.beat[i] + 2.0) % BEATS_PER_BAR - 2.0) < PHASE_BEATS
            near &= room & (feet == feet[i])
            near &= (owner != owner[i]) | (np.abs(frame - i) > _APART_S * self.fps)
            options = np.flatnonzero(near)
            square = squares[options] + squares[i] - 2.0 * self.states[options] @ self.states[i]
            best = np.argsort(square)[:_KEPT]
            costs = np.sqrt(np.maximum(square[best], 0.0))
            cuts += [
                Cut(int(i), int(options[k]), float(c)) for k, c in zip(best, costs, strict=True) if c < COST_LIMIT_M
            ]
        return cuts

    def _reachable(self, cuts: list[Cut]) -> list[Cut]:
        """Cuts after which there is always another one to take."""
        stay = round(LEAST_STAY_S * self.fps)
        sources, targets = (np.array([getattr(c, end) for c in cuts], dtype=int) for end in ("source", "target"))
        takes = [np.searchsorted(self.starts, frames, side="right") - 1 for frames in (sources, targets)]
        alive = np.ones(len(cuts), dtype=bool)
        while True:
            last = np.full(len(self.pairs), -1)
            np.maximum.at(last, takes[0][alive], sources[alive])
            kept = alive & (targets + stay <= last[takes[1]])
            if kept.sum() == alive.sum():
                return [cut for cut, keep in zip(cuts, alive, strict=True) if keep]
            alive = kept

    def walk(self, seconds: float, rng: np.random.Generator, name: str) -> Splice:
        """A dance of ``seconds``: random pieces, good cuts preferred, worn places avoided."""
        frames = round(seconds * self.fps)
        first, danced = self._begin(rng), 0
        pieces, costs, worn = [(first, first)], [], np.zeros(len(self.beat))
        while True:
            at = pieces[-1][0]
            cut = self._next(at, rng, worn)
            length = cut.source - at
            if danced + length >= frames:
                pieces[-1] = (at, at + max(frames - danced, self.half))
                break
            pieces[-1] = (at, cut.source)
            worn[at : cut.source] += 1.0
            danced += length
            costs.append(cut.cost_m)
            pieces.append((cut.target, cut.target))
        takes = dict.fromkeys(source_of(self.pairs[self.take_of(start)].name) for start, _ in pieces)
        pair = _joined(self, pieces, f"{name}{SPLICED_OF}{' + '.join(takes)}{self.kind}")
        seams_s = np.cumsum([stop - start for start, stop in pieces[:-1]]) / self.fps
        return Splice(pair.slice(0, frames), seams_s[seams_s < seconds].tolist(), costs)

    def _begin(self, rng: np.random.Generator) -> int:
        """A frame at which a bar begins, from which a cut can be reached."""
        last = {self.take_of(c.source): c.source for c in self.cuts}
        stay = round(LEAST_STAY_S * self.fps)
        downbeat = np.flatnonzero(np.diff(np.floor(self.beat / BEATS_PER_BAR + 1e-9)) == 1)
        fits = [int(f) for f in downbeat if f + stay <= last.get(self.take_of(int(f)), -1)]
        if not fits:
            raise InputError("Couples: expected a bar's beginning before a cut, got none. Give longer takes.")
        return fits[rng.integers(len(fits))]

    def _next(self, at: int, rng: np.random.Generator, worn: Floats) -> Cut:
        """Where to leave the take that is danced from frame ``at`` on."""
        end, stay = self.starts[self.take_of(at) + 1], round(LEAST_STAY_S * self.fps)
        options = [c for c in self.cuts if at + stay <= c.source < end]
        wish = at + self.fps * (LEAST_STAY_S + rng.exponential(TYPICAL_STAY_S - LEAST_STAY_S))
        cost = np.array([c.cost_m for c in options])
        late = np.abs(np.array([c.source for c in options]) - wish) / self.fps
        used = np.array([worn[c.target : c.target + stay].mean() for c in options])
        score = -cost / 0.02 - late / 1.0 - 2.0 * used
        weights = np.exp(score - score.max())
        return options[rng.choice(len(options), p=weights / weights.sum())]


def splice_couples(
    pairs: list[Pair], seconds: float, seed: int, count: int, *, tempo_bpm: float | None = None
) -> list[Pair]:
    """``count`` new dances of ``seconds`` each, spliced from ``pairs`` where both dancers' states agree.

    All pairs must be of one kind: none or all mirrored, none or all swapped, as one style token says. They are
    danced at ``tempo_bpm``, by default the median of theirs; ``beats_s`` of the results begins on a downbeat, and
    their names tell the takes they are made of. The same arguments give the same dances. Raises InputError for a
    length or a count that cannot be, and as ``CoupleGraph``.

        spliced = splice_couples(load_pairs(data, "train"), seconds=40.0, seed=0, count=20)
        mirrored = splice_couples([p.mirrored() for p in load_pairs(data, "train")], 40.0, seed=1, count=20)
    """
    if not (np.isfinite(seconds) and seconds >= 2 * LEAST_STAY_S) or count < 0:
        raise InputError(
            f"Splicing: expected at least {2 * LEAST_STAY_S} s and 0 couples, got {seconds} s and {count}. "
            "Ask for more."
        )
    graph, rng = CoupleGraph(pairs, tempo_bpm=tempo_bpm), np.random.default_rng(seed)
    return [graph.walk(seconds, rng, f"spliced-{seed}-{index}").pair for index in range(count)]


def _kind(pairs: list[Pair]) -> str:
    """What the names of all pairs say about sides and roles; InputError when they say different things."""
    kinds = {"".join(f"-{word}" for word in p.name.split("-") if word in ("mirrored", "swapped")) for p in pairs}
    if len(kinds) != 1:
        raise InputError(
            f"Couples: expected takes of one kind, got {len(kinds)} ({', '.join(sorted(k or 'plain' for k in kinds))})."
            " Splice mirrored and swapped takes by themselves."
        )
    return kinds.pop()


def _at_one_tempo(pairs: list[Pair], tempo_bpm: float | None) -> list[Pair]:
    """Pairs with beats, resampled to one tempo; those too far from it are left out."""
    known = [with_beats(pair) for pair in pairs]
    periods = [float(np.median(np.diff(_beats(p)))) for p in known]
    common = 60.0 / tempo_bpm if tempo_bpm is not None else float(np.median(periods))
    near = [(p, period / common) for p, period in zip(known, periods, strict=True)]
    kept = [p.at_tempo(factor) for p, factor in near if abs(factor - 1.0) <= LARGEST_STRETCH]
    if not kept:
        raise InputError(
            f"Couples: expected a tempo near {60.0 / common:.0f} BPM, got {min(60.0 / p for p in periods):.0f} to "
            f"{max(60.0 / p for p in periods):.0f}. Choose another tempo, or splice none (--set multiply.spliced=0)."
        )
    return kept


def _beats(pair: Pair) -> Floats:
    assert pair.beats_s is not None
    return pair.beats_s


def _beat_numbers(pair: Pair) -> Floats:
    return np.asarray(BeatGrid(_beats(pair)).beat_of(np.arange(pair.frames) / pair.leader.fps), dtype=np.float64)


def _couple_frames(pair: Pair) -> tuple[Floats, Floats]:
    """Midpoint (T, 3) on the floor between the pelvises, and yaw (T,) of the way from leader to follower."""
    lead, follow = pair.leader.root_m.astype(np.float64), pair.follower.root_m.astype(np.float64)
    middle, way = 0.5 * (lead + follow), follow - lead
    middle[:, 1] = 0.0
    return middle, np.arctan2(way[:, 0], way[:, 2])


def _states(pair: Pair) -> NDArray[np.float32]:
    """(T, D) whose Euclidean distance is the cost of a cut in metres."""
    middle, yaw = _couple_frames(pair)
    into = yaw_matrix(-yaw)
    fps, parts = pair.leader.fps, []
    for dancer in (pair.leader, pair.follower):
        joints = dancer.joints_m.astype(np.float64)
        velocity = np.gradient(joints, axis=0) * fps
        for values, weight in ((joints - middle[:, None], 1.0), (velocity, _VELOCITY_S)):
            parts.append(weight * np.einsum("tij,tkj->tki", into, values).reshape(len(joints), -1))
    root_of_joints = np.sqrt(2 * pair.leader.joints_m.shape[1])
    return (np.concatenate(parts, axis=1) / root_of_joints).astype(np.float32)


def _joined(graph: CoupleGraph, pieces: list[tuple[int, int]], name: str) -> Pair:
    """The pieces ``[start, stop)`` one after the other, on one floor and one count."""
    floors, half = _floors(graph, pieces), graph.half
    made = []
    for who in (0, 1):
        placed, steps, stands = [], [], []
        for index, ((start, stop), (turn, shift)) in enumerate(zip(pieces, floors, strict=True)):
            take = graph.take_of(start)
            first, last = start - graph.starts[take], stop - graph.starts[take]
            before, after = (half if index else 0), (half if index + 1 < len(pieces) else 0)
            pair, source = graph.pairs[take], graph.strides[take][who]
            dancer = (pair.leader, pair.follower)[who].slice(first - before, last + after)
            placed.append(_placed(dancer, turn, shift))
            steps.append(_turned(source.steps()[first:last], turn))
            stands.append(source.stands[first:last])
        made.append(replanted(_faded(placed, half), np.concatenate(steps), np.concatenate(stands)))
    beats_s = _beat_times([graph.beat[start:stop] for start, stop in pieces], graph.fps)
    return Pair(name, made[0], made[1], beats_s)


def _floors(graph: CoupleGraph, pieces: list[tuple[int, int]]) -> list[tuple[float, Floats]]:
    """Turn and shift (3,) of each piece's floor: every couple stands where the piece before would have taken it."""
    floors = [(0.0, np.zeros(3))]
    for (_, stop), (start, _) in zip(pieces, pieces[1:], strict=False):
        turn, shift = floors[-1]
        (left, left_yaw), (right, right_yaw) = graph.couple_frame(stop), graph.couple_frame(start)
        new = float(wrap_angle(left_yaw + turn - right_yaw))
        floors.append((new, yaw_matrix(turn) @ left + shift - yaw_matrix(new) @ right))
    return floors


def _placed(dancer: Motion, turn_rad: float, shift_m: Floats) -> Motion:
    turn = yaw_matrix(turn_rad)
    rotations = dancer.rotations.astype(np.float64)
    rotations[:, 0] = turn @ rotations[:, 0]
    root = dancer.root_m.astype(np.float64) @ turn.T + shift_m
    return replace(dancer, root_m=root.astype(np.float32), rotations=rotations.astype(np.float32))


def _turned(steps: Floats, turn_rad: float) -> Floats:
    """Steps (T, 2, 3) of x, z and yaw on a floor that is turned."""
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    x, z = steps[..., 0], steps[..., 1]
    return np.stack([c * x + s * z, c * z - s * x, steps[..., 2]], axis=-1)


def _faded(pieces: list[Motion], half: int) -> Motion:
    """One take of pieces that overlap by ``2 * half`` frames, cross-faded."""
    whole = pieces[0]
    rise = ease(np.arange(1, 2 * half + 1) / (2 * half + 1))
    for piece in pieces[1:]:
        old, new = whole.slice(whole.frames - 2 * half), piece.slice(0, 2 * half)
        root = old.root_m * (1.0 - rise[:, None]) + new.root_m * rise[:, None]
        turned = [quaternion_wxyz_from_matrix(m.rotations.astype(np.float64)) for m in (old, new)]
        mixed = matrix_from_quaternion_wxyz(slerp_wxyz(*turned, np.broadcast_to(rise[:, None], turned[0].shape[:2])))
        whole = replace(
            whole,
            root_m=np.concatenate([whole.root_m[: -2 * half], root, piece.root_m[2 * half :]]),
            rotations=np.concatenate([whole.rotations[: -2 * half], mixed, piece.rotations[2 * half :]]),
        )
    return whole


def _beat_times(numbers: list[Floats], fps: float) -> Floats:
    """(N,) seconds of the beats, from the beat number of every frame of each piece; the first begins a bar.

    What is left of a difference of phase at a seam is spread over the beats around it: music has no such jumps.
    """
    count = numbers[0]
    for piece in numbers[1:]:
        wanted = 2.0 * count[-1] - count[-2]
        piece = piece + BEATS_PER_BAR * np.round((wanted - piece[0]) / BEATS_PER_BAR)
        count = np.concatenate([count, piece])
    even = count[0] + np.concatenate([[0.0], np.cumsum(smooth(np.diff(count), _SPREAD_S * fps))])
    beats = np.arange(np.ceil(even[0] / BEATS_PER_BAR) * BEATS_PER_BAR, even[-1])
    return np.interp(beats, even, np.arange(len(even)) / fps)
