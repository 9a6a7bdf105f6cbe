"""The closed-loop report of a follower beside its baselines: markdown for the model card, JSON for machines."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from duet.files import written_whole
from models.evaluation.judge import Verdict
from models.evaluation.reaction import LATE_S
from models.evaluation.statistics import BLOCK_S, Estimate

COLUMNS = {
    "root_ade_m": ("root error m", "{:.2f}"),
    "root_fde_m": ("at the end m", "{:.2f}"),
    "distance_mae_m": ("distance error m", "{:.2f}"),
    "heading_deg": ("heading error deg", "{:.0f}"),
    "mpjpe_mm": ("MPJPE mm", "{:.0f}"),
    "mpjpe_turned_mm": ("MPJPE own frame mm", "{:.0f}"),
    "mpjve_mm": ("MPJVE mm a frame", "{:.1f}"),
    "speed_ratio": ("speed / real", "{:.2f}"),
    "pose_speed_ratio": ("pose speed / real", "{:.2f}"),
    "jerk_ratio": ("jerk / real", "{:.2f}"),
    "turn_ratio": ("turning / real", "{:.2f}"),
    "skate": ("skate", "{:.2f}"),
    "overlap_percent": ("overlap %", "{:.1f}"),
    "penetration_percent": ("over 2 cm deep %", "{:.1f}"),
    "contact_percent": ("touching %", "{:.1f}"),
    "bone_error_mm": ("bone error mm", "{:.2f}"),
    "teleport_percent": ("teleports %", "{:.2f}"),
    "seam_root_ratio": ("seam, root", "{:.2f}"),
    "seam_joint_ratio": ("seam, joints", "{:.2f}"),
    "seam_jolt_ratio": ("seam, jolt", "{:.2f}"),
    "churn_next_mm": ("churn next mm", "{:.0f}"),
    "churn_plan_mm": ("churn plan mm", "{:.0f}"),
}
STEP_COLUMNS = {
    "step_per_beat": ("steps a beat", "{:.2f}"),
    "step_signed_ms": ("from the beat ms", "{:+.0f}"),
    "step_absolute_ms": ("off the beat ms", "{:.0f}"),
    "step_within_percent": ("within 60 ms %", "{:.0f}"),
    "step_within_chance_percent": ("by chance %", "{:.0f}"),
    "step_pattern_percent": ("in the bar's pattern %", "{:.0f}"),
    "step_pattern_chance_percent": ("by chance %", "{:.0f}"),
    "step_concentration": ("concentration", "{:.2f}"),
    "step_concentration_chance": ("by chance", "{:.2f}"),
    "leader_lag_ms": ("after the leader's ms", "{:+.0f}"),
    "leader_percent": ("with the leader's %", "{:.0f}"),
    "leader_chance_percent": ("by chance %", "{:.0f}"),
}
LEGEND = """\
What the columns are, where "real" is the real follower of the same take and a dance is judged frame by frame: *root*,
*distance*, *heading error*: of the pelvis' place on the floor, of how far it is from the leader's, of where it faces.
*MPJPE*: mean distance of 22 joints, pelvis laid on pelvis; *own frame*: turned to the same heading, too. *speed*,
*jerk*, *turning*: means over joints and frames (of the third difference; of the pelvis' heading) beside those of the
real one; *pose speed* in the dancer's own frame. *skate*: share of the frames with a foot joint within 3 cm of its
lowest in which it slides faster than 0.3 m/s. *overlap*: share of frames in which the bodies do. *teleports*: frames in
which the pelvis goes further than 15 cm. *seam*: how far steps between two commits are from the real follower's, beside
those within a commit; 1 is seamless. *churn*: how much a new plan changes, in the mean of all joints in the own frame,
what was planned for the frames it commits next. *from*, *off the beat*: median of landings of feet, signed and not.
*in the bar's pattern*: landings within a quarter of a beat of where salsa's three steps lie. *concentration*: length of
the mean of unit vectors at the landings' beat phases. *with the leader's*: landings within 100 ms of one of the
leader's. *by chance*: what landings at random would give."""
IN_A_CARD = (
    "root_ade_m", "distance_mae_m", "heading_deg", "mpjpe_mm", "mpjpe_turned_mm", "speed_ratio", "pose_speed_ratio",
    "jerk_ratio", "turn_ratio", "skate", "overlap_percent", "penetration_percent", "bone_error_mm", "teleport_percent",
    "seam_root_ratio", "seam_joint_ratio", "churn_next_mm",
)  # fmt: skip
"""Of COLUMNS."""
PAIRED = (
    "root_ade_m", "distance_mae_m", "heading_deg", "mpjpe_mm", "mpjpe_turned_mm", "speed_ratio", "jerk_ratio", "skate",
    "penetration_percent",
)  # fmt: skip
"""Numbers whose differences are told with intervals."""
LITERATURE = {
    "fid_k": "{:.4g}", "fid_g": "{:.4g}", "div_k": "{:.3g}", "div_g": "{:.3g}", "fid_cd": "{:.4g}", "div_cd": "{:.2f}",
    "bed": "{:.3f}", "bas": "{:.3f}", "pfc": "{:.3g}", "slipping_percent": "{:.2f}",
    "capsule_contact_percent": "{:.1f}", "interpenetration_percent": "{:.1f}",
}  # fmt: skip


Rows = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Report:
    """Rows of numbers by name of who danced."""

    rows: Rows
    conditions: str
    """How it was measured, in a few sentences."""
    reactions: dict[str, float] = field(default_factory=dict)
    """Numbers of ``models.evaluation.reaction``."""
    intervals: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    """Of PAIRED numbers, by who danced."""
    paired: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)
    """Differences: who danced, then minus whom, then which number."""
    takes: dict[str, Rows] = field(default_factory=dict)
    """Rows of each take by itself."""
    literature: dict[str, Rows] = field(default_factory=dict)
    """Rows of ``models.evaluation.duolando`` by mode."""
    judged: dict[str, Verdict] = field(default_factory=dict)
    """Whether windows can be told apart, by what was held against what."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """What was measured, where and with what."""

    def markdown(self) -> str:
        """Tables for a model card."""
        parts = [
            self.conditions,
            *self._table("dancer", {key: COLUMNS[key] for key in IN_A_CARD}, self.rows),
            *self._steps(),
            *self._paired(),
            *self._judged(),
            *self._reaction(),
            "",
            LEGEND,
        ]
        return "\n".join(parts) + "\n"

    def _steps(self) -> list[str]:
        if not any("step_per_beat" in row for row in self.rows.values()):
            return []
        return self._table("steps of", STEP_COLUMNS, self.rows)

    def _paired(self) -> list[str]:
        lines = []
        for name, others in self.paired.items():
            for other, numbers in others.items():
                cells = [f"{COLUMNS[key][0]} {interval(value)}" for key, value in numbers.items()]
                lines.append(f"* {name} minus {other}: " + "; ".join(cells) + ".")
        if not lines:
            return []
        how = f"Differences with 95 % intervals (bootstrap over takes and blocks of {BLOCK_S:g} s, paired):"
        return ["", how, "", *lines]

    def _judged(self) -> list[str]:
        known = {name: v for name, v in self.judged.items() if not math.isnan(v.auc)}
        found = [f"{name} {v.auc:.2f} ({v.low:.2f} to {v.high:.2f})" for name, v in known.items()]
        if not found:
            too_few = "A judge learns from other takes than it judges: one take is too few for it."
            return ["", too_few] if self.judged else []
        return [
            "",
            f"A judge of two seconds of motion tells apart (area under the curve, .5 is chance): {'; '.join(found)}.",
        ]

    def _table(self, title: str, columns: dict[str, tuple[str, str]], rows: Rows) -> list[str]:
        titles = [heading for heading, _ in columns.values()]
        lines = ["", f"| {title} | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
        for name, numbers in rows.items():
            lines.append(
                f"| {name} | " + " | ".join(cell(form, numbers.get(k)) for k, (_, form) in columns.items()) + " |"
            )
        return lines

    def _reaction(self) -> list[str]:
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
        """The same numbers, unrounded; what could not be measured is null."""
        return json_text(asdict(self))


def interval(estimate: Estimate) -> str:
    """In words."""
    return f"{estimate.value:+.3g} ({estimate.low:+.3g} to {estimate.high:+.3g})"


def cell(form: str, value: float | None) -> str:
    """A number in its form; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else form.format(value)


def write_whole(path: Path, text: str) -> None:
    """Write ``text``, whole or not at all."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def json_text(values: dict[str, Any]) -> str:
    """Indented JSON; what is not a number is null, as JSON knows neither NaN nor infinity."""
    return json.dumps(_finite(values), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
