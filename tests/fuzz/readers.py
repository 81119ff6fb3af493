"""Every reader of files of others: a valid file, how it is read, and what may come out."""

from __future__ import annotations

import collections
import dataclasses
import json
import pickle
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from tests import dataset_files, keypoint_files, videopose3d_files
from tests.factories import make_result
from tests.fuzz import mutations
from vp3d_cli import datasets, keypoints, registry, results
from vp3d_cli.batch.layout import Layout
from vp3d_cli.batch.record import Product, Record, Seen
from vp3d_cli.batch.values import Task
from vp3d_cli.detect._rcnn import checkpoint as rcnn
from vp3d_cli.errors import DataError, Vp3dError, WeightsError
from vp3d_cli.evaluate import calibration
from vp3d_cli.lift.checkpoint import Checkpoint, build_models, read_checkpoint, save_checkpoint
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.train.config import read_train_config
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.train.paper.config import read_paper_config
from vp3d_cli.types import Keypoints2D, Result
from vp3d_cli.weights import download

LONGEST_MESSAGE = 1200
LONGEST_S = 5.0
MOST_GROWTH = 300 << 20
EXAMPLES = Path(__file__).parents[2] / "examples"

Draw = mutations.Draw
Change = Callable[[Draw, bytes], bytes]


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        build: writes a valid set of files into a folder; the first is the one to damage.
        read: them.
        change: makes other content of the first.
        error: the class of what may be raised.
        check: fails for a value that is not valid.
    """

    build: Callable[[Path], list[Path]]
    read: Callable[[list[Path]], Any]
    change: Change
    error: type[Vp3dError] = DataError
    check: Callable[[Any], None] = lambda value: None


@dataclass
class Outcomes:
    """How often what came out; kept for the report of a long run."""

    counts: dict[str, collections.Counter[str]] = field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )


OUTCOMES = Outcomes()


def attempt(name: str, reader: Reader, paths: list[Path]) -> None:
    """Read files that something is wrong with; fails at all that must not happen."""
    started, before = time.process_time(), _peak()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for hidden in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", hidden)
        try:
            value = reader.read(paths)
        except reader.error as error:
            _check_message(str(error), paths)
            OUTCOMES.counts[name][type(error).__name__] += 1
        else:
            reader.check(value)
            OUTCOMES.counts[name]["valid" if value is not None else "nothing"] += 1
    assert time.process_time() - started < LONGEST_S
    assert _peak() - before < MOST_GROWTH
    assert not mutations.MARKER.exists(), "it was executed"


def _check_message(message: str, paths: list[Path]) -> None:
    assert any(path.name in message for path in paths), message[:500]
    assert len(message) < LONGEST_MESSAGE + max(len(str(path)) for path in paths), message[:500]
    sentence = message.partition("The formats that --format knows:")[0]
    assert sentence.strip().isprintable(), ascii(message[:500])


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _pose(folder: Path) -> list[Path]:
    registry.load("export", "npz").write(make_result(2, 4), folder / "pose.npz")
    return [folder / "pose.npz"]


def _check_result(result: Result) -> None:
    for track in (*result.tracks2d, *result.tracks3d):
        dataclasses.replace(track)
    dataclasses.replace(result)
    path = Path("again.npz")
    registry.load("export", "npz").write(result, path)
    assert results.load_result(path).num_rows == result.num_rows


def _check_keypoints(read: Keypoints2D) -> None:
    dataclasses.replace(read)
    people = read.people
    assert not np.isinf(people.keypoints).any()
    assert ((people.scores >= 0) & (people.scores <= 1)).all()
    assert np.isfinite(people.box_scores).all()
    assert people.keypoints.dtype == people.scores.dtype == np.float32
    assert read.fps is None or isinstance(read.fps, Fraction)
    assert read.track_ids is None or (read.track_ids >= 1).all()
    keypoints.write(read, Path("again.npz"))
    again = keypoints.read(Path("again.npz"), "vp3d")
    np.testing.assert_array_equal(again.people.keypoints, people.keypoints)


def _keypoints(name: str, format: str) -> Reader:
    made = keypoint_files.FORMATS[name]
    scene = keypoint_files.two_people(5) if made.several else keypoint_files.one_person(4)

    def build(folder: Path) -> list[Path]:
        path = made.build(folder, scene)
        if path.is_dir():
            return [sorted(path.iterdir())[2], path]
        return [path]

    change: Change = mutations.changed_npz
    if name in ("coco", "alphapose", "openpose"):
        change = mutations.changed_json
    return Reader(
        build,
        lambda paths: keypoints.read(paths[-1], format),
        change,
        check=_check_keypoints,
    )


_OWN = LifterConfig((3, 3), 8, 3, normalisation="person", fps_range=(24, 60), focal_range=(0.5, 2))


def _own_lifter(folder: Path) -> list[Path]:
    torch.manual_seed(0)
    pose, trajectory = TemporalModel(_OWN, 17, 17), TemporalModel(_OWN, 17, 1)
    checkpoint = Checkpoint(_OWN, pose.state_dict(), trajectory.state_dict())
    save_checkpoint(checkpoint, folder / "own.safetensors")
    return [folder / "own.safetensors"]


def _read_lifter(paths: list[Path]) -> Checkpoint:
    return read_checkpoint(paths[0].read_bytes(), str(paths[0]))


def _check_lifter(checkpoint: Checkpoint) -> None:
    config = checkpoint.config
    dataclasses.replace(config)
    assert json.dumps(config.to_json())
    assert config.receptive_field < 1_000_000
    low, high = config.fps_range or (0, np.inf)
    assert low <= high
    pose, _ = build_models(checkpoint, "x")
    assert all(bool(torch.isfinite(value).all()) for value in pose.state_dict().values())
    keypoints = torch.zeros(1, config.receptive_field, 17, config.features)
    with torch.inference_mode():
        assert pose(keypoints).shape[:2] == (1, 1)


def _foreign_content() -> dict[str, Any]:
    torch.manual_seed(0)
    state = TemporalModel(videopose3d_files.SMALL, 17, 17).state_dict()
    return {"epoch": 80, "lr": np.float64(1e-5), "model_pos": dict(state), "model_traj": None}


def _foreign(in_archive: bool) -> Reader:
    def build(folder: Path) -> list[Path]:
        torch.save(
            _foreign_content(), folder / "theirs.bin", _use_new_zipfile_serialization=in_archive
        )
        return [folder / "theirs.bin"]

    return Reader(
        build,
        _read_lifter,
        lambda draw, _: mutations.changed_torch(draw, _foreign_content(), in_archive),
        WeightsError,
        _check_lifter,
    )


def _few_layers() -> torch.nn.Module:
    with torch.device("meta"):
        return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Linear(4, 2))


def _zoo_content() -> dict[str, Any]:
    model = {
        name: np.ones(value.shape, np.float32) for name, value in _few_layers().state_dict().items()
    }
    return {"model": {**model, "pixel_mean": np.zeros((3, 1, 1))}, "__author__": "nobody"}


def _zoo(folder: Path) -> list[Path]:
    (folder / "zoo.pkl").write_bytes(pickle.dumps(_zoo_content(), 2))
    return [folder / "zoo.pkl"]


def _read_zoo(paths: list[Path]) -> Any:
    with mock.patch.object(rcnn, "_empty_network", _few_layers):
        return rcnn.read_state(paths[0].read_bytes(), str(paths[0]))


def _check_zoo(state: dict[str, Any]) -> None:
    assert all(value.dtype == torch.float32 for value in state.values())


def _check_sequences(sequences: tuple[datasets.Sequence, ...]) -> None:
    for sequence in sequences:
        dataclasses.replace(sequence)
        assert len(sequence) > 0
        assert 0 < sequence.fps < np.inf
    datasets.check(sequences)


def _dataset(
    build: Callable[[Path], list[Path]], change: Change, first: int = 0, format: str = "auto"
) -> Reader:
    def build_first(folder: Path) -> list[Path]:
        paths = build(folder)
        return [paths[first], *(path for i, path in enumerate(paths) if i != first)]

    return Reader(
        build_first, lambda paths: datasets.read(paths, format), change, check=_check_sequences
    )


def _views(first: str) -> Reader:
    def build(folder: Path) -> list[Path]:
        camera = {
            "name": "cam", "size": [1000, 1000],
            "matrix": [[1e3, 0, 500], [0, 1e3, 500], [0, 0, 1]],
            "distortions": [0, 0, 0, 0], "rotation": [0.1, 0, 0], "translation": [0, 0, 4],
        }  # fmt: skip
        (folder / "cam.mp4").touch()
        if first.endswith("toml"):
            lines = ["[cam]", *(f"{key} = {json.dumps(value)}" for key, value in camera.items())]
            (folder / first).write_text("\n".join(lines))
        else:
            (folder / "calibration.json").write_text(json.dumps({"cam": camera}))
        names = [f"joint{i}" for i in range(17)]
        np.savez(
            folder / "reference.npz", joint_names=names, frame=np.arange(5), subject="anna",
            joints=np.tile(dataset_files.FIGURE, (5, 1, 1)),
        )  # fmt: skip
        found = [folder / first, *(p for p in sorted(folder.iterdir()) if p.name != first)]
        return [path for path in found if path.suffix != ".mp4"]

    changes = {".toml": mutations.changed_text, ".json": mutations.changed_json}
    return Reader(
        build,
        lambda paths: calibration.read_views(paths[0].parent),
        changes.get(Path(first).suffix, mutations.changed_npz),
        check=lambda views: [dataclasses.replace(view.camera) for view in views] and None,
    )


def _toml(read: Callable[[Path], Any], example: str) -> Reader:
    def build(folder: Path) -> list[Path]:
        text = (EXAMPLES / example).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        (folder / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [folder / "config.toml"]

    def check(config: Any) -> None:
        json.dumps(config.to_json(), default=str)

    return Reader(build, lambda paths: read(paths[0]), mutations.changed_text, check=check)


def _mocap(folder: Path) -> list[Path]:
    names = [f"joint{i}" for i in range(17)] + ["Nose", "LEye", "REye", "LEar", "REar"]
    joints = np.repeat(dataset_files.walk(6), 2, 1)[:, :22] * 1000
    np.savez(
        folder / "clips.npz", joints_mm=joints, joint_names=names, clip_start=[0, 2, 6],
        clip_name=["a", "b"], fps=30,
    )  # fmt: skip
    return [folder / "clips.npz"]


def _check_mocap(mocap: Any) -> None:
    assert np.isfinite(mocap.joints).all()


TASK = Task("clip", Path("clip.mp4"))


def _record(folder: Path) -> list[Path]:
    layout = Layout(folder)
    seen = Seen("ab", 3, 4, 5)
    layout.record("clip").parent.mkdir(parents=True)
    Record(
        seen, {"npz": Product("k", {"clip.npz": seen})}, ("k", "why", 3), 4, 1, ("careful",)
    ).save(layout, TASK)
    return [layout.record("clip"), folder]


def _check_record(record: Record | None) -> None:
    if record is not None:
        assert isinstance(record.frames, int)
        record.source.stands(Path("clip.mp4"))
        json.dumps(dataclasses.asdict(record))


def _left(folder: Path) -> list[Path]:
    part = folder / "w.part"
    part.write_bytes(b"123")
    origin = {"url": "http://x", "validator": "v", "total": 9}
    download._origin_path(part).write_text(json.dumps(origin))
    return [download._origin_path(part), part]


READERS: dict[str, Reader] = {
    "pose": Reader(
        _pose, lambda p: results.load_result(p[0]), mutations.changed_npz, check=_check_result
    ),
    **{f"2d-{name}": _keypoints(name, name) for name in keypoint_files.FORMATS},
    **{f"2d-{name}-auto": _keypoints(name, "auto") for name in ("vp3d", "coco", "openpose")},
    "lifter": Reader(
        _own_lifter, _read_lifter, mutations.changed_safetensors, WeightsError, _check_lifter
    ),
    "lifter-zip": _foreign(True),
    "lifter-stream": _foreign(False),
    "detectron2": Reader(
        _zoo,
        _read_zoo,
        lambda draw, _: mutations.changed_pickle(draw, _zoo_content()),
        WeightsError,
        _check_zoo,
    ),
    "data-vp3d": _dataset(dataset_files.vp3d, mutations.changed_npz),
    "data-human36m-3d": _dataset(dataset_files.human36m, mutations.changed_npz, 0, "human36m"),
    "data-human36m-2d": _dataset(dataset_files.human36m, mutations.changed_npz, 1, "human36m"),
    "data-cameras": _dataset(dataset_files.human36m, mutations.changed_json, 2),
    "data-bvh": _dataset(dataset_files.bvh, mutations.changed_text),
    "data-c3d": _dataset(dataset_files.c3d, mutations.changed_blocks),
    "data-mocap": _dataset(dataset_files.mocap, mutations.changed_npz),
    "data-mocap-table": _dataset(dataset_files.mocap, mutations.changed_text, 1),
    "views-toml": _views("calibration.toml"),
    "views-json": _views("calibration.json"),
    "views-reference": _views("reference.npz"),
    "train-toml": _toml(read_train_config, "train_bundled.toml"),
    "paper-toml": _toml(read_paper_config, "train_paper.toml"),
    "train-mocap": Reader(
        _mocap,
        lambda p: read_mocap([p[0]], None, "train"),
        mutations.changed_npz,
        check=_check_mocap,
    ),
    "record": Reader(
        _record,
        lambda p: Record.load(Layout(p[1]), TASK),
        mutations.changed_json,
        check=_check_record,
    ),
    "download": Reader(
        _left,
        lambda p: download._left_before(p[1], "http://x"),
        mutations.changed_json,
    ),
}
