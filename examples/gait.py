"""How does somebody walk? Steps, cadence, speed and knee range of each person in a pose file.

    vp3d infer walk.mp4 --out walk.npz
    python examples/gait.py walk.npz

Speed needs the room (`joints_world`), or the person's height for honest metres: `--height 1.75`.
"""

import sys

import numpy as np

import vp3d_cli
from vp3d_cli.export._frame import slowed
from vp3d_cli.types import Track3D


def main(path: str) -> None:
    result = vp3d_cli.load_result(path)
    for seen, person in zip(result.tracks2d, result.tracks3d, strict=True):
        # In slow motion the video's clock is not that of the walk.
        seconds = (seen.times_s[-1] - seen.times_s[0]) / slowed(result)
        # A step begins where a foot that was in the air stands.
        steps = int((np.diff(person.contacts.astype(int), axis=0) == 1).sum())
        knees = [knee_angle(person, side) for side in ("left", "right")]
        print(f"person {person.track_id}: {seconds:.1f} s, {steps} steps", end="")
        if seconds > 1:
            print(f", {60 * steps / seconds:.0f} a minute", end="")
        if result.world.is_known and seconds > 1:
            hips = result.world.of(person)[:, person.skeleton.index("hip"), :2]
            print(f", {np.linalg.norm(hips[-1] - hips[0]) / seconds:.2f} m/s", end="")
        ranges = [f"{np.nanmin(angle):.0f} to {np.nanmax(angle):.0f}" for angle in knees]
        print(f", knees bent {ranges[0]} and {ranges[1]} degrees (left, right)")


def knee_angle(person: Track3D, side: str) -> np.ndarray:
    """Degrees (T,) by which the knee is bent; 0 is straight."""
    hip, knee, foot = (
        person.joints[:, person.skeleton.index(f"{side}_{name}")]
        for name in ("hip", "knee", "foot")
    )
    thigh, shin = knee - hip, foot - knee
    lengths = np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
    return np.degrees(np.arccos(np.clip((thigh * shin).sum(-1) / lengths, -1, 1)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1])
