"""Joint names, edges and roots: one skeleton a file."""

from __future__ import annotations

from vp3d_cli import registry
from vp3d_cli.skeletons._base import Skeleton


def get(name: str) -> Skeleton:
    """The skeleton in the file of that name."""
    skeleton: Skeleton = registry.load("skeletons", name).SKELETON
    return skeleton
