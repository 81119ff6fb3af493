"""Small files that claim to be huge, and others that would take all memory or time there is.

Each is read in a process that may take 300 MB more than it has, and a few seconds.
"""

from __future__ import annotations

import io
import json
import pickle
import resource
import struct
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import dataset_files
from tests.fuzz import mutations
from tests.fuzz.readers import READERS, attempt

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no such limits there")

Bomb = Callable[[bytes], bytes]
GROWTH = 300 << 20


def _header(descr: str, shape: str) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(-(-len(text) // 64) * 64 + 53) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


def _with(whole: bytes, key: str, member: bytes) -> bytes:
    held = mutations.members(whole)
    held[f"{key}.npy"] = member
    return mutations.archive(held, zipfile.ZIP_DEFLATED)


def _first_key(whole: bytes) -> str:
    keys = [name.removesuffix(".npy") for name in mutations.members(whole)]
    wanted = ("frame", "landmarks", "sequence_start", "positions_2d", "positions_3d", "joints_mm")
    return next((key for key in (*wanted, "boxes", "joints") if key in keys), keys[0])


def _member(member: bytes) -> Bomb:
    return lambda whole: _with(whole, _first_key(whole), member)


def _all_zeros(whole: bytes) -> bytes:
    """Every array grown to 20 MB of zeros, each of which may be."""
    held = {}
    for name, content in mutations.members(whole).items():
        array = np.load(io.BytesIO(content), allow_pickle=True)
        if array.dtype.kind in "fiu" and array.ndim:
            rows = 20_000_000 // max(1, array[:1].nbytes or array.itemsize)
            array = np.zeros((rows, *array.shape[1:]), array.dtype)
        held[name] = mutations.npy(array)
    return mutations.archive(held, zipfile.ZIP_DEFLATED)


def _many_unread(whole: bytes) -> bytes:
    held = {**mutations.members(whole)}
    held |= {f"joints_{i}.npy": mutations.npy(np.zeros(7_500_000)) for i in range(8)}
    return mutations.archive(held, zipfile.ZIP_DEFLATED)


def _claims(size: int) -> Bomb:
    """The table of contents says that every member has this many bytes."""

    def change(whole: bytes) -> bytes:
        made, at = bytearray(mutations.archive(mutations.members(whole))), 0
        while (at := made.find(b"PK\x01\x02", at)) >= 0:
            made[at + 24 : at + 28] = struct.pack("<I", size)
            at += 4
        return bytes(made)

    return change


def _objects(stream: bytes) -> Bomb:
    return _member(_header("'|O'", "()") + stream)


NPZ: dict[str, Bomb] = {
    "10^12 elements": _member(_header("'<f4'", "(1000000000000,)") + bytes(64)),
    "10^24 elements": _member(_header("'<f4'", "(1000000000000, 1000000000000)") + bytes(64)),
    "2 GB of text": _member(_header("'<U500000000'", "()")),
    "nothing, 10^18 times": _member(_header("'<f4'", "(1000000000000000000, 0)")),
    "objects": _member(_header("'|O'", "(1000000000000,)") + pickle.dumps([])),
    "evil header": _member(_header("__import__('os').mkdir('executed')", "()")),
    "deep header": _member(_header("(" * 3000, "()")),
    "signs": _member(_header("'<f4'", "(" + "-" * 9000 + "1,)")),
    "huge number": _member(_header("'<f4'", "(" + "9" * 9000 + ",)")),
    "deep type": _member(_header("[('a'," * 60 + "'<f4'" + ")]" * 60, "()")),
    "an escape": _member(_header(r"'<f4\d'", "()")),
    "of Python 2": _member(_header("'<f4'", "(3L,)") + bytes(12)),
    "120 MB of zeros": _member(_header("'<f4'", "(30000000,)") + bytes(120_000_000)),
    "all zeros": _all_zeros,
    "many unread": _many_unread,
    "the table claims 4 GB": _claims(0xFFFFFFF0),
    "the table claims 60 MB": _claims(60_000_000),
    "long memo": _objects(b"\x80\x02]" + b"q\x00](h\x00h\x00e" * 2000 + b"."),
    "deep pickle": _objects(b"\x80\x02" + b"]" * 99_999 + b"a" * 99_998 + b"."),
    "long bytes": _objects(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x."),
    "empty lists": _objects(b"\x80\x02]" + b"(" + b"]" * 15_000_000 + b"e."),
}
_DEEP = b"[" * 100_000 + b"]" * 100_000
JSON: dict[str, Bomb] = {
    "deep lists": lambda whole: _DEEP,
    "deep objects": lambda whole: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a deep value": lambda whole: whole.replace(b": ", b": " + _DEEP + b', "x": ', 1),
    "long number": lambda whole: whole.replace(b": 1", b": 1" + b"0" * 1_000_000, 1),
    "long text": lambda whole: whole.replace(b'"', b'"' + b"\\u001b" * 500_000, 1),
    "empty lists": lambda whole: b"[" + b"[]," * 200_000 + b"[]]",
}


def _safetensors(header: object, rest: bytes = b"") -> Bomb:
    text = json.dumps(header).encode()
    return lambda whole: len(text).to_bytes(8, "little") + text + rest


def _own_with(**changes: object) -> Bomb:
    def change(whole: bytes) -> bytes:
        length = int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8 : 8 + length])
        config = json.loads(header["__metadata__"]["config"]) | changes
        header["__metadata__"]["config"] = json.dumps(config)
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + whole[8 + length :]

    return change


def _tensor(start: int, stop: int, shape: list[int]) -> object:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, stop]}


LIFTER: dict[str, Bomb] = {
    "huge header": lambda whole: struct.pack("<Q", 1 << 62) + b"{}",
    "huge tensor": _safetensors({"a": _tensor(0, 1 << 40, [1 << 38])}, bytes(64)),
    "overlap": _safetensors({str(i): _tensor(0, 4000, [1000]) for i in range(999)}, bytes(4000)),
    "nothing, 2^60 times": _safetensors({"a": _tensor(0, 0, [1 << 60, 1 << 60, 0])}),
    "deep header": lambda whole: struct.pack("<Q", 200_000) + _DEEP,
    "a hundred thousand layers": _own_with(filter_widths=[1] * 100_000),
    "a field of 10^14 frames": _own_with(filter_widths=[3] * 30),
    "a kernel of 10^12": _own_with(filter_widths=[3, 10**12 + 1]),
    "long numbers": _own_with(filter_widths=[10**4000 + 1] * 30),
    "deep configuration": _own_with(training=mutations.nested(900)),
}


class _Overlapping:
    """An archive of torch.save whose storages are all the same megabyte."""

    def __call__(self, whole: bytes) -> bytes:
        storages = [torch.zeros(250_000) for _ in range(400)]
        stream = io.BytesIO()
        torch.save(OrderedDict(model_pos={str(i): s for i, s in enumerate(storages)}), stream)
        held = mutations.members(stream.getvalue())
        large = [name for name, content in held.items() if len(content) == 1_000_000]
        small = mutations.archive({k: v for k, v in held.items() if k not in large[1:]})
        at = small.index(b"PK\x01\x02")
        entries, end = small[at : small.index(b"PK\x05\x06")], small[small.index(b"PK\x05\x06") :]
        one_at = entries.index(large[0].encode()) - 46
        length = 46 + len(large[0])
        one = entries[one_at : one_at + length]
        more = b"".join(
            one[:28] + struct.pack("<H", len(name)) + one[30:46] + name.encode()
            for name in large[1:]
        )
        count = struct.unpack("<H", end[10:12])[0] + len(large) - 1
        size = len(entries) + len(more)
        end = end[:8] + struct.pack("<HHI", count, count, size) + end[16:]
        return small[:at] + entries + more + end


def _stream(program: bytes) -> Bomb:
    """The older layout of torch.save with a table of its own."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    return lambda whole: head + b"\x80\x02" + program + b"." + pickle.dumps([[]], 2) + bytes(64)


_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
_REBUILD += b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x00tQK\x00("
_LARGE = b"\x8a\x08" + b"\xff" * 7 + b"\x7f"
TORCH: dict[str, Bomb] = {
    "overlap": _Overlapping(),
    "odd keys": _stream(b"}"),
    "ten thousand dimensions": _stream(
        _REBUILD + _LARGE * 10_000 + b"t(" + _LARGE * 10_000 + b"tR"
    ),
    "long bytes": lambda whole: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
    "deep": lambda whole: b"\x80\x02" + b"]" * 99_999 + b"a" * 99_998 + b".",
    "far memo": lambda whole: b"\x80\x02Nr\xff\xff\xff\xff.",
}


def _still(whole: bytes) -> bytes:
    """A million frames of one number that move two thousand joints."""
    ends = "End Site\n{\nOFFSET 0 0 0\n}\n" * 1900
    head, _, _ = dataset_files.bvh_text(frames=1).partition("MOTION")
    head = head.replace("CHANNELS 3 Zrotation Xrotation Yrotation", "CHANNELS 0")
    head = head.replace("End Site", ends + "End Site", 1)
    motion = "MOTION\nFrames: 300000\nFrame Time: 0.01\n" + "0 0 0 0 0 0\n" * 300_000
    return (head + motion).encode()


TEXT: dict[str, Bomb] = {
    "deep keys": lambda whole: b"model" + b".a" * 20_000 + b" = 1\n",
    "deep key of a table": lambda whole: whole.replace(b"[model]", b"[model]\nx" + b".a" * 3000),
    "deep lists": lambda whole: b"a = " + _DEEP,
    "long number": lambda whole: b"a = " + b"9" * 100_000,
    "endless": lambda whole: b"#" * (2 << 20),
}
ALL = {
    **{f"pose {name}": ("pose", bomb) for name, bomb in NPZ.items()},
    **{
        f"{reader} {name}": (reader, NPZ[name])
        for reader in ("2d-vp3d", "data-vp3d", "views-reference", "train-mocap")
        for name in ("all zeros", "10^12 elements", "the table claims 60 MB")
    },
    **{f"dataset {n}": ("2d-videopose3d", NPZ[n]) for n in ("empty lists", "deep pickle")},
    "views many unread": ("views-reference", _many_unread),
    **{
        f"{reader} {name}": (reader, bomb)
        for reader in ("2d-coco", "2d-openpose", "data-cameras", "views-json", "record", "download")
        for name, bomb in JSON.items()
    },
    **{f"lifter {name}": ("lifter", bomb) for name, bomb in LIFTER.items()},
    **{f"torch {name}": ("lifter-zip", bomb) for name, bomb in TORCH.items()},
    **{f"zoo {name}": ("detectron2", TORCH[name]) for name in ("long bytes", "deep", "far memo")},
    **{f"toml {name}": ("train-toml", bomb) for name, bomb in TEXT.items()},
    "bvh that does not move": ("data-bvh", _still),
}


def explode(folder: Path) -> None:
    """Read all bombs, one after the other; raises at the first that goes off."""
    for number, (name, (reader_name, bomb)) in enumerate(ALL.items()):
        inside = folder / str(number)
        inside.mkdir()
        reader = READERS[reader_name]
        paths = reader.build(inside)
        paths[0].write_bytes(bomb(paths[0].read_bytes()))
        status = Path("/proc/self/status").read_text(encoding="ascii")
        size = 1024 * int(status.partition("VmSize:")[2].split()[0])
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size + GROWTH, limits[1]))
        started = time.process_time()
        try:
            attempt(f"{reader_name}: bombs", reader, paths)
        except BaseException as error:
            print("went off:", name, type(error).__name__, str(error)[:300], flush=True)
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)
        print(f"{time.process_time() - started:.2f}", name, flush=True)


def test_no_bomb_goes_off(tmp_path: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.fuzz import test_fuzz_bombs as bombs
os.chdir({str(tmp_path)!r})
bombs.explode(Path("."))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert len(done.stdout.splitlines()) >= len(ALL)
    assert "Warning" not in done.stderr
