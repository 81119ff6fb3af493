"""What the paper reports for Human3.6M (Pavllo et al. 2019, Tables 1 and 2). Not measured here.

Millimetres, mean over subjects S9 and S11, 2D of a fine-tuned CPN in boxes of Mask R-CNN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vp3d_cli import skeletons

SOURCE = (
    "Pavllo et al., CVPR 2019, Tables 1 and 2 (Human3.6M, S9 and S11, fine-tuned CPN 2D): "
    "published figures, not measured here"
)
SUBJECTS = frozenset({"S9", "S11"})
ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases",
    "Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether",
)  # fmt: skip
MEAN = "mean"
_NAMES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}

# By action in the order above, then the mean as printed.
_MPJPE = {
    "a single frame": (
        "47.1 50.6 49.0 51.8 53.6 61.4 49.4 47.4 59.3 67.4 52.4 49.5 55.3 39.5 42.7 51.8"
    ),
    "243 frames, causal": (
        "45.9 48.5 44.3 47.8 51.9 57.8 46.2 45.6 59.9 68.5 50.6 46.4 51.0 34.5 35.4 49.0"
    ),
    "243 frames": "45.2 46.7 43.3 45.6 48.1 55.1 44.6 44.3 57.3 65.8 47.1 44.0 49.0 32.8 33.9 46.8",
}
_P_MPJPE = {
    "a single frame": (
        "36.0 38.7 38.0 41.7 40.1 45.9 37.1 35.4 46.8 53.4 41.4 36.9 43.1 30.3 34.8 40.0"
    ),
    "243 frames, causal": (
        "35.1 37.7 36.1 38.8 38.5 44.7 35.4 34.7 46.7 53.9 39.6 35.4 39.4 27.3 28.6 38.1"
    ),
    "243 frames": "34.1 36.1 34.4 37.2 36.4 42.2 34.4 33.6 45.0 52.5 37.4 33.8 37.8 25.6 27.3 36.5",
}
_MPJVE = {
    "a single frame": (
        "12.8 12.6 10.3 14.2 10.2 11.3 11.8 11.3 8.2 10.2 10.3 11.3 13.1 13.4 12.9 11.6"
    ),
    "243 frames": "3.0 3.1 2.2 3.4 2.3 2.7 2.7 3.1 2.1 2.9 2.3 2.4 3.7 3.1 2.8 2.8",
}


@dataclass(frozen=True)
class Published:
    """One model of the paper; the tables are by action, and `MEAN`.

    Attributes:
        model: which.
        mpjpe_mm, p_mpjpe_mm: Table 1, protocols 1 and 2.
        mpjve_mm: Table 2; empty where the paper gives none.
    """

    model: str
    mpjpe_mm: dict[str, float]
    p_mpjpe_mm: dict[str, float]
    mpjve_mm: dict[str, float]


def published(*, receptive_field: int, causal: bool) -> Published:
    """The paper's model of the same kind: single frame, causal, or symmetric."""
    model = "243 frames, causal" if causal else "243 frames"
    if receptive_field == 1:
        model = "a single frame"
    tables = (_by_action(table.get(model, "")) for table in (_MPJPE, _P_MPJPE, _MPJVE))
    return Published(model, *tables)


def comparable(subjects: Iterable[str], actions: Iterable[str], joints: tuple[str, ...]) -> bool:
    """Whether data are Human3.6M's test subjects, with its joints, by all that can be seen."""
    named = {paper_name(action) for action in actions}
    same_joints = joints == skeletons.get("h36m17").joints
    return same_joints and set(subjects) == SUBJECTS and bool(named) and named <= set(ACTIONS)


def paper_name(action: str) -> str:
    """The paper's name of an action; two have another in the original files."""
    return _NAMES.get(action, action)


def _by_action(line: str) -> dict[str, float]:
    numbers = [float(number) for number in line.split()]
    return dict(zip((*ACTIONS, MEAN), numbers, strict=True)) if numbers else {}
