"""The scripts in `examples/`, each run as its first lines say."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.adapt_footage import make_lifter
from tests.e2e.conftest import DEMO
from tests.factories import make_result
from vp3d_cli import Options, estimate
from vp3d_cli.export import npz
from vp3d_cli.lift.checkpoint import save_checkpoint

EXAMPLES = DEMO.parent
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def _run(script: str, *words: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the example."""
    path = tmp_path_factory.mktemp("examples") / "walk.npz"
    npz.write(estimate(DEMO, Options(start_s=2.0, end_s=4.0)), path)
    return path


def test_gait(poses: Path) -> None:
    told = _run("gait.py", poses)
    assert len(told.splitlines()) == 2
    (speed,) = re.findall(r"person 2: .* ([\d.]+) m/s", told)
    assert 0.7 < float(speed) < 1.8  # she walks


def test_counting_squats(tmp_path: Path) -> None:
    """Two that are deep, with a trembling at the bottom, after one that is not."""
    frames = 300
    result = make_result(1, frames, with_gaps=False)
    person = result.tracks3d[0]
    depth = 100 * np.clip(np.sin(np.linspace(0, 6 * np.pi, frames)), 0, None)
    depth[:100] *= 0.5  # the first goes down half way
    depth += 3 * np.sin(np.arange(frames))
    joints = person.joints.copy()
    for side in ("left", "right"):
        hip, knee, foot = (person.skeleton.index(f"{side}_{n}") for n in ("hip", "knee", "foot"))
        turn = np.radians(depth)
        joints[:, hip] = 0
        joints[:, knee] = [0, 0.45, 0]
        shin = 0.45 * np.stack([0 * turn, np.cos(turn), np.sin(turn)], -1)
        joints[:, foot] = joints[:, knee] + shin
    bent = dataclasses.replace(person, joints=joints.astype(np.float32))
    npz.write(dataclasses.replace(result, tracks3d=(bent,)), tmp_path / "squats.npz")
    told = _run("count_squats.py", tmp_path / "squats.npz")
    assert "person 1: 2 squats at" in told, told


def test_retargeting(tmp_path: Path) -> None:
    from vp3d_cli.video import VideoReader, VideoWriter

    with VideoReader(DEMO, 2.5, 3.2) as reader:
        size = reader.info.width, reader.info.height
        with VideoWriter(tmp_path / "dance.mp4", *size, reader.info.fps) as writer:
            for frame in reader:
                writer.write(frame.image)
    files = _run("retarget_bvh.py", tmp_path / "dance.mp4", tmp_path / "animations").split()
    assert len(files) == 2
    assert all(Path(file).read_text().startswith("HIERARCHY") for file in files)


@pytest.mark.slow
def test_a_batch_on_ray(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "demo.mp4").write_bytes(DEMO.read_bytes())
    (clips / "broken.mp4").write_bytes(b"no video")
    told = _run("batch_on_ray.py", clips, tmp_path / "results", "local", code=3)
    assert "1 done" in told
    assert "broken.mp4: " in told


@pytest.mark.slow
def test_adapting(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name in ("a", "b"):
        (films / f"{name}.mp4").write_bytes(DEMO.read_bytes() + name.encode())
    save_checkpoint(make_lifter().checkpoint(), tmp_path / "tiny.safetensors")
    options = ["--lifter", tmp_path / "tiny.safetensors", "--epochs", 1, "--detect-every", 10]
    told = _run("adapt_own_video.py", films, tmp_path / "out", *options)
    assert "before" in told
    assert "vp3d infer new.mp4 --lifter" in told


def test_every_example_is_run() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert SCRIPTS
    assert all(f'"{script.name}"' in here for script in SCRIPTS)
