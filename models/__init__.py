"""The follower's networks and their learning. Needs torch; never imported by ``realtime`` or ``ui``."""

from duet import __version__ as __version__
