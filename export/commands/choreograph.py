"""``duet-lab choreograph``: a couple that dances in code, or one of the two."""

import argparse
from pathlib import Path

from rich.console import Console

from duet.errors import InputError
from export.commands.command_line import Commands, above_zero, check_file, count, new_command

ROLES = ("couple", "leader", "follower")
LONGEST_S = 3600.0

MORE = """\
A leader and a good partner, made of figures drawn at random: the same seed, the same dance. Steps land on the beat;
the first count 1 is at time 0. A couple goes into one .npz; one dancer into .npz or .bvh.

  duet-lab choreograph --seconds 60 --seed 7 --out couple.npz
  duet-lab choreograph --seconds 30 --kind walk --tempo 120 --role leader --out walk.bvh
  duet play --leader couple.npz --music song.mp3

``duet demo`` has its leader from the same choreographer: --seconds, --tempo and --seed mean the same there.
"""


def add(commands: Commands) -> None:
    """Describe it to the parser."""
    from duet.choreography import KINDS

    command = new_command(commands, "choreograph", "Let a couple dance in code, and write both takes.", run, more=MORE)
    command.set_defaults(stopped="Nothing was written.")
    command.add_argument("--seconds", type=above_zero, required=True, metavar="N", help="length of the takes")
    command.add_argument("--seed", type=count, default=0, metavar="S", help="another seed, another dance (default 0)")
    command.add_argument("--tempo", type=above_zero, default=180.0, metavar="BPM", help="beats a minute (default 180)")
    command.add_argument(
        "--kind", default="salsa", metavar="KIND", help=f"what the leader does: {', '.join(KINDS)} (default salsa)"
    )
    command.add_argument(
        "--role", default="couple", metavar="ROLE", help=f"who is written: {', '.join(ROLES)} (default couple)"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the take, .npz or .bvh")


def run(options: argparse.Namespace, console: Console) -> None:
    """Do it."""
    from duet.choreography import compose
    from duet.motion import write_couple, write_motion

    if options.role not in ROLES:
        raise InputError(f"--role: expected one of {', '.join(ROLES)}, got {options.role!r}. Choose one of them.")
    if options.seconds > LONGEST_S:
        raise InputError(f"--seconds: expected at most {LONGEST_S:g}, got {options.seconds:g}. Make several takes.")
    allowed = (".npz",) if options.role == "couple" else (".npz", ".bvh")
    if options.out.suffix.lower() not in allowed:
        raise InputError(
            f"--out: expected a name in {' or '.join(allowed)} for --role {options.role}, got {options.out.name!r}. "
            "Change the ending."
        )
    check_file("--out", options.out)
    with console.status("dancing"):
        couple = compose(options.kind, options.seconds, options.tempo, options.seed)
    if options.role == "couple":
        write_couple(options.out, {"leader": couple.leader, "follower": couple.follower})
    else:
        write_motion(options.out, getattr(couple, options.role))
    figures = list(dict.fromkeys(name for name, _ in couple.figures))
    console.print(
        f"{options.out}: {couple.leader.seconds:.1f} s of {options.kind} at {options.tempo:g} BPM, "
        f"seed {options.seed}: {', '.join(figures)}."
    )
