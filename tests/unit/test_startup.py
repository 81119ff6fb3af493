"""What a command loads before it begins: only what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.factories import make_result
from vp3d_cli import export, registry
from vp3d_cli.errors import BackendUnavailableError
from vp3d_cli.export import npz
from vp3d_cli.video import probe

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo.mp4"
# Takes seconds to load.
NETWORKS = ("torch", "torchvision", "onnxruntime")
# Runs commands in one process, and writes what each was the first to load.
PROGRAM = """
import json, sys
from vp3d_cli.cli.main import cli
found, watched = [], json.loads(sys.argv[2])
for command in json.loads(sys.argv[1]):
    before = set(sys.modules)
    code = cli.main(command, prog_name="vp3d", standalone_mode=False)
    loaded = [name for name in watched if name in sys.modules and name not in before]
    found.append([code or 0, loaded])
print("\\n" + json.dumps(found))
"""


def _loaded(commands: list[list[str]], watched: tuple[str, ...], folder: Path) -> list[list[str]]:
    """Which of the modules each command loads; all must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands), json.dumps(watched)],
        capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert [code for code, _ in answers] == [0] * len(commands), done.stderr
    return [names for _, names in answers]


def _writable() -> list[str]:
    """The formats whose library is here."""
    formats = []
    for name in registry.names("export"):
        try:
            export.require(name)
        except BackendUnavailableError:
            continue
        formats.append(name)
    return formats


def test_help_loads_neither_numpy_nor_rich(tmp_path: Path) -> None:
    watched = (*NETWORKS, "numpy", "cv2", "scipy", "rich", "http.client", "ffmpeg", "filelock")
    assert _loaded([["--help"]], watched, tmp_path) == [[]]


def test_what_needs_no_network_loads_none(tmp_path: Path) -> None:
    result = make_result(1, 8, video=probe(DEMO), with_gaps=False)
    npz.write(result, tmp_path / "pose.npz")
    (tmp_path / "out").mkdir()
    commands = [
        ["--help"],
        *([name, "--help"] for name in registry.names("cli") if name != "main"),
        ["completion", "bash"],
        ["weights", "list"],
        *(["export", "pose.npz", "--to", name, "--out", "out"] for name in _writable()),
        ["render", "pose.npz", "--out", "plain.gif", "--height", "64", "-q"],
        ["render", "pose.npz", "--video", str(DEMO), "--out", "o.mp4", "--end", "0.8", "-q"],
        ["view", "pose.npz", "--no-video", "--no-open", "-q"],
        ["report", "pose.npz", "--video", str(DEMO), "-q"],
    ]
    loaded = _loaded(commands, NETWORKS, tmp_path)
    assert {" ".join(c): names for c, names in zip(commands, loaded, strict=True) if names} == {}
