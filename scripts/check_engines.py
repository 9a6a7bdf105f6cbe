"""Builds TensorRT-RTX engines for an RTX card on a machine without one: S and M, float32 and float16, random weights.

python scripts/check_engines.py            every graph of a tick, for GeForce RTX 40 (SM89)

That they parse and build is what this shows, and how long it takes; running them needs such a card. The exit code is 1
where one does not build, or those of one follower take more than two minutes of the processor's time, which is what
they take on a core that does nothing else.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import onnx

from duet.contract import sha256_of
from duet.errors import FollowerError
from duet.extras import how_to_install
from export.precision import lowered
from export.to_onnx import write_graphs
from export.untrained import untrained
from realtime.inference.engine_cache import EngineKey, build_engine, tensorrt_version

TARGET, MOST_S = "SM89", 120.0
PRESETS, PRECISIONS = ("S", "M"), ("fp32", "fp16")


def builders_s() -> float:
    """Seconds of the processor that ended child processes took so far."""
    times = os.times()
    return times.children_user + times.children_system


def built_s(graphs: Path, precision: str) -> float:
    """The processor's seconds for an engine of every graph in a folder; FollowerError says what does not build."""
    before_s = builders_s()
    for path in sorted(graphs.glob("*.onnx")):
        model = lowered(onnx.load(path), path.stem, precision)
        graph = path.with_suffix(f".{precision}")
        graph.write_bytes(model.SerializeToString(deterministic=True))
        key = EngineKey(path.stem, sha256_of(graph), tensorrt_version(), TARGET, precision)
        begin_s = time.monotonic()
        engine = build_engine(graph, key)
        took_s = time.monotonic() - begin_s
        print(f"  {path.stem:8} {took_s:6.1f} s by the clock  {engine.stat().st_size / 1e6:5.1f} MB", flush=True)
    return builders_s() - before_s


def main() -> int:
    """Build all of them; the exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not tensorrt_version():
        print(f"Engines: not built: TensorRT is not installed here ({how_to_install('tensorrt')}).")
        return 1
    good = True
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DUET_CACHE"] = str(Path(folder) / "cache")
        for preset in PRESETS:
            follower, _ = untrained(preset, 0)
            graphs = Path(folder) / preset
            graphs.mkdir()
            write_graphs(follower.eval(), graphs)
            for precision in PRECISIONS:
                print(f"{preset} {precision}, {tensorrt_version()}, {TARGET}", flush=True)
                try:
                    took_s = built_s(graphs, precision)
                except FollowerError as error:
                    print(f"  {error}")
                    good = False
                    continue
                good &= took_s <= MOST_S
                said = "within" if took_s <= MOST_S else "MORE THAN"
                print(f"  together {took_s:6.1f} s of the processor, {said} {MOST_S:.0f} s", flush=True)
    print(
        "Engines: parsed and built, not run: that needs an RTX card." if good else "Engines: NOT all as they should be."
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
