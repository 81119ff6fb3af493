"""What is told of an evaluation: JSON, Markdown, bars, and the paper's figures beside."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vp3d_cli import skeletons
from vp3d_cli.errors import OutputError
from vp3d_cli.evaluate import paper, report
from vp3d_cli.evaluate.protocol import Errors, clip_errors
from vp3d_cli.evaluate.report import Report
from vp3d_cli.evaluate.run import Clip, Evaluation
from vp3d_cli.render.bars import Bar, nice_step, write_bar_chart

H36M = skeletons.get("h36m17")
LIFTER = {"name": "mine.bin", "sha256": "ab" * 32, "receptive_field": 27, "causal": False}


def _errors(seed: int = 0, frames: int = 6) -> Errors:
    rng = np.random.default_rng([seed, frames])
    target = rng.normal(0, 0.4, (frames, 17, 3))
    return clip_errors(target + rng.normal(0, 0.04, target.shape), target)


def make_report(
    actions: tuple[str, ...] = ("Walking", "Eating"),
    subjects: tuple[str, ...] = ("S9", "S11"),
    seconds: float = 1.5,
    **changes: Any,
) -> Report:
    clips = [
        Clip(subject, f"{action} {take}", "cam", _errors(10 * i + j, 5 + take))
        for i, subject in enumerate(subjects)
        for j, action in enumerate(actions)
        for take in (1, 2)
    ]
    fields: dict[str, Any] = {
        "lifter": LIFTER,
        "joints": H36M.joints,
        "clips": tuple(clips),
        "options": {"flip": True, "subjects": None, "actions": ["a", "b"]},
    }
    return Report(
        Evaluation(**{**fields, "seconds": seconds, **changes}),
        [{"name": "data.npz", "sha256": "cd" * 32}],
    )


def test_json_has_every_number_and_no_clock() -> None:
    content = report.to_json(make_report())
    assert json.dumps(content) == json.dumps(report.to_json(make_report(seconds=99.0)))
    assert content["schema"] == "vp3d.evaluation/1"
    assert content["data"] == [{"name": "data.npz", "sha256": "cd" * 32}]
    assert len(content["clips"]) == 8
    assert set(content["subjects"]) == {"S9", "S11"}
    nine = [clip for clip in content["clips"] if clip["subject"] == "S9"]
    walking = [clip for clip in nine if clip["action"].startswith("Walking")]
    expected = np.average([c["mpjpe_mm"] for c in walking], weights=[6, 7])
    assert content["subjects"]["S9"]["actions"]["Walking"]["mpjpe_mm"] == pytest.approx(expected)
    assert content["mean"]["mpjpe_mm"] == pytest.approx(
        np.mean([e["mpjpe_mm"] for e in content["actions"].values()])
    )
    assert list(content["mean"]["joints_mm"]) == list(H36M.joints)
    assert np.mean(list(content["mean"]["joints_mm"].values())) == pytest.approx(
        content["mean"]["mpjpe_mm"]
    )


def test_what_was_not_measured_is_null_and_is_said() -> None:
    nothing = clip_errors(np.full((3, 17, 3), np.nan), np.zeros((3, 17, 3)))
    unseen = make_report(clips=(Clip("S1", "Jump", "cam", nothing),))
    content = report.to_json(unseen)
    json.dumps(content, allow_nan=False)
    assert content["mean"]["mpjpe_mm"] is None
    assert content["mean"]["coverage_percent"] == 0
    assert "Not measured at all, and in no mean: 1 clips." in report.notes(unseen)
    assert report.tables(unseen)[0].rows[0][1:4] == ("0", "-", "-")


def test_tables_by_subject() -> None:
    whole, apart = make_report(), report.tables(make_report(), by_subject=True)
    assert [table.title for table in report.tables(whole)] == ["Mean of all subjects"]
    assert [table.title for table in apart] == ["Subject S11", "Subject S9", "Mean of all subjects"]
    for table in apart:
        assert [row[0] for row in table.rows] == ["Eating", "Walking", "mean"]
        assert {len(row) for row in table.rows} == {len(table.header)} == {len(table.is_paper)}
    nine = whole.by_subject["S9"].mean
    assert apart[1].rows[-1][2] == f"{nine.mpjpe_mm:.1f}"
    assert apart[1].rows[-1][5] == f"{nine.mpjve_mm:.2f}"


def test_views_are_listed_one_by_one() -> None:
    (table,) = report.tables(make_report(detector={"name": "movenet"}))
    assert table.title == "Every view"
    assert len(table.rows) == 9
    assert table.header[-2:] == ("One simi-\nlarity", "Cover-\nage %")
    assert table.rows[0][-1] == "100.0"
    assert make_report(detector={"name": "movenet"}).published is None


def test_the_papers_figures_stand_beside_and_are_marked() -> None:
    (table,) = report.tables(make_report(paper.ACTIONS))
    assert table.is_paper == (False,) * 6 + (True,) * 3
    assert all("paper" in name for name in table.header[6:])
    rows = {row[0]: row[6:] for row in table.rows}
    assert rows["Directions"] == ("45.2", "34.1", "3.0")
    assert rows["WalkTogether"] == ("33.9", "27.3", "2.8")
    assert rows["mean"] == ("46.8", "36.5", "2.8")
    whole = make_report(paper.ACTIONS)
    assert any("published figures, not measured here" in line for line in report.notes(whole))
    published = report.to_json(whole)["published"]
    assert published["source"] == paper.SOURCE
    assert published["mpjpe_mm"]["mean"] == 46.8
    assert report.to_json(whole)["mean"]["mpjpe_mm"] != 46.8


def test_a_mean_over_fewer_actions_is_not_compared() -> None:
    (table,) = report.tables(make_report(("Walking", "TakingPhoto 1")))
    rows = {row[0]: row[6:] for row in table.rows}
    assert rows["TakingPhoto"] == ("55.1", "42.2", "2.7")
    assert rows["mean"] == ("-", "-", "-")


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": ("S9",)},
        {"subjects": ("S9", "S11", "S1")},
        {"actions": ("Walking", "Boxing")},
        {"joints": H36M.joints[::-1]},
    ],
)
def test_other_data_are_not_compared_with_the_paper(changes: dict[str, Any]) -> None:
    other = make_report(**changes)
    assert other.published is None
    assert "published" not in report.to_json(other)
    assert "paper" not in report.to_markdown(other)


@pytest.mark.parametrize(
    ("receptive_field", "causal", "mpjpe", "p_mpjpe", "mpjve"),
    [(243, False, 46.8, 36.5, 2.8), (243, True, 49.0, 38.1, None), (1, False, 51.8, 40.0, 11.6)],
)
def test_the_papers_means_are_those_of_its_actions(
    receptive_field: int, causal: bool, mpjpe: float, p_mpjpe: float, mpjve: float | None
) -> None:
    """A slip of the pen in one of the figures would show."""
    theirs = paper.published(receptive_field=receptive_field, causal=causal)
    for table, mean in ((theirs.mpjpe_mm, mpjpe), (theirs.p_mpjpe_mm, p_mpjpe)):
        assert table["mean"] == mean
        assert np.mean([table[action] for action in paper.ACTIONS]) == pytest.approx(mean, abs=0.06)
    if mpjve is None:
        assert theirs.mpjve_mm == {}
    else:
        actions = [theirs.mpjve_mm[action] for action in paper.ACTIONS]
        assert np.mean(actions) == pytest.approx(mpjve, abs=0.06)
        assert theirs.mpjve_mm["mean"] == mpjve


def test_markdown_is_a_table(tmp_path: Path) -> None:
    report.write_markdown(make_report(paper.ACTIONS), tmp_path / "r.md", by_subject=True)
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "| Action | Frames | MPJPE | P-MPJPE | N-MPJPE | MPJVE | paper MPJPE |" in text
    assert "## Subject S9" in text
    assert "| left_wrist |" in text
    assert "SHA-256 cdcdcd" in text
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    odd = make_report(("a|b",))
    assert "| a\\|b |" in report.to_markdown(odd)


def test_files_are_described_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"abc")
    (one,) = report.describe_files([tmp_path / "a.npz"])
    assert one["name"] == "a.npz"
    assert one["sha256"].startswith("ba7816bf")


def test_plots_are_drawn_in_proportion(tmp_path: Path) -> None:
    paths = report.write_plots(make_report(), tmp_path / "plots")
    assert [path.name for path in paths] == ["joints.png", "actions.png"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "actions.png",
        "joints.png",
    ]
    for path in paths:
        picture = cv2.imread(str(path))
        assert picture.shape[1] > 640
    write_bar_chart(tmp_path / "b.png", "t", "n", [Bar("a", 10, "left"), Bar("b", 5, "right")])
    picture = cv2.imread(str(tmp_path / "b.png")).astype(int)
    orange = (np.abs(picture - (46, 152, 255)).sum(-1) < 9).sum()
    blue = (np.abs(picture - (255, 168, 64)).sum(-1) < 9).sum()
    assert orange / blue == pytest.approx(2, rel=0.02)


def test_bars_without_a_value_and_without_bars(tmp_path: Path) -> None:
    for bars in ([], [Bar("a", float("nan"))], [Bar("a", 0.0), Bar("b", 0.0)]):
        write_bar_chart(tmp_path / "b.png", "title", "note", bars)
        assert cv2.imread(str(tmp_path / "b.png")) is not None


@pytest.mark.parametrize(
    ("most", "step"), [(6, 1), (60, 10), (61, 20), (1.1, 0.2), (0.05, 0.01), (250, 50), (900, 200)]
)
def test_ticks_are_round_numbers(most: float, step: float) -> None:
    assert nice_step(most) == pytest.approx(step)


def test_a_report_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plots"
    path.write_text("not a folder")
    with pytest.raises(OutputError, match="plots: cannot be made"):
        report.write_plots(make_report(), path)
    with pytest.raises(OutputError, match="does not exist"):
        report.write_json(make_report(), tmp_path / "missing" / "r.json")

    def fail(path: Path, *_: object, **__: object) -> None:
        with path.open("w") as stream:
            stream.write("half")
        raise KeyboardInterrupt

    before = tmp_path / "r.json"
    before.write_text("kept")
    monkeypatch.setattr(Path, "write_text", fail)
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
        report.write_json(make_report(), before)
    with pytest.raises(KeyboardInterrupt):
        write_bar_chart(tmp_path / "b.png", "t", "n", [Bar("a", 1)])
    monkeypatch.undo()
    assert before.read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plots", "r.json"]
