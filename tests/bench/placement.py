"""What each part of the refinement brings: poses, root, ground, feet, on scenes with an answer.

    python tests/bench/placement.py CONFIG.toml [--count 120] [--assumed-focal]

The held-out clips of a training configuration before virtual cameras (`scenes.py`), through the
pipeline with one part left out at a time. Velocity and jitter are of root-relative joints.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.bench.scenes import Scene, make_scenes
from vp3d_cli.evaluate import metrics
from vp3d_cli.lift.lifter import Lifter
from vp3d_cli.lift.loading import load_lifter
from vp3d_cli.options import Options
from vp3d_cli.pipeline import cameras
from vp3d_cli.pipeline.refining import Refining, prepared
from vp3d_cli.refine import bones, feet
from vp3d_cli.train.config import read_train_config
from vp3d_cli.train.mocap import read_mocap
from vp3d_cli.types import Camera, Double, Track3D, World

ROWS = {
    "everything": Options(),
    "with foot lock": Options(foot_lock=True),
    "without smoothing": Options(without=("smoothing",)),
    "without bones": Options(without=("bones",)),
    "without root (the lifter's)": Options(without=("root",)),
    "nothing": Options(without=("repair", "smoothing", "bones", "root", "calibration")),
}
COLUMNS = (
    "MPJPE mm", "P-MPJPE mm", "velocity mm/frame", "jitter m/s²", "bones vary %", "root off %",
    "root off mm, one scale", "up off °", "floor off m", "skate mm/s", "contacts F1",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--assumed-focal", action="store_true", help="not the true focal length")
    args = parser.parse_args()
    config = read_train_config(args.config)
    mocap = read_mocap(config.data.mocap, config.data.split, "heldout")
    scenes = make_scenes(mocap, args.count)
    lifter = load_lifter("bundled")
    print("|  | " + " | ".join(COLUMNS) + " |\n" + "| --- " * (len(COLUMNS) + 1) + "|")
    for name, options in ROWS.items():
        measured = [
            _measures(scene, *_through(scene, options, lifter, assumed=args.assumed_focal))
            for scene in scenes
        ]
        cells = [f"{value:.3g}" for value in np.nanmean(measured, 0)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    level = [_angle(np.array([0, -1.0, 0]), scene.camera_to_world[2, :3]) for scene in scenes]
    print(f"\nA level camera would be off by {np.mean(level):.1f}°.")


def _through(
    scene: Scene, options: Options, lifter: Lifter, *, assumed: bool
) -> tuple[Track3D, World]:
    camera: Camera = cameras.camera_of(scene.video, None) if assumed else scene.camera
    calm = prepared(scene.track, options)
    lifted = lifter.lift([calm], scene.video, camera)
    people, world = Refining(options, scene.video, camera).run([scene.track], [calm], lifted)
    return people[0], world


def _measures(scene: Scene, person: Track3D, world: World) -> list[float]:
    """A number for each of `COLUMNS`."""
    truth = scene.joints - scene.joints[:, :1]
    fps = float(scene.video.fps)
    off = np.linalg.norm(person.root - scene.joints[:, 0], axis=-1)
    away = np.linalg.norm(scene.joints[:, 0], axis=-1)
    scale = np.median(scene.joints[:, 0, 2] / person.root[:, 2])
    scaled = np.linalg.norm(person.root * scale - scene.joints[:, 0], axis=-1)
    legs = feet.Legs.of(person.skeleton)
    ankles = person.joints[:, legs.feet] + person.root[:, None]
    true_up = scene.camera_to_world[2]
    return [
        float(metrics.mpjpe(person.joints, truth).mean() * 1000),
        float(metrics.p_mpjpe(person.joints, truth).mean() * 1000),
        float(metrics.mpjve(person.joints, truth).mean() * 1000),
        float(np.linalg.norm(np.diff(person.joints, 2, axis=0), axis=-1).mean() * fps**2),
        bones.variation(person.joints, person.skeleton) * 100,
        float((off / away).mean() * 100),
        float(scaled.mean() * 1000),
        _angle(world.camera_to_world[2, :3], true_up[:3]),
        abs(float(world.camera_to_world[2, 3] - true_up[3])),
        feet.skate(ankles, person.contacts, scene.track.times_s),
        _f1(person.contacts, _true_contacts(scene, legs.feet, fps)),
    ]


def _angle(up: Double, true_up: Double) -> float:
    return float(np.degrees(np.arccos(np.clip(up @ true_up, -1, 1))))


def _true_contacts(scene: Scene, ankles: Sequence[int], fps: float) -> np.ndarray:
    """Slower than 0.3 m/s and less than 15 cm above the floor, for ankles."""
    steps = scene.joints[:, list(ankles)].astype(np.float64)
    up = scene.camera_to_world[2]
    speed = np.linalg.norm(np.gradient(steps, axis=0), axis=-1) * fps
    return (speed < 0.3) & (steps @ up[:3] + up[3] < 0.15)


def _f1(found: np.ndarray, true: np.ndarray) -> float:
    both = float((found & true).sum())
    return 2 * both / max(float(found.sum() + true.sum()), 1.0)


if __name__ == "__main__":
    main()
