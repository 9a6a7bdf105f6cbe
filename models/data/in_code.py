"""Couples that dance in code, as training data: salsa, or a partner beside a leader who does everyday things."""

import numpy as np

from duet.choreography import accompany_tempo, choreograph_tempo
from models.data.pairs import FPS, Pair


def couple_in_code(
    name: str, seconds: float, tempo_bpm: float, seed: int, *, salsa: bool = True, fps: float = FPS
) -> Pair:
    """A couple at a steady tempo, with its beats: the first, at 0 s, begins a bar. The same arguments, the same takes.

    Raises InputError for a length or a tempo nobody can dance.
    """
    compose = choreograph_tempo if salsa else accompany_tempo
    couple = compose(seconds, tempo_bpm, seed, fps=fps)
    return Pair(name, couple.leader, couple.follower, np.arange(0.0, seconds, 60.0 / tempo_bpm))
