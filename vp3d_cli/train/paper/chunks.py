"""Windows of recorded sequences, gathered on the device that trains.

A sequence of F frames gives ceil(F / stride) chunks of `stride` predicted frames, centred on it;
each sees the frames around it that the network needs, and beyond the ends the nearest frame.
"""

from __future__ import annotations

from collections.abc import Sequence as List
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vp3d_cli.datasets.cameras import DatasetCamera
from vp3d_cli.datasets.sequence import Sequence
from vp3d_cli.errors import DataError
from vp3d_cli.lift import normalise
from vp3d_cli.types import Bool, Float, Skeleton

# Of a camera on the screen: what changes sign in a mirror, the centre's x and p1.
_MIRRORED = (2, 7)


@dataclass(frozen=True)
class Batch:
    """Chunks of one size on one device. B chunks of T predicted frames.

    Attributes:
        inputs: (B, T + context, J, F) keypoints on the screen, perhaps with scores.
        joints: (B, T, K, 3) metres, relative to the root, which is 0.
        root: (B, T, 1, 3) metres in camera axes.
        cameras: (B, 9) on the screen, see `losses.project`; NaN where they are not known.
    """

    inputs: Tensor
    joints: Tensor
    root: Tensor
    cameras: Tensor


class Chunks:
    """All chunks of some sequences, each also mirrored if asked for.

    Args:
        sequences: with keypoints of one skeleton, and joints of one skeleton or none at all.
        stride: predicted frames of a chunk.
        context: frames before and after that the network needs.
        flip: add every chunk's mirror image.
        features: 2, or 3 with scores.
        device: of the tensors.

    Raises:
        DataError: there are none, or they differ in skeleton.
    """

    def __init__(
        self,
        sequences: List[Sequence],
        stride: int,
        context: tuple[int, int],
        *,
        flip: bool,
        features: int,
        device: torch.device,
    ) -> None:
        if not sequences:
            raise DataError("no sequences are left to train on; look at subjects and actions")
        self.skeleton_in, self.skeleton_out = _skeletons(sequences)
        self._stride, self._context, self._device = stride, context, device
        lengths = np.array([len(sequence) for sequence in sequences])
        starts = np.cumsum(lengths) - lengths
        self._inputs = _tensor([screen_inputs(s, features) for s in sequences], device)
        self._joints: Tensor | None = None
        if self.skeleton_out is not None:
            self._joints = _tensor([np.asarray(s.joints, np.float32) for s in sequences], device)
        self._cameras = _tensor([_camera(s)[None] for s in sequences], device)
        self._first = torch.from_numpy(starts).to(device)
        self._length = torch.from_numpy(lengths).to(device)
        pairs = np.concatenate([_pairs(i, n, stride) for i, n in enumerate(lengths.tolist())])
        mirrored = np.concatenate([pairs, pairs + np.array([0, 0, 1])]) if flip else pairs
        self._pairs = torch.from_numpy(mirrored).to(device)
        self._flip_in = _flip_order(self.skeleton_in, device)
        self._flip_out = _flip_order(self.skeleton_out or self.skeleton_in, device)

    def __len__(self) -> int:
        return len(self._pairs)

    def batch(self, rows: np.ndarray) -> Batch:
        """The chunks at `rows`."""
        pairs = self._pairs[torch.from_numpy(rows).to(self._device)]
        which, start, mirrored = pairs[:, 0], pairs[:, 1], pairs[:, 2] == 1
        before, after = self._context
        inputs = self._inputs[self._frames(which, start, -before, self._stride + after)]
        cameras = self._cameras[which].clone()
        turned = inputs[mirrored][:, :, self._flip_in].clone()
        turned[..., 0] *= -1
        inputs[mirrored] = turned
        signs = torch.ones_like(cameras)
        signs[:, list(_MIRRORED)] = torch.where(mirrored, -1.0, 1.0)[:, None]
        joints = root = inputs.new_zeros((len(rows), self._stride, 1, 3))
        if self._joints is not None:
            joints = self._joints[self._frames(which, start, 0, self._stride)]
            turned = joints[mirrored][:, :, self._flip_out].clone()
            turned[..., 0] *= -1
            joints[mirrored] = turned
            root = joints[:, :, :1].clone()
            joints = joints - root
        return Batch(inputs, joints, root, cameras * signs)

    def _frames(self, which: Tensor, start: Tensor, low: int, high: int) -> Tensor:
        """Rows (B, high - low) of frames start + low to start + high, the ends repeated."""
        offsets = torch.arange(low, high, device=self._device)
        frames = (start[:, None] + offsets).clamp(min=0)
        return torch.minimum(frames, self._length[which, None] - 1) + self._first[which, None]


def _pairs(which: int, length: int, stride: int) -> np.ndarray:
    """(chunks, 3): sequence, first predicted frame, 0 for "not mirrored"."""
    count = -(-length // stride)
    offset = (count * stride - length) // 2
    starts = np.arange(count) * stride - offset
    return np.stack([np.full(count, which), starts, np.zeros(count, int)], axis=1)


def screen_inputs(sequence: Sequence, features: int) -> Float:
    """Keypoints (T, J, F) on the screen; what is missing stands amid the rest, scored 0."""
    if sequence.keypoints is None:
        raise DataError(f"{sequence.name}: has no 2D keypoints")
    missing: Bool = np.logical_not(np.isfinite(sequence.keypoints).all(-1))
    if missing.all(1).any():
        raise DataError(f"{sequence.name}: has frames without any keypoint")
    known = np.where(missing[..., None], 0, sequence.keypoints)
    middle = known.sum(1, keepdims=True) / (~missing).sum(1)[:, None, None]
    points = np.where(missing[..., None], middle, known).astype(np.float32)
    inputs = normalise.screen(points, sequence.width, sequence.height)
    if features == 2:
        return inputs
    scores = np.ones(missing.shape, np.float32) if sequence.scores is None else sequence.scores
    scores = np.where(missing, 0, np.nan_to_num(scores)).astype(np.float32)
    return np.concatenate([inputs, scores[..., None]], axis=-1)


def _camera(sequence: Sequence) -> Float:
    camera: DatasetCamera | None = sequence.camera
    if camera is None:
        return np.full(9, np.nan, np.float32)
    half = camera.width / 2
    centre = normalise.screen(np.asarray(camera.centre, np.float32), camera.width, camera.height)
    parts = (camera.focal / half, centre, camera.radial, camera.tangential)
    return np.concatenate(parts).astype(np.float32)


def _skeletons(sequences: List[Sequence]) -> tuple[Skeleton, Skeleton | None]:
    kinds = {(s.skeleton_in, s.skeleton_out) for s in sequences}
    if len(kinds) > 1 or sequences[0].skeleton_in is None:
        names = {f"{a and a.name} to {b and b.name}" for a, b in kinds}
        raise DataError(f"sequences: expected one pair of skeletons, got {sorted(names)}")
    return sequences[0].skeleton_in, sequences[0].skeleton_out


def _flip_order(skeleton: Skeleton, device: torch.device) -> Tensor:
    return torch.tensor(skeleton.flip_order, device=device)


def _tensor(parts: List[Float], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(parts)).to(device)
