"""Salsa for two, in code: every seed another couple, another sequence of figures, another style."""

from duet.choreography.couple import Couple, choreograph, choreograph_tempo
from duet.choreography.style import CoupleStyle, DancerStyle, draw_style

__all__ = ["Couple", "CoupleStyle", "DancerStyle", "choreograph", "choreograph_tempo", "draw_style"]
