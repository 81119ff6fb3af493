"""The benchmark suite; see `tests/bench/__main__.py`."""
