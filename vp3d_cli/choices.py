"""Which networks run: what `auto` means, and what `--faithful` demands. Pure functions.

Whoever calls them looks up once what is there (`Present`), so that the rules can be tested over
their whole truth table.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from vp3d_cli import weights
from vp3d_cli.errors import WeightsError

# Both run the same network with the same weights.
MASK_RCNN = ("detectron2", "keypoint-rcnn")
DETECTOR_WEIGHTS = "keypoint-rcnn-r101"
REFERENCE_LIFTER = "h36m-coco-243"
_FETCH_BOTH = f"vp3d weights fetch {DETECTOR_WEIGHTS} {REFERENCE_LIFTER}"


@dataclass(frozen=True)
class Present:
    """What `auto` asks for.

    Attributes:
        rcnn_weights: Mask R-CNN's are in the cache.
        lifter_weights: those of the reference's lifter are.
        detectron2: the library can be imported.
    """

    rcnn_weights: bool
    lifter_weights: bool
    detectron2: bool


def look() -> Present:
    """What is there now, found without importing or reading it."""
    return Present(
        rcnn_weights=weights.available(DETECTOR_WEIGHTS),
        lifter_weights=weights.available(REFERENCE_LIFTER),
        detectron2=has_detectron2(),
    )


def has_detectron2() -> bool:
    """Whether the library can be imported; a mere folder of that name, as of a clone, cannot."""
    spec = importlib.util.find_spec("detectron2")
    return spec is not None and spec.origin is not None


@dataclass(frozen=True)
class Choice:
    """A detector or lifter by name, and why it was taken."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def choose_detector(name: str, present: Present, *, faithful: bool = False) -> Choice:
    """The detector that `name` means.

    Raises:
        WeightsError: the reference's detector is demanded, and is not there.
    """
    if name != "auto":
        if faithful and name not in (*MASK_RCNN, "precomputed"):
            raise WeightsError(
                f"--faithful needs the reference's detector or 2D keypoints from a file, and "
                f"{name} is another detector; leave out --detector {name}, and get the "
                f"reference's weights with `{_FETCH_BOTH}`"
            )
        return Choice(name, "asked for")
    if present.rcnn_weights:
        if present.detectron2:
            return Choice("detectron2", f"auto: it is installed, {DETECTOR_WEIGHTS} is fetched")
        return Choice("keypoint-rcnn", f"auto: {DETECTOR_WEIGHTS} is fetched")
    if faithful:
        raise WeightsError(
            f"--faithful needs the reference's detector, whose weights {DETECTOR_WEIGHTS} are not "
            f"fetched yet: `{_FETCH_BOTH}` brings them and the lifter's; or give 2D keypoints from "
            "a file"
        )
    return Choice("movenet", f"auto: the embedded one, {DETECTOR_WEIGHTS} is not fetched")


def choose_lifter(name: str, detector: str, present: Present, *, faithful: bool = False) -> Choice:
    """The lifter that `name` means for the keypoints of `detector`.

    Raises:
        WeightsError: the reference's lifter is demanded, and is not there.
    """
    if name != "auto":
        return Choice(name, "asked for")
    if faithful:
        if not present.lifter_weights:
            raise WeightsError(
                f"--faithful needs the reference's lifter, whose weights {REFERENCE_LIFTER} are "
                f"not fetched yet: `vp3d weights fetch {REFERENCE_LIFTER}` brings them; or name a "
                "checkpoint in VideoPose3D's layout with --lifter"
            )
        return Choice(REFERENCE_LIFTER, "auto: the reference's")
    if detector not in MASK_RCNN:
        return Choice("bundled", "auto: the embedded one, the detector is not Mask R-CNN")
    if present.lifter_weights:
        return Choice(REFERENCE_LIFTER, "auto: it is fetched, and the detector is Mask R-CNN")
    return Choice("bundled", f"auto: the embedded one, {REFERENCE_LIFTER} is not fetched")


def require_reference_input(name: str, normalisation: str, features: int) -> None:
    """Demand the reference's input convention of a lifter that was named.

    Raises:
        WeightsError: it takes anything else.
    """
    if normalisation != "screen" or features != 2:
        takes = "x, y and score" if features == 3 else "x and y"
        scaled = normalisation == "screen"
        how = "scaled by the frame's width" if scaled else "as a camera sees it that turns"
        raise WeightsError(
            f"--faithful needs a lifter that takes x and y scaled by the frame's width; {name} "
            f"takes {takes} {how}; leave out --lifter {name}, and get the reference's with "
            f"`vp3d weights fetch {REFERENCE_LIFTER}`"
        )
