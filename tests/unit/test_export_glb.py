"""GLB files, read back by pygltflib: bones, skin, motion, and when people are to be seen."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import pytest
from scipy.spatial.transform import Rotation

from tests.factories import make_result
from tests.rigs import NODES, STANDING, bent, dance, expected, result_of, tilted_world
from tests.walkers import H36M
from vp3d_cli import skeletons
from vp3d_cli.errors import SkeletonMismatchError
from vp3d_cli.export import _gltf, glb
from vp3d_cli.palette import accent
from vp3d_cli.types import Double, Result

_KINDS = {5126: "<f4", 5123: "<u2", 5121: "u1"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass
class Scene:
    """A file, played."""

    gltf: Any
    parents: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, node in enumerate(self.gltf.nodes):
            self.parents.update(dict.fromkeys(node.children or [], index))

    def named(self, name: str) -> int:
        (found,) = [i for i, node in enumerate(self.gltf.nodes) if node.name == name]
        return found

    def numbers(self, index: int) -> Double:
        accessor = self.gltf.accessors[index]
        view = self.gltf.bufferViews[accessor.bufferView]
        width = _WIDTHS[accessor.type]
        found = np.frombuffer(
            self.gltf.binary_blob(),
            _KINDS[accessor.componentType],
            accessor.count * width,
            view.byteOffset,
        ).reshape(accessor.count, width)
        if accessor.max:
            np.testing.assert_array_equal(found.max(0), np.array(accessor.max, found.dtype))
            np.testing.assert_array_equal(found.min(0), np.array(accessor.min, found.dtype))
        return found.astype(np.float64)

    def channels(self, node: int) -> dict[str, tuple[Double, Double, str]]:
        """Times, values and interpolation by what of a node is moved."""
        found = {}
        for animation in self.gltf.animations:
            for channel in animation.channels:
                if channel.target.node == node:
                    sampler = animation.samplers[channel.sampler]
                    times = self.numbers(sampler.input)[:, 0]
                    assert np.all(np.diff(times) > 0)
                    assert times[0] >= 0
                    values = self.numbers(sampler.output)
                    assert len(values) == len(times)
                    found[channel.target.path] = (times, values, sampler.interpolation)
        return found

    def _local(self, index: int, time_s: float) -> Double:
        node = self.gltf.nodes[index]
        parts = {
            "translation": node.translation or [0, 0, 0],
            "rotation": node.rotation or [0, 0, 0, 1],
            "scale": node.scale or [1, 1, 1],
        }
        for path, (times, values, how) in self.channels(index).items():
            row = int(np.searchsorted(times, time_s + 1e-5, side="right")) - 1
            row = max(row, 0)
            near = abs(times[row] - time_s) < 1e-4 or time_s < times[0] or time_s > times[-1]
            assert near or how == "STEP"
            parts[path] = values[row].tolist()
        out = np.eye(4)
        out[:3, :3] = Rotation.from_quat(parts["rotation"]).as_matrix() * parts["scale"]
        out[:3, 3] = parts["translation"]
        return out

    def placed(self, index: int, time_s: float) -> Double:
        """(4, 4) from a node to the world at the time of a key."""
        local = self._local(index, time_s)
        above = self.parents.get(index)
        return local if above is None else self.placed(above, time_s) @ local

    def bones(self, number: int) -> dict[str, int]:
        return {self.gltf.nodes[i].name: i for i in self.gltf.skins[number].joints}

    def joints(self, number: int, time_s: float) -> Double:
        bones = self.bones(number)
        return np.array([self.placed(bones[NODES[j]], time_s)[:3, 3] for j in H36M.joints])

    def skinned(self, number: int, time_s: float) -> Double:
        """(V, 3) the vertices of a figure."""
        (node,) = [n for n in self.gltf.nodes if n.skin == number]
        attributes = self.gltf.meshes[node.mesh].primitives[0].attributes
        skin = self.gltf.skins[number]
        bind = self.numbers(skin.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
        moves = np.array([self.placed(i, time_s) for i in skin.joints]) @ bind
        points = self.numbers(attributes.POSITION)
        points = np.concatenate([points, np.ones((len(points), 1))], 1)
        chosen = self.numbers(attributes.JOINTS_0).astype(int)
        weights = self.numbers(attributes.WEIGHTS_0)
        np.testing.assert_allclose(weights.sum(1), 1)
        moved = np.einsum("vk,vkij,vj->vi", weights, moves[chosen], points)
        return moved[:, :3]


def _written(result: Result, folder: Path) -> Scene:
    path = folder / "pose.glb"
    glb.write(result, path)
    data = path.read_bytes()
    assert struct.unpack("<4sII", data[:12]) == (b"glTF", 2, len(data))
    return Scene(pygltflib.GLTF2().load(str(path)))


def _farthest_mm(scene: Scene, result: Result, number: int = 0, every: int = 7) -> float:
    times, wanted = result.tracks2d[number].times_s, expected(result, number)
    rows = range(0, len(times), every)
    found = np.array([scene.joints(number, float(times[row])) for row in rows])
    return float(1000 * np.linalg.norm(found - wanted[::every], axis=-1).max())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("wild", [0.3, 1.5])
def test_joints_are_within_a_millimetre(known: bool, wild: float, tmp_path: Path) -> None:
    roots = [np.linspace([-3, 0.2, 3], [3, 0, 8], 40)]
    world = tilted_world() if known else None
    result = result_of([dance(40, wild, 1, turns=1.5)], world=world, roots=roots)
    assert _farthest_mm(_written(result, tmp_path), result) < 0.01


@pytest.mark.parametrize("known", [True, False])
def test_somebody_who_stands_is_upright_and_faces_the_camera(known: bool, tmp_path: Path) -> None:
    world = tilted_world() if known else None
    result = result_of([np.repeat(STANDING[None], 3, 0)], world=world)
    found = _written(result, tmp_path).joints(0, 0.0)
    up = found[H36M.index("head")] - found[H36M.index("hip")]
    np.testing.assert_allclose(up / np.linalg.norm(up), [0, 1, 0], atol=1e-6)
    left = found[H36M.index("left_hip")] - found[H36M.index("right_hip")]
    np.testing.assert_allclose(left, [0.2, 0, 0], atol=1e-6)


def test_at_rest_the_skin_is_the_mesh_in_a_t(tmp_path: Path) -> None:
    scene = _written(result_of([dance(2)]), tmp_path)
    bones = scene.bones(0)
    bind = scene.numbers(scene.gltf.skins[0].inverseBindMatrices).reshape(-1, 4, 4)
    for row, index in enumerate(scene.gltf.skins[0].joints):
        where, above = np.zeros(3), index
        while above != bones["Hips"]:
            where = where + scene.gltf.nodes[above].translation
            above = scene.parents[above]
        np.testing.assert_allclose(bind[row, 3, :3], -where, atol=1e-6)
        np.testing.assert_allclose(bind[row, :3, :3], np.eye(3))
    mesh = scene.numbers(scene.gltf.meshes[0].primitives[0].attributes.POSITION)
    np.testing.assert_allclose(mesh[:, 0].min(), -mesh[:, 0].max(), atol=0.01)
    assert np.ptp(mesh[:, 0]) == pytest.approx(np.ptp(mesh[:, 1]), rel=0.15)  # arms out
    assert np.ptp(mesh[:, 2]) < 0.45


def test_the_skin_follows_the_bones(tmp_path: Path) -> None:
    """Every vertex stays about a hand's breadth from the joints that it hangs between."""
    result = result_of([dance(30, 0.6)], world=tilted_world())
    scene = _written(result, tmp_path)
    for row in (0, 13, 29):
        time_s = float(result.tracks2d[0].times_s[row])
        skin, joints = scene.skinned(0, time_s), scene.joints(0, time_s)
        steps = np.linspace(0, 1, 9)[:, None]
        line = np.concatenate([joints[a] + steps * (joints[b] - joints[a]) for a, b in _EDGES])
        near = np.linalg.norm(skin[:, None] - line[None], axis=-1).min(1)
        assert near.max() < 0.22
        back = np.linalg.norm(line[:, None] - skin[None], axis=-1).min(1)
        assert back.max() < 0.17


_EDGES = H36M.edge_indices


def test_the_surface_looks_outward(tmp_path: Path) -> None:
    scene = _written(result_of([dance(2)]), tmp_path)
    primitive = scene.gltf.meshes[0].primitives[0]
    points = scene.numbers(primitive.attributes.POSITION)
    normals = scene.numbers(primitive.attributes.NORMAL)
    nodes = scene.numbers(primitive.attributes.JOINTS_0)[:, 0]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    shin = nodes == list(scene.bones(0)).index("LeftLeg")
    outward = points[shin] - points[shin].mean(0)
    outward[:, 1] = 0
    assert (outward * normals[shin]).sum(1).min() > -1e-6
    corners = points[scene.numbers(primitive.indices)[:, 0].astype(int).reshape(-1, 3)]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    mean = normals[scene.numbers(primitive.indices)[:, 0].astype(int).reshape(-1, 3)].mean(1)
    assert (across * mean).sum(1).min() > 0


def test_times_are_those_of_the_video_even_or_not(tmp_path: Path) -> None:
    times = np.cumsum(np.tile([0.02, 0.05, 0.033], 10)) + 2.5
    result = result_of([dance(30)], times_s=times)
    scene = _written(result, tmp_path)
    keys, _, how = scene.channels(scene.bones(0)["Hips"])["rotation"]
    np.testing.assert_allclose(keys, times, atol=1e-6)
    assert how == "LINEAR"


def test_turns_have_length_one_and_take_the_short_way(tmp_path: Path) -> None:
    scene = _written(result_of([dance(90, 0.3, turns=3)]), tmp_path)
    moved = 0
    for index in scene.gltf.skins[0].joints:
        for path, (_, values, _) in scene.channels(index).items():
            if path == "rotation":
                np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
                assert (values[1:] * values[:-1]).sum(1).min() > 0.9
                moved += 1
    assert moved == 16


def _visible(scene: Scene, track_id: int, times: Double) -> list[bool]:
    found = scene.channels(scene.named(f"person {track_id}")).get("scale")
    if found is None:
        return [True] * len(times)
    keys, values, how = found
    assert how == "STEP"
    rows = np.maximum(np.searchsorted(keys, times + 1e-4, side="right") - 1, 0)
    assert set(values.ravel()) <= {0.0, 1.0}
    return [bool(values[row, 0]) for row in rows]


def test_people_are_hidden_where_they_are_not_known(tmp_path: Path) -> None:
    result = result_of([dance(30), dance(10), dance(30)], starts=[0, 12, 5])
    result.tracks3d[0].joints[8:14] = np.nan
    result.tracks3d[0].joints[-2:] = np.nan
    result.tracks3d[2].joints[:3] = np.nan
    scene = _written(result, tmp_path)
    times = np.arange(35) / 30
    rows = np.arange(35)
    assert _visible(scene, 1, times) == list((rows < 8) | ((rows >= 14) & (rows < 28)))
    assert _visible(scene, 2, times) == list((rows >= 12) & (rows < 22))
    assert _visible(scene, 3, times) == list(rows >= 8)
    hidden = scene.skinned(1, 0.0)
    np.testing.assert_allclose(np.ptp(hidden, axis=0), 0, atol=1e-9)


def test_somebody_seen_throughout_needs_no_hiding(tmp_path: Path) -> None:
    scene = _written(result_of([dance(10), dance(10)]), tmp_path)
    for track_id in (1, 2):
        assert not scene.channels(scene.named(f"person {track_id}"))


def test_twenty_people(tmp_path: Path) -> None:
    result = result_of([dance(5, seed=i) for i in range(20)], world=tilted_world())
    scene = _written(result, tmp_path)
    assert len(scene.gltf.skins) == 20
    assert len(scene.gltf.animations) == 1
    assert _farthest_mm(scene, result, 19) < 0.01
    colours = [
        tuple(material.pbrMetallicRoughness.baseColorFactor)
        for material in scene.gltf.materials
        if material.name.startswith("person")
    ]
    assert len(colours) == 20
    assert len(set(colours)) == 7


def test_colours_are_those_of_the_pictures(tmp_path: Path) -> None:
    scene = _written(result_of([dance(3)]), tmp_path)
    light = np.array(scene.gltf.materials[0].pbrMetallicRoughness.baseColorFactor[:3])
    srgb = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(srgb[::-1], accent(1), atol=0.5)


def test_one_frame(tmp_path: Path) -> None:
    result = result_of([dance(1)])
    scene = _written(result, tmp_path)
    assert _farthest_mm(scene, result) < 0.01
    assert scene.skinned(0, 0.0).shape[1] == 3


def test_nobody_is_an_empty_scene(tmp_path: Path) -> None:
    unseen = result_of([dance(4)], world=tilted_world())
    unseen.tracks3d[0].joints[:] = np.nan
    for result in (make_result(num_tracks=0), unseen):
        scene = _written(result, tmp_path)
        assert not scene.gltf.nodes
        assert not scene.gltf.animations
        assert scene.gltf.asset.extras["people"] == []
        assert not scene.gltf.buffers


def test_the_file_says_its_frame_of_reference(tmp_path: Path) -> None:
    world = _written(result_of([dance(3)], world=tilted_world()), tmp_path).gltf.asset
    assert world.version == "2.0"
    assert world.generator == "vp3d 0.1.0"
    assert world.extras["frame"] == "world"
    assert world.extras["world"] == "made up"
    assert world.extras["unit"] == "m"
    assert world.extras["fps"] == "30/1"
    assert world.extras["people"] == [{"track_id": 1, "is_placed": True}]
    camera = _written(result_of([dance(3)], roots=[None]), tmp_path).gltf.asset
    assert camera.extras["frame"] == "camera"
    assert camera.extras["people"] == [{"track_id": 1, "is_placed": False}]


def test_people_without_a_place_stand_beside_one_another(tmp_path: Path) -> None:
    result = result_of([dance(3), dance(3)], roots=[None, None])
    scene = _written(result, tmp_path)
    hips = [scene.joints(number, 0.0)[0] for number in (0, 1)]
    np.testing.assert_allclose(hips[1] - hips[0], [1, 0, 0], atol=1e-6)


def test_a_floor_lies_under_the_people_of_a_known_world(tmp_path: Path) -> None:
    roots = [np.linspace([-3, 0.2, 3], [3, 0, 8], 40)]
    result = result_of([dance(40)], world=tilted_world(), roots=roots)
    scene = _written(result, tmp_path)
    surface, grid = scene.gltf.meshes[scene.gltf.nodes[scene.named("floor")].mesh].primitives
    assert (surface.mode, grid.mode) == (4, 1)
    corners = scene.numbers(surface.attributes.POSITION)
    where = expected(result)[:, 0]
    assert (corners.min(0)[[0, 2]] < where.min(0)[[0, 2]] - 1).all()
    assert (corners.max(0)[[0, 2]] > where.max(0)[[0, 2]] + 1).all()
    lines = scene.numbers(grid.attributes.POSITION)
    np.testing.assert_array_equal(lines[:, 1], 0)
    assert -0.01 < corners[:, 1].max() < 0


def test_the_floor_ends_where_places_are_absurd(tmp_path: Path) -> None:
    roots = [np.array([[-1e4, 0, 4], [1e4, 0, 1e4]])]
    scene = _written(result_of([dance(2)], world=tilted_world(), roots=roots), tmp_path)
    grid = scene.gltf.meshes[scene.gltf.nodes[scene.named("floor")].mesh].primitives[1]
    lines = scene.numbers(grid.attributes.POSITION)
    assert np.abs(lines).max() <= 30
    assert len(lines) < 300


def test_numbers_begin_at_multiples_of_four(tmp_path: Path) -> None:
    document = _gltf.Document({})
    document.numbers(np.arange(3, dtype=np.uint8))
    document.numbers(np.arange(2, dtype=np.float32))
    document.write(tmp_path / "a.glb", [])
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    assert [view.byteOffset for view in gltf.bufferViews] == [0, 4]
    np.testing.assert_array_equal(Scene(gltf).numbers(1)[:, 0], [0, 1])


def test_no_floor_where_the_world_is_not_known(tmp_path: Path) -> None:
    for result in (
        result_of([dance(3)]),
        result_of([dance(3)], world=tilted_world(), roots=[None]),
    ):
        names = [node.name for node in _written(result, tmp_path).gltf.nodes]
        assert "floor" not in names


@pytest.mark.parametrize("times", [np.zeros(5), -np.arange(5.0)[::-1], 1e7 + np.arange(5) / 30])
def test_broken_clocks_give_times_that_ascend(times: Double, tmp_path: Path) -> None:
    scene = _written(result_of([dance(5)], times_s=times), tmp_path)
    keys, _, _ = scene.channels(scene.bones(0)["Hips"])["translation"]
    assert 1 <= len(keys) <= 5


def test_somebody_upside_down_and_a_bent_knee(tmp_path: Path) -> None:
    over = Rotation.from_rotvec(np.linspace(0, 3 * np.pi, 30)[:, None] * np.array([[1.0, 0, 0]]))
    joints = np.einsum("tij,tkj->tki", over.as_matrix(), bent(np.linspace(0, 120, 30), "left_knee"))
    result = result_of([joints], world=tilted_world())
    assert _farthest_mm(_written(result, tmp_path), result) < 0.01


def test_other_skeletons_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SkeletonMismatchError, match="17 of Human3"):
        _written(make_result(num_tracks=1, skeleton_3d=skeletons.get("humaneva15")), tmp_path)
    assert not list(tmp_path.iterdir())


def test_equal_bytes_twice(tmp_path: Path) -> None:
    result = result_of([dance(10), dance(10)], world=tilted_world())
    glb.write(result, tmp_path / "a.glb")
    glb.write(result, tmp_path / "b.glb")
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()
