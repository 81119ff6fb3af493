"""One BVH file for each person of a video, for Blender, Maya or a game engine.

    python examples/retarget_bvh.py dance.mp4 animations/

The same as `vp3d infer dance.mp4 --export bvh`, with people who are hardly seen left out.
"""

import dataclasses
import sys
from pathlib import Path

import vp3d_cli
from vp3d_cli.export import bvh

LEAST_SECONDS = 0.5


def main(video: str, folder: str) -> None:
    result = vp3d_cli.estimate(video)
    Path(folder).mkdir(exist_ok=True)
    for seen, person in zip(result.tracks2d, result.tracks3d, strict=True):
        if seen.times_s[-1] - seen.times_s[0] < LEAST_SECONDS:
            continue
        alone = dataclasses.replace(result, tracks2d=(seen,), tracks3d=(person,))
        path = Path(folder) / f"{Path(video).stem}.person{person.track_id}.bvh"
        bvh.write(alone, path)
        print(path)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
