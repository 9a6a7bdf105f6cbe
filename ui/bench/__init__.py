"""``duet bench``: measures, printed."""
