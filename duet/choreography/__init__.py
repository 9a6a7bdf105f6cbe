"""Salsa for two, in code: every seed another couple, another sequence of figures, another style.

``choreograph`` makes both dancers of a salsa; ``accompany`` a lead who does anything else, and a good partner for it;
``compose`` either of them by name.
"""

from duet.choreography.accompany import accompany, accompany_tempo
from duet.choreography.couple import Couple, choreograph, choreograph_tempo
from duet.choreography.kinds import KINDS, compose
from duet.choreography.style import CoupleStyle, DancerStyle, draw_style

__all__ = [
    "KINDS",
    "Couple",
    "CoupleStyle",
    "DancerStyle",
    "accompany",
    "accompany_tempo",
    "choreograph",
    "choreograph_tempo",
    "compose",
    "draw_style",
]
