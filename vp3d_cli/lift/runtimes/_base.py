"""What a runtime is: a file here named as on the command line, with

def build(layers: FoldedLayers, device: str) -> Network
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from vp3d_cli.types import Float


class Network(Protocol):
    """A temporal network, ready to run.

    Attributes:
        batch_frames: up to so many frames of shorter windows are best put into one batch.
    """

    batch_frames: int

    def map(self, batches: Iterable[Float]) -> Iterator[Float]:
        """Run batches of windows, one after another or several at once, and answer in order.

        What is answered does not depend on how many cores there are: a batch is computed by one
        thread, since sums that several share differ in their last bits. Few batches are held at
        a time.

        Args:
            batches: windows (B, T + receptive field - 1, J * F) of flattened keypoints.

        Returns:
            For each batch flattened joints (B, T, J_out * 3).
        """
        ...
