"""The shaders, as files, and how they become programs."""

from pathlib import Path

import moderngl

from duet.errors import PictureError

_FOLDER = Path(__file__).parent


def read_shader(name: str, *defines: str) -> str:
    """The source of ``name`` with its ``#include "file"`` lines filled in and ``defines`` after the version line."""
    lines: list[str] = []
    for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#include"):
            lines.append(read_shader(line.split('"')[1]))
        else:
            lines.append(line)
            if line.startswith("#version"):
                lines += [f"#define {define}" for define in defines]
    return "\n".join(lines) + "\n"


def build_program(context: moderngl.Context, name: str, *defines: str) -> moderngl.Program:
    """The program of ``name``.vert and ``name``.frag. Raises ``PictureError`` when the driver refuses it."""
    try:
        return context.program(
            vertex_shader=read_shader(f"{name}.vert", *defines),
            fragment_shader=read_shader(f"{name}.frag", *defines),
        )
    except moderngl.Error as error:
        raise PictureError(
            f"Shader {name}: expected OpenGL 3.3, got a driver that refuses it. Update the graphics driver. ({error})"
        ) from error
