"""Who is who: HOTA, IDF1 and switches of identity on people from motion capture who cross.

    python -m tests.bench.tracking MOCAP.npz [--scenes 24] [--people 2 3 4 6] [--alike 0.15]

The file is one that `vp3d_cli/train/mocap.py` describes. People of the mocap walk to and fro in
front of a camera, cross, cover each other, leave the picture and come back, in clothes of their
own colours, or now and then of another's. The detector trembles, misses people, sees ghosts,
trades left and right, and sees one person where two are in line. Printed are the tracker by
motion alone and the one that looks at colours too.
"""

from __future__ import annotations

import argparse
import colorsys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import motmetrics
import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.optimize import linear_sum_assignment

from vp3d_cli import skeletons, track
from vp3d_cli.overlap import area, iou
from vp3d_cli.scene.colours import histogram
from vp3d_cli.train.mocap import Mocap, read_mocap
from vp3d_cli.types import Detections, Float, Keypoints2D, Real

FPS, WIDTH, HEIGHT, FOCAL_PX = 30, 1280, 720, 1000.0
# COCO-17 from the joints of `Mocap`.
_COCO = [17, 18, 19, 20, 21, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3]
_LEGS = [13, 14, 15, 16]
_SWAPPED_LEGS = [14, 13, 16, 15]

Rows = list[tuple[int, int, Float]]  # frame, who, box


@dataclass(frozen=True)
class Scene:
    """People as they are, and as a detector sees them."""

    truth: Rows
    seen: Keypoints2D


def draw_scene(mocap: Mocap, people: int, alike: float, rng: np.random.Generator) -> Scene:
    """Twenty seconds of `people`; with the chance `alike` one wears another's clothes."""
    length = 20 * FPS
    bodies = np.stack([_walk(mocap, length, rng) for _ in range(people)])
    points = _in_picture(bodies)
    depths = bodies[:, :, 0, 1]
    clothes = [_clothes(rng) for _ in range(people)]
    for person in range(1, people):
        if rng.random() < alike:
            clothes[person] = clothes[person - 1]
    wander = uniform_filter1d(rng.normal(0, 6, points.shape), 9, axis=1)
    noisy = points + wander + rng.normal(0, 1.2, points.shape)
    gone = rng.random((people, length)) < 0.02
    for _ in range(people):
        first = rng.integers(0, length)
        gone[rng.integers(people), first : first + rng.integers(3, 12)] = True
    truth: Rows = []
    frames, found = [], []
    for frame in range(length):
        here = _here(points[:, frame])
        truth += [(frame, int(p), _box(points[p, frame])) for p in here]
        parts = _detected(noisy[:, frame], depths[:, frame], here, gone[:, frame], clothes, rng)
        found.append(parts)
        frames += [frame] * len(parts)
    table = [np.concatenate([getattr(part, name) for part in found]) for name in
             ("boxes", "box_scores", "keypoints", "scores", "colours")]  # fmt: skip
    seen = Keypoints2D(
        np.array(frames, np.int32),
        Detections(*table),
        skeletons.get("coco17"),
        width=WIDTH,
        height=HEIGHT,
        fps=Fraction(FPS),
        num_frames=length,
    )
    return Scene(truth, seen)


def _walk(mocap: Mocap, length: int, rng: np.random.Generator) -> Real:
    """World joints (T, 22, 3), z up, of somebody who walks to and fro before the camera."""
    lengths = np.diff(mocap.clip_start)
    clip = rng.choice(np.flatnonzero(lengths >= 4 * FPS))
    first, last = mocap.clip_start[clip], mocap.clip_start[clip + 1]
    body = mocap.joints[first:last].astype(np.float64)
    body = np.concatenate([body, body[::-1]])  # there and back, so that it loops
    body = body[(np.arange(length) + rng.integers(len(body))) % len(body)]
    body = body - np.concatenate([body[:, :1, :2], np.zeros((length, 1, 1))], 2)
    at = np.arange(length) / FPS
    wide = rng.uniform(1.0, 5.5)  # beyond 3 m at 5 m distance they leave the picture
    x = wide * np.sin(2 * np.pi * at / rng.uniform(6, 14) + rng.uniform(0, 2 * np.pi))
    y = rng.uniform(4.0, 6.5) + rng.uniform(0, 0.8) * np.sin(
        2 * np.pi * at / rng.uniform(5, 12) + rng.uniform(0, 2 * np.pi)
    )
    return np.asarray(body + np.stack([x, y, np.zeros(length)], -1)[:, None])


def _in_picture(bodies: Real) -> Real:
    """Keypoints (P, T, 17, 2), pixels, of a camera at eye height that looks along y."""
    joints = bodies[:, :, _COCO]
    x, y, z = np.moveaxis(joints, -1, 0)
    across = FOCAL_PX * x / y + WIDTH / 2
    down = FOCAL_PX * (1.2 - z) / y + HEIGHT / 2
    return np.stack([across, down], -1)


def _here(points: Real) -> Real:
    """Who (P, 17, 2) is in the picture."""
    inside = (points >= 0).all(-1) & (points < (WIDTH, HEIGHT)).all(-1)
    return np.flatnonzero(inside.mean(1) > 0.6)


def _box(points: Real) -> Float:
    return np.concatenate([points.min(0), points.max(0)]).astype(np.float32)


def _detected(
    points: Real,
    depths: Real,
    here: Real,
    gone: Real,
    clothes: list[Real],
    rng: np.random.Generator,
) -> Detections:
    """What a detector makes of one frame."""
    rows: list[tuple[Float, float, Real, Real, Float]] = []
    nearest_first = here[np.argsort(depths[here])]
    boxes = np.stack([_box(p) for p in points])
    for place, person in enumerate(nearest_first):
        before = nearest_first[:place]
        covered = _covered(boxes[person], boxes[before])
        if gone[person] or (len(covered) and rng.random() < (covered.max() - 0.35) / 0.3):
            continue
        pose, colours = points[person].copy(), _look(clothes[person], rng)
        if len(covered) and covered.max() > 0.25:
            other = before[covered.argmax()]
            taken = rng.random(17) < covered.max()
            pose[taken] = points[other][taken] + rng.normal(0, 5, (int(taken.sum()), 2))
            mixed = float(np.clip(1.5 * covered.max(), 0, 1))
            colours = (1 - mixed) * colours + mixed * _look(clothes[other], rng)
        if rng.random() < 0.02:
            pose[_LEGS] = pose[_SWAPPED_LEGS]
        score = 0.85 - (0.4 * covered.max() if len(covered) else 0)
        rows.append((_box(pose), score, pose, rng.uniform(0.5, 0.95, 17), colours))
    if rng.random() < 0.01:
        ghost = rng.uniform(0, HEIGHT - 200, (1, 2)) + rng.uniform(0, 150, (17, 2))
        rows.append(
            (_box(ghost), 0.65, ghost, rng.uniform(0.2, 0.5, 17), _look(_clothes(rng), rng))
        )
    if not rows:
        return Detections.empty(17)
    order = rng.permutation(len(rows))
    columns = [np.array([rows[i][k] for i in order], np.float32) for k in range(5)]
    return Detections(*columns)


def _covered(box: Float, others: Float) -> Float:
    """Share of a box (4,) behind each of the others (N, 4)."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), 1) / max(float(area(box)), 1.0))


def _clothes(rng: np.random.Generator) -> Real:
    """BGR of a shirt: often grey, black or white, as shirts are."""
    if rng.random() < 0.4:
        return np.full(3, rng.uniform(20, 235))
    colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.4, 1), rng.uniform(0.3, 0.95))
    return 255 * np.array(colour[::-1])


def _look(clothes: Real, rng: np.random.Generator) -> Float:
    """The histogram of a shirt in changing light, with some background in it."""
    light = rng.normal(1, 0.12)
    pixels = clothes * light + rng.normal(0, 18, (160, 3))
    pixels[: rng.integers(0, 40)] = rng.uniform(60, 160, 3)
    return histogram(np.clip(pixels, 0, 255).astype(np.uint8))


def score(truth: Rows, told: Rows) -> dict[str, float]:
    """IDF1 and switches by motmetrics; HOTA, its detection and its association part."""
    events = motmetrics.MOTAccumulator(auto_id=False)
    pairs: list[tuple[list[int], list[int], Real]] = []
    for frame, (real, seen) in enumerate(_by_frame(truth, told)):
        alike = np.zeros((len(real), len(seen)))
        if real and seen:
            alike = iou(np.stack([b for _, b in real]), np.stack([b for _, b in seen]))
        away = np.where(alike >= 0.5, 1 - alike, np.nan)
        names = [w for w, _ in real], [w for w, _ in seen]
        events.update(*names, away, frameid=frame)
        pairs.append((*names, alike))
    summary = motmetrics.metrics.create().compute(
        events, metrics=["idf1", "num_switches"], name="all"
    )
    hota, detection, association = _hota(pairs)
    return {
        "HOTA": hota,
        "DetA": detection,
        "AssA": association,
        "IDF1": float(summary["idf1"].iloc[0]),
        "IDSW": float(summary["num_switches"].iloc[0]),
    }


def _by_frame(truth: Rows, told: Rows) -> Iterator[tuple[list, list]]:
    last = max(row[0] for row in [*truth, *told])
    table: list[tuple[list, list]] = [([], []) for _ in range(last + 1)]
    for side, rows in enumerate((truth, told)):
        for frame, who, box in rows:
            table[frame][side].append((who, box))
    yield from table


def _hota(pairs: list[tuple[list[int], list[int], Real]]) -> tuple[float, float, float]:
    """Luiten et al., IJCV 2020: the mean over 19 thresholds of the overlap."""
    real_ids = sorted({w for real, _, _ in pairs for w in real})
    seen_ids = sorted({w for _, seen, _ in pairs for w in seen})
    num_real, num_seen = np.zeros((len(real_ids), 1)), np.zeros((1, len(seen_ids)))
    potential = np.zeros((len(real_ids), len(seen_ids)))
    indexed = []
    for real, seen, alike in pairs:
        r = np.array([real_ids.index(w) for w in real], int)
        s = np.array([seen_ids.index(w) for w in seen], int)
        num_real[r, 0] += 1
        num_seen[0, s] += 1
        if len(r) and len(s):
            shared = alike.sum(0)[None] + alike.sum(1)[:, None] - alike
            potential[np.ix_(r, s)] += np.where(shared > 0, alike / np.maximum(shared, 1e-9), 0)
        indexed.append((r, s, alike))
    together = potential / np.maximum(num_real + num_seen - potential, 1e-9)
    scores = []
    for least in np.arange(0.05, 0.99, 0.05):
        matched, hits = np.zeros_like(potential), 0
        for r, s, alike in indexed:
            if not len(r) or not len(s):
                continue
            rows, columns = linear_sum_assignment(-together[np.ix_(r, s)] * alike)
            good = alike[rows, columns] >= least - 1e-9
            np.add.at(matched, (r[rows[good]], s[columns[good]]), 1)
            hits += int(good.sum())
        jaccard = matched / np.maximum(num_real + num_seen - matched, 1)
        association = float((matched * jaccard).sum()) / max(hits, 1)
        detection = hits / max(float(num_real.sum() + num_seen.sum()) - hits, 1)
        scores.append((np.sqrt(detection * association), detection, association))
    hota, detection, association = np.mean(scores, 0)
    return float(hota), float(detection), float(association)


def told_by(seen: Keypoints2D, *, appearance: bool) -> Rows:
    """The tracks, tracks of the same person as one, in the shape of the truth."""
    told = track.identify(seen, appearance=appearance, repair=False)
    person = {t: group[0] for group in told.same_person for t in group}
    return [
        (int(frame), person.get(t.track_id, t.track_id), box)
        for t in told.tracks
        for frame, box in zip(t.frames, t.boxes, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--people", type=int, nargs="+", default=[2, 3, 4, 6])
    parser.add_argument("--alike", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    mocap = read_mocap([asked.mocap], None, "")
    print("people  tracker      HOTA  DetA  AssA  IDF1  switches a scene")
    for people in asked.people:
        totals: dict[str, list[list[float]]] = {"motion": [], "appearance": []}
        for number in range(asked.scenes):
            rng = np.random.default_rng([asked.seed, people, number])
            scene = draw_scene(mocap, people, asked.alike, rng)
            plain = replace(
                scene.seen,
                people=replace(
                    scene.seen.people, colours=np.full_like(scene.seen.people.colours, np.nan)
                ),
            )
            for name, seen in (("motion", plain), ("appearance", scene.seen)):
                told = told_by(seen, appearance=name == "appearance")
                totals[name].append(list(score(scene.truth, told).values()))
        for name, rows in totals.items():
            means = np.mean(rows, 0)
            shares = "  ".join(f"{100 * value:4.1f}" for value in means[:4])
            print(f"{people:6}  {name:11}  {shares}  {means[4]:.2f}", flush=True)


if __name__ == "__main__":
    main()
