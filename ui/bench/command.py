"""``duet bench``: measures of what Duet hears, sees and draws, printed."""

import argparse
from pathlib import Path

from ui.bench.beats import add_beats
from ui.bench.compare import add_compare
from ui.bench.e2e import add_e2e
from ui.bench.everything import add_all
from ui.bench.faults import add_faults
from ui.bench.follow import add_follow
from ui.bench.live import add_live
from ui.bench.model import add_model
from ui.bench.peers import add_peers
from ui.bench.recorded import add_data
from ui.bench.recovery import add_recovery
from ui.bench.render import add_render
from ui.bench.unplug import add_unplug

PARTS = ("live", "steady", "true")
_PERCEPTION = """\
live    a rendered lead (or your own --camera) is tracked while a sound device (a virtual one, in its own process)
        hears music and the follower dances, for --seconds. "picture to leader": from a picture's arrival to the
        LeaderFrame. "age when a tick uses it": at every tick, how long ago the newest picture of the leader that it
        knows was exposed. Run it with nothing else going on, on two cores if you mean to compare (taskset -c 0,1); a
        claim wants --seconds 600.
steady  noise of 8 mm through gates, filters and inverse kinematics: what `duet calibrate tracking` measures, and the
        swing of an arm by 5, 15 and 30 cm: a filter may swallow small movements.
true    salsa leads (of --data, else choreographed) drawn with our avatar, filmed, tracked and lifted, beside the truth:
        joints relative to the pelvis, mean over torso and legs; the path after one shift for the whole dance. The rows
        below show where the error arises: the same with the picture's points, the depth, or both replaced by the truth;
        then lenses, heights and bodies that lifting is not told of.
The exit code is 1 when an aim is missed.
`duet bench beats` measures how well the beat is heard.

examples:
  duet bench perception --seconds 600 --json perception.json
  duet bench perception --only true --data DATA
  duet bench perception --only live --camera camera:0
"""


def add_bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    """Register ``duet bench``; ``follower`` is the one that dances unless another is asked for."""
    bench = commands.add_parser("bench", help="measure how well Duet hears, sees and draws", description=__doc__)
    kinds = bench.add_subparsers(title="what to measure", metavar="WHAT", required=True)
    add_beats(kinds)
    add_unplug(kinds)
    add_recovery(kinds, follower)
    add_faults(kinds, follower)
    add_render(kinds)
    add_follow(kinds, follower)
    _add_perception(kinds, follower)
    add_model(kinds, follower)
    add_live(kinds, follower)
    add_e2e(kinds, follower)
    add_peers(kinds)
    add_compare(kinds)
    add_all(kinds, follower)


def _add_perception(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", follower: Path) -> None:
    perception = kinds.add_parser(
        "perception",
        help="the tracked leader: how early, how steady, how true",
        description="Measure how early, how steady and how true the leader arrives.",
        epilog=_PERCEPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    perception.add_argument("--seconds", type=float, default=60.0, metavar="N", help="of the live part (default 60)")
    perception.add_argument("--film-seconds", type=float, default=20.0, metavar="N", help="of each lead (default 20)")
    perception.add_argument("--only", choices=PARTS, help="one part of the three")
    perception.add_argument("--camera", metavar="SOURCE", help="of the live part: camera:0, a video or a URL")
    add_data(perception, "recorded leads")
    perception.add_argument("--follower", type=Path, default=follower, metavar="DIR", help="a follower folder")
    perception.add_argument("--json", metavar="FILE", help="also write everything measured; - prints it and no table")
    perception.set_defaults(run=_perception)


def _perception(arguments: argparse.Namespace) -> int:
    from ui.bench.perception import run

    return run(arguments, (arguments.only,) if arguments.only else PARTS)
