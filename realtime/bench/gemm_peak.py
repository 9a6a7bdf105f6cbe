"""What this machine's processor can do at most: the best of several large float32 matrix products by numpy's BLAS."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from duet.errors import InputError

SIZE = 1024
_TRIES = 8
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


def best_gflops(size: int = SIZE, tries: int = _TRIES) -> float:
    """GFLOP/s of the fastest of ``tries`` products of two (size, size) matrices in this process."""
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
