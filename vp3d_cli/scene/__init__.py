"""What the picture tells besides people's joints: the colours they wear, cuts, a moving camera."""

from vp3d_cli.scene.changes import CONTEXT_S, Watch
from vp3d_cli.scene.colours import with_colours

__all__ = ["CONTEXT_S", "Watch", "with_colours"]
