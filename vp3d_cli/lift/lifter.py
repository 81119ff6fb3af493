"""2D tracks to 3D tracks: padding, chunks, flip averaging."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from vp3d_cli import geometry, skeletons
from vp3d_cli.device import torch_device
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.geometry import flip_centred, rotate
from vp3d_cli.lift import normalise
from vp3d_cli.lift.checkpoint import Checkpoint, build_models
from vp3d_cli.lift.model import TemporalModel
from vp3d_cli.lift.normalise import PersonView
from vp3d_cli.types import Camera, Double, Float, Json, Skeleton, Track2D, Track3D, VideoInfo

_log = logging.getLogger(__name__)

# Frames predicted a chunk and chunks a batch: bounds memory whatever the length of a track.
CHUNK = 512
BATCH = 8
# How much a filled-in frame is trusted beside its observed neighbours.
_FILLED_TRUST = 0.5


class Lifter:
    """A loaded lifter.

    Args:
        checkpoint: weights and what they mean.
        name: as asked for, for the result's metadata.
        digest: SHA-256 of the file.
        device: "cpu", "cuda", "cuda:1".

    Raises:
        BackendUnavailableError: the device is not there.
    """

    def __init__(self, checkpoint: Checkpoint, name: str, digest: str, device: str = "cpu") -> None:
        self.config = checkpoint.config
        self.name, self.digest = name, digest
        self.device = torch_device(device)
        pose, trajectory = build_models(checkpoint, name)
        self._pose = pose.to(self.device)
        self._trajectory = trajectory.to(self.device) if trajectory is not None else None
        self.skeleton_in = skeletons.get(self.config.skeleton_in)
        self.skeleton_out = skeletons.get(self.config.skeleton_out)

    def checkpoint(self) -> Checkpoint:
        """The weights, as training goes on from them; they are not copied."""
        trajectory = None if self._trajectory is None else self._trajectory.state_dict()
        return Checkpoint(self.config, self._pose.state_dict(), trajectory)

    def describe(self) -> Json:
        """For the result's metadata."""
        return {
            "name": self.name,
            "sha256": self.digest,
            "receptive_field": self.config.receptive_field,
            "causal": self.config.causal,
            "skeleton_in": self.config.skeleton_in,
            "skeleton_out": self.config.skeleton_out,
            "normalisation": self.config.normalisation,
        }

    def lift(
        self,
        tracks: Sequence[Track2D],
        video: VideoInfo,
        camera: Camera,
        progress: Callable[[int], None] | None = None,
        *,
        zero_root: bool = True,
        flip: bool = True,
    ) -> tuple[Track3D, ...]:
        """Lift every person's keypoints to 3D, all people in one batch.

        Args:
            tracks: gaps filled; skeleton equals `skeleton_in`.
            video: frame size and rate, for the normalisation.
            camera: focal length, for the "person" normalisation.
            progress: told the number of frames lifted since the last call.
            zero_root: move each frame's root joint to the origin; else the joints stay as the
                network predicts them, its root joint too, which then is near the origin.
            flip: average with the prediction for the mirror image.

        Returns:
            Joints (T, J, 3), metres, camera axes; and where the weights have a trajectory head
            the root (T, 3) in the camera frame, else NaN.

        Raises:
            SkeletonMismatchError: a track has another skeleton.
            DataError: a track has frames without any keypoint.
        """
        self.check_rate(float(video.fps))
        prepared = [self.prepare(track, video, camera) for track in tracks]
        inputs = [view.inputs for view in prepared]
        spreads = [np.full((len(track), self.skeleton_out.num_joints), np.nan) for track in tracks]
        poses = self.predict(inputs, progress, flip=flip, spreads=spreads)
        if self._trajectory is None:
            roots = [np.full((len(track), 1, 3), np.nan, np.float32) for track in tracks]
        else:
            roots = self._whole(self._trajectory, (0,), inputs, flip=flip)
        root = self.skeleton_out.index(self.skeleton_out.root or self.skeleton_out.joints[0])
        lifted = []
        for track, view, pose, path, spread in zip(
            tracks, prepared, poses, roots, spreads, strict=True
        ):
            back = np.swapaxes(view.rotations, -1, -2)
            joints = rotate(back, pose)
            if zero_root:
                joints -= joints[:, root : root + 1].copy()
            lifted.append(
                Track3D(
                    track_id=track.track_id,
                    frames=track.frames,
                    joints=joints,
                    confidence=confidence(track, self.skeleton_out),
                    skeleton=self.skeleton_out,
                    root=rotate(back, path / view.sizes[:, None, None])[:, 0],
                    raw=joints.copy(),
                    spread=spread.astype(np.float32),
                )
            )
        return tuple(lifted)

    def check_rate(self, fps: float) -> None:
        """Warn of a frame rate that the weights were not trained on."""
        low, high = self.config.fps_range or (0, np.inf)
        if not low <= fps <= high:
            _log.warning(
                "%.4g frames/s lie outside the %g to %g that the lifter %s was trained on: "
                "expect larger errors",
                fps,
                low,
                high,
                self.name,
            )

    def prepare(self, track: Track2D, video: VideoInfo, camera: Camera) -> PersonView:
        """What the network takes in, (T, J, F), and how to turn what it predicts back.

        Raises:
            SkeletonMismatchError, DataError: as `lift`.
        """
        if track.skeleton != self.skeleton_in:
            raise SkeletonMismatchError(
                f"track {track.track_id} has the skeleton {track.skeleton.name}; "
                f"the lifter {self.name} takes {self.skeleton_in.name}"
            )
        keypoints, scores = normalise.without_gaps(track.keypoints, track.scores)
        if np.isnan(keypoints).any():
            raise DataError(f"track {track.track_id}: has frames without any keypoint")
        if self.config.normalisation == "screen":
            view = normalise.as_is(keypoints, scores, video.width, video.height)
        else:
            directions = geometry.rays(keypoints, video.width, video.height, camera.focal_px)
            half_window = np.asarray(normalise.half_window(float(video.fps)))
            view = normalise.person(
                directions, scores, self.skeleton_in, half_window, causal=self.config.causal
            )
        return dataclasses.replace(view, inputs=view.inputs[..., : self.config.features])

    def predict(
        self,
        sequences: Sequence[Float],
        progress: Callable[[int], None] | None = None,
        *,
        flip: bool = True,
        spreads: Sequence[Double] | None = None,
    ) -> list[Float]:
        """Run the pose network over whole sequences (T, J, F), giving (T, J_out, 3) each.

        The ends are padded with copies of the first and last frame. With `flip` each sequence
        and its mirror image are predicted and averaged. Chunks overlap by the receptive field,
        so they equal the whole. With `flip`, `spreads` (T, J_out) are filled with the distances
        between the two.
        """
        order = self.skeleton_out.flip_order
        return self._whole(self._pose, order, sequences, progress, flip=flip, spreads=spreads)

    def _whole(
        self,
        network: TemporalModel,
        flip_order: Sequence[int],
        sequences: Sequence[Float],
        progress: Callable[[int], None] | None = None,
        *,
        flip: bool = True,
        spreads: Sequence[Double] | None = None,
    ) -> list[Float]:
        """`predict` with any head; `flip_order` says which of its outputs are partners."""
        outputs = [np.zeros((len(s), len(flip_order), 3), np.float32) for s in sequences]
        sign = np.array([-1, 1, 1], np.float32)
        for batch in _batches(sequences, *self.config.context):
            windows = np.stack([window for _, _, window in batch])
            predicted = self._run(network, windows)
            apart = np.full(predicted.shape[:-1], np.nan)
            if flip:
                mirrored = self._run(network, flip_centred(windows, self.skeleton_in))
                swapped = mirrored[..., flip_order, :] * sign
                apart = np.linalg.norm(predicted - swapped, axis=-1)
                predicted = np.asarray((predicted + swapped) / 2, np.float32)
            done = 0
            for (which, start, _), joints, distances in zip(batch, predicted, apart, strict=True):
                part = outputs[which][start : start + len(joints)]
                part[:] = joints[: len(part)]
                if spreads is not None:
                    spreads[which][start : start + len(joints)] = distances[: len(part)]
                done += len(part)
            if progress:
                progress(done)
        return outputs

    @torch.inference_mode()
    def _run(self, network: TemporalModel, windows: Float) -> Float:
        inputs = torch.from_numpy(np.ascontiguousarray(windows, np.float32)).to(self.device)
        return np.asarray(network(inputs).float().cpu().numpy(), np.float32)


def _batches(
    sequences: Sequence[Float], before: int, after: int
) -> Iterator[list[tuple[int, int, Float]]]:
    """Equal windows of all sequences, `BATCH` at a time: (sequence, first frame, window)."""
    longest = max((len(s) for s in sequences), default=0)
    chunk = min(CHUNK, longest)
    batch: list[tuple[int, int, Float]] = []
    for which, sequence in enumerate(sequences):
        for start in range(0, len(sequence), chunk):
            frames = np.arange(start - before, start + chunk + after)
            # Out of range means the replica of the first or the last frame.
            batch.append((which, start, sequence[np.clip(frames, 0, len(sequence) - 1)]))
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def confidence(track: Track2D, skeleton: Skeleton) -> Float:
    """How much the 3D joints rest on seen keypoints: (T, J) 0 to 1.

    A joint has the mean score of the keypoints of its name, or of those that it lies between.
    Filled-in frames get half of what their neighbours have.
    """
    columns = []
    for joint in skeleton.joints:
        names = [joint] if joint in track.skeleton.joints else list(_SUPPORT.get(joint, ()))
        rows = [track.skeleton.index(name) for name in names if name in track.skeleton.joints]
        columns.append(
            track.scores[:, rows].mean(1) if rows else np.full(len(track), np.nan, np.float32)
        )
    trusted = np.nan_to_num(np.clip(np.stack(columns, 1), 0, 1))
    seen = np.flatnonzero(track.observed)
    missing = np.flatnonzero(~track.observed)
    if len(seen) and len(missing):
        for column in range(skeleton.num_joints):
            around = np.interp(missing, seen, trusted[seen, column])
            trusted[missing, column] = _FILLED_TRUST * around
    return np.asarray(trusted, np.float32)


_HIPS, _SHOULDERS = ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")
_SUPPORT: dict[str, tuple[str, ...]] = {
    "hip": _HIPS,
    "pelvis": _HIPS,
    "spine": _HIPS + _SHOULDERS,
    "thorax": _SHOULDERS,
    "neck": (*_SHOULDERS, "nose"),
    "head": ("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    "left_foot": ("left_ankle",),
    "right_foot": ("right_ankle",),
}
