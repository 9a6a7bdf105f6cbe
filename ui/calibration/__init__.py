"""``duet calibrate``: what seeing and hearing cost here."""
