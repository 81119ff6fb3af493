"""What the lifter runs on: the same joints everywhere, and the same bits with any cores."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import videopose3d_files
from tests.factories import make_track2d, make_video
from tests.unit.test_lift_folding import trained
from vp3d_cli import registry
from vp3d_cli.errors import BackendUnavailableError, OptionsError
from vp3d_cli.lift import lifter as room
from vp3d_cli.lift.checkpoint import Checkpoint, build_models
from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.options import Options
from vp3d_cli.parallel import in_threads
from vp3d_cli.results import load_result
from vp3d_cli.types import Camera, Float, Track3D

RUNTIMES = registry.names("lift.runtimes")
PAPERS = LifterConfig((3, 3, 3, 3, 3), 1024)
CAMERA = Camera(1000.0, "test")


def lift(lifter: Lifter, lengths: tuple[int, ...] = (90, 20, 1)) -> tuple[Track3D, ...]:
    tracks = [make_track2d(number, length) for number, length in enumerate(lengths, start=1)]
    return lifter.lift(tracks, make_video(), CAMERA)


def papers_lifter(runtime: str) -> Lifter:
    """The paper's network of 243 frames, seeded, with a small trajectory head."""
    pose, head = trained(PAPERS, 5), trained(PAPERS, 6, joints_out=1)
    return Lifter(
        Checkpoint(PAPERS, pose.state_dict(), head.state_dict()), "x", "00", "cpu", runtime
    )


@pytest.mark.parametrize("name", ["bundled", "bundled-causal"])
def test_bundled_lifters_give_the_same_on_every_runtime(name: str) -> None:
    first, *others = (lift(load_lifter(name, runtime=runtime)) for runtime in RUNTIMES)
    for other in others:
        for a, b in zip(first, other, strict=True):
            for field in ("joints", "root", "spread"):
                x, y = getattr(a, field), getattr(b, field)
                np.testing.assert_allclose(y, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_papers_network_is_what_pytorch_says(runtime: str) -> None:
    """Unfolded, unchunked, without any of this code."""
    lifter = papers_lifter(runtime)
    before, after = PAPERS.context
    sequence = np.random.default_rng(3).normal(0, 0.3, (50, 17, 2)).astype(np.float32)
    padded = np.concatenate(
        [np.repeat(sequence[:1], before, 0), sequence, np.repeat(sequence[-1:], after, 0)]
    )
    pose, _ = build_models(lifter.checkpoint(), "x")
    with torch.inference_mode():
        expected = pose(torch.from_numpy(padded)[None])[0].numpy()
    (found,) = lifter.predict([sequence], flip=False)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_bits_do_not_depend_on_the_cores(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"vp3d_cli.lift.runtimes.{runtime}")
    monkeypatch.setattr(room, "CHUNK", 300)
    lifter, answers = load_lifter("bundled", runtime=runtime), []
    for cores in (1, 2, 5):
        monkeypatch.setattr(module, "usable_cores", lambda cores=cores: cores)
        torch.set_num_threads(cores)
        people = lift(lifter, (1500, 400, 9))
        answers.append(b"".join(person.joints.tobytes() for person in people))
        assert torch.get_num_threads() == cores
    torch.set_num_threads(1)
    assert len(set(answers)) == 1


def test_lifting_goes_on_as_trained() -> None:
    """What is folded is a copy: the parameters stay as they were read."""
    pose = trained(PAPERS, 5).state_dict()
    lifter = Lifter(Checkpoint(PAPERS, pose), "x", "00")
    lift(lifter, (10,))
    for name, value in trained(PAPERS, 5).state_dict().items():
        assert torch.equal(lifter.checkpoint().pose[name], value)


def test_progress_counts_every_frame_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CHUNK", 200)
    for flip in (True, False):
        told: list[int] = []
        sequences = [np.zeros((n, 17, 3), np.float32) for n in (331, 155, 1)]
        load_lifter("bundled").predict(sequences, told.append, flip=flip)
        assert sum(told) == 487
        assert len(told) > 2


def test_onnx_runs_on_the_cpu_only() -> None:
    with pytest.raises(BackendUnavailableError, match="CPU only; use --lift-runtime torch"):
        load_lifter("bundled", device="cuda", runtime="onnx")


def test_options_tell_it_before_anything_is_loaded() -> None:
    with pytest.raises(OptionsError, match="leave it out, or --device cuda"):
        Options(lift_runtime="onnx", device="cuda")


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'vp3d\[onnx\]'"):
        load_lifter("bundled", runtime="onnx")


@pytest.mark.parametrize("foreign", [False, True])
def test_onnx_lifts_without_loading_pytorch(foreign: bool, tmp_path: Path) -> None:
    """A file in VideoPose3D's layout too: its pickle is read without PyTorch."""
    asked = "'bundled'"
    if foreign:
        (tmp_path / "small.bin").write_bytes(videopose3d_files.blob())
        asked = f"{str(tmp_path / 'small.bin')!r}, skeleton_in='coco17', causal=False"
    program = f"""
import sys
import numpy as np
from vp3d_cli.lift.loading import load_lifter
lifter = load_lifter({asked}, runtime="onnx")
lifter.predict([np.zeros((9, 17, lifter.config.features), np.float32)])
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_commands_lift_without_loading_pytorch(tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "examples" / "demo.mp4"
    asked = ["infer", str(demo), "--end", "0.2", "--lift-runtime", "onnx", "--quiet"]
    program = f"""
import sys
from vp3d_cli.cli.main import main
sys.argv = ["vp3d", *{asked!r}, "--out", "pose.npz"]
try:
    main()
except SystemExit as end:
    assert not end.code
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    assert load_result(tmp_path / "pose.npz").provenance["options"]["lift_runtime"] == "onnx"


def test_threads_answer_in_order_and_few_items_are_held() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while taken < 40:
            taken += 1
            yield taken

    def slow(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number

    for done, answer in enumerate(in_threads(slow, items(), 3), start=1):
        assert answer == done
        assert taken <= done + 3
    assert done == 40


def test_threads_end_with_an_error() -> None:
    def fail(number: int) -> Float:
        raise ValueError(f"item {number}")

    before = threading.active_count()
    with pytest.raises(ValueError, match="item 0"):
        list(in_threads(fail, range(100), 2))
    assert threading.active_count() == before
