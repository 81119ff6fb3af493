"""Detectron2 v0.6's own Python, as an oracle for tests; the product never depends on it.

A sdist on PyPI holds it byte for byte, without the C++ sources, which this network does not need.
It cannot be installed, so it is unpacked into a folder for PYTHONPATH, its hash checked.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import urllib.request
from pathlib import Path

NAME, VERSION = "pb1-detectron2", "0.6"
SHA256 = "5d2e9e51e523ec72f6a31cca04b0a515492e9514b773a3d134cedc0677170b29"


def unpack(folder: Path) -> Path:
    """Fetch and unpack it once; return the folder for PYTHONPATH."""
    root = folder / SHA256[:12]
    if not (root / "ready").exists():
        with tarfile.open(fileobj=io.BytesIO(_fetch())) as archive:
            for member in archive:
                _, _, inner = member.name.partition("/")
                if member.isfile() and inner.startswith("detectron2/"):
                    path = root / inner
                    path.parent.mkdir(parents=True, exist_ok=True)
                    source = archive.extractfile(member)
                    assert source is not None
                    path.write_bytes(source.read())
        # The compiled part, which only other networks use.
        (root / "detectron2" / "_C.py").write_text("")
        # An old name that Pillow has dropped.
        (root / "sitecustomize.py").write_text(
            "from PIL import Image\nImage.LINEAR = Image.BILINEAR\n"
        )
        (root / "ready").touch()
    return root


def _fetch() -> bytes:
    """The sdist, from the package index that pip is set up with."""
    from pip._internal.models.index import PyPI

    index = os.environ.get("PIP_INDEX_URL", PyPI.simple_url).rstrip("/")
    request = urllib.request.Request(
        f"{index}/{NAME}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    (url,) = (f["url"] for f in files if f["filename"] == f"{NAME}-{VERSION}.tar.gz")
    with urllib.request.urlopen(url, timeout=60) as answer:
        blob: bytes = answer.read()
    found = hashlib.sha256(blob).hexdigest()
    assert found == SHA256, f"{NAME}: SHA-256 differs: {found}"
    return blob
