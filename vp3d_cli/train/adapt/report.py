"""What an adaptation came to: `report.json`, and the table that is printed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from vp3d_cli import files
from vp3d_cli.train.adapt.adapter import Adapter
from vp3d_cli.train.adapt.measure import ALLOWANCE
from vp3d_cli.types import Json

NAME = "report.json"
_ROWS = (
    ("reprojection_px", "Reprojection error, pixels", "{:.2f}"),
    ("reprojection_percent", "Reprojection error, % of the body", "{:.2f}"),
    ("jitter", "Jitter, m/s²", "{:.2f}"),
    ("bone_variation_percent", "Bone length variation, %", "{:.2f}"),
    ("frames", "Held-out frames measured in", "{:d}"),
)
# In fewer frames a difference may be chance.
_FEW_FRAMES = 100


def to_json(adapter: Adapter) -> Json:
    """Numbers, and what they rest on; no clock times, so that equal runs are equal."""
    return {
        "schema": "vp3d.adapt/1",
        "best_epoch": adapter.best.epoch,
        "epochs": adapter.epoch,
        "before": dataclasses.asdict(adapter.start.measures),
        "after": dataclasses.asdict(adapter.best.measures),
        "rule": f"least reprojection_percent with jitter and bone_variation_percent at most "
        f"{ALLOWANCE} times those before",
        "held_out": adapter.footage.how,
        "videos": [
            {
                "name": video.video.path.name,
                "sha256": video.provenance.get("source", {}).get("sha256"),
                "held_out": bool(held_out),
                "people": len(video.tracks2d),
                "frames": video.num_rows,
                "focal_px": video.camera.focal_px,
                "focal_how": video.camera.how,
            }
            for held_out, videos in enumerate((adapter.footage.training, adapter.footage.held_out))
            for video in videos
        ],
        "config": adapter.config.to_json(),
    }


def write(adapter: Adapter, folder: Path) -> Path:
    """Raises OutputError: the folder is missing or not writable, or the disk is full."""
    path = folder / NAME
    with files.written_whole(path) as temporary:
        text = json.dumps(to_json(adapter), indent=2, allow_nan=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return path


def lines(adapter: Adapter) -> list[str]:
    """The table, and one sentence that says what was kept."""
    before, after = adapter.start.measures, adapter.best.measures
    width = max(len(name) for _, name, _ in _ROWS)
    table = [f"Held out: {adapter.footage.how}", f"{'':{width}}  {'before':>8}  {'after':>8}"]
    for field, name, form in _ROWS:
        values = (form.format(getattr(measures, field)) for measures in (before, after))
        table.append(f"{name:{width}}  " + "  ".join(f"{value:>8}" for value in values))
    if after.frames < _FEW_FRAMES:
        table.append(
            f"Warning: {after.frames} held-out frames are few, and differences in them may be "
            "chance; give more or longer videos."
        )
    if adapter.best.epoch == 0:
        return [*table, "The lifter is already as good: nothing was changed."]
    return [*table, f"Kept: epoch {adapter.best.epoch} of {adapter.epoch}."]
