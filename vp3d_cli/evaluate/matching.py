"""Which joints of two skeletons are the same points of a body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vp3d_cli.errors import SkeletonMismatchError
from vp3d_cli.types import Float, Real, Skeleton

# The ankle is called foot in Human3.6M. Spine, neck and head lie elsewhere in every data set.
_ANKLES = {"left_ankle": "left_foot", "right_ankle": "right_foot"}
_LIMBS = tuple(
    f"{side}_{joint}"
    for side in ("right", "left")
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "foot")
)
_HIPS = ("left_hip", "right_hip")
# A similarity fits three points nearly always; fewer than this say nothing.
_FEWEST = 6


@dataclass(frozen=True)
class Match:
    """How predictions and targets are made comparable.

    Attributes:
        names: of the J joints that are compared.
        predicted, target: rows of these joints on both sides.
        root: row of the target's root, where the skeletons are one; the prediction then is
            compared as it is, its root too. None: both are relative to the middle of the hips.
    """

    names: tuple[str, ...]
    predicted: tuple[int, ...]
    target: tuple[int, ...]
    root: int | None

    def of_prediction(self, joints: Real) -> Float:
        """Predicted joints (T, K, 3), metres, as (T, J, 3) that can be compared."""
        chosen = joints[:, list(self.predicted)]
        return np.asarray(self._from_hips(chosen) if self.root is None else chosen, np.float32)

    def of_target(self, joints: Real) -> Float:
        """Target joints (T, K, 3), metres, as (T, J, 3) that can be compared."""
        chosen = joints[:, list(self.target)]
        if self.root is None:
            return np.asarray(self._from_hips(chosen), np.float32)
        return np.asarray(chosen - joints[:, self.root : self.root + 1], np.float32)

    def _from_hips(self, joints: Real) -> Real:
        hips = [self.names.index(name) for name in _HIPS]
        return np.asarray(joints - joints[:, hips].mean(1, keepdims=True))


def match(lifter: Skeleton, data: Skeleton) -> Match:
    """All joints of equal skeletons; the limbs that two different ones share.

    Raises:
        SkeletonMismatchError: they have no hips, or too little, in common.
    """
    if lifter.joints == data.joints:
        rows = tuple(range(lifter.num_joints))
        return Match(lifter.joints, rows, rows, lifter.index(lifter.root or lifter.joints[0]))
    ours, theirs = _limbs(lifter.joints), _limbs(data.joints)
    names = tuple(name for name in _LIMBS if name in ours and name in theirs)
    if len(names) < _FEWEST or not set(_HIPS) <= set(names):
        raise SkeletonMismatchError(
            f"the lifter predicts {lifter.name} and the data has {data.name} "
            f"({', '.join(data.joints[:4])}, ...): expected the same skeleton, or both hips and "
            f"at least {_FEWEST} limb joints in common, got {', '.join(names) or 'none'}"
        )
    return Match(names, tuple(ours[n] for n in names), tuple(theirs[n] for n in names), None)


def _limbs(joints: Sequence[str]) -> dict[str, int]:
    """Rows of limb joints by their name in Human3.6M."""
    rows = {plain_name(name): row for row, name in enumerate(joints)}
    # Where there is an ankle too, a foot is another point.
    return rows | {foot: rows[ankle] for ankle, foot in _ANKLES.items() if ankle in rows}


def plain_name(joint: str) -> str:
    """ "RShoulder" or "RightShoulder" of other tools is "right_shoulder" here."""
    found = re.fullmatch(r"(Right|Left|R|L)([A-Z][a-z]+)", joint)
    if not found:
        return joint
    return f"{'right' if found[1][0] == 'R' else 'left'}_{found[2].lower()}"
