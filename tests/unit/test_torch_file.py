"""PyTorch's files without PyTorch: the same content, nothing executed, nothing out of nothing."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vp3d_cli import pickles
from vp3d_cli.errors import WeightsError
from vp3d_cli.lift import torch_file
from vp3d_cli.lift.checkpoint import read_checkpoint

BOTH = pytest.mark.parametrize("archive", [True, False])


def _saved(content: Any, archive: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=archive)
    return stream.getvalue()


def _content() -> dict[str, Any]:
    base = torch.arange(24, dtype=torch.float32)
    network = torch.nn.Conv1d(3, 4, 5)
    optimizer = torch.optim.Adam(network.parameters(), amsgrad=True)
    network(torch.ones(1, 3, 9)).sum().backward()
    optimizer.step()
    return {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "shared": [base[:6].reshape(2, 3), base[6:18].reshape(3, 4)],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "kinds": [torch.ones(3, dtype=kind) for kind in (torch.float64, torch.float16, torch.int64,
                  torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)],
        "scalar": torch.tensor(7),
        "random": np.random.RandomState(3),
        "rate": np.float64(0.5),
        "text": ["x", None, 2.5, (1, True)],
    }  # fmt: skip


def _same(got: Any, wanted: Any) -> None:
    if isinstance(wanted, torch.Tensor):
        assert got.dtype == wanted.detach().numpy().dtype
        np.testing.assert_array_equal(got, wanted.detach().numpy(), strict=True)
    elif isinstance(wanted, (dict, OrderedDict)):
        assert list(got) == list(wanted)
        for key, value in wanted.items():
            _same(got[key], value)
    elif isinstance(wanted, (list, tuple)):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            _same(a, b)
    elif not isinstance(wanted, np.random.RandomState):
        assert got == wanted


@BOTH
def test_it_reads_what_torch_writes(archive: bool) -> None:
    content = _content()
    _same(torch_file.load(_saved(content, archive)), content)


def test_a_large_file_is_no_bomb() -> None:
    big = {"w": torch.zeros(3_000_000)}
    assert torch_file.load(_saved(big))["w"].shape == (3_000_000,)
    assert torch_file.load(_saved(big, archive=False))["w"].shape == (3_000_000,)


class _Touch:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


@BOTH
def test_nothing_is_executed(
    archive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickles.UnsafePickleError, match="it asks for"):
        torch_file.load(_saved({"model_pos": _Touch()}, archive))
    assert list(tmp_path.iterdir()) == []


def test_pytorch_never_opens_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds other content than Python does in an archive with two tables of contents."""
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch.load was called"))
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("torch.jit.load"))
    for blob in (_saved({"model_pos": {}}), _saved({"model_pos": {}}, archive=False), b"PK\3\4"):
        with pytest.raises(WeightsError):
            read_checkpoint(blob, "x.bin")


def test_types_cannot_be_changed() -> None:
    """A stream that sets an attribute on a type it was given."""
    stream = b"\x80\x02ctorch\nFloatStorage\n}U\x06nbytesK\x01sb."
    before = torch.FloatStorage.__dict__.get("nbytes")
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w") as archive:
        archive.writestr("a/data.pkl", stream)
    with pytest.raises(ValueError, match="changes something"):
        torch_file.load(blob.getvalue())
    assert torch.FloatStorage.__dict__.get("nbytes") is before


def test_tensors_that_repeat_one_number_are_refused() -> None:
    for tensor in (torch.ones(1).expand(10_000_000), torch.arange(6).reshape(2, 3).T):
        with pytest.raises(ValueError, match="not in order"):
            torch_file.load(_saved({"w": tensor}))


def test_one_storage_copied_many_times_is_refused() -> None:
    big = torch.zeros(1_000_000)
    views = [big.view(1, -1)[0] for _ in range(40)]
    with pytest.raises(ValueError, match="grows beyond"):
        torch_file.load(_saved(views))


@BOTH
def test_damage_is_said_in_words(archive: bool) -> None:
    """Cut off and flipped anywhere, a file is either read or refused."""
    blob = _saved({"model_pos": {"a": torch.ones(40)}, "lr": 0.1}, archive)
    for stop in range(0, len(blob), max(1, len(blob) // 150)):
        with pytest.raises(ValueError, match=r"."):
            torch_file.load(blob[:stop])
    rng = random.Random(5)
    for _ in range(300):
        broken = bytearray(blob)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        with contextlib.suppress(ValueError):
            torch_file.load(bytes(broken))


def test_persistent_ids_of_another_kind() -> None:
    class Other(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("module", "os", "system") if isinstance(obj, str) and obj == "x" else None

    stream, blob = io.BytesIO(), io.BytesIO()
    Other(stream, protocol=2).dump(["x"])
    with zipfile.ZipFile(blob, "w") as archive:
        archive.writestr("a/data.pkl", stream.getvalue())
    with pytest.raises(pickles.UnsafePickleError, match="no tensor"):
        torch_file.load(blob.getvalue())
