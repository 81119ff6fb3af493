"""Work in threads, with few things in the making."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_threads(
    work: Callable[[Item], Answer],
    items: Iterable[Item],
    count: int,
    prepare: Callable[[], None] | None = None,
    stop: Event | None = None,
) -> Iterator[Answer]:
    """`map` by so many threads, each of which calls `prepare` first.

    Items are taken as threads become free; one waits for them and no more. Closing the iterator,
    an error and Ctrl-C set `stop`, and end the threads once they have done what they are at.
    """
    waiting: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(count, initializer=prepare) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > count:  # one waits, so that no thread does
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:  # also of whoever takes the answers
            if stop:
                stop.set()
            for future in waiting:
                future.cancel()
            raise
