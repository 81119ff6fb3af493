"""Calibrated cameras: where they stand, and how they bend the light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vp3d_cli.types import Double, Real, require_shape


@dataclass(frozen=True)
class DatasetCamera:
    """One camera of a data set, with radial and tangential distortion.

    Attributes:
        name: of the camera in its data set.
        width, height: of the picture, pixels.
        focal: (2,) pixels, x and y.
        centre: (2,) pixels, origin at the picture's corner.
        radial: (3,) k1, k2, k3.
        tangential: (2,) p1, p2.
        rotation: (3, 3) world axes to camera axes (x right, y down, z forward); None where the
            camera's place in the world is not known.
        position: (3,) of the camera in the world, metres; with `rotation`, or not at all.
    """

    name: str
    width: int
    height: int
    focal: Double
    centre: Double
    radial: Double
    tangential: Double
    rotation: Double | None = None
    position: Double | None = None

    def __post_init__(self) -> None:
        for name, shape in (("focal", 2), ("centre", 2), ("radial", 3), ("tangential", 2)):
            require_shape(name, getattr(self, name), (shape,))
        if (self.rotation is None) != (self.position is None):
            raise ValueError("rotation and position: expected both or neither")
        if self.rotation is not None and self.position is not None:
            require_shape("rotation", self.rotation, (3, 3))
            require_shape("position", self.position, (3,))
            if not np.allclose(self.rotation @ self.rotation.T, np.eye(3), atol=1e-3):
                raise ValueError("rotation: expected an orthonormal matrix")
            if np.linalg.det(self.rotation) < 0:
                raise ValueError("rotation: mirrors; expected determinant +1")

    def project(self, points: Real) -> Double:
        """Points (..., 3) metres in camera axes to pixels (..., 2), lens included.

        NaN for points that are not in front of the camera.

        The lens model of VideoPose3D: with xy = (X / Z, Y / Z) and r² = |xy|²,
        xy (1 + k1 r² + k2 r⁴ + k3 r⁶ + p . xy) + p r², times the focal length, plus the centre.
        """
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        xy = np.asarray(points[..., :2], np.float64) / depth
        r2 = np.sum(xy * xy, axis=-1, keepdims=True)
        powers = np.concatenate([r2, r2**2, r2**3], axis=-1)
        radial = 1 + np.sum(self.radial * powers, axis=-1, keepdims=True)
        tangential = np.sum(self.tangential * xy, axis=-1, keepdims=True)
        bent = xy * (radial + tangential) + self.tangential * r2
        return np.asarray(bent * self.focal + self.centre)

    def to_camera(self, points: Real) -> Double:
        """Points (..., 3) metres of the world in camera axes.

        Raises:
            ValueError: the camera's place is not known.
        """
        if self.rotation is None or self.position is None:
            raise ValueError(f"camera {self.name}: its place in the world is not known")
        return np.asarray((points - self.position) @ self.rotation.T)
