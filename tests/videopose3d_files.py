"""Checkpoints in VideoPose3D's layout, small and seeded."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import torch

from vp3d_cli.lift.config import LifterConfig
from vp3d_cli.lift.model import TemporalModel

SMALL = LifterConfig((3, 3, 3), 8)


def blob(config: LifterConfig = SMALL, joints_out: int = 17, **changes: Any) -> bytes:
    """The bytes of a checkpoint, as it is published: without an optimiser."""
    torch.manual_seed(0)
    content = {
        "epoch": 80,
        "lr": np.float64(1e-5),
        "random_state": np.random.RandomState(1234),
        "optimizer": None,
        "model_pos": TemporalModel(config, 17, joints_out).state_dict(),
        "model_traj": None,
    }
    stream = io.BytesIO()
    torch.save(content | changes, stream)
    return stream.getvalue()


def wider(config: LifterConfig = SMALL) -> bytes:
    """Another network in the same layout."""
    return blob(dataclasses.replace(config, channels=2 * config.channels))
