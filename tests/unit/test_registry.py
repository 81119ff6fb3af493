"""A file is a plug-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from vp3d_cli import registry
from vp3d_cli.errors import Vp3dError


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A room whose files must not be imported, since they fail."""
    folder = tmp_path / "room"
    folder.mkdir()
    for name in ("zebra.py", "keypoint_rcnn.py", "_base.py", "__init__.py", "notes.txt"):
        (folder / name).write_text("raise RuntimeError")
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry.py"))
    return folder.name


def test_names_come_from_the_files_without_importing_them(room: str) -> None:
    assert registry.names(room) == ("keypoint-rcnn", "zebra")


def test_every_room_has_its_files() -> None:
    assert {"coco17", "h36m17"} <= set(registry.names("skeletons"))
    assert {"json", "npz"} <= set(registry.names("export"))


def test_load_imports_the_file_of_that_name() -> None:
    assert registry.load("export", "npz").__name__ == "vp3d_cli.export.npz"
    # Named like a module of the standard library, but not that one.
    assert registry.load("export", "json").SUFFIX == ".json"


@pytest.mark.parametrize("name", ["nope", "", "_base", "../files", "npz.write"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(Vp3dError, match=rf"export has no '{name}'; it has .*npz"):
        registry.load("export", name)
