"""Common ground of Duet: numpy only, imports nothing else of this repository.

Conventions: metres, radians, seconds; right-handed, Y up, a dancer faces +Z; arrays are
float32 when they cross a module border and C-contiguous; time is ``float`` seconds on the
session clock.
"""

import os

# From 1.29 on ONNX Runtime tells its makers of every process that loads it, and keeps a number for the machine in the
# home folder, unless this is set before. Every package of ours imports this one first; children inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
