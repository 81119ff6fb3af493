"""Detections become people: who is who over time, gaps filled."""

from vp3d_cli.track.choosing import select_people
from vp3d_cli.track.filling import MAX_GAP_S, clock_of
from vp3d_cli.track.given import best_of_each_frame, keep_ids
from vp3d_cli.track.identify import Tracked, associate, identify
from vp3d_cli.track.swaps import repair_swaps
from vp3d_cli.track.tracker import PRESENCE_S, Tracker

__all__ = [
    "MAX_GAP_S",
    "PRESENCE_S",
    "Tracked",
    "Tracker",
    "associate",
    "best_of_each_frame",
    "clock_of",
    "identify",
    "keep_ids",
    "repair_swaps",
    "select_people",
]
