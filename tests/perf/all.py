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
import subprocess
import sys
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
from turns import CommandFailed, Row

GROUPS = (fetch_speed, resize_speed, resize_quality, pipe_speed, start_speed, memory_flat)
HERE = Path(__file__).parent

SCRIPTS = {"cluster-plan": HERE / "cluster_plan.py", "cluster-speed": HERE / "cluster_speed.py"}
"""What is run as it stands, once; its text is kept."""


def main() -> None:
    given = _arguments()
    failed = [] if given.no_runs else _measure(given)
    told = json.loads(given.out.read_text())
    picture = (given.chart or given.out.with_suffix(".svg")) if chart.drawn(told) else None
    if picture:
        chart.draw(told, picture)
    print(readme_part.part(told, picture.name if picture else ""))
    if given.readme:
        readme_part.rewrite(given.readme, told, picture)
    if failed:
        raise SystemExit(f"not measured: {', '.join(failed)}")


def _measure(given: argparse.Namespace) -> list[str]:
    """Measure what is chosen and not yet in the file; the names of what failed."""
    failed = []
    with lab.opened(given.work, lab.Sizes().scaled(given.scale), given.peer_python) as place:
        figures = Figures(given.out, {**machine.described(given.peer_python), **place.described()})
        rows, scripts = _chosen(place, given.rows)
        for row in rows:
            try:
                _run(row, figures, row.turns or given.runs)
            except CommandFailed as error:
                print(f"{row.name}: {error}", flush=True)
                failed.append(row.name)
        failed += [name for name in scripts if not _tell(name, figures)]
    return failed


def _chosen(place: lab.Lab, names: list[str]) -> tuple[list[Row], list[str]]:
    """The rows, and the names of the scripts, that begin so; all of them without a name."""
    rows = [row for group in GROUPS for row in group.rows(place)]
    scripts = [name for name, path in SCRIPTS.items() if path.exists()]
    begin = tuple(names or [""])
    chosen = (
        [row for row in rows if row.name.startswith(begin)],
        [name for name in scripts if name.startswith(begin)],
    )
    if not any(chosen):
        raise SystemExit(f"no such row; there are {', '.join([*(row.name for row in rows), *scripts])}")
    return chosen


def _tell(name: str, figures: Figures) -> bool:
    """Run a script, unless its text is there already; whether it is there now."""
    if name not in figures.texts:
        done = subprocess.run([sys.executable, SCRIPTS[name]], capture_output=True, text=True, check=False)
        print(f"{name}: {done.returncode}\n{done.stdout}{done.stderr[-500:]}", flush=True)
        if done.returncode:
            return False
        figures.texts[name] = done.stdout
        figures.save()
    return True


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
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw them there, not beside the figures")
    parser.add_argument("--no-runs", action="store_true", help="measure nothing, only draw and write")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("interrupted; the same command goes on from here") from None
