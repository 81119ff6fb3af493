"""Count squats: every time that both knees bend far and stretch again.

vp3d infer squats.mp4 --person largest --out squats.npz
python examples/count_squats.py squats.npz
"""

import sys

import numpy as np

import vp3d_cli
from vp3d_cli.types import Track3D

DOWN, UP = 80.0, 40.0  # degrees that knees are bent


def main(path: str) -> None:
    result = vp3d_cli.load_result(path)
    for seen, person in zip(result.tracks2d, result.tracks3d, strict=True):
        times = squats(bent(person))
        at = ", ".join(f"{seen.times_s[frame]:.1f} s" for frame in times)
        print(f"person {person.track_id}: {len(times)} squats" + (f" at {at}" if at else ""))


def bent(person: Track3D) -> np.ndarray:
    """Degrees (T,) by which the straighter of the knees is bent."""
    angles = []
    for side in ("left", "right"):
        names = (f"{side}_{joint}" for joint in ("hip", "knee", "foot"))
        hip, knee, foot = (person.joints[:, person.skeleton.index(name)] for name in names)
        cosine = ((knee - hip) * (foot - knee)).sum(-1)
        cosine /= np.linalg.norm(knee - hip, axis=-1) * np.linalg.norm(foot - knee, axis=-1)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.minimum(*angles)


def squats(angles: np.ndarray) -> list[int]:
    """The frames in which a squat is deepest; two thresholds, so that trembling counts once."""
    found: list[int] = []
    low = None
    for frame, angle in enumerate(angles):
        if angle > DOWN and (low is None or angle > angles[low]):
            low = frame
        elif angle < UP and low is not None:
            found.append(low)
            low = None
    return found


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1])
