"""Common ground of Duet: numpy only, imports nothing else of this repository.

Conventions: metres, radians, seconds; right-handed, Y up, a dancer faces +Z; arrays are
float32 when they cross a module border and C-contiguous; time is ``float`` seconds on the
session clock.
"""

__version__ = "0.1.0"
