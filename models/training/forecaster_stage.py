"""Learning to forecast a leader, and the table that says whether it is worth it.

The forecaster is chosen by a recorded take that it does not train on; the validation takes are never asked before the
table is made.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from duet.errors import InputError
from duet.features import leader_features, leader_headings
from duet.forecast import FORESEEN_FROM_FRAMES, VELOCITY_FRAMES
from duet.motion import Motion
from models.config import ForecasterConfig
from models.data.beats import with_beats
from models.data.couples import Data, couples_in, recorded_couples
from models.data.in_code import couple_in_code
from models.data.music import condition_from_beats, condition_of
from models.data.pairs import Pair
from models.data.sequences import Corruption, corrupt_leader, other_body
from models.evaluation.closed_loop import example_of
from models.forecaster import Ahead, Forecaster, Track, damped_ahead, true_ahead
from models.training.averaging import AveragedWeights

FRAMES_AHEAD = (4, 8, 16, 32)
"""Of the table."""
CHOOSING_SHARE = 0.1
"""Of the training takes, the last ones, by which it is chosen."""
LEARNED, CARRIED, HEARING = "learned", "learned, carried", "learned, carried, with music"
"""Of the table's methods those of a forecaster: as a live tick asks it, afresh about the newest frames; with a state
carried from a lead's first frame on; and so, but with the music, in case that tells of the steps it was put on."""
_AT_ONCE = 256

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class ForecasterTraining:
    """How long and on what it learns."""

    steps: int = 1200
    seconds: float = math.inf
    batch: int = 8
    window_frames: int = 96
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    ema: float = 0.995
    warm_up_frames: int = 12
    """Frames of a window after which it is asked."""
    trained_ahead: tuple[int, ...] = (2, 4, 6, 8, 12, 16, 20, 24, 32)
    copies: int = 4
    """Versions of every recorded dancer and their mirror image, at other tempi and limbs; every second is corrupted."""
    choreographed: int = 40
    everyday: int = 40
    recorded_share: float = 0.65
    """Of the windows."""
    input_noise: float = 0.1
    """Greatest standard deviation of the noise on normalised features, steady over a window."""
    silence: float = 1.0
    """Share of the windows without music: a live tick asks in silence."""
    report_every: int = 100


@dataclass(frozen=True)
class Lead:
    """One leader: as seen, as they were, and what the network hears of it. Batches of one."""

    name: str
    seen: Track
    real: Track
    leader: Tensor
    """(T, 72)."""
    music: Tensor
    """(T, 8)."""

    @property
    def frames(self) -> int:
        """T."""
        return len(self.leader)


def lead_of(
    name: str,
    motion: Motion,
    music: np.ndarray,
    rng: np.random.Generator | None = None,
    corruption: Corruption | None = None,
) -> Lead:
    """The dancer of ``motion`` as a leader, with the music conditions (T, 8); cleanly seen without a ``corruption``."""
    body = motion if corruption is None or rng is None else other_body(motion, corruption.limbs, rng)
    joints, fps = body.joints_m, motion.fps
    real = _track(joints, leader_headings(joints, fps))
    confidence = np.ones(len(joints), np.float32)
    seen_m, seen = joints, real
    if corruption is not None and rng is not None:
        seen_m, confidence = corrupt_leader(joints, fps, corruption, rng)
        seen = _track(seen_m, leader_headings(seen_m, fps))
    features = leader_features(seen_m, leader_headings(seen_m, fps), fps, confidence=confidence)
    return Lead(name, seen, real, torch.from_numpy(features), torch.tensor(music))


def _track(joints_m: np.ndarray, heading_rad: np.ndarray) -> Track:
    joints = torch.from_numpy(np.array(joints_m, dtype=np.float32))
    heading = torch.from_numpy(np.unwrap(heading_rad)).float()
    c, s = heading.cos()[:, None], heading.sin()[:, None]
    x, y, z = (joints - joints[:, :1]).unbind(-1)
    pose = torch.stack([c * x - s * z, y, c * z + s * x], dim=-1)
    return Track(pose, joints[:, 0], heading)


def recorded_leads(pairs: Iterable[Pair], how: ForecasterTraining, rng: np.random.Generator) -> list[Lead]:
    """Both dancers of every couple and their mirror images, at other tempi, on other limbs, half of them corrupted."""
    leads = []
    for pair in pairs:
        known = with_beats(pair)
        for couple in (known, known.mirrored()):
            for copy in range(how.copies):
                varied = couple if copy == 0 else couple.at_tempo(float(rng.uniform(0.88, 1.12)))
                for dancer in (varied.leader, varied.follower):
                    music = condition_of(varied, rng)
                    leads.append(lead_of(varied.name, dancer, music, rng, Corruption() if copy % 2 else None))
    return leads


def leads_in_code(count: int, *, salsa: bool, seed: int, corrupt: bool) -> list[Lead]:
    """Leaders who dance salsa, or do anything else, in code."""
    rng = np.random.default_rng(seed)
    leads = []
    for index in range(count):
        tempo_bpm = float(rng.uniform(*((150.0, 205.0) if salsa else (85.0, 205.0))))
        name = f"{'salsa' if salsa else 'everyday'}-{index}"
        couple = couple_in_code(name, 30.0, tempo_bpm, int(rng.integers(2**31)), salsa=salsa)
        assert couple.beats_s is not None
        music = condition_from_beats(couple.beats_s, couple.frames, couple.leader.fps, rng)
        leads.append(lead_of(name, couple.leader, music, rng, Corruption() if corrupt and index % 2 else None))
    return leads


@dataclass
class Leads:
    """What the forecaster learns from, what chooses it, and the groups it is judged on."""

    recorded: list[Lead]
    in_code: list[Lead]
    choosing: list[Lead]
    judged: dict[str, list[Lead]] = field(default_factory=dict)


def build_leads(data: Data, how: ForecasterTraining, seed: int = 0, *, learn: bool = True) -> Leads:
    """Same data and seed, same leaders. Without ``learn`` only those of the table."""
    # The validation couples hear music that was rendered and listened to, as on stage.
    couples = couples_in(data)
    examples = [example_of(pair, seed) for pair in recorded_couples(couples, "validation")]
    judged = {
        "validation takes": [lead_of(e.pair.name, e.pair.leader, e.take.conditions) for e in examples],
        "choreographed": leads_in_code(6, salsa=True, seed=seed + 1001, corrupt=False),
        "everyday": leads_in_code(10, salsa=False, seed=seed + 1002, corrupt=False),
    }
    if not learn:
        return Leads([], [], [], judged)
    rng, pairs = np.random.default_rng(seed), recorded_couples(couples, "train")
    if len(pairs) < 2:
        raise InputError(
            f"{couples.folder}: expected at least 2 training couples, one of them to choose the weights by, got "
            f"{len(pairs)}. Add takes."
        )
    last = len(pairs) - max(1, round(CHOOSING_SHARE * len(pairs)))
    in_code = leads_in_code(how.choreographed, salsa=True, seed=seed + 1, corrupt=True)
    in_code += leads_in_code(how.everyday, salsa=False, seed=seed + 2, corrupt=True)
    choosing = recorded_leads(pairs[last:], replace(how, copies=1), rng)
    return Leads(recorded_leads(pairs[:last], how, rng), in_code, choosing, judged)


def train_forecaster(
    config: ForecasterConfig, leads: Leads, how: ForecasterTraining, *, seed: int = 0, report: Report = lambda _: None
) -> Forecaster:
    """A forecaster with averaged weights: those that did best on the choosing take."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Forecaster(config)
    everything = [*leads.recorded, *leads.in_code]
    for norm, rows in (
        (model.leader_norm, [x.leader for x in everything]),
        (model.music_norm, [x.music for x in everything]),
    ):
        norm.set(torch.cat(rows).mean(0), torch.cat(rows).std(0))
    averaged = AveragedWeights(model, how.ema)
    optimiser = torch.optim.AdamW(model.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, how.learning_rate, total_steps=how.steps, pct_start=0.05)
    started, best, chosen = time.monotonic(), float("inf"), {k: v.clone() for k, v in model.state_dict().items()}
    for step in range(1, how.steps + 1):
        loss = _loss(model, _draw(leads, config, how, rng), how)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        averaged.update(model)
        if step % how.report_every == 0 or step == how.steps:
            errors = forecast_errors(leads.choosing, averaged.model)
            score = float(np.mean(errors[LEARNED][1:3] / errors["damped"][1:3]))
            if score < best:
                best, chosen = score, {k: v.clone() for k, v in averaged.model.state_dict().items()}
            report({"step": step, "loss": float(loss.detach()), "of damped": score, "best": best})
            if time.monotonic() - started > how.seconds:
                break
    model.load_state_dict(chosen)
    return model.eval()


def _draw(leads: Leads, config: ForecasterConfig, how: ForecasterTraining, rng: np.random.Generator) -> Lead:
    """Windows (B, ...) of random leaders at random frames, with the frames ahead of them."""
    length, parts = how.window_frames + config.horizon, []
    recorded, in_code = ([x for x in group if x.frames >= length] for group in (leads.recorded, leads.in_code))
    if not recorded:
        raise InputError(f"Recorded leaders: expected some of at least {length} frames, got none. Add longer takes.")
    for _ in range(how.batch):
        group = recorded if rng.uniform() < how.recorded_share or not in_code else in_code
        lead = group[int(rng.integers(len(group)))]
        begin = int(rng.integers(0, lead.frames - length + 1))
        parts.append(_cut(lead, slice(begin, begin + length)))
    return Lead(
        "batch",
        Track(*(torch.stack(v) for v in zip(*(p.seen for p in parts), strict=True))),
        Track(*(torch.stack(v) for v in zip(*(p.real for p in parts), strict=True))),
        torch.stack([p.leader for p in parts]),
        torch.stack([p.music for p in parts]),
    )


def _cut(lead: Lead, frames: slice) -> Lead:
    return Lead(
        lead.name,
        Track(*(v[frames] for v in lead.seen)),
        Track(*(v[frames] for v in lead.real)),
        lead.leader[frames],
        lead.music[frames],
    )


def _loss(model: Forecaster, batch: Lead, how: ForecasterTraining) -> Tensor:
    """Distance of joints, by what the damped forecast misses so far ahead, so that every reach counts alike."""
    noise = how.input_noise * torch.rand(how.batch, 1, 1) * torch.randn(how.batch, 1, batch.leader.shape[-1])
    heard = batch.leader + noise * model.leader_norm.spread
    music = batch.music * (torch.rand(how.batch, 1, 1) >= how.silence)
    frames = slice(how.window_frames)
    weights, _ = model(heard[:, frames], music[:, frames], model.initial_state(how.batch))
    at = torch.arange(how.warm_up_frames, how.window_frames, 2)
    ahead = torch.tensor(how.trained_ahead)
    damped = damped_ahead(batch.seen, at, ahead.float(), model.config.fps)
    made = model.corrected(damped, weights[:, at], ahead.float())
    real = true_ahead(batch.seen, batch.real, at, ahead).joints_m()
    missed = _gap(damped.joints_m(), real).detach().mean((0, 1))
    return (_gap(made.joints_m(), real).mean((0, 1)) / missed.clamp(min=0.01)).mean()


def _gap(made: Tensor, real: Tensor) -> Tensor:
    """(B, n, h) mean distance of the joints, metres."""
    return (made - real).square().sum(-1).add(1e-8).sqrt().mean(-1)


@torch.no_grad()
def forecast_errors(
    leads: list[Lead], model: Forecaster | None, frames_ahead: tuple[int, ...] = FRAMES_AHEAD, fps: float = 30.0
) -> dict[str, np.ndarray]:
    """Millimetres of mean joint error (len(frames_ahead),) by method, over every frame of every lead alike."""
    ahead = torch.tensor(frames_ahead)
    sums: dict[str, Tensor] = {}
    count = 0
    for lead in leads:
        at = torch.arange(VELOCITY_FRAMES, lead.frames - max(frames_ahead))
        seen, real = (Track(*(v[None] for v in track)) for track in (lead.seen, lead.real))
        truth = true_ahead(seen, real, at, ahead).joints_m()
        damped = damped_ahead(seen, at, ahead.float(), fps)
        found = {
            "zero velocity": _standing(seen, at, ahead).joints_m(),
            "constant velocity": _running_on(seen, at, ahead),
            "damped": damped.joints_m(),
        }
        if model is not None:
            weights = {LEARNED: _weights_live(model, lead.leader, at)}
            for name, music in ((CARRIED, torch.zeros_like(lead.music)), (HEARING, lead.music)):
                weights[name] = model(lead.leader[None], music[None], model.initial_state(1))[0][:, at]
            found |= {n: model.corrected(damped, w, ahead.float()).joints_m() for n, w in weights.items()}
        for name, joints in found.items():
            sums[name] = sums.get(name, torch.zeros(len(ahead))) + 1000.0 * _gap(joints, truth).sum((0, 1))
        count += len(at)
    return {name: (total / count).numpy() for name, total in sums.items()}


def _weights_live(model: Forecaster, leader: Tensor, at: Tensor) -> Tensor:
    """(1, n, K, D) at frames ``at`` (n,) of (T, 72), from the FORESEEN_FROM_FRAMES newest of each alone."""
    # Where there are fewer, the first one was there before.
    padded = torch.cat([leader[:1].expand(FORESEEN_FROM_FRAMES - 1, -1), leader])
    newest = padded.unfold(0, FORESEEN_FROM_FRAMES, 1)[at].transpose(1, 2)
    return torch.cat([model.weights_now(part) for part in newest.split(_AT_ONCE)])[None]


def _standing(seen: Track, at: Tensor, ahead: Tensor) -> Ahead:
    now, h = seen.pose[:, at, None].expand(-1, -1, len(ahead), -1, -1), (1, len(at), len(ahead))
    return Ahead(now, torch.zeros(*h, 3), torch.zeros(h))


def _running_on(seen: Track, at: Tensor, ahead: Tensor) -> Tensor:
    """Joints that go on with the velocity in the world that each has."""
    back = true_ahead(seen, seen, at, torch.tensor([-VELOCITY_FRAMES])).joints_m()
    now = seen.pose[:, at, None]
    return now + ahead[:, None, None] / VELOCITY_FRAMES * (now - back)
