"""Reads glTF 2.0 files (.glb, .vrm, .gltf) and trusts nothing in them.

Only what lies in the file, or beside it in the same folder, is read: no address, no absolute path, no way up. Sizes are
checked before anything is unpacked. (Khronos glTF 2.0 specification; VRM files are GLB files with an extension.)
"""

import base64
import io
import json
import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from duet.errors import InputError

MOST_BYTES = 256 << 20
"""Of a file, and of all that lies beside it."""
MOST_PARTS = 1 << 21
"""Numbers, words and lists of the tree: each takes many times the memory of its text."""
MOST_VALUES = 1 << 25
"""Of one accessor: a file of a few bytes may claim any number of zeros."""
MOST_PIXELS, MOST_PIXELS_IN_ALL = 1 << 26, 1 << 29
"""Of one picture and of all."""
SUFFIXES = ".glb", ".gltf", ".vrm"

_MAGIC, _JSON_CHUNK, _BINARY_CHUNK = b"glTF", 0x4E4F534A, 0x004E4942
_KINDS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_PARTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_MOST_SIDE = 2048
"""A picture is kept no finer: it gives every vertex one colour."""
_MOST_SAID = 200
_FOREIGN = {
    "KHR_draco_mesh_compression": "Draco compression",
    "EXT_meshopt_compression": "meshopt compression",
    "KHR_texture_basisu": "Basis Universal textures",
}
"""What a file may ask of its reader that this one cannot do."""


class GltfFile:
    """An opened file: its ``json`` tree, and what that names. Raises ``InputError`` for what is no sound glTF."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with soundness(path):
            document, self._binary = _unpacked(path, _bytes_of(path, str(path)))
            self._bytes_left, self._pixels_left = MOST_BYTES, MOST_PIXELS_IN_ALL
            self._pictures: dict[int, NDArray[np.uint8]] = {}
            self.json: dict[str, Any] = _tree(path, document)
            for name, what in _FOREIGN.items():
                if name in self.json.get("extensionsRequired", ()):
                    raise InputError(f"{path}: expected plain glTF, got {what}. Export it without.")

    def list(self, name: str) -> list[dict[str, Any]]:
        """The entries of one of the tree's arrays, none where it is absent."""
        entries = self.json.get(name, [])
        if not isinstance(entries, list):
            raise TypeError(f"{name} is no array")
        return entries

    @cached_property
    def _buffers(self) -> dict[int, bytes]:
        return {}

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            entry = self.list("buffers")[_whole(index)]
            uri = entry.get("uri")
            if uri is None:
                if self._binary is None or index:
                    raise ValueError(f"buffer {index} has no data")
                self._buffers[index] = self._binary
            else:
                self._buffers[index] = self._beside(uri, f"buffer {index}")
        return self._buffers[index]

    def _beside(self, uri: str, what: str) -> bytes:
        """The bytes that a URI stands for: its own, or those of a file in the same folder or below."""
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            if not head.endswith(";base64") or len(body) > 2 * MOST_BYTES:
                raise ValueError(f"{what} is data of another kind than base64")
            return self._within_bounds(base64.b64decode(body, validate=True))
        told = f"{self.path.name}, {what}"
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", uri) or uri.startswith(("/", "\\")):
            raise InputError(f"{told}: expected a file beside it, got the address {uri[:80]!r}. Export it as one .glb.")
        folder = self.path.resolve().parent
        target = (folder / unquote(uri).replace("\\", "/")).resolve()
        if not target.is_relative_to(folder):
            raise InputError(f"{told}: expected a file beside it, got {uri[:80]!r}, which leads elsewhere. Move it.")
        # Not Path.is_file: that raises for a name that no disk can hold.
        if not os.path.isfile(target):
            raise InputError(f"{told}: expected the file {uri[:80]!r} beside it, got none. Put it there.")
        return self._within_bounds(_bytes_of(target, told))

    def _within_bounds(self, held: bytes) -> bytes:
        """The same, which are among what lies beside this file: many small claims make a large one."""
        self._bytes_left -= len(held)
        if self._bytes_left < 0:
            raise InputError(
                f"{self.path}: expected at most {MOST_BYTES >> 20} MB beside it, got more. Make its pictures smaller."
            )
        return held

    def _view(self, index: int) -> tuple[memoryview, int | None]:
        """The bytes of a buffer view, and how far its elements are apart where that is told."""
        view = self.list("bufferViews")[_whole(index)]
        start, length = _whole(view.get("byteOffset", 0)), _whole(view["byteLength"])
        held = memoryview(self._buffer(view["buffer"]))
        if start + length > len(held):
            raise ValueError(f"buffer view {index} ends at {start + length} of {len(held)} bytes")
        stride = view.get("byteStride")
        return held[start : start + length], None if stride is None else _whole(stride)

    def count(self, index: int) -> int:
        """How many elements an accessor claims to have. ``ValueError`` for more than any may have, ``KeyError``."""
        entry = self.list("accessors")[_whole(index)]
        count = _whole(entry["count"])
        if count * _PARTS[entry["type"]] > MOST_VALUES:
            raise ValueError(f"accessor {index} has {count} elements")
        return count

    def accessor(self, index: int, rows: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """(count, parts) its numbers, or those of ``rows``; integers that stand for fractions as fractions.

        ``ValueError``, ``KeyError``, and ``IndexError`` for rows that it does not have.
        """
        entry, count = self.list("accessors")[_whole(index)], self.count(index)
        kind, parts = np.dtype(_KINDS[entry["componentType"]]), _PARTS[entry["type"]]
        if "bufferView" in entry:
            values = self._elements(entry["bufferView"], entry.get("byteOffset", 0), kind, parts, count)
        else:
            values = np.zeros((count, parts), kind)
        if "sparse" in entry:
            sparse = entry["sparse"]
            few = _whole(sparse["count"])
            where, what = sparse["indices"], sparse["values"]
            place = np.dtype(_KINDS[where["componentType"]])
            places = self._elements(where["bufferView"], where.get("byteOffset", 0), place, 1, few)[:, 0]
            values = values.copy()
            values[places] = self._elements(what["bufferView"], what.get("byteOffset", 0), kind, parts, few)
        if rows is not None:
            values = values[rows]
        if entry.get("normalized"):
            values = np.maximum(values.astype(np.float32) / np.iinfo(kind).max, -1.0)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"accessor {index} has numbers that are not finite")
        return values

    def _elements(self, view: int, offset: int, kind: np.dtype, parts: int, count: int) -> NDArray[Any]:
        held, stride = self._view(view)
        size = kind.itemsize * parts
        stride, offset = stride or size, _whole(offset)
        if count and offset + stride * (count - 1) + size > len(held):
            raise ValueError(f"buffer view {view} is too short for {count} elements")
        strides = (stride, kind.itemsize)
        return np.ndarray((count, parts), kind, held, offset, strides) if count else np.zeros((0, parts), kind)

    def picture(self, texture: int) -> NDArray[np.uint8]:
        """(H, W, 4) a texture's image, sRGB and alpha, thinned out to ``_MOST_SIDE``. Raises ``InputError`` where it
        cannot be had."""
        entry = self.list("textures")[_whole(texture)]
        webp = entry.get("extensions", {}).get("EXT_texture_webp", {})
        number = _whole(entry.get("source", webp.get("source")))
        if number not in self._pictures:
            self._pictures[number] = self._opened(number)
        return self._pictures[number]

    def _opened(self, number: int) -> NDArray[np.uint8]:
        image = self.list("images")[number]
        told = f"{self.path.name}, image {number}"
        if "bufferView" in image:
            raw = bytes(self._view(image["bufferView"])[0])
        else:
            raw = self._beside(image["uri"], f"image {number}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(raw), formats=("PNG", "JPEG", "WEBP")) as opened:
                    width, height = opened.size
                    self._pixels_left -= width * height
                    if width * height > MOST_PIXELS or self._pixels_left < 0:
                        raise Image.DecompressionBombError(f"{width}x{height} pixels")
                    if max(width, height) > _MOST_SIDE:
                        thin = min(width, _MOST_SIDE), min(height, _MOST_SIDE)
                        return np.array(opened.resize(thin, Image.Resampling.NEAREST).convert("RGBA"))
                    return np.array(opened.convert("RGBA"))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(
                f"{told}: expected at most 8192x8192 pixels, and {MOST_PIXELS_IN_ALL >> 20} million in all pictures, "
                "got more. Make it smaller."
            ) from error
        except Exception as error:  # decoders raise whatever the bytes lead them to
            raise InputError(
                f"{told}: expected a PNG, JPEG or WebP image, got another file. Export it again."
            ) from error


@contextmanager
def soundness(path: Path) -> Iterator[None]:
    """Whatever does not fit together in a file becomes one ``InputError`` that names it."""
    try:
        # What grows beyond all numbers is found as such at the end.
        with np.errstate(all="ignore"):
            yield
    except (
        KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError, struct.error, RecursionError,
    ) as error:  # fmt: skip
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        said = " ".join(said.split())[:_MOST_SAID]
        raise InputError(
            f"{path}: expected a sound glTF 2.0 file, got a broken one ({said}). Export it again."
        ) from error


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r} is no whole number")
    return number


def _bytes_of(path: Path, told: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(
                f"{told}: expected at most {MOST_BYTES >> 20} MB, got {size / (1 << 20):.0f} MB. Make it smaller."
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{told}: expected a file, got none ({error.strerror}). Check the name.") from error


def _unpacked(path: Path, raw: bytes) -> tuple[bytes, bytes | None]:
    """The JSON text and the binary part."""
    if raw[:4] == b"PK\x03\x04":
        raise InputError(f"{path}: expected a .glb, .vrm or .gltf file, got a zip archive. Unpack it first.")
    if raw[:4] != _MAGIC:
        return raw, None
    _, version, length = struct.unpack_from("<4sII", raw)
    if version != 2 or length > len(raw):
        raise ValueError(f"version {version}, {len(raw)} of {length} bytes")
    document, binary, at = b"", None, 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", raw, at)
        if at + 8 + size > length:
            raise ValueError("a chunk is cut off")
        body = raw[at + 8 : at + 8 + size]
        if kind == _JSON_CHUNK and not document:
            document = body
        elif kind == _BINARY_CHUNK and binary is None:
            binary = body
        at += 8 + size
    return document, binary


def _tree(path: Path, document: bytes) -> dict[str, Any]:
    if sum(document.count(mark) for mark in (b",", b"[", b"{")) > MOST_PARTS:
        raise InputError(f"{path}: expected at most {MOST_PARTS} entries, got more. Export the figure only.")
    try:
        tree = json.loads(document.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: expected a glTF 2.0 file, got another one. Export it as .glb.") from error
    if not isinstance(tree, dict) or not str(tree.get("asset", {}).get("version", "")).startswith("2"):
        raise InputError(f"{path}: expected a glTF 2.0 file, got another one or another version. Export it as .glb.")
    return tree
