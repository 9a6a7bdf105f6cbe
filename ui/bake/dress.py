"""Dresses a figure: garments cut from the CC0 helper meshes, hair from the scalp, painted eyes, lips and brows.

Each garment is a region of the figure given by a *field*: metres inside its edge, negative outside. The same field cuts
the cloth along clean lines and tells which skin lies so deep under the cloth that it need not be drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ui.bake.mesh import Floats, Mesh, clip, double_sided, join, puffed, shaded, smooth, thinned
from ui.bake.source import JOINT_NAMES, Figure

Field = Callable[[Figure, Mesh], Floats]
Cover = tuple[Field, float]
"""Where something lies over the skin, and how far inside its edge skin is no longer needed, metres."""
Colour = tuple[float, float, float]

_SCALP_UNDER_HAIR_M = 0.018
_SINK_M = 0.008
_LINED_M = 0.015
_ARM = [JOINT_NAMES.index(name) for name in JOINT_NAMES if "left" in name or "right" in name]
_ARM = [j for j in _ARM if JOINT_NAMES[j].split("_")[1][:5] not in ("hip", "knee", "ankle", "foot", "eye", "colla")]
_HEAD = [JOINT_NAMES.index(name) for name in ("head", "jaw", "left_eye", "right_eye")]


@dataclass(frozen=True)
class Garment:
    """One piece of clothing: where it is, how it looks, how far it stands off the body (top, bottom)."""

    field: Field
    colour: Colour
    gloss: float
    ease_m: tuple[float, float]
    smoothing: int = 4
    loose: bool = False
    """Whether the edges stand off too; else they lie on the skin."""
    skin_under_m: float = 0.035
    """Skin further than this inside the edge is left out."""


@dataclass(frozen=True)
class Look:
    """Everything that tells one dancer from another, beside the shape of the body."""

    skin: Colour
    hair: Colour
    lips: Colour
    iris: Colour
    garments: tuple[Garment, ...]
    hair_depth_m: float
    hairline_m: float = 0.010
    """From where hair begins to where no skin is seen through it."""
    bun: bool = False
    lashes: bool = False
    skirt: Garment | None = None
    skin_vertices: int = 2600


def dress(figure: Figure, look: Look) -> Mesh:
    """The whole dancer: skin, eyes, garments, hair; colours painted, hidden skin dropped."""
    parts = [_eyes(figure, look), *_brows(figure, look), _hair(figure, look)]
    covers: list[Cover] = [(_hair_field, _SCALP_UNDER_HAIR_M)]
    for garment in look.garments:
        parts.append(_sew(figure, garment))
        covers.append((garment.field, garment.skin_under_m))
    if look.skirt is not None:
        parts.append(_skirt(figure, look.skirt))
        # Legs are seen at the hem only; what is not there cannot poke through a lifted skirt.
        covers.append((look.skirt.field, look.skirt.skin_under_m))
    if look.bun:
        parts.append(_bun(figure, look))
    if look.lashes:
        lashes = figure.part(*(f"helper-{side}-eyelashes-{k}" for side in "lr" for k in (1, 2)))
        parts.append(shaded(lashes.painted((0.05, 0.04, 0.04), 0.0)))
    return join(_skin(figure, look, covers), *parts)


def _skin(figure: Figure, look: Look, covers: list[Cover]) -> Mesh:
    """The body's visible skin with painted lips, thinned with care for the face."""
    body = figure.part("body").painted(look.skin, 0.25)
    depths = [field(figure, body) for field, _ in covers]
    hidden = np.any([depth > under for depth, (_, under) in zip(depths, covers, strict=True)], axis=0)
    # What stays under cloth sinks a little, so that it does not come through where the cloth was smoothed.
    sink = _SINK_M * np.clip((np.max(depths[1:], axis=0) - 0.008) / 0.02, 0.0, 1.0)
    body = puffed(body, -sink)
    drop = hidden | (figure.masks["inside-mouth"][body.source] > 0.5)
    body = body.keep_faces(~drop[body.faces].all(1))
    lips = figure.masks["lips"][body.source, None] ** 2
    colours = body.colours.copy()
    colours[:, :3] = colours[:, :3] * (1 - lips) + np.array(look.lips) * lips
    colours[:, 3] += 0.3 * lips[:, 0]
    body = replace(body, colours=colours)
    eye = (figure.joint("left_eye") + figure.joint("right_eye")) / 2
    face = np.exp(-np.sum((body.positions_m - (eye + [0, -0.03, 0.03])) ** 2, axis=1) / 0.08**2)
    return thinned(shaded(body), look.skin_vertices, 1.0 + 20.0 * face)


def _sew(figure: Figure, garment: Garment) -> Mesh:
    """A garment: the region of the tights helper inside its field, smoothed and puffed out."""
    tights = figure.part("helper-tights")
    cloth = clip(tights, garment.field(figure, tights)).painted(garment.colour, garment.gloss)
    cloth = replace(cloth, positions_m=smooth(cloth, cloth.positions_m, garment.smoothing))
    height = cloth.positions_m[:, 1]
    fall = (height.max() - height) / max(float(np.ptp(height)), 1e-6)
    ease = garment.ease_m[0] + fall * (garment.ease_m[1] - garment.ease_m[0])
    depth = garment.field(figure, cloth)
    if not garment.loose:
        ease *= np.clip(depth / 0.016, 0.3, 1.0)
    cloth = puffed(cloth, ease)
    floor = figure.part("helper-tights").positions_m[:, 1].min()
    cloth.positions_m[:, 1] = np.maximum(cloth.positions_m[:, 1], floor)
    cloth = shaded(cloth)
    # The inside is seen at the edges only: up a sleeve, down a collar.
    edge = cloth.keep_faces(np.less(depth[cloth.faces].min(axis=1), _LINED_M))
    return join(cloth, replace(edge, faces=edge.faces[:, ::-1], normals=-edge.normals))


def _skirt(figure: Figure, garment: Garment) -> Mesh:
    """The skirt helper, cut at the hem, flared and pleated; it follows both thighs softly."""
    skirt = figure.part("helper-skirt")
    cloth = clip(skirt, garment.field(figure, skirt)).painted(garment.colour, garment.gloss)
    points = smooth(cloth, cloth.positions_m, 12)
    fall = (points[:, 1].max() - points[:, 1]) / np.ptp(points[:, 1])
    centre = np.array([0.0, figure.joint("pelvis")[2]])
    out = points[:, [0, 2]] - centre
    angle = np.arctan2(out[:, 1], out[:, 0])
    flare = 0.105 * fall**1.2 + 0.014 * fall * np.cos(16 * angle)
    points[:, [0, 2]] += out / np.linalg.norm(out, axis=1, keepdims=True) * flare[:, None]
    weights = smooth(cloth, cloth.weights, 12)
    ease = garment.ease_m[0] + fall * (garment.ease_m[1] - garment.ease_m[0])
    return double_sided(shaded(puffed(replace(cloth, positions_m=points, weights=weights), ease)))


def _hair(figure: Figure, look: Look) -> Mesh:
    """A cap lifted off the scalp."""
    body = figure.part("body")
    cap = clip(body, _hair_field(figure, body)).painted(look.hair, 0.13)
    depth = np.clip(_hair_field(figure, cap) / 0.04, 0.0, 1.0)
    # Fuller above than at the sides and the nape.
    up = cap.positions_m[:, 1] - figure.joint("left_eye")[1]
    fullness = np.interp(up, [-0.06, 0.02, 0.09, 0.13], [0.55, 0.7, 1.25, 1.35])
    cap = puffed(cap, 0.0015 + look.hair_depth_m * fullness * depth**0.6)
    # Thin at the hairline, where the skin is seen between the hairs: it has no hard edge.
    dense = np.clip(0.25 + _hair_field(figure, cap) / look.hairline_m, 0.0, 1.0)[:, None]
    colours = cap.colours.copy()
    colours[:, :3] = np.array(look.skin) * 0.8 * (1.0 - dense) + colours[:, :3] * dense
    cap = replace(cap, colours=colours)
    cap = replace(cap, positions_m=smooth(cap, cap.positions_m, 3))
    return thinned(shaded(cap), 420, np.ones(len(cap.positions_m)))


def _hair_field(figure: Figure, mesh: Mesh) -> Floats:
    """Metres inside the hairline; ears are outside."""
    eye = (figure.joint("left_eye") + figure.joint("right_eye")) / 2
    centre = np.array([0.0, eye[1] + 0.015, figure.joint("head")[2] + 0.01])
    offset = mesh.positions_m - centre
    radius = np.linalg.norm(offset, axis=1)
    elevation = np.degrees(np.arcsin(np.clip(offset[:, 1] / np.maximum(radius, 1e-6), -1, 1)))
    azimuth = np.degrees(np.arctan2(np.abs(offset[:, 0]), offset[:, 2]))
    line = np.interp(azimuth, [0, 35, 60, 78, 95, 120, 180], [43, 42, 30, 8, -2, -32, -42])
    field = np.radians(elevation - line) * np.maximum(radius, 0.08)
    head = mesh.weights[:, _HEAD].sum(1) > 0.3
    ears = (figure.masks["ears"][mesh.source] > 0.4) & (mesh.source >= 0)
    return np.where(head & ~ears, field, -0.05)


def _bun(figure: Figure, look: Look) -> Mesh:
    """A knot of hair at the back of the head."""
    eye = (figure.joint("left_eye") + figure.joint("right_eye")) / 2
    body = figure.part("body")
    back = body.positions_m[np.abs(body.positions_m[:, 1] - eye[1] - 0.05) < 0.02, 2].min()
    rings, around = 9, 14
    up = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)[None, :]
    ball = np.stack(np.broadcast_arrays(np.cos(up) * np.sin(turn), np.sin(up), np.cos(up) * np.cos(turn)), -1)
    points = ball.reshape(-1, 3) * [0.047, 0.043, 0.038] + [0.0, eye[1] + 0.055, back - 0.018]
    faces = []
    for r in range(rings - 1):
        for a in range(around):
            i, j = r * around + a, r * around + (a + 1) % around
            faces += [[i, j, j + around], [i, j + around, i + around]]
    weights = np.zeros((len(points), len(JOINT_NAMES)))
    weights[:, JOINT_NAMES.index("head")] = 1.0
    nowhere = np.full(len(points), -1)
    mesh = Mesh(points, weights, np.ones((len(points), 4)), np.array(faces), nowhere, np.zeros_like(points))
    return shaded(mesh.painted(look.hair, 0.13))


def _eyes(figure: Figure, look: Look) -> Mesh:
    """Both eyes: white, iris and pupil, cut along circles about the gaze (+Z)."""
    parts = []
    for side in ("left", "right"):
        eye = shaded(figure.part(f"helper-{side[0]}-eye"))
        centre = (eye.positions_m.max(0) + eye.positions_m.min(0)) / 2

        def off_axis(mesh: Mesh, centre: Floats = centre) -> Floats:
            out = mesh.positions_m - centre
            return np.degrees(np.arctan2(np.hypot(out[:, 0], out[:, 1]), out[:, 2]))

        white = clip(eye, off_axis(eye) - 30.0).painted((0.93, 0.92, 0.90), 0.9)
        iris = clip(eye, 30.0 - off_axis(eye))
        pupil = clip(iris, 13.0 - off_axis(iris)).painted((0.02, 0.02, 0.02), 1.0)
        iris = clip(iris, off_axis(iris) - 13.0).painted(look.iris, 1.0)
        parts += [white, iris, pupil]
    return join(*parts)


def _brows(figure: Figure, look: Look) -> list[Mesh]:
    """Two arched strips above the eyes, cut from the brow's skin."""
    brows = []
    for side, sign in (("left", 1.0), ("right", -1.0)):
        eye = figure.joint(f"{side}_eye")
        patch = figure.part("body")
        patch = clip(patch, patch.positions_m[:, 2] - eye[2])
        for edge in ("lower", "upper", "inner", "outer"):
            outward = sign * (patch.positions_m[:, 0] - eye[0])
            # It rises outwards, falls at the end and gets thinner there: level brows look stern.
            line = np.minimum(0.0160 + 0.09 * (outward + 0.019), 0.0188 - 0.22 * (outward - 0.012))
            height = patch.positions_m[:, 1] - (eye[1] + line)
            thick = 0.0056 - 0.10 * np.maximum(outward - 0.004, 0.0)
            inside = {"lower": height, "upper": thick - height, "inner": outward + 0.019, "outer": 0.028 - outward}
            patch = clip(patch, inside[edge])
        patch = shaded(patch)
        lifted = replace(patch, positions_m=patch.positions_m + patch.normals * 0.0015)
        red, green, blue = look.hair
        brows.append(lifted.painted((0.8 * red, 0.8 * green, 0.8 * blue), 0.0))
    return brows


# --- fields ---------------------------------------------------------------------------------------


def _arms(mesh: Mesh) -> Floats:
    return mesh.weights[:, _ARM].sum(1)


def _reach(figure: Figure, mesh: Mesh) -> Floats:
    """Metres along the arm from the shoulder joint; -0.3 off the arms."""
    reach = np.full(len(mesh.positions_m), -0.3)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder, elbow, wrist = (figure.joint(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
        upper, lower = elbow - shoulder, wrist - elbow
        length = np.linalg.norm(upper)
        first = (mesh.positions_m - shoulder) @ (upper / length)
        second = (mesh.positions_m - elbow) @ (lower / np.linalg.norm(lower))
        along = np.where(second > 0, length + second, np.minimum(first, length))
        mine = (_arms(mesh) > 0.25) & (np.sign(mesh.positions_m[:, 0]) == sign)
        reach = np.where(mine, along, reach)
    return reach


def _below_neck(
    figure: Figure, mesh: Mesh, front_drop_m: float, back_drop_m: float, width: float, back_width: float | None = None
) -> Floats:
    """Below a V-neck that drops by ``front_drop_m`` and ``back_drop_m`` from the base of the neck."""
    neck = figure.joint("neck")
    x, y, z = mesh.positions_m.T
    base = neck[1] + 0.005 - 0.30 * (z - neck[2])
    # Over the shoulders the one goes over into the other, or the straps would have a step.
    back = np.clip((neck[2] + 0.01 - z) / 0.06, 0.0, 1.0)
    drop = front_drop_m + back * (back_drop_m - front_drop_m)
    opening = width + back * ((width if back_width is None else back_width) - width)
    vee = np.abs(x) - opening * (y - (neck[1] - drop))
    return np.minimum(base - y, vee)


def _armhole(figure: Figure, mesh: Mesh) -> Floats:
    """Inside the armholes of a sleeveless top: narrow straps well off the shoulders, wider from there to the armpits.

    Cloth near the shoulder joint would go up with a lifted arm, like an epaulette.
    """
    shoulder = figure.joint("left_shoulder")
    below = shoulder[1] - mesh.positions_m[:, 1]
    edge = shoulder[0] + np.interp(below, [-0.02, 0.03, 0.07, 0.115, 0.2], [-0.048, -0.048, -0.035, 0.02, 0.06])
    return edge - np.abs(mesh.positions_m[:, 0])


def sleeved(length_m: float, *, vee_m: float = 0.09) -> Field:
    """A shirt with sleeves that end ``length_m`` along the arm, tucked in under the belt."""

    def field(figure: Figure, mesh: Mesh) -> Floats:
        sleeve = length_m - _reach(figure, mesh)
        tail = np.where(_arms(mesh) > 0.25, 1.0, mesh.positions_m[:, 1] - figure.joint("spine1")[1] - 0.004)
        return np.min([sleeve, tail, _below_neck(figure, mesh, vee_m, -0.01, 0.45)], axis=0)

    return field


def bodice(leg_m: float) -> Field:
    """A sleeveless V-necked top that goes on as trunks to ``leg_m`` below the hips."""

    def field(figure: Figure, mesh: Mesh) -> Floats:
        hips = figure.joint("left_hip")[1]
        leg = np.where(_arms(mesh) > 0.25, 1.0, mesh.positions_m[:, 1] - (hips - leg_m))
        return np.min([leg, _armhole(figure, mesh), _below_neck(figure, mesh, 0.15, 0.24, 0.42, 0.29)], axis=0)

    return field


def belt(middle_m: float, height_m: float) -> Field:
    """Round the waist, ``middle_m`` above its joint."""

    def field(figure: Figure, mesh: Mesh) -> Floats:
        off = np.abs(mesh.positions_m[:, 1] - (figure.joint("spine1")[1] + middle_m))
        return np.where(_arms(mesh) > 0.1, -0.2, height_m / 2 - off)

    return field


def trousers(hem_m: float) -> Field:
    """From the waist to ``hem_m`` above the ankles."""

    def field(figure: Figure, mesh: Mesh) -> Floats:
        waist = figure.joint("spine1")[1] + 0.02
        y = mesh.positions_m[:, 1]
        cut = np.minimum(waist - y, y - (figure.joint("left_ankle")[1] + hem_m))
        return np.where(_arms(mesh) > 0.1, -0.2, cut)

    return field


def shoes(top_m: float, *, slope: float) -> Field:
    """Below a line ``top_m`` above the ankle's height at the heel, falling by ``slope`` towards the toes."""

    def field(figure: Figure, mesh: Mesh) -> Floats:
        ankle = figure.joint("left_ankle")
        ahead = mesh.positions_m[:, 2] - ankle[2]
        low = ankle[1] + top_m - slope * ahead - mesh.positions_m[:, 1]
        return np.where(mesh.positions_m[:, 1] < ankle[1] + 0.15, low, -0.2)

    return field


def above_knees(gap_m: float) -> Field:
    """A skirt's region: down to ``gap_m`` above the knees."""

    def field(figure: Figure, mesh: Mesh) -> Floats:
        up = mesh.positions_m[:, 1] - (figure.joint("left_knee")[1] + gap_m)
        legs = figure.joint("pelvis")[1] - mesh.positions_m[:, 1]
        return np.where(_arms(mesh) > 0.1, -0.2, np.where(legs > -0.2, up, -0.2))

    return field
