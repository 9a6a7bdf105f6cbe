"""The follower's networks and their learning. Needs torch; never imported by ``realtime`` or ``ui``."""
