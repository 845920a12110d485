"""What a part costs to start, and what Spark costs beside the plain pipe: cluster_speed.py [--images N] [--turns N]

start   a part of no records through the whole pipe, and one that is done already, by the runner that an
        executor calls; the fastest and the median of the turns
spark   8 parts of N images each, two at a time, into tars of pictures of 256 pixels: by Spark on `local[2]`,
        by the same pipe a part in a shell under `xargs -P 2`, and by one pipe over all. Time is that of the
        work; Spark's own start is told apart. Server and pipes share the machine's cores
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from imgpipe.bench.server import serve
from imgpipe.cluster import pipe
from imgpipe.cluster.options import Job
from imgpipe.cluster.part import run_part

PARTS = 8
FETCH = "fetch -q --allow-private --per-host 0"
IMGPIPE = f"{Path(sys.executable).parent}/imgpipe"
PIPE = f"{FETCH} | resize | shard --format tar"
A_PART = (
    f'{IMGPIPE} {FETCH} --resume "$2" --part "$1" < "$3/$1.jsonl" | {IMGPIPE} resize -q '
    f'| {IMGPIPE} shard -q "$2" --format tar --part "$1" --input "$3/$1.jsonl"'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=1000, help="images a part")
    parser.add_argument("--turns", type=int, default=3, help="how often each is run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(address="0.0.0.0") as url:
        place = Path(folder)
        print(
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, fastest of {given.turns} turns\n"
        )
        _starts(place, max(5, given.turns))
        _spark(place, url.rpartition(":")[2], given.images, given.turns)
        print(f"load {os.getloadavg()[0]:.1f} after")


def _starts(place: Path, turns: int) -> None:
    """What a part costs where there is nothing to do."""
    job = Job(out=str(place / "starts"), pipe=pipe.parse([PIPE]))
    fresh, again = [], []
    for turn in range(turns):
        fresh.append(_cost(lambda turn=turn: run_part(f"{turn:05d}", [], job)))
        again.append(_cost(lambda turn=turn: run_part(f"{turn:05d}", [], job)))
    print("part of no records      fastest  median     CPU   a minute, one after the other")
    for name, costs in (("new", fresh), ("done already", again)):
        walls, cpu = [wall for wall, _ in costs], min(cpu for _, cpu in costs)
        median = statistics.median(walls)
        print(f"  {name:20}  {min(walls):6.2f} s {median:6.2f} s {cpu:6.2f} s   {60 / median:6.0f}")
    print()


def _cost(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of all cores."""
    before, started = os.times(), time.monotonic()
    run()
    after, ended = os.times(), time.monotonic()
    return ended - started, sum(after[:4]) - sum(before[:4])


def _spark(place: Path, port: str, images: int, turns: int) -> None:
    """The same work three ways, in turn."""
    urls = [f"http://127.0.0.{n % 100 + 1}:{port}/photo/{n}.jpg" for n in range(PARTS * images)]
    table = place / "urls.jsonl"
    table.write_text("".join(json.dumps({"url": url}) + "\n" for url in urls))
    parts = ["--parts", str(PARTS), "--part-by", "line"]
    subprocess.run([IMGPIPE, "read", "-q", *parts, "--into", place / "in", table], check=True)
    ways = {"spark": _by_spark, "shell": _by_shell, "one pipe": _by_one}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    starts = []
    for _ in range(turns):
        for name, way in ways.items():
            out = place / "out"
            taken, start = way(table, place / "in", out)
            seconds[name].append(taken)
            starts += [start] if start else []
            placed = sum(
                json.loads(path.read_text())["placed"] for path in out.glob("__imgpipe__/*.done.json")
            )
            assert name == "one pipe" or placed == PARTS * images, f"{name}: {placed} placed"
            shutil.rmtree(out)
    print(f"{PARTS} parts of {images} images    seconds   images/s   against it")
    for name, told in seconds.items():
        ratio = "" if name == "spark" else f"{min(seconds['spark']) / min(told):10.2f}"
        print(f"  {name:20} {min(told):9.1f}  {PARTS * images / min(told):9.0f} {ratio}")
    print(f"  Spark itself starts in {min(starts):.1f} s\n")


def _by_spark(table: Path, _folder: Path, out: Path) -> tuple[float, float]:
    words = [IMGPIPE, "spark", "-q", "--master", "local[2]", "--parts", str(PARTS), "--part-by", "line"]
    subprocess.run([*words, table, out, "--", PIPE], check=True)
    told = json.loads((out / "__imgpipe__/spark.json").read_text())
    return told["seconds"], told["starting_seconds"]


def _by_shell(_table: Path, folder: Path, out: Path) -> tuple[float, float]:
    names = "".join(f"{number:05d}\n" for number in range(PARTS))
    script = ["bash", "-o", "pipefail", "-c", A_PART, "part", "{}", str(out), str(folder)]
    started = time.monotonic()
    subprocess.run(["xargs", "-P", "2", "-I", "{}", *script], input=names, text=True, check=True)
    return time.monotonic() - started, 0.0


def _by_one(table: Path, _folder: Path, out: Path) -> tuple[float, float]:
    script = f'{IMGPIPE} {FETCH} < "$1" | {IMGPIPE} resize -q | {IMGPIPE} shard -q "$2" --format tar'
    started = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", script, "all", table, out], check=True)
    return time.monotonic() - started, 0.0


if __name__ == "__main__":
    main()
