"""The graphics card's programs, built when first asked for, and the values that all of them share."""

from collections.abc import Mapping
from typing import Any

import moderngl

from ui.drawing.shaders import build_program


class Programs:
    """Programs by shader name and defines; ``rich``: with the looks that only graphics cards have the time for."""

    def __init__(self, context: moderngl.Context, *, rich: bool = False) -> None:
        self.context = context
        self._always = ("RICH",) if rich else ()
        self._built: dict[tuple[str, ...], moderngl.Program] = {}
        self._uniforms: dict[str, list[Any]] = {}

    def get(self, name: str, *defines: str) -> moderngl.Program:
        """The program of ``name``.vert and ``name``.frag with ``defines``. Raises ``PictureError``."""
        key = name, *defines
        if key not in self._built:
            program = self._built[key] = build_program(self.context, name, *self._always, *defines)
            for member in program:
                uniform = program[member]
                if isinstance(uniform, moderngl.Uniform):
                    self._uniforms.setdefault(member, []).append(uniform)
        return self._built[key]

    def write(self, values: Mapping[str, bytes]) -> None:
        """Hand each value to every program built so far that has a use for it."""
        for name, value in values.items():
            for uniform in self._uniforms.get(name, ()):
                uniform.write(value)
