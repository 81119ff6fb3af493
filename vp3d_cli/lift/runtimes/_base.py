"""What a runtime is: a file here named as on the command line, with

def build(layers: FoldedLayers, device: str) -> Network
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from vp3d_cli.types import Float

Item = TypeVar("Item")
Answer = TypeVar("Answer")


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


def in_threads(
    work: Callable[[Item], Answer],
    items: Iterable[Item],
    count: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Answer]:
    """`map` by so many threads, each of which calls `prepare` first; few items are held at once."""
    waiting: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(count, initializer=prepare) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > count:  # one waits, so that no thread does
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
