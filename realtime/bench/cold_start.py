"""How long a follower takes from the start of a process to its first pose, measured in a process of its own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from duet.errors import DuetError, FollowerError

_PATIENCE_S = 600.0


def cold_start(folder: Path, runtime: str, threads: int, *, forget: bool) -> dict[str, float]:
    """Seconds from the start of a fresh process until ``imported``, ``loaded`` and ``posed``.

    With ``forget`` the system is asked to drop what it remembers of the follower's files first (only some do), as after
    a restart; the program's own files stay remembered. FollowerError tells what the process said where it failed.
    """
    if forget:
        forget_files(folder)
    begin_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "realtime.bench.cold_start", str(folder), runtime, str(threads)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise FollowerError(f"{folder}: expected a first pose, got: {said}. Try duet doctor.")
    return {name: at_s - begin_s for name, at_s in json.loads(done.stdout.splitlines()[-1]).items()}


def forget_files(folder: Path) -> None:
    """Ask the system to drop the pages it keeps of the files in ``folder``."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _first_pose(folder: str, runtime: str, threads: int) -> dict[str, float]:
    """When each stage was reached, on the system's monotonic clock."""
    import numpy as np

    from duet.golden import joint_distance_mm, seeded_inputs
    from realtime.inference.runtimes import open_runner

    at_s = {"imported": time.monotonic()}
    runner = open_runner(folder, runtime, threads=threads, measuring=True)
    at_s["loaded"] = time.monotonic()
    contract = runner.contract
    shapes = {spec.name: spec.shape for spec in contract.inputs}
    inputs = next(seeded_inputs(shapes, contract.past_tokens, {}, 1))
    outputs, _ = runner.tick(inputs, runner.initial_state())
    # The joints of the first frame, held against themselves: finite only where they are numbers.
    frames = outputs["frames"][0, :1]
    if not np.isfinite(joint_distance_mm(frames, frames)):
        raise FollowerError(f"{folder}: expected a pose, got numbers that are none. Export the follower again.")
    at_s["posed"] = time.monotonic()
    return at_s


def main(folder: str, runtime: str, threads: str) -> int:
    """Say when each stage was reached, or what stood in the way; the exit code."""
    try:
        sys.stdout.write(json.dumps(_first_pose(folder, runtime, int(threads))) + "\n")
    except DuetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
