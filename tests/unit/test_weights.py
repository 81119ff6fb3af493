"""Bundled weights are found and checked before use."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from tests.file_server import make_entry, use_entries
from vp3d_cli import registry, weights
from vp3d_cli.errors import WeightsError

BUNDLED = [entry for entry in weights.ENTRIES if entry.bundled]
FETCHED = [entry for entry in weights.ENTRIES if not entry.bundled]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of our own, with one entry of one small file, beside a package."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(b"a network")
    file = weights.WeightsFile("tiny.onnx", hashlib.sha256(b"a network").hexdigest(), 9)
    inside = tmp_path / "package" / "weights"
    inside.mkdir(parents=True)
    monkeypatch.setattr(weights.cache, "__file__", str(inside / "cache.py"))
    use_entries(monkeypatch, tmp_path / "cache", make_entry(None, "tiny", files=(file,)))
    return folder


def test_every_bundled_file_is_intact_and_accounted_for() -> None:
    folder = weights.weights_folder()
    for entry in BUNDLED:
        weights.verify(entry)
        assert all(weights.where(entry, f).stat().st_size == f.size for f in entry.files)
    listed = {file.name for entry in BUNDLED for file in entry.files}
    models = {p.name for p in folder.iterdir() if p.suffix in {".onnx", ".safetensors", ".pt"}}
    assert models == listed


@pytest.mark.parametrize("entry", weights.ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_holds_all_that_a_load_needs(entry: weights.WeightsEntry) -> None:
    assert entry.licence
    assert entry.convention
    assert entry.skeleton_out in registry.names("skeletons")
    if entry.kind == "lifter":
        assert entry.skeleton_in in registry.names("skeletons")
    if not entry.bundled:
        assert [file.name for file in entry.files] == [entry.files[0].url.rsplit("/", 1)[-1]]
        assert entry.files[0].url.startswith("https://")
        assert (entry.shape is None) == (entry.kind == "detector")


def test_names_and_files_are_not_given_twice() -> None:
    for names in (
        [entry.name for entry in weights.ENTRIES],
        [file.name for entry in weights.ENTRIES for file in entry.files],
    ):
        assert len(names) == len(set(names))


def test_the_shapes_are_those_of_the_frames_in_the_name() -> None:
    for entry in FETCHED:
        if entry.shape:
            assert entry.name.endswith(f"-{math.prod(entry.shape.filter_widths)}")


def test_the_readme_states_the_hash_of_every_file() -> None:
    readme = (weights.weights_folder() / "README.md").read_text(encoding="utf-8")
    for entry in weights.ENTRIES:
        for file in entry.files:
            assert (file.sha256 or file.url) in readme
            assert file.name in readme


def test_the_bytes_that_were_checked_are_returned(bundle: Path) -> None:
    assert weights.verified_bytes("tiny.onnx") == b"a network"


def test_a_tampered_file_is_refused(bundle: Path) -> None:
    path = bundle / "tiny.onnx"
    path.write_bytes(b"a netw0rk")
    message = rf"weights 'tiny': SHA-256 of {path} differs \(expected \w+…, got \w+…\); reinstall"
    with pytest.raises(WeightsError, match=message):
        weights.verified_bytes("tiny.onnx")
    with pytest.raises(WeightsError, match="differs"):
        weights.verify(weights.entry("tiny"))


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "tiny.onnx").unlink()
    with pytest.raises(WeightsError, match=r"tiny\.onnx.*reinstall"):
        weights.verified_bytes("tiny.onnx")


def test_a_file_without_a_hash_is_not_opened(bundle: Path) -> None:
    (bundle / "other.onnx").write_bytes(b"?")
    with pytest.raises(WeightsError, match=r"other\.onnx"):
        weights.verified_bytes("other.onnx")


def test_the_wheel_s_folder_comes_first(bundle: Path) -> None:
    assert weights.weights_folder() == bundle
    inside = bundle.parent / "package" / "_data" / "weights"
    inside.mkdir(parents=True)
    assert weights.weights_folder() == inside


def test_no_folder_is_a_weights_error(bundle: Path) -> None:
    (bundle / "tiny.onnx").unlink()
    bundle.rmdir()
    with pytest.raises(WeightsError, match="reinstall"):
        weights.weights_folder()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"'nope'; there are .*movenet"):
        weights.entry("nope")
