"""What a person may ask of the pipeline."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vp3d_cli.errors import OptionsError

if TYPE_CHECKING:  # it brings NumPy, which the help does without
    from vp3d_cli.types import Json

# What decides on the 2D half: kept by a file of keypoints, for the result made of it.
_DETECTION = (
    "detector", "start_s", "end_s", "detect_size", "detect_every", "quality", "half",
)  # fmt: skip
# To be raised where the same options begin to find other keypoints, or to give other poses.
DETECTION_REVISION, POSE_REVISION = 2, 1
# Gait laboratories take it.
SMOOTH_HZ = 6.0
# What is done beside the paper's pipeline, in its order; `--without` leaves parts out.
PARTS = {
    "appearance": "clothes tell people apart where their motion does not",
    "repair": "left and right limbs that a detector exchanged are put back",
    "smoothing": "2D and 3D are calmed over time, without lag",
    "resampling": "the lifter sees a frame rate that it was trained at",
    "bones": "each bone of a person has one length",
    "root": "people are placed so that they fit the picture",
    "world": "the ground, and which feet stand on it",
    "calibration": "confidence is the chance that a joint is within 10 cm",
}
# How thoroughly people are looked for, the quickest first.
QUALITIES = ("fast", "balanced", "best")
_LEAST = {
    "start_s": 0, "end_s": 0, "max_gap_s": 0, "focal_px": 1, "smooth_hz": 0.1, "real_fps": 0.1,
}  # fmt: skip
# What makes a detector do less, and so changes what it finds.
_LESS_WORK = {
    "detect_size": "--detect-size",
    "detect_every": "--detect-every",
    "quality": "--quality",
    "half": "--half",
}


@dataclass(frozen=True)
class Options:
    """Options of `estimate`, `detect_video` and `lift_keypoints`; each reads what concerns it.

    Attributes:
        detector: a file of `detect/`, or "auto".
        lifter: a registry name, a path, or "auto".
        lift_runtime: a file of `lift/runtimes/`, what the lifter's network runs on.
        device: "cpu", "cuda", "cuda:1".
        person: "all", "largest" or a track id.
        start_s, end_s: only this part of the video, seconds.
        max_gap_s: gaps in a person's detections up to this long are filled; half a second where
            None.
        focal_px: focal length in pixels of the upright frame; a default where None.
        detect_size: pixels of the picture that the detector sees, see `DetectorOptions.size`.
        detect_every: people are looked for in every so manieth frame, and in the last.
        quality: "best": everybody is looked for in every frame; "balanced": a few times a second,
            and followed in between; "fast": that, in every second frame. None: "balanced" for
            movenet, "best" for Mask R-CNN.
        half: half precision on a GPU.
        hwaccel: ffmpeg's name of a hardware decoder, or "auto"; the pictures stay the same.
        keypoints: file for the detector `precomputed`.
        skeleton_in, causal: of a lifter in VideoPose3D's layout, which cannot say.
        without: names of `PARTS` that are left out.
        smooth_hz: what moves faster is taken for noise; gait laboratories take 6.
        real_fps: how many frames a second were taken, of slow or fast motion; as shown where None.
        heights: how tall people are, as (track id or None for everybody, metres).
        foot_lock: legs are bent so that feet stay where they stand.
        faithful: the reference's pipeline, number for number: the best box of each frame, every
            gap filled, the network's own output.

    Raises:
        OptionsError: they contradict each other.
    """

    detector: str = "auto"
    lifter: str = "auto"
    lift_runtime: str = "torch"
    device: str = "cpu"
    person: str = "all"
    start_s: float | None = None
    end_s: float | None = None
    max_gap_s: float | None = None
    focal_px: float | None = None
    detect_size: int | None = None
    detect_every: int = 1
    quality: str | None = None
    half: bool = False
    hwaccel: str | None = None
    keypoints: Path | None = None
    skeleton_in: str | None = None
    causal: bool | None = None
    without: tuple[str, ...] = ()
    smooth_hz: float = SMOOTH_HZ
    real_fps: float | None = None
    heights: tuple[tuple[int | None, float], ...] = ()
    foot_lock: bool = False
    faithful: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"all|largest|[1-9]\d*", self.person):
            raise OptionsError(f"person '{self.person}': expected all, largest, or a person's id")
        if self.end_s is not None and self.end_s <= (self.start_s or 0):
            raise OptionsError(
                f"the end ({self.end_s:g} s) must lie after the start ({self.start_s or 0:g} s)"
            )
        if (self.detector == "precomputed") != (self.keypoints is not None):
            raise OptionsError(
                "the detector precomputed and a file of keypoints belong together; give both "
                "(--detector precomputed --keypoints FILE) or neither"
            )
        if self.lift_runtime == "onnx" and self.device != "cpu":
            raise OptionsError(
                f"--lift-runtime onnx runs on the CPU; leave it out, or --device {self.device}"
            )
        if self.detect_every < 1 or (self.detect_size is not None and self.detect_size < 1):
            raise OptionsError("detect_every, detect_size: expected at least 1")
        if unknown := [part for part in self.without if part not in PARTS]:
            raise OptionsError(f"no part is called '{unknown[0]}'; there are {', '.join(PARTS)}")
        if self.quality not in (None, *QUALITIES):
            raise OptionsError(
                f"quality '{self.quality}': unknown; there are {', '.join(QUALITIES)}"
            )
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:
                raise OptionsError(f"{name}: expected at least {least}, got {value}")
        if (self.faithful or self.keypoints) and (less := self._less_work()):
            why = (
                "--faithful looks at all of every frame"
                if self.faithful
                else "2D comes from a file"
            )
            raise OptionsError(f"{why}; leave out {', '.join(less)}")
        if self.faithful and self.person != "all":
            raise OptionsError(
                "--faithful takes the best box of each frame, whoever it is; leave out --person"
            )
        if self.faithful and self.max_gap_s is not None:
            raise OptionsError("--faithful fills every gap; leave out --max-gap")

        self._check_refinement()

    def _check_refinement(self) -> None:
        # In one order and once, so that equal work has equal options.
        without = tuple(part for part in PARTS if part in self.without)
        object.__setattr__(self, "without", without)
        other_hz = self.smooth_hz != SMOOTH_HZ
        asked = (without, self.heights, self.foot_lock, self.real_fps, other_hz)
        if self.faithful and any(asked):
            raise OptionsError(
                "--faithful does what the reference does; leave out --without, --height, "
                "--foot-lock, --real-fps and --smooth"
            )
        if other_hz and "smoothing" in without:
            raise OptionsError("--without smoothing and --smooth contradict each other")
        if self.foot_lock and {"root", "world"} & set(without):
            raise OptionsError(
                "--foot-lock needs to know where feet stand: the parts root and world"
            )
        if len({track_id for track_id, _ in self.heights}) < len(self.heights):
            raise OptionsError("--height: give each person one height")

    @property
    def look_every(self) -> int:
        """Somebody looks at every so manieth frame."""
        return self.detect_every * (2 if self.quality == "fast" else 1)

    def does(self, part: str) -> bool:
        """Whether one of `PARTS` is done."""
        if part not in PARTS:
            raise ValueError(f"part: expected one of {list(PARTS)}, got {part}")
        return not self.faithful and part not in self.without

    def height_of(self, track_id: int) -> float | None:
        """How tall a person is, metres; None where nobody said."""
        told = dict(self.heights)
        return told.get(track_id, told.get(None))

    def _less_work(self) -> list[str]:
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        return [
            option for name, option in _LESS_WORK.items() if getattr(self, name) != defaults[name]
        ]

    def to_json(self) -> Json:
        """What changes the numbers, for the result's metadata; file names without folders."""
        values = dataclasses.asdict(self)
        del values["hwaccel"]
        values["lifter"] = Path(self.lifter).name
        values["keypoints"] = self.keypoints.name if self.keypoints else None
        return values

    def detection_to_json(self) -> Json:
        """The part that decides on the 2D keypoints."""
        return {key: value for key, value in self.to_json().items() if key in _DETECTION}

    def to_json_after(self, detection: Json) -> Json:
        """The same as `to_json`, after keypoints that were found with other options before."""
        return self.to_json() | {key: detection[key] for key in _DETECTION if key in detection}


@dataclass(frozen=True)
class Span:
    """A part of a video, the `number`th of `count` from 0; an end that is None is the video's."""

    number: int
    count: int
    start_s: float | None
    end_s: float | None
