"""The live loop: devices in, a follower's plan out, on time. Knows no torch."""

from duet import __version__ as __version__
