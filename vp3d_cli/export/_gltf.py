"""The container of glTF 2.0: one JSON object and one block of numbers, in a .glb file.

Written by hand: it is a header and two chunks, and a library would still leave the buffers,
their bounds and their alignment to us.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vp3d_cli import files
from vp3d_cli.types import Json

_MAGIC, _VERSION = b"glTF", 2
_JSON_CHUNK, _BINARY_CHUNK = b"JSON", b"BIN\0"
_ALIGNMENT = 4
_TYPES = {np.dtype(np.float32): 5126, np.dtype(np.uint16): 5123, np.dtype(np.uint8): 5121}
_SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
# What a view holds, for viewers that hand it to the graphics card as it is.
VERTICES, INDICES = 34962, 34963
TRIANGLES, LINES = 4, 1
# A file of more bytes cannot say how long it is.
_MOST_BYTES = 2**32 - 1


class Document:
    """A file in the making.

    Args:
        asset: what the file says about itself; the version of glTF is added.
    """

    def __init__(self, asset: Json) -> None:
        self._asset: Json = {"version": "2.0", **asset}
        self._lists: dict[str, list[Json]] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, kind: str, item: Json) -> int:
        """Add a node, mesh, skin, ... and return its index."""
        items = self._lists.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def set(self, kind: str, index: int, item: Json) -> None:
        """Replace what was added."""
        self._lists[kind][index] = item

    def numbers(self, array: NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        """Add an accessor of float32, uint16 or uint8 values, one row each, and return its index.

        Args:
            array: (N,), (N, 3), (N, 4), or (N, 4, 4) in the order of columns.
            target: VERTICES or INDICES; None for all else.
            bounds: whether to state the least and the greatest, as positions and times need.
        """
        data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        view: Json = {"buffer": 0, "byteOffset": self._size, "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        accessor: Json = {
            "bufferView": self.add("bufferViews", view),
            "componentType": _TYPES[array.dtype],
            "count": len(array),
            "type": _SHAPES[array.shape[1:]],
        }
        if bounds:
            accessor["min"] = np.atleast_1d(array.min(0)).tolist()
            accessor["max"] = np.atleast_1d(array.max(0)).tolist()
        padded = data + b"\0" * (-len(data) % _ALIGNMENT)
        self._parts.append(padded)
        self._size += len(padded)
        return self.add("accessors", accessor)

    def write(self, path: Path, nodes: list[int]) -> None:
        """Write the file with a scene of the given root nodes; equal content gives equal bytes.

        Raises:
            OutputError: the folder is missing or not writable, or the disk is full.
            ValueError: it is larger than the format allows.
        """
        scene = {"name": "vp3d", **({"nodes": nodes} if nodes else {})}
        content = {"asset": self._asset, "scene": 0, "scenes": [scene], **self._lists}
        if self._size:
            content["buffers"] = [{"byteLength": self._size}]
        text = json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        chunks = [struct.pack("<I4s", len(text), _JSON_CHUNK), text]
        if self._size:
            chunks += [struct.pack("<I4s", self._size, _BINARY_CHUNK), *self._parts]
        total = 12 + sum(len(chunk) for chunk in chunks)
        if total > _MOST_BYTES:
            raise ValueError(f"glTF files end at 4 GiB, got {total} bytes; export fewer people")
        with files.written_whole(path) as temporary, temporary.open("wb") as stream:
            stream.write(struct.pack("<4sII", _MAGIC, _VERSION, total))
            stream.writelines(chunks)
