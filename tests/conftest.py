"""What several rooms of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vp3d_cli.types import Image

PICTURE = Path(__file__).parent / "data" / "person.jpg"


@pytest.fixture(scope="session", autouse=True)
def _no_fetched_weights(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """What `auto` means must not depend on what somebody fetched, but where that is tested."""
    chosen = request.config.getoption("markexpr")
    with pytest.MonkeyPatch.context() as environment:
        if "weights" not in chosen.replace("not weights", ""):
            environment.setenv("VP3D_CACHE", str(tmp_path_factory.mktemp("nothing_fetched")))
        yield


@pytest.fixture(scope="session")
def seeded_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for VP3D_CACHE with a seeded Keypoint R-CNN, brought there as a user would."""
    from tests.seeded_rcnn import seeded_network, write_model_zoo_file
    from vp3d_cli import provision

    folder = tmp_path_factory.mktemp("cache")
    picture: Image = np.asarray(cv2.resize(cv2.imread(str(PICTURE)), (288, 256)), np.uint8)
    source = folder / "brought.pkl"
    write_model_zoo_file(seeded_network(picture), source)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VP3D_CACHE", str(folder))
        provision.fetch("keypoint-rcnn-r101", str(source))
    source.unlink()
    return folder
