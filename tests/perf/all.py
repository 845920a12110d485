"""Every figure that the README tells, in one command; half an hour on two quiet cores.

    python tests/perf/all.py --peer-python PYTHON --out numbers.json --readme README.md
    python tests/perf/all.py --rows fetch-curl resize --runs 3 --out numbers.json
    python tests/perf/all.py --no-runs --out numbers.json --readme README.md

PYTHON is an interpreter that has img2dataset and aiohttp; without one the rows against them are left out. nginx
(Debian: nginx-light) serves, where it is there; this interpreter needs imgpipe with the extras test and fast. Pictures and server
are made here. Commands take turns, ours and theirs, and each turn is written to the file as soon as it is over: what is in the
file is not measured again, so that an interrupted run goes on. A busy machine makes ratios of CPU only a guess, and times
worthless: the load before each turn is kept with it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import chart
import fetch_speed
import lab
import machine
import memory_flat
import pipe_speed
import readme_part
import resize_quality
import resize_speed
import start_speed
from figures import Figures, ratios, spread
from turns import Row

GROUPS = (fetch_speed, resize_speed, resize_quality, pipe_speed, start_speed, memory_flat)
HERE = Path(__file__).parent


def main() -> None:
    given = _arguments()
    if not given.no_runs:
        with lab.opened(given.work, lab.Sizes().scaled(given.scale), given.peer_python) as place:
            figures = Figures(given.out, {**machine.described(given.peer_python), **place.described()})
            for row in _chosen(place, given.rows):
                _run(row, figures, row.turns or given.runs)
    told = json.loads(given.out.read_text())
    chart.draw(told, given.chart)
    print(readme_part.part(told, given.chart.name))
    if given.readme:
        readme_part.rewrite(given.readme, told, given.chart)


def _chosen(place: lab.Lab, names: list[str]) -> list[Row]:
    rows = [row for group in GROUPS for row in group.rows(place)]
    chosen = [row for row in rows if not names or row.name.startswith(tuple(names))]
    if not chosen:
        raise SystemExit(f"no such row; there are {', '.join(row.name for row in rows)}")
    return chosen


def _run(row: Row, figures: Figures, turns: int) -> None:
    """Measure a row until it has its turns."""
    entry = figures.entry(row)
    figures.save()
    if row.missing:
        print(f"{row.name}: left out, {row.missing}", flush=True)
        return
    while len(entry["turns"]) < turns:
        started, load = time.monotonic(), os.getloadavg()[0]
        # By turns also within a turn: who comes second finds other caches.
        sides = ("ours", "theirs") if len(entry["turns"]) % 2 == 0 else ("theirs", "ours")
        turn = {side: getattr(row, side)() for side in sides}
        figures.add(row, {**turn, "load": round(load, 2)})
        found = {name: f"{spread(ratios(entry['turns'], name))['median']:.2f}" for name in turn["ours"]}
        text = ", ".join(f"{name} {ratio}" for name, ratio in found.items())
        seconds = time.monotonic() - started
        print(f"{row.name}: {text} ({len(entry['turns'])} of {turns}, {seconds:.0f} s)", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer-python", default="", metavar="PYTHON", help="has img2dataset and aiohttp")
    parser.add_argument("--out", type=Path, default=HERE / "numbers.json", metavar="FILE", help="the figures")
    parser.add_argument("--rows", nargs="+", default=[], metavar="ROW", help="beginnings of names of rows")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="turns of each row")
    parser.add_argument("--scale", type=float, default=1.0, metavar="F", help="so many times the work")
    work = Path(tempfile.gettempdir()) / f"imgpipe-perf-{os.getuid()}"
    parser.add_argument(
        "--work", type=Path, default=work, metavar="DIR", help="where pictures are made and kept"
    )
    parser.add_argument("--readme", type=Path, metavar="FILE", help="put the figures into that README")
    parser.add_argument("--chart", type=Path, default=HERE / "numbers.svg", metavar="FILE", help="draw them")
    parser.add_argument("--no-runs", action="store_true", help="measure nothing, only draw and write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
