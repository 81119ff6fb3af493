"""One semi-supervised step costs the plain sum of the paper's four terms, written out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.test_paper_training import SEQUENCES, _config
from vp3d_cli.skeletons import get
from vp3d_cli.train.paper.trainer import PaperTrainer

BONES = get("h36m17").edge_indices


@pytest.mark.parametrize("bone_length", [True, False])
@pytest.mark.parametrize("projection", ["full", "none"])
def test_all_terms_weigh_the_same(tmp_path: Path, projection: str, bone_length: bool) -> None:
    """Metres for the pose and the bones, 1 / depth for the path, half widths on the screen."""
    config = _config(unlabelled=("S5",), projection=projection, bone_length=bone_length)
    trainer = PaperTrainer(config, SEQUENCES, tmp_path)
    assert trainer.unlabelled is not None
    assert trainer.trajectory is not None
    seen, unseen = trainer.labelled.batch(np.arange(8)), trainer.unlabelled.batch(np.arange(70, 78))
    for network in (trainer.pose, trainer.trajectory):
        network.drop.p = 0.0
    with torch.no_grad():
        # The paths lead 4 m away, where the people are, not to the camera.
        bias = trainer.trajectory.shrink.bias
        assert bias is not None
        bias += torch.tensor([0.0, 0.0, 4.0])
        inputs = torch.cat([seen.inputs, unseen.inputs])
        poses = trainer.pose.train()(inputs).double().numpy()[:, 0]
        paths = trainer.trajectory.train()(inputs).double().numpy()[:, 0]
    truth, root = seen.joints.double().numpy()[:, 0], seen.root.double().numpy()[:, 0]
    pose = np.mean([np.linalg.norm(poses[i, j] - truth[i, j]) for i in range(8) for j in range(17)])
    path = np.mean([np.linalg.norm(paths[i, 0] - root[i, 0]) / root[i, 0, 2] for i in range(8)])
    expected = pose + path
    if projection == "full":
        keypoints = unseen.inputs[:, 4, :, :2].double().numpy()
        cameras = unseen.cameras.double().numpy()
        expected += np.mean(
            [
                np.linalg.norm(
                    _screen(poses[8 + i, j] + paths[8 + i, 0], cameras[i]) - keypoints[i, j]
                )
                for i in range(8)
                for j in range(17)
            ]
        )
    if bone_length:
        gaps = []
        for a, b in BONES:
            lengths = [np.linalg.norm(person[a] - person[b]) for person in poses]
            gaps.append(abs(np.mean(lengths[:8]) - np.mean(lengths[8:])))
        expected += np.mean(gaps)
    assert trainer._step(seen, unseen)["loss"] == pytest.approx(expected, rel=1e-4)


def _screen(point: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Human3.6M's lens."""
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = camera
    x, y = np.clip(point[:2] / point[2], -1, 1)
    r2 = x * x + y * y
    bend = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * x + p2 * y
    return np.array([fx * (x * bend + p1 * r2) + cx, fy * (y * bend + p2 * r2) + cy])
