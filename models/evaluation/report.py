"""The closed-loop report of a follower beside its baselines: markdown for the model card, JSON for machines."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from duet.contract import FollowerContract
from models.config import FollowerConfig
from models.data.corpus import Multiplication, recorded_sequences
from models.data.pairs import load_pairs
from models.evaluation.baselines import Hold, Retrieval, mean_frame
from models.evaluation.closed_loop import Example, example_of, joints_of, judge, judge_follower
from models.evaluation.reaction import LATE_S, reactions
from models.rollout import OnnxPartner, Partner, dance

COLUMNS = {
    "root_ade_m": ("root error m", "{:.2f}"),
    "distance_mae_m": ("distance error m", "{:.2f}"),
    "heading_deg": ("heading error deg", "{:.0f}"),
    "mpjpe_mm": ("MPJPE mm", "{:.0f}"),
    "mpjpe_turned_mm": ("MPJPE own frame mm", "{:.0f}"),
    "speed_ratio": ("speed / real", "{:.2f}"),
    "pose_speed_ratio": ("pose speed / real", "{:.2f}"),
    "jerk_ratio": ("jerk / real", "{:.2f}"),
    "turn_ratio": ("turning / real", "{:.2f}"),
    "skate": ("skate", "{:.2f}"),
    "overlap_percent": ("overlap %", "{:.1f}"),
    "bone_error_mm": ("bone error mm", "{:.2f}"),
}
RETRIEVAL_LEAK = 0.3
"""Clips cut from elsewhere need a firmer pull to their place than a follower that knows where it stands."""


@dataclass(frozen=True)
class Report:
    """Rows of numbers by name of who danced."""

    rows: dict[str, dict[str, float]]
    conditions: str
    """How it was measured, in a sentence."""
    reactions: dict[str, float] = field(default_factory=dict)
    """Numbers of ``models.evaluation.reaction``."""

    def markdown(self) -> str:
        """A table, one row per dancer."""
        titles = [title for title, _ in COLUMNS.values()]
        lines = ["| follower | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
        for name, numbers in self.rows.items():
            cells = [form.format(numbers[key]) for key, (_, form) in COLUMNS.items()]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join([self.conditions, "", *lines, *self._reaction_lines()]) + "\n"

    def _reaction_lines(self) -> list[str]:
        r = self.reactions
        if not r:
            return []
        return [
            "",
            f"A leader who is {LATE_S:g} s late shifts the dance by {r['late_shift_s']:.2f} s (place then within "
            f"{r['late_gap_m']:.2f} m, unshifted {r['unshifted_gap_m']:.2f} m). Beside a leader who stops, "
            f"the follower moves at {100 * r['stopped_speed_share']:.0f} % of its speed before, "
            f"{r['stopped_distance_m']:.2f} m away.",
        ]

    def to_json(self) -> str:
        """The same numbers, unrounded."""
        return json.dumps(asdict(self), indent=1) + "\n"


def evaluate(
    follower: Partner | str | Path,
    data_dir: str | Path,
    *,
    leak: float,
    delay_frames: int = 3,
    seeds: tuple[int, ...] = (0, 1, 2),
    baselines: bool = True,
) -> Report:
    """Dance the validation takes live-causally; ``follower`` is a partner or an exported folder."""
    partner = OnnxPartner(follower) if isinstance(follower, str | Path) else follower
    examples = [example_of(pair) for pair in load_pairs(data_dir, "validation")]
    rows = {"this follower": judge_follower(partner, examples, seeds=seeds, leak=leak, delay_frames=delay_frames)}
    if baselines:
        rows.update(_baseline_rows(partner.config, data_dir, examples, delay_frames))
    rows["real follower"] = _mean(
        [judge(e.pair.follower.joints_m, e.pair.follower.rotations, e.pair) for e in examples]
    )
    names = ", ".join(e.pair.name for e in examples)
    how = (
        f"Validation takes {names}, danced live-causally from entering the stage: music was put on the steps and "
        f"heard by the live listener, the newest leader frame is {delay_frames} frames older than the plan, "
        f"{len(seeds)} seeds. "
        "These takes chose weights and settings; they are no test. Overlap counts bodies as slim capsules."
    )
    return Report(rows, how, reactions(partner, examples, leak=leak, delay_frames=delay_frames))


def _baseline_rows(
    config: FollowerConfig | FollowerContract, data_dir: str | Path, examples: list[Example], delay_frames: int
) -> dict[str, dict[str, float]]:
    pairs = load_pairs(data_dir, "train")
    grid = FollowerConfig()
    sequences = recorded_sequences(pairs, grid, np.random.default_rng(0), Multiplication(copies=1))
    recorded = [s for s in sequences if s.style == 0]
    hold, retrieval = Hold(config, mean_frame(recorded)), Retrieval(config, recorded)

    def judged(partner: Partner, leak: float) -> dict[str, float]:
        return judge_follower(partner, examples, leak=leak, seeds=(0,), delay_frames=delay_frames)

    return {
        "hold (mean pose at mean offset)": judged(hold, 1.0),
        "mirror (leader's pose at mean offset)": _mean([_mirror(e, hold, delay_frames) for e in examples]),
        "retrieval (real clips by leader window)": judged(retrieval, RETRIEVAL_LEAK),
    }


def _mirror(example: Example, hold: Hold, delay_frames: int) -> dict[str, float]:
    """The leader's own pose, mirrored and late by the delay, where ``hold`` stands."""
    stood = dance(hold, [example.take], leak=1.0, delay_frames=delay_frames)[0]
    leader = example.pair.leader.mirrored()
    frames = len(stood.root_m)
    rotations = np.concatenate([leader.rotations[:1].repeat(delay_frames, 0), leader.rotations])[:frames].copy()
    rotations[:, 0] = stood.rotations[:, 0]
    danced = replace(stood, rotations=rotations)
    return judge(joints_of(danced), rotations, example.pair.slice(0, frames))


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
