"""What a skeleton is: named joints, and what follows from the names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Skeleton:
    """Named joints joined by edges.

    Attributes:
        name: as in the file name under `skeletons/`.
        joints: joint names; left and right partners differ only in `left_` / `right_`.
        edges: pairs of joint names, parent first.
        root: name of the joint that 3D positions are relative to; None for 2D skeletons.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    root: str | None = None

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        return self.joints.index(joint)

    @cached_property
    def edge_indices(self) -> tuple[tuple[int, int], ...]:
        return tuple((self.index(a), self.index(b)) for a, b in self.edges)

    @cached_property
    def flip_order(self) -> tuple[int, ...]:
        """For each joint the index of its mirror partner (itself when it has none)."""
        return tuple(self.index(_mirror_name(joint)) for joint in self.joints)

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """For each joint "left", "right" or "middle"."""
        return tuple(
            "left" if j.startswith("left_") else "right" if j.startswith("right_") else "middle"
            for j in self.joints
        )


def _mirror_name(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint
