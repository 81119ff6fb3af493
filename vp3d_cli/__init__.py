"""Video in, 3D human pose out."""

from __future__ import annotations

__version__ = "0.1.0"
