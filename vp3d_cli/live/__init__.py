"""Poses while they happen: the loop that `vp3d live` runs, and the page that shows it."""
