"""Write the golden arrays again, after a change that is meant to change them:

python -m tests.golden.make
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.factories import make_video
from tests.unit.test_lifter import CAMERA, PERSON, SCREEN, _moving, golden_lifter

if __name__ == "__main__":
    arrays = {
        name: golden_lifter(config).lift([_moving(12)], make_video(), CAMERA)[0].joints
        for name, config in (("screen", SCREEN), ("person", PERSON))
    }
    np.savez(Path(__file__).parent / "lifter.npz", **arrays)
