"""Labelled and unlabelled sequences to train on and to evaluate with."""

from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.datasets.sequence import Sequence

__all__ = ["DatasetCamera", "Sequence"]
