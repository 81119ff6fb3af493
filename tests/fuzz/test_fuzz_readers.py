"""Files that somebody damaged, or made up, are read or refused in one sentence; nothing else.

`VP3D_FUZZ_EXAMPLES=20000` makes as many random examples of each; `VP3D_FUZZ_REPORT=FILE` counts
what came out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import mutations
from tests.fuzz.readers import OUTCOMES, READERS, attempt

MANY = int(os.environ.get("VP3D_FUZZ_EXAMPLES", "0"))
FEW = 15
FUZZ = settings(
    max_examples=MANY or FEW,
    derandomize=not MANY,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", autouse=True)
def _report() -> Iterator[None]:
    yield
    if path := os.environ.get("VP3D_FUZZ_REPORT"):
        Path(path).write_text(json.dumps(OUTCOMES.counts, indent=1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.mark.parametrize("name", READERS)
def test_the_untouched_file_is_read(name: str, folder: Path) -> None:
    reader = READERS[name]
    value = reader.read(reader.build(folder))
    assert value is not None
    reader.check(value)


@pytest.mark.parametrize("name", READERS)
def test_damaged_bytes(name: str, folder: Path) -> None:
    reader = READERS[name]
    paths = reader.build(folder)
    whole, foreign = paths[0].read_bytes(), mutations.npy(mutations.ARRAYS[14]) + b"{}" * 200

    @FUZZ
    @given(mutations.OPERATIONS, st.booleans(), st.integers(0, 99))
    def run(operations: list[tuple[str, int, object]], inside: bool, number: int) -> None:
        if inside and whole[:2] == b"PK":
            held = mutations.members(whole)
            victim = sorted(held)[number % len(held)]
            held[victim] = mutations.damaged(held[victim], operations, foreign)
            paths[0].write_bytes(mutations.archive(held))
        else:
            paths[0].write_bytes(mutations.damaged(whole, operations, foreign))
        attempt(f"{name}: bytes", reader, paths)

    run()


@pytest.mark.parametrize("name", READERS)
def test_content_of_another_kind(name: str, folder: Path) -> None:
    reader = READERS[name]
    paths = reader.build(folder)
    whole = paths[0].read_bytes()

    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        paths[0].write_bytes(reader.change(data.draw, whole))
        attempt(f"{name}: content", reader, paths)

    run()
