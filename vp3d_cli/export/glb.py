"""glTF in one binary file: every person as a moving skeleton in a simple figure.

Metres, Y up, facing +Z in the rest pose; times are those of the video. Where a person's joints are
missing the figure has size zero.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vp3d_cli.export import _figure, _gltf
from vp3d_cli.export import _people as people
from vp3d_cli.export import _rig as rig
from vp3d_cli.palette import accent
from vp3d_cli.types import Bool, Double, Float, Json, Result

DESCRIPTION = "moving figures for Blender, Unity, Godot and web pages: all people in one file"
SUFFIX = ".glb"
REAL_TIME = True

_AXES = {
    "world": "x right, y up from the floor, z toward the camera; origin on the floor below it",
    "camera": "x right, y up in the picture, z toward the camera; origin at the camera",
}
# The floor reaches so far beyond the people, in squares of a metre; and no farther from the
# origin than this, however wrong somebody's place is.
_AROUND_M, _FARTHEST_M = 2, 30
_FLOOR_COLOUR, _GRID_COLOUR = (0.16, 0.18, 0.21), (0.42, 0.46, 0.52)
# The lines lie on the floor, its surface so far below, metres.
_BELOW_M = 0.004


def write(result: Result, path: Path) -> None:
    """Write everybody whose joints are known at any time; nobody gives an empty scene.

    Raises:
        SkeletonMismatchError: the joints are not those of Human3.6M.
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    found = _from_zero(people.of(result))
    frame = people.frame_of(result)
    document = _gltf.Document(
        {
            "generator": f"vp3d {result.provenance.get('version', '')}".strip(),
            "extras": {
                "frame": frame,
                "axes": _AXES[frame],
                "unit": "m",
                "world": result.world.how,
                "fps": f"{result.video.fps.numerator}/{result.video.fps.denominator}",
                "times": "seconds of the video",
                "missing": "where a person is not known, its node has scale 0",
                "people": [{"track_id": p.track_id, "is_placed": p.is_placed} for p in found],
            },
        }
    )
    roots: list[int] = []
    animation: Json = {"name": "motion", "channels": [], "samplers": []}
    span = _span(found)
    for person in found:
        roots += _add_person(document, person, animation, span, float(1 / result.video.fps))
    if frame == "world" and any(person.is_placed for person in found):
        roots.append(_add_floor(document, found))
    if animation["channels"]:
        document.add("animations", animation)
    document.write(path, roots)


def _from_zero(found: list[people.Person]) -> list[people.Person]:
    """Clocks that begin before zero, which glTF has not, are put forward."""
    late = max([-float(person.times_s[0]) for person in found], default=0.0)
    if late <= 0:
        return found
    return [
        replace(
            person,
            times_s=person.times_s + late,
            motion=replace(person.motion, times_s=person.motion.times_s + late),
        )
        for person in found
    ]


def _span(found: list[people.Person]) -> tuple[float, float]:
    """When the first and the last of all known poses are."""
    times = [person.motion.times_s[[0, -1]] for person in found]
    return (float(np.min(times)), float(np.max(times))) if times else (0.0, 0.0)


def _add_person(
    document: _gltf.Document,
    person: people.Person,
    animation: Json,
    span: tuple[float, float],
    frame_s: float,
) -> list[int]:
    """Add skeleton, figure and motion; return the nodes that the scene begins with."""
    joints = _add_skeleton(document, person.motion)
    name = f"person {person.track_id}"
    holder = document.add("nodes", {"name": name, "children": [joints[0]]})
    figure = _add_figure(document, person, joints)
    _animate(document, animation, person.motion, joints)
    times, shown = _shown(person, span, frame_s)
    if not shown.all():
        sizes = np.repeat(shown.astype(np.float32)[:, None], 3, 1)
        clock, kept = _clock(document, times)
        _add_channel(animation, holder, "scale", clock, document.numbers(sizes[kept]), "STEP")
    return [holder, figure]


def _add_skeleton(document: _gltf.Document, motion: rig.Motion) -> list[int]:
    """Add the nodes in the first pose, which those see who do not play the motion."""
    nodes = [document.add("nodes", {}) for _ in rig.NODES]
    for index, node in enumerate(rig.NODES):
        place = motion.offsets[index] if node.parent else motion.root[0]
        item = {
            "name": node.name,
            "translation": _plain(place),
            "rotation": _plain(motion.turns[0, index]),
        }
        children = [nodes[i] for i, parent in enumerate(rig.PARENTS) if parent == index]
        document.set(
            "nodes", nodes[index], {**item, **({"children": children} if children else {})}
        )
    return nodes


def _add_figure(document: _gltf.Document, person: people.Person, joints: list[int]) -> int:
    figure = _figure.build(person.motion.offsets)
    bind = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    # Matrices lie in the file column by column.
    bind[:, 3, :3] = -_figure.rest_positions(person.motion.offsets)
    weights = np.zeros((len(figure.nodes), 4), np.float32)
    weights[:, 0] = 1
    bones = np.zeros((len(figure.nodes), 4), np.uint8)
    bones[:, 0] = figure.nodes
    attributes = {
        "POSITION": document.numbers(figure.positions, _gltf.VERTICES, bounds=True),
        "NORMAL": document.numbers(figure.normals, _gltf.VERTICES),
        "JOINTS_0": document.numbers(bones, _gltf.VERTICES),
        "WEIGHTS_0": document.numbers(weights, _gltf.VERTICES),
    }
    blue, green, red = accent(person.track_id)
    colour = tuple(_linear(value / 255) for value in (red, green, blue))
    primitive = {
        "attributes": attributes,
        "indices": document.numbers(figure.triangles.ravel(), _gltf.INDICES),
        "material": _add_material(document, f"person {person.track_id}", colour),
        "mode": _gltf.TRIANGLES,
    }
    name = f"figure {person.track_id}"
    skin = {
        "name": name,
        "joints": joints,
        "skeleton": joints[0],
        "inverseBindMatrices": document.numbers(bind),
    }
    mesh = document.add("meshes", {"name": name, "primitives": [primitive]})
    return document.add("nodes", {"name": name, "mesh": mesh, "skin": document.add("skins", skin)})


def _animate(
    document: _gltf.Document, animation: Json, motion: rig.Motion, joints: list[int]
) -> None:
    clock, kept = _clock(document, motion.times_s)
    root = document.numbers(motion.root[kept].astype(np.float32))
    _add_channel(animation, joints[0], "translation", clock, root)
    for index, node in enumerate(rig.NODES):
        if node.name not in (*rig.STILL, "HeadTop_End"):
            turns = document.numbers(motion.turns[kept, index].astype(np.float32))
            _add_channel(animation, joints[index], "rotation", clock, turns)


def _clock(document: _gltf.Document, times_s: Double) -> tuple[int, Bool]:
    """Add times; says also which of them ascend in single precision, as they must."""
    single = times_s.astype(np.float32)
    kept = np.diff(np.maximum.accumulate(single), prepend=-np.inf) > 0
    return document.numbers(single[kept], bounds=True), np.asarray(kept)


def _add_channel(
    animation: Json, node: int, path: str, clock: int, values: int, how: str = "LINEAR"
) -> None:
    sampler = {"input": clock, "output": values, "interpolation": how}
    target = {"node": node, "path": path}
    animation["channels"].append({"sampler": len(animation["samplers"]), "target": target})
    animation["samplers"].append(sampler)


def _shown(
    person: people.Person, span: tuple[float, float], frame_s: float
) -> tuple[Double, Float]:
    """From which time on the figure is to be seen (1) or not (0)."""
    times, known = person.times_s, person.known
    changed = np.flatnonzero(np.diff(known, prepend=not known[0]))
    events = [(float(times[row]), bool(known[row])) for row in changed]
    if events[0][0] > span[0]:
        events = [(span[0], False), *events] if events[0][1] else [(span[0], False), *events[1:]]
    if known[-1] and times[-1] + frame_s / 2 < span[1]:
        events.append((float(times[-1]) + frame_s, False))
    return np.array([t for t, _ in events]), np.array([float(on) for _, on in events], np.float32)


def _add_floor(document: _gltf.Document, found: list[people.Person]) -> int:
    places = np.concatenate([p.motion.root[:, [0, 2]] for p in found if p.is_placed])
    places = np.clip(places, _AROUND_M - _FARTHEST_M, _FARTHEST_M - _AROUND_M)
    low = np.floor(places.min(0)) - _AROUND_M
    high = np.ceil(places.max(0)) + _AROUND_M
    (x0, z0), (x1, z1) = low, high
    lines = [point for x in np.arange(x0, x1 + 1) for point in ((x, 0, z0), (x, 0, z1))] + [
        point for z in np.arange(z0, z1 + 1) for point in ((x0, 0, z), (x1, 0, z))
    ]
    corners = [(x0, -_BELOW_M, z0), (x0, -_BELOW_M, z1), (x1, -_BELOW_M, z1), (x1, -_BELOW_M, z0)]
    up = np.tile(np.array([0, 1, 0], np.float32), (4, 1))
    surface = {
        "attributes": {
            "POSITION": document.numbers(np.array(corners, np.float32), _gltf.VERTICES, True),
            "NORMAL": document.numbers(up, _gltf.VERTICES),
        },
        "indices": document.numbers(np.array([0, 1, 2, 0, 2, 3], np.uint16), _gltf.INDICES),
        "material": _add_material(document, "floor", _FLOOR_COLOUR),
        "mode": _gltf.TRIANGLES,
    }
    grid = {
        "attributes": {
            "POSITION": document.numbers(np.array(lines, np.float32), _gltf.VERTICES, True)
        },
        "material": _add_material(document, "grid", _GRID_COLOUR),
        "mode": _gltf.LINES,
    }
    mesh = document.add("meshes", {"name": "floor", "primitives": [surface, grid]})
    return document.add("nodes", {"name": "floor", "mesh": mesh})


def _add_material(document: _gltf.Document, name: str, colour: tuple[float, ...]) -> int:
    look = {
        "baseColorFactor": [*(round(value, 6) for value in colour), 1.0],
        "metallicFactor": 0.0,
        "roughnessFactor": 0.8,
    }
    return document.add("materials", {"name": name, "pbrMetallicRoughness": look})


def _linear(value: float) -> float:
    """A share of sRGB as a share of light."""
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def _plain(values: Double) -> list[float]:
    return [float(value) for value in values.astype(np.float32)]
