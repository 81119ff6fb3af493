"""Where somebody will be: the motion of a box."""

from __future__ import annotations

import numpy as np

from vp3d_cli.types import Double, Float


class Motion:
    """Constant-velocity Kalman filter of a box as centre and size.

    Lengths are in units of the box's own diagonal, so that near and far people are alike; the
    four coordinates share one covariance because they share the noise.
    """

    # Wide: people turn and jump, and a box shrinks by a limb that went unseen.
    _ACCELERATION = 16.0  # diagonals / s², root of the spectral density
    _JITTER = 0.03  # diagonals, a detector's standard deviation
    _UNKNOWN_SPEED = 1.0  # diagonals / s

    def __init__(self, box: Float) -> None:
        self._state = np.stack([_centre_size(box), np.zeros(4)])
        self._covariance = np.diag([self._JITTER**2, self._UNKNOWN_SPEED**2])

    @property
    def box(self) -> Float:
        centre, size = self._state[0, :2], np.maximum(self._state[0, 2:], 1.0)
        return np.concatenate([centre - size / 2, centre + size / 2]).astype(np.float32)

    def predict(self, dt: float) -> None:
        step = np.array([[1, dt], [0, 1]])
        noise = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) * self._ACCELERATION**2
        self._state = step @ self._state
        self._covariance = step @ self._covariance @ step.T + noise

    def likelihood(self, boxes: Float) -> Float:
        """How well boxes (P, 4) fit the prediction, 1 at best, given how unsure it is."""
        size = max(float(np.linalg.norm(self._state[0, 2:])), 1.0)
        off = (_centre_size(boxes) - self._state[0]) / size
        variance = self._covariance[0, 0] + self._JITTER**2
        return np.asarray(np.exp(-(off**2).sum(-1) / (2 * variance)), np.float32)

    def correct(self, box: Float) -> None:
        gain = self._covariance[:, 0] / (self._covariance[0, 0] + self._JITTER**2)
        self._state += np.outer(gain, _centre_size(box) - self._state[0])
        self._covariance -= np.outer(gain, self._covariance[0])


def _centre_size(box: Float) -> Double:
    """Boxes (..., 4) xyxy as centre x, y, width, height."""
    low, high = box[..., :2], box[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1).astype(np.float64)
