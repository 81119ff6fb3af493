"""The networks' weights: which there are, where they lie, and that they are what they should be.

`entries` lists them, `cache` finds and checks files, `fetching` brings those that do not come with
the package. Every load goes through `verified_bytes`, and the bytes that were checked are the
bytes that are used: nothing can change a file between the check and the load.
"""

from vp3d_cli.weights.cache import (
    available,
    cache_folder,
    known_by_hash,
    pinned_hash,
    verified_bytes,
    verify,
    weights_folder,
    where,
)
from vp3d_cli.weights.download import Patience, Progress
from vp3d_cli.weights.entries import ENTRIES, LifterShape, WeightsEntry, WeightsFile, entry
from vp3d_cli.weights.fetching import Check, fetch

__all__ = [
    "ENTRIES",
    "Check",
    "LifterShape",
    "Patience",
    "Progress",
    "WeightsEntry",
    "WeightsFile",
    "available",
    "cache_folder",
    "entry",
    "fetch",
    "known_by_hash",
    "pinned_hash",
    "verified_bytes",
    "verify",
    "weights_folder",
    "where",
]
