"""How fast everything is, as Markdown on stdout and as JSON in a file.

    python -m tests.bench --out bench.json [--only stages ratios] [--quick] [--peer-venv DIR]

Every case runs in a fresh process, the cases in turn, and that several times; the figures are
medians, "spread" is from the least to the most. Clips of one to six people are made of the
example. CPU time counts all processes of a command, "largest" is the largest of them, "all" their
sum. Stages and the plain version count without loading, commands with it. Memory counts all.

Parts: startup (one frame), stages (each alone), clips (sizes, people, qualities), length (does
anything grow with it), cores, ratios (to the plain single-threaded version, the sum of the
stages, the detector alone, and MediaPipe, which is installed into DIR).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.suite import machine, process, table
from tests.bench.suite.cases import PARTS, Case, Workshop
from vp3d_cli.files import written_whole


def main() -> None:
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.bench", None, __doc__, formatter_class=how)
    parser.add_argument("--out", type=Path, required=True, metavar="JSON")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--quick", action="store_true", help="short clips, one round")
    parser.add_argument("--rounds", type=int, help="how often  [3; 1 with --quick]")
    parser.add_argument("--seconds", type=float, help="of ordinary clips  [30; 3 with --quick]")
    parser.add_argument("--peer-venv", type=Path, metavar="DIR", help="for MediaPipe")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="keep the clips there")
    asked = parser.parse_args()
    rounds = asked.rounds or (1 if asked.quick else 3)
    seconds = asked.seconds or (3.0 if asked.quick else 30.0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.clips or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        shop = Workshop(folder, seconds, asked.quick, asked.peer_venv)
        about = machine.describe()
        cases = [case for part in asked.only for case in PARTS[part](shop)]
        shop.make_all()
        measured = measure(list(dict.fromkeys(cases)), rounds, shop)
    rows, compared = table.rows(measured), table.ratios(measured)
    answer = {"machine": about, "rows": rows, "ratios": compared, "skipped": shop.skipped}
    with written_whole(asked.out) as part:
        part.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    print(table.markdown(about, rows, compared))
    for why in shop.skipped:
        print(f"\nNot measured: {why}")


def measure(cases: list[Case], rounds: int, shop: Workshop) -> dict[Case, list[process.Run]]:
    """Each case once, then each again."""
    measured: dict[Case, list[process.Run]] = {}
    for number in range(rounds):
        for at, case in enumerate(cases):
            if number >= (case.rounds or rounds) or (number and case not in measured):
                continue
            print(f"{number + 1}/{rounds} {at + 1}/{len(cases)} {case.name}", file=sys.stderr)
            try:
                run = process.run(case.command, case.cores, dict(case.environment))
            except process.CommandError as error:
                if not case.is_optional:
                    raise
                shop.skipped.append(f"{case.name}: {error}")
                continue
            measured.setdefault(case, []).append(run)
    return measured


if __name__ == "__main__":
    main()
