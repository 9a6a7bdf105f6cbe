"""The abstract dancer: a smooth figure of light, cool and bright in front, violet behind, with a visor and a crest.

Which way it faces is to be read from the last row: front and back differ in colour, and the crest sweeps back.
"""

from dataclasses import replace

import numpy as np

from ui.bake.mesh import Floats, Mesh, double_sided, join, shaded, smooth, thinned
from ui.bake.source import JOINT_NAMES, Figure

FRONT, BACK = np.array([0.42, 0.92, 1.00]), np.array([0.62, 0.16, 0.98])
VISOR = np.array([1.00, 0.98, 0.90])
_OWN_LIGHT = 0.04
_ROUNDS = 7
_VERTICES = 2900
_CREST_STEPS = 14
_CREST_RISE_M = (0.006, 0.042)


def figure_of_light(figure: Figure) -> Mesh:
    """The whole figure, painted."""
    body = figure.part("body")
    mouth = np.asarray(figure.masks["inside-mouth"][body.source] > 0.5)
    body = body.keep_faces(np.asarray(~mouth[body.faces].all(axis=1), dtype=np.bool_))
    # Fingers are thin: smoothing as strong as the trunk's would melt them.
    hands = body.weights[:, 25:].sum(1)[:, None]
    melted = smooth(body, body.positions_m, _ROUNDS)
    body = replace(body, positions_m=melted + 0.8 * hands * (body.positions_m - melted))
    eyes = figure.part("helper-l-eye", "helper-r-eye")
    parts = [thinned(shaded(body), _VERTICES, np.ones(len(body.positions_m))), shaded(eyes)]
    return join(*(_painted(figure, part) for part in parts), _crest(figure))


def _painted(figure: Figure, mesh: Mesh) -> Mesh:
    """From back to front by where the surface faces; the visor shines."""
    front = 0.5 + 0.5 * np.clip(1.6 * mesh.normals[:, 2:3], -1.0, 1.0)
    colours = np.full((len(mesh.positions_m), 4), _OWN_LIGHT)
    colours[:, :3] = BACK + front * (FRONT - BACK)
    eye = (figure.joint("left_eye") + figure.joint("right_eye")) / 2
    off = mesh.positions_m - eye
    visor = np.clip(1.6 - np.abs(off[:, 1]) / 0.016, 0.0, 1.0) * (off[:, 2] > -0.045) * (np.abs(off[:, 0]) < 0.09)
    colours[:, :3] += visor[:, None] * (VISOR - colours[:, :3])
    colours[:, 3] += visor * (1.0 - _OWN_LIGHT)
    return replace(mesh, colours=colours)


def _crest(figure: Figure) -> Mesh:
    """A thin fin over the head from the brow to the nape, higher towards the back."""
    head = figure.part("body")
    middle = (np.abs(head.positions_m[:, 0]) < 0.012) & (head.weights[:, JOINT_NAMES.index("head")] > 0.5)
    line = head.positions_m[middle]
    eye = (figure.joint("left_eye") + figure.joint("right_eye")) / 2
    centre = np.array([0.0, eye[1] + 0.02, figure.joint("head")[2] + 0.01])
    angles = np.radians(np.linspace(58.0, 205.0, _CREST_STEPS))
    share = np.linspace(0.0, 1.0, _CREST_STEPS)
    rise = _CREST_RISE_M[0] + (_CREST_RISE_M[1] - _CREST_RISE_M[0]) * np.sin(np.pi * share**1.4)
    foot = np.array([_skull(line, centre, angle) for angle in angles])
    out = np.stack([np.zeros(_CREST_STEPS), np.sin(angles), np.cos(angles)], axis=1)
    # It leans back, as if in the wind.
    tip = foot + out * rise[:, None] + [0.0, 0.0, -0.03] * share[:, None]
    # Melting took a little off the skull: the fin is rooted in it.
    points = np.concatenate([foot - out * 0.03, tip])
    faces = []
    for k in range(_CREST_STEPS - 1):
        faces += [[k, k + 1, k + 1 + _CREST_STEPS], [k, k + 1 + _CREST_STEPS, k + _CREST_STEPS]]
    weights = np.zeros((len(points), len(JOINT_NAMES)))
    weights[:, JOINT_NAMES.index("head")] = 1.0
    fin = Mesh(
        points, weights, np.ones((len(points), 4)), np.array(faces), np.full(len(points), -1), np.zeros_like(points)
    )
    colour = tuple(0.5 * (FRONT + BACK))
    return double_sided(shaded(fin.painted((colour[0], colour[1], colour[2]), 0.35)))


def _skull(line: Floats, centre: Floats, angle: float) -> Floats:
    """(3,) where the head's midline is met from its middle at ``angle`` radians from the front, upwards."""
    out = line - centre
    turn = np.arctan2(out[:, 1], out[:, 2])
    apart = np.abs((turn - angle + np.pi) % (2.0 * np.pi) - np.pi)
    radius = np.linalg.norm(out[:, 1:], axis=1)
    nearest = np.argsort(apart)[:6]
    return centre + np.array([0.0, np.sin(angle), np.cos(angle)]) * float(np.median(radius[nearest]))
