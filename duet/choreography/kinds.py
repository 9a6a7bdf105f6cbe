"""Kinds of couples by name: salsa, and leads that are something else."""

from duet.choreography.accompany import accompany_tempo
from duet.choreography.couple import Couple, choreograph_tempo
from duet.choreography.everyday import ACTS
from duet.errors import InputError

KINDS: dict[str, tuple[str, ...]] = {
    "salsa": (),
    "walk": ("walk",),
    "stand": ("stand", "sway"),
    "wave": ("stand", "wave", "raise a hand", "offer a hand"),
    "turn-away": ("stand", "turn away"),
    "leave": ("stand", "leave and return"),
    "crouch": ("stand", "crouch"),
    "mixed": ACTS,
}
"""What the leader does in each: acts of ``everyday``, in turn; in "mixed" at random, and in "salsa" figures."""


def compose(kind: str, seconds: float, tempo_bpm: float, seed: int, *, fps: float = 30.0) -> Couple:
    """A couple of one of ``KINDS`` for ``seconds`` at a steady tempo, the first count 1 at time 0.

    The same arguments give the same takes. Raises InputError for a kind nobody knows, and a length or a tempo nobody
    can dance.
    """
    if kind not in KINDS:
        raise InputError(f"Kind: expected one of {', '.join(KINDS)}, got {kind!r}. Choose one of them.")
    if kind == "salsa":
        return choreograph_tempo(seconds, tempo_bpm, seed, fps=fps)
    return accompany_tempo(seconds, tempo_bpm, seed, fps=fps, acts=() if kind == "mixed" else KINDS[kind])
