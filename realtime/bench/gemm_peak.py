"""What this machine's processor can do at most: the best of several large float32 matrix products by numpy's BLAS."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from duet.errors import InputError

SIZES = (512, 1024)
"""The smaller one is done between two interruptions by others, where a machine is busy; alone, both are as fast."""
_TRIES = 40
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def gemm_peak(threads: int) -> float:
    """GFLOP/s of ``threads`` threads, in a process of its own: a BLAS counts its threads when it is loaded."""
    environment = os.environ | dict.fromkeys(_THREADS, str(threads))
    done = subprocess.run(
        [sys.executable, "-m", "realtime.bench.gemm_peak"],
        cwd=Path(__file__).resolve().parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300.0,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise InputError(f"Matrix product: expected a rate, got: {said}. Is there memory left?")
    return float(done.stdout)


def best_gflops(sizes: Sequence[int] = SIZES, tries: int = _TRIES) -> float:
    """GFLOP/s of the fastest of ``tries`` products each of two square matrices of ``sizes`` in this process."""
    return max(_gflops(size, tries) for size in sizes)


def _gflops(size: int, tries: int) -> float:
    rng = np.random.Generator(np.random.PCG64(0))
    one, other = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    out = np.empty_like(one)
    seconds = []
    for _ in range(tries):
        begin_s = time.perf_counter()
        np.matmul(one, other, out=out)
        seconds.append(time.perf_counter() - begin_s)
    return 2.0 * size**3 / min(seconds) / 1e9


if __name__ == "__main__":
    sys.stdout.write(f"{best_gflops()}\n")
