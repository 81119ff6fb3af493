"""2D tracks to 3D tracks: padding, chunks, flip averaging."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vp3d_cli import geometry, registry, skeletons
from vp3d_cli.errors import DataError, SkeletonMismatchError
from vp3d_cli.geometry import flip_centred, rotate
from vp3d_cli.lift import normalise
from vp3d_cli.lift.checkpoint import Checkpoint
from vp3d_cli.lift.folding import FoldedLayers
from vp3d_cli.lift.normalise import PersonView
from vp3d_cli.lift.runtimes._base import Network
from vp3d_cli.types import Camera, Double, Float, Json, Skeleton, Track2D, Track3D, VideoInfo

_log = logging.getLogger(__name__)

# Frames of a track predicted at once at most, which bounds memory whatever its length. Windows
# overlap by the receptive field, so larger ones do less twice, but fewer keep fewer cores busy.
# Frames a second of processor time of the paper's network, by tests/bench/lifter_speed.py: 684
# for 256, 822 for 512, 897 for 1,024, 987 for 2,048, 1,065 for 4,096; the bundled lifter, whose
# receptive field is a third, gains nothing beyond 1,024.
CHUNK = 2048
# How much a filled-in frame is trusted beside its observed neighbours.
_FILLED_TRUST = 0.5


class Lifter:
    """A loaded lifter.

    Args:
        checkpoint: weights and what they mean.
        name: as asked for, for the result's metadata.
        digest: SHA-256 of the file.
        device: "cpu", "cuda", "cuda:1".
        runtime: what the network runs on, a file of `lift/runtimes/`.

    Raises:
        BackendUnavailableError: the device or the runtime is not there.
        WeightsError: the weights do not fit their architecture, or are not finite.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        name: str,
        digest: str,
        device: str = "cpu",
        runtime: str = "torch",
    ) -> None:
        self.config = checkpoint.config
        self.name, self.digest = name, digest
        self._checkpoint = dataclasses.replace(checkpoint, foreign=False)
        self._layers = self.layers()
        self._runs_on = runtime, device
        if self._runs_on != ("torch", "cpu"):  # which is always there, and takes seconds to load
            self._networks  # noqa: B018
        self.skeleton_in = skeletons.get(self.config.skeleton_in)
        self.skeleton_out = skeletons.get(self.config.skeleton_out)

    @functools.cached_property
    def _networks(self) -> list[Network]:
        runtime, device = self._runs_on
        build = registry.load("lift.runtimes", runtime).build
        return [build(layers, device) for layers in self._layers]

    def checkpoint(self) -> Checkpoint:
        """The weights as tensors, as training goes on from them; they are not copied."""
        return self._checkpoint.as_tensors()

    def layers(self) -> list[FoldedLayers]:
        """The networks for inference: pose, and trajectory where the weights have one."""
        return self._checkpoint.layers(self.name)

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
        if len(self._layers) == 1:
            roots = [np.full((len(track), 1, 3), np.nan, np.float32) for track in tracks]
        else:
            roots = self._whole(self._networks[1], (0,), inputs, flip=flip)
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
        network, order = self._networks[0], self.skeleton_out.flip_order
        return self._whole(network, order, sequences, progress, flip=flip, spreads=spreads)

    def _whole(
        self,
        network: Network,
        flip_order: Sequence[int],
        sequences: Sequence[Float],
        progress: Callable[[int], None] | None = None,
        *,
        flip: bool = True,
        spreads: Sequence[Double] | None = None,
    ) -> list[Float]:
        """`predict` with any head; `flip_order` says which of its outputs are partners."""
        joints_out = len(flip_order)
        if not flip:
            return self._run(network, joints_out, sequences, progress)
        # A mirror image is one more person, and half of a frame's progress.
        mirrored = [flip_centred(sequence, self.skeleton_in) for sequence in sequences]
        told = progress and _halved(progress)
        answers = self._run(network, joints_out, [*sequences, *mirrored], told)
        outputs, others = answers[: len(sequences)], answers[len(sequences) :]
        for number, (predicted, other) in enumerate(zip(outputs, others, strict=True)):
            for start in range(0, len(predicted), CHUNK):  # what is made on the way stays small
                rows = slice(start, start + CHUNK)
                swapped = other[rows, flip_order] * np.array([-1, 1, 1], np.float32)
                if spreads is not None:
                    apart = np.linalg.norm(predicted[rows] - swapped, axis=-1)
                    spreads[number][rows] = apart
                predicted[rows] = (predicted[rows] + swapped) / 2
        return outputs

    def _run(
        self,
        network: Network,
        joints_out: int,
        sequences: Sequence[Float],
        progress: Callable[[int], None] | None,
    ) -> list[Float]:
        """Whole sequences (T, J, F) through a network, giving (T, J_out, 3) each."""
        outputs = [np.zeros((len(s), joints_out, 3), np.float32) for s in sequences]
        batches = _batches([len(s) for s in sequences], network.batch_frames)
        inputs = (_inputs(batch, sequences, *self.config.context) for batch in batches)
        for batch, answers in zip(batches, network.map(inputs), strict=True):
            for window, joints in zip(batch, answers, strict=True):
                frames = outputs[window.sequence][window.start : window.stop]
                frames[:] = joints[: len(frames)].reshape(frames.shape)
            if progress:
                progress(sum(window.length for window in batch))
        return outputs


@dataclass(frozen=True)
class _Window:
    """Frames that are predicted at once: `start` to `stop` of the `sequence`th."""

    sequence: int
    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def _batches(lengths: Sequence[int], batch_frames: int) -> list[list[_Window]]:
    """Windows of all sequences; the longest come first, and those of a batch are about as long.

    Neither depends on the machine's cores, since other batches could give other last bits.
    """
    windows = []
    for sequence, length in enumerate(lengths):
        count = -(-length // CHUNK)
        edges = [length * number // count for number in range(count + 1)] if count else []
        windows += [_Window(sequence, start, stop) for start, stop in pairwise(edges)]
    batches: list[list[_Window]] = []
    for window in sorted(windows, key=lambda window: -window.length):
        if batches and (len(batches[-1]) + 1) * batches[-1][0].length <= batch_frames:
            batches[-1].append(window)
        else:
            batches.append([window])
    return batches


def _inputs(batch: Sequence[_Window], sequences: Sequence[Float], before: int, after: int) -> Float:
    """What a network takes in (B, T, J * F) to predict windows, all as long as the first."""
    longest = batch[0].length
    rows = []
    for window in batch:
        sequence = sequences[window.sequence]
        frames = np.arange(window.start - before, window.start + longest + after)
        # Out of range means the replica of the first or the last frame.
        rows.append(sequence[np.clip(frames, 0, len(sequence) - 1)].reshape(len(frames), -1))
    return np.asarray(np.stack(rows), np.float32)


def _halved(progress: Callable[[int], None]) -> Callable[[int], None]:
    """Tells half of what it is told, without losing any."""
    left = 0

    def told(count: int) -> None:
        nonlocal left
        whole, left = divmod(left + count, 2)
        progress(whole)

    return told


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
