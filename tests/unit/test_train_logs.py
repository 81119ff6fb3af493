"""The logs of a run: table, picture, TensorBoard; what is said, and what of memory."""

from __future__ import annotations

import csv
import dataclasses
import logging
import math
import struct
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.unit.test_paper_training import SEQUENCES, _config
from vp3d_cli.errors import Vp3dError
from vp3d_cli.render import curves
from vp3d_cli.render.curves import Curve, Panel, write_curves
from vp3d_cli.train import logs
from vp3d_cli.train.logs import EVENTS, LOG, PICTURE, Means, write_logs
from vp3d_cli.train.memory import shortage_explained
from vp3d_cli.train.paper.trainer import EpochReport, PaperTrainer
from vp3d_cli.train.run_folder import LAST, save_state


def _rows(epochs: int) -> list[dict[str, Any]]:
    return [
        {
            **{"epoch": epoch, "loss": 1 / epoch, "train_mm": 200 / epoch},
            **{"mpjpe_mm": 50 + abs(epoch - 3), "mpjve_mm": 3.0, "pose_loss": math.nan},
        }
        for epoch in range(1, epochs + 1)
    ]


def _scalars(path: Path) -> list[tuple[float, int, str, float]]:
    """Wall time, step, name, value, in order; the checksums are checked by the length alone."""
    from tensorboardX.proto.event_pb2 import Event

    content, at, found = path.read_bytes(), 0, []
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        event = Event.FromString(content[at + 12 : at + 12 + length])
        at += length + 16
        found += [(event.wall_time, event.step, v.tag, v.simple_value) for v in event.summary.value]
    assert at == len(content)
    return found


def test_tensorboard_has_every_epoch_once(tmp_path: Path) -> None:
    for epochs in (1, 2, 3, 2, 3):  # stopped after the third, resumed from the second
        write_logs(tmp_path, _rows(epochs))
    found = _scalars(tmp_path / EVENTS)
    assert [(step, name) for _, step, name, _ in found] == [
        (epoch, name)
        for epoch in (1, 2, 3)
        for name in ("loss", "train_mm", "mpjpe_mm", "mpjve_mm")  # NaN is left out
    ]
    np.testing.assert_allclose([v for _, _, n, v in found if n == "train_mm"], [200, 100, 200 / 3])


def test_a_file_for_tensorboard_only_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on reading where it was."""
    clock = iter((100.0, 200.0, 300.0))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    write_logs(tmp_path, _rows(1))
    before = (tmp_path / EVENTS).read_bytes()
    write_logs(tmp_path, _rows(2))
    after = (tmp_path / EVENTS).read_bytes()
    assert after.startswith(before)
    assert {(wall, step) for wall, step, _, _ in _scalars(tmp_path / EVENTS)} == {
        (100.0, 1),
        (200.0, 2),
    }
    (tmp_path / EVENTS).write_bytes(b"\xff" * 40)  # whatever it was, it is written anew
    write_logs(tmp_path, _rows(2))
    assert len(_scalars(tmp_path / EVENTS)) == 8


def test_without_tensorboard_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.startswith("tensorboardX")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    logs._say_once.cache_clear()
    with caplog.at_level(logging.INFO):
        write_logs(tmp_path, _rows(1))
        write_logs(tmp_path, _rows(2))
    assert caplog.text.count("pip install 'vp3d[tensorboard]'") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [LOG, PICTURE]


def test_the_table_is_the_history(tmp_path: Path) -> None:
    write_logs(tmp_path, _rows(3))
    with (tmp_path / LOG).open() as stream:
        rows = list(csv.DictReader(stream))
    assert [list(map(float, row.values())) for row in rows][:1] == [
        pytest.approx([1, 1, 200, 52, 3, math.nan], nan_ok=True)
    ]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]


def test_any_dataclass_of_numbers(tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Row:
        epoch: int
        bones_mm: float
        frames: int
        best: bool

    rows = [Row(0, math.nan, 7, True), Row(1, 3.0, 7, True), Row(2, 2.0, 7, False)]
    save_state(tmp_path, {"config": {}}, rows)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted((LAST, LOG, PICTURE, EVENTS))
    assert logs.best([dataclasses.asdict(row) for row in rows]) == 1


def test_the_picture_shows_the_curves(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    falling = [10.0 - i for i in range(8)]
    panel = Panel("Errors", "mm", [Curve("a", falling), Curve("b", [math.nan] * 8)])
    write_curves(path, "Title", "note", range(1, 9), [panel], marked=8)
    picture = cv2.imread(str(path))
    assert picture is not None
    colour = np.array(curves._COLOURS[0])
    plot = picture[:, curves._LEFT : curves._LEFT + curves._WIDTH + 1]
    _, x = np.nonzero((plot == colour).all(-1))
    assert (x.min(), x.max()) == (0, curves._WIDTH)
    heights = [np.nonzero((plot[:, c] == colour).all(-1))[0].mean() for c in range(5, 695, 30)]
    assert (np.diff(heights) > 0).all()  # down the picture
    second = np.array(curves._COLOURS[1])
    assert not (picture == second).all(-1).any()
    write_curves(path, "Title", "note", range(1, 9), [panel], marked=None)
    assert (picture != cv2.imread(str(path))).any()


@pytest.mark.parametrize(
    "values", [[0.0], [5.0, 5.0], [-2.0, 3.0], [1e-9, 2e-9], [1e12] + [1] * 30]
)
def test_any_values_can_be_drawn(tmp_path: Path, values: list[float]) -> None:
    panel = Panel("Errors", "mm", [Curve("a", values)])
    write_curves(tmp_path / "a.png", "", "", range(len(values)), [panel], marked=0)
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    assert picture.shape[0] < 500


def test_what_is_above_the_axis_stays_in_its_panel(tmp_path: Path) -> None:
    """A first epoch far off leaves its panel at the top, and none of the others is drawn over."""
    calm = [Panel("Calm", "mm", [Curve("a", [1.0] * 30)])] * 2
    wild = Panel("Wild", "mm", [Curve("b", [1e12, *[1.0] * 28, 50.0])])
    write_curves(tmp_path / "a.png", "", "", range(30), [*calm, wild])
    write_curves(tmp_path / "b.png", "", "", range(30), calm)
    three, two = (cv2.imread(str(tmp_path / name)) for name in ("a.png", "b.png"))
    assert three is not None
    assert two is not None
    rows = curves._TOP + 2 * (curves._HEADING + curves._HEIGHT + curves._FOOT)
    width = two.shape[1] - curves._MARGIN
    np.testing.assert_array_equal(three[:rows, :width], two[:rows, :width])
    top = three[rows + curves._HEADING]
    assert (top == curves._COLOURS[0]).all(-1)[curves._LEFT : curves._LEFT + 30].any()


def test_means_over_the_steps_that_have_a_value(caplog: pytest.LogCaptureFixture) -> None:
    means = Means()
    with caplog.at_level(logging.DEBUG):
        for step in range(1, 101):
            means.add({"loss": step, **({"bones": 4.0} if step > 90 else {})})
            means.tell(2, step, 100)
    assert means.so_far() == {"loss": 50.5, "bones": 4}
    assert len(caplog.messages) == 10
    assert caplog.messages[-1] == "epoch 2, step 100 of 100: loss 50.5000, bones 4.0000"


def test_every_loss_has_its_column(tmp_path: Path) -> None:
    """Their sum is the loss; those of unlabelled sequences are missing in the warm-up."""
    trainer = PaperTrainer(_config(unlabelled=("S5",), warmup=1, epochs=2), SEQUENCES, tmp_path)
    trainer.run()
    with (tmp_path / LOG).open() as stream:
        first, last = ({k: float(v) for k, v in row.items()} for row in csv.DictReader(stream))
    terms = ["pose_loss", "trajectory_loss", "reprojection_loss", "bone_length_loss"]
    assert [math.isnan(first[term]) for term in terms] == [False, False, True, True]
    assert first["loss"] == pytest.approx(sum(first[term] for term in terms[:2]), rel=1e-5)
    assert last["loss"] == pytest.approx(sum(last[term] for term in terms), rel=1e-5)
    assert last["pose_loss"] * 1000 == pytest.approx(last["train_mm"])
    old = dataclasses.asdict(trainer.history[0])
    EpochReport(**{name: old[name] for name in old if name not in terms})  # of runs before these


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 9 TiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9"),
        RuntimeError("Caught MemoryError in DataLoader worker process 0.\nTraceback ..."),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_no_memory_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def step(*_: Any) -> None:
        raise error

    trainer = PaperTrainer(_config(), SEQUENCES, tmp_path)
    monkeypatch.setattr(trainer, "_step", step)
    with pytest.raises(
        Vp3dError, match=r"training: out of memory .*; lower batch_size in"
    ) as found:
        trainer.run()
    assert found.value.exit_code == 1
    assert "\n" not in str(found.value)


def test_long_words_of_no_memory_end_with_a_word() -> None:
    said = "CUDA out of memory. " + "Tried to allocate 20.00 GiB. " * 20
    with pytest.raises(Vp3dError, match=r" \.\.\.\); lower") as found, shortage_explained():
        raise torch.OutOfMemoryError(said)
    shown = str(found.value).partition("(")[2].partition(" ...)")[0]
    assert said.startswith(shown + " ")


def test_nothing_is_written_of_no_epochs(tmp_path: Path) -> None:
    save_state(tmp_path, {"config": {}}, [])
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


def test_really_no_memory_on_the_cpu() -> None:
    with pytest.raises(Vp3dError, match="lower batch_size"), shortage_explained():
        torch.empty(1 << 55)
    with pytest.raises(Vp3dError, match="lower batch_size"), shortage_explained():
        np.empty(1 << 55)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shape"), shortage_explained():
        raise RuntimeError("shape mismatch")
