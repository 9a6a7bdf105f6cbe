"""From a user's file to an avatar, and what there is to tell about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from duet.errors import InputError
from ui.avatars.figure import read_figure
from ui.avatars.fit import Fit, fit_figure
from ui.avatars.gltf import SUFFIXES, GltfFile, soundness
from ui.avatars.humanoid import humanoid_of
from ui.drawing.avatar import Avatar

_MANY_VERTICES = 20_000
_MOST_BETAS = 300


@dataclass(frozen=True)
class Wish:
    """What the user said about a file."""

    bones: Mapping[str, str] = field(default_factory=dict)
    """Our joint -> the name of its bone."""
    betas: tuple[float, ...] = ()
    height_m: float | None = None
    plain: bool = False

    @classmethod
    def of(cls, maps: Sequence[str], betas: str | None, height_m: float | None, plain: bool) -> "Wish":
        """From the options' words. Raises ``InputError``."""
        bones = {}
        for told in maps:
            joint, equals, bone = told.partition("=")
            if not (joint and equals and bone):
                raise InputError(f"--map: expected JOINT=BONE, got {told!r}. Such as --map left_elbow=Forearm.L.")
            bones[joint] = bone
        try:
            numbers = tuple(float(number) for number in betas.split(",")) if betas else ()
        except ValueError as error:
            raise InputError(f"--betas: expected numbers such as 0.5,-1, got {betas!r}.") from error
        if len(numbers) > _MOST_BETAS or any(not abs(number) <= 10.0 for number in numbers):
            raise InputError(f"--betas: expected at most {_MOST_BETAS} numbers from -10 to 10, got {betas!r}.")
        return cls(bones, numbers, height_m, plain)


@dataclass(frozen=True)
class Brought:
    """An avatar from a file, with the story of how it came to be."""

    fit: Fit
    kind: str
    way: str
    bones: int

    @property
    def avatar(self) -> Avatar:
        """The avatar itself."""
        return self.fit.avatar

    def lines(self) -> list[str]:
        """What was found and what was guessed, for people."""
        fit, avatar = self.fit, self.fit.avatar
        fingers = sum(name[-1] in "123" and not name.startswith("spine") for name in fit.found)
        lines = [
            f"{self.kind}: {len(avatar.vertices_m)} vertices, {len(avatar.faces)} triangles, "
            f"{fit.height_m:.2f} m tall ({fit.unit})",
            f"{self.bones} bones, mapped {self.way}: {len(fit.found)} of {len(avatar.names)} joints, "
            f"{fingers} of 30 of the fingers; {fit.folded} other bones go with the nearest",
        ]
        body = [name for name in fit.guessed if name[-1] not in "123" or name.startswith("spine")]
        if body:
            lines.append(f"no bones for {', '.join(body)}: put where a body has them")
        if len(avatar.vertices_m) > _MANY_VERTICES:
            lines.append("That is much for a machine without a graphics card; see: duet bench render.")
        return lines


def bring(path: Path, wish: Wish) -> Brought:
    """The avatar in a VRM, glTF or SMPL-X file. Raises ``InputError`` with one sentence for whatever does not fit."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        from ui.avatars.smplx_body import smplx_fit

        if wish.bones or wish.plain:
            raise InputError("--map, --plain: expected a glTF or VRM file, got a SMPL-X model. Leave them out.")
        return Brought(smplx_fit(path, wish.betas, wish.height_m), "SMPL-X", "as they are", 55)
    if suffix not in SUFFIXES:
        hint = "A pickle could run anything: convert it to .npz." if suffix == ".pkl" else "Export it as .glb or .vrm."
        raise InputError(f"{path}: expected {', '.join(SUFFIXES)} or .npz, got '{suffix}'. {hint}")
    if wish.betas:
        raise InputError("--betas: expected a SMPL-X model, got a glTF file. Leave them out.")
    file = GltfFile(path)
    surface, rig = read_figure(file, textured=not wish.plain)
    mapping, way = humanoid_of(file, rig, wish.bones)
    kind = "VRM" if "VRM" in way else "glTF"
    with soundness(path):
        fit = fit_figure(surface, rig, mapping, wish.height_m)
    return Brought(fit, kind, way, len(rig.moving))
