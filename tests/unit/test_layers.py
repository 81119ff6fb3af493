"""The import rules of the style guide, read from the source of every module."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import vp3d_cli

PACKAGE = Path(vp3d_cli.__file__).parent

# What everything may import, and what imports nothing above itself.
FOUNDATION = {
    "bones",
    "cores",
    "datasets",
    "device",
    "errors",
    "files",
    "geometry",
    "keypoints",
    "npz",
    "overlap",
    "palette",
    "parallel",
    "pickles",
    "pose_file",
    "registry",
    "results",
    "skeletons",
    "smoothing",
    "sources",
    "types",
    "video",
    "videopose3d_files",
    "weights",
}
# What stands above the stages. Every other room is a stage, a new one included.
ABOVE = {
    "train", "evaluate", "report", "pipeline", "provision", "batch", "live", "cli", "", "notebook",
}  # fmt: skip
NUMPY_ONLY = {"types", "errors", "geometry", "evaluate.metrics", "evaluate.protocol"}

# Third party: the only modules or rooms that may import it.
OWNERS = {
    "click": {"cli"},
    "cv2": {"video", "detect", "render", "scene"},
    "detectron2": {"detect.detectron2"},
    "torch": {"lift", "train", "detect", "device"},
    "torchvision": {"lift", "train", "detect"},
}
HEAVY = {"cv2", "detectron2", "matplotlib", "onnxruntime", "scipy", "torch", "torchvision"}


def _name(path: Path) -> str:
    """`detect/movenet.py` is "detect.movenet", `video/__init__.py` is "video"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _imports(source: str, modules: set[str]) -> tuple[set[str], set[str]]:
    """The modules of vp3d_cli and the other packages that `source` names, functions included."""
    ours, others = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write absolute imports"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, inner = name.partition(".")
            if package != PACKAGE.name:
                others.add(package)
            else:
                # The last part may be a function in a module, or a name in the package.
                ours.add(inner if inner in modules else inner.rpartition(".")[0])
    return ours, others


def _broken_rules(module: str, source: str, modules: set[str]) -> list[str]:
    room = module.partition(".")[0]
    ours, others = _imports(source, modules | {module})
    broken = [
        f"imports {package}, which only {sorted(OWNERS[package])} may"
        for package in others & OWNERS.keys()
        if not any(module == owner or module.startswith(f"{owner}.") for owner in OWNERS[package])
    ]
    if {room, module} & NUMPY_ONLY:
        foreign = others - set(sys.stdlib_module_names) - {"numpy"}
        broken += [f"imports {package}, but needs NumPy only" for package in foreign]
    return broken + [
        f"imports {PACKAGE.name}.{other}"
        for other in ours
        if not _may_import(room, other) and other.partition(".")[0] != room
    ]


def _may_import(room: str, other: str) -> bool:
    target = other.partition(".")[0]
    if target in FOUNDATION or other == "":  # the package itself holds __version__
        return True
    if room == "__main__":
        return target == "cli"
    if room in FOUNDATION or target in {"cli", ""}:
        return False
    if target not in ABOVE:
        return room in ABOVE
    if room in {"cli", ""}:
        return True
    through_pipeline = room in {"batch", "evaluate", "live"} and target == "pipeline"
    return through_pipeline or (room, other) == ("train", "evaluate.metrics")


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_layers(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    assert _broken_rules(module, source, set(MODULES)) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("track", "from vp3d_cli.detect import movenet"),
        ("track", "from vp3d_cli import detect"),
        ("lift.lifter", "import vp3d_cli.track"),
        ("render.overlay", "def f():\n    from vp3d_cli.lift import lifter"),
        ("export.npz", "from vp3d_cli.pipeline import estimate"),
        ("geometry", "from vp3d_cli.track import associate"),
        ("geometry", "import scipy"),
        ("train.loop", "from vp3d_cli.evaluate import report"),
        ("pipeline", "from vp3d_cli.cli import main"),
        ("evaluate.metrics", "from vp3d_cli import train"),
        ("results", "import torch.nn"),
        ("pipeline", "from click import echo"),
        ("weights.fetching", "from vp3d_cli import provision"),
        ("weights.cache", "import torch"),
        ("export.html", "import cv2"),
        ("detect.movenet", "from detectron2.config import get_cfg"),
    ],
)
def test_breaking_a_rule_is_noticed(module: str, source: str) -> None:
    rooms = {"cli", "detect", "evaluate", "lift", "pipeline", "provision", "track", "train"}
    assert len(_broken_rules(module, source, rooms | {"video", "evaluate.metrics"})) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("detect.movenet", "from vp3d_cli import __version__, skeletons, weights"),
        ("detect.movenet", "import cv2, onnxruntime"),
        ("detect.detectron2", "from detectron2.config import get_cfg"),
        ("export.json", "import json\nfrom vp3d_cli.export import npz"),
        ("train.loop", "import torch\nfrom vp3d_cli.evaluate import metrics"),
        ("train.loop", "from vp3d_cli.lift.model import TemporalModel"),
        ("batch.local", "from vp3d_cli.pipeline import estimate"),
        ("cli.infer", "import click\nfrom vp3d_cli import pipeline, results"),
        ("", "from vp3d_cli.pipeline import estimate"),
        ("provision", "from vp3d_cli.lift.checkpoint import read_checkpoint"),
    ],
)
def test_what_the_layers_allow(module: str, source: str) -> None:
    rooms = {"pipeline", "evaluate", "evaluate.metrics", "weights", "lift.model", "export.npz"}
    assert _broken_rules(module, source, rooms) == []


def test_help_never_loads_anything_heavy() -> None:
    """The command line and the foundation load in a moment, without torch."""
    light = [m for m in MODULES if m.partition(".")[0] in FOUNDATION | {"cli", ""}]
    program = f"""
import importlib, json, sys
loaded_by = {{}}
for module in {light!r}:
    importlib.import_module("vp3d_cli." + module if module else "vp3d_cli")
    for heavy in {sorted(HEAVY)!r}:
        if heavy in sys.modules:
            loaded_by.setdefault(heavy, module)
print(json.dumps(loaded_by))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert json.loads(done.stdout) == {}
