"""What a resized picture costs: resize_speed.py FOLDER [--peer PYTHON] [--runs N] [--size N] [--fit inside|outside].

CPU (user and system, of all processes) and wall time a picture of `imgpipe resize` on the pictures in FOLDER:
together and by format, with the extra `fast` and without, in one thread and two. With `--peer`, beside
img2dataset's resizer, which PYTHON must have. The start of the programs is not counted. Commands take turns,
and medians are told, since a shared machine makes single times meaningless.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN = "import sys; sys.modules['cykooz_resizer'] = None; from imgpipe.cli import main; main()"
FAST = "import cykooz_resizer; from imgpipe.cli import main; main()"

PEER = """
import io, json, os, sys, time
from img2dataset.resizer import Resizer
size, mode, out, listed = int(sys.argv[1]), *sys.argv[2:5]
paths = open(listed).read().split("\\n")[:-1]
resizer = Resizer(image_size=size, resize_mode=mode, resize_only_if_bigger=False)
cpu, wall, failed = time.process_time(), time.monotonic(), 0
for i, path in enumerate(paths):
    with open(path, "rb") as file:
        data, *_, error = resizer(io.BytesIO(file.read()))
    if error:
        failed += 1
        continue
    with open(f"{out}/{i}.jpg", "wb") as file:
        file.write(data)
print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.monotonic() - wall, "failed": failed}))
"""


MODES = {"inside": "keep_ratio_largest", "outside": "keep_ratio"}
"""What the peer calls our fits."""


def kind_of(path: Path) -> str:
    head = path.read_bytes()
    if head[:3] == b"\xff\xd8\xff":
        return "progressive JPEG" if b"\xff\xc2" in head else "baseline JPEG"
    return "PNG" if head[:4] == b"\x89PNG" else "WebP" if head[8:12] == b"WEBP" else "other"


def ours(program: str, paths: list[str], jobs: int, size: int, fit: str) -> tuple[float, float]:
    """Seconds of CPU and of wall, without the start."""
    start_cpu, start_wall = whole(program, paths[:1], jobs, size, fit)
    cpu, wall = whole(program, paths, jobs, size, fit)
    return cpu - start_cpu, wall - start_wall


def whole(program: str, paths: list[str], jobs: int, size: int, fit: str) -> tuple[float, float]:
    """Seconds of CPU and of wall of one command."""
    with tempfile.TemporaryDirectory() as out:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                program,
                "resize",
                "-q",
                "-j",
                str(jobs),
                "-s",
                str(size),
                "--fit",
                fit,
                "--spool",
                out,
            ],
            input="".join(f"{path}\n" for path in paths).encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    ok = sum(json.loads(line)["status"] == "ok" for line in done.stdout.splitlines())
    assert ok == len(paths), f"{ok} of {len(paths)} pictures"
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def peer(python: str, paths: list[str], size: int, fit: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as out:
        listed = Path(out, "list")
        listed.write_text("".join(f"{path}\n" for path in paths))
        done = subprocess.run(
            [python, "-c", PEER, str(size), MODES[fit], out, str(listed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            env={**os.environ, "WANDB_MODE": "disabled", "NO_ALBUMENTATIONS_UPDATE": "1"},
        )
    told = json.loads(done.stdout.splitlines()[-1])
    assert not told["failed"], f"{told['failed']} pictures failed"
    return told["cpu"], told["wall"]


def compare(title: str, paths: list[str], contenders: dict, runs: int) -> None:
    times = {name: [] for name in contenders}
    for _ in range(runs):
        for name, run in contenders.items():
            times[name].append(run(paths))
    base = [cpu for cpu, _ in times[next(iter(times))]]
    print(f"\n{title}, {len(paths)} pictures", flush=True)
    for name, found in times.items():
        cpu = statistics.median(cpu for cpu, _ in found) / len(paths) * 1e3
        wall = statistics.median(wall for _, wall in found) / len(paths) * 1e3
        ratio = statistics.median(cpu / other for (cpu, _), other in zip(found, base, strict=True))
        print(f"  {name:22} CPU {cpu:6.2f} ms  wall {wall:6.2f} ms  CPU ratio {ratio:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer", help="a Python that has img2dataset")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--fit", choices=MODES, default="inside")
    args = parser.parse_args()
    contenders = {}
    if args.peer:
        contenders["img2dataset"] = lambda paths: peer(args.peer, paths, args.size, args.fit)
    contenders["fast, 1 thread"] = lambda paths: ours(FAST, paths, 1, args.size, args.fit)
    contenders["fast, 2 threads"] = lambda paths: ours(FAST, paths, 2, args.size, args.fit)
    contenders["Pillow only, 1 thread"] = lambda paths: ours(PLAIN, paths, 1, args.size, args.fit)
    contenders["Pillow only, 2 threads"] = lambda paths: ours(PLAIN, paths, 2, args.size, args.fit)
    paths = sorted(args.folder.iterdir())
    compare("all", [str(path) for path in paths], contenders, args.runs)
    for kind in ("baseline JPEG", "progressive JPEG", "PNG", "WebP"):
        chosen = [str(path) for path in paths if kind_of(path) == kind]
        if chosen:
            compare(kind, chosen, contenders, args.runs)


if __name__ == "__main__":
    main()
