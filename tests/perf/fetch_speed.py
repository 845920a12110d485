"""What fetching costs, against the peers: CPU an image, side by side, the medians of several runs.

    python tests/perf/fetch_speed.py --list URLS [--tls URLS] [--peers PYTHON] [--runs 5] [ROW ...]

URLS has one URL a line, of pictures on a server of your own, such as nginx on loopback with 127.0.0.1 and
127.0.3.7 as different hosts (it answers on all of 127.0.0.0/8 where it listens on 0.0.0.0). PYTHON is an
interpreter that has aiohttp and img2dataset installed. Each row runs its two commands in turn, and gives
the median of the ratios of their CPU time (user and system, of all processes of the command).
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
from dataclasses import dataclass
from pathlib import Path

AIOHTTP = """
import asyncio, os, ssl, sys
import aiohttp

async def main(urls, out, concurrency, fresh, proxies):
    work = enumerate(urls)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connector = aiohttp.TCPConnector(limit=concurrency, force_close=fresh, ssl=context)
    async with aiohttp.ClientSession(connector=connector, trust_env=proxies) as session:
        async def worker():
            for i, url in work:
                async with session.get(url) as response:
                    body = await response.read()
                with open(f"{out}/{i:09d}", "wb") as f:
                    f.write(body)
        await asyncio.gather(*(worker() for _ in range(concurrency)))

asyncio.run(main(open(sys.argv[1]).read().split(), sys.argv[2], 64, "fresh" in sys.argv, "lean" not in sys.argv))
"""


@dataclass(frozen=True)
class Run:
    """What one run of a command took."""

    cpu: float
    """Seconds of user and system time."""
    wall: float
    """Seconds."""
    peak: int
    """Bytes of the largest process."""


@dataclass(frozen=True)
class Row:
    """Two commands to compare. Each gets the list's path and an empty folder."""

    name: str
    ours: Callable[[str, str], list[str]]
    theirs: Callable[[str, str], list[str]]
    first: float
    goal: float


def imgpipe(*options: str) -> Callable[[str, str], list[str]]:
    def command(_: str, out: str) -> list[str]:
        base = [sys.executable, "-m", "imgpipe", "fetch", "-q", "--allow-private", "--per-host", "0"]
        return [*base, "--dir", out, *options]

    return command


def aiohttp(python: str, mode: str = "kept") -> Callable[[str, str], list[str]]:
    return lambda urls, out: [python, "-c", AIOHTTP, urls, out, mode]


def curl(urls: str, out: str) -> list[str]:
    config = Path(out) / ".config"
    lines = [
        f'url = "{url}"\noutput = "{out}/{i:09d}"' for i, url in enumerate(Path(urls).read_text().split())
    ]
    config.write_text("\n".join(lines))
    return ["curl", "-s", "--parallel", "--parallel-max", "64", "--config", str(config)]


def img2dataset(python: str, **further: str) -> Callable[[str, str], list[str]]:
    """The peer as its users run it, with further options of its own."""

    def command(urls: str, out: str) -> list[str]:
        options = {
            "url_list": urls,
            "output_folder": f"{out}/i2d",
            "processes_count": "2",
            "thread_count": "64",
            "number_sample_per_shard": "1000",
            **further,
        }
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [python, "-c", "from img2dataset.main import main; main()", *flags]

    return command


def rows(peers: str) -> dict[str, list[Row]]:
    """The rows, by the list that they need."""
    return {
        "list": [
            Row("img2dataset", imgpipe(), img2dataset(peers, disable_all_reencoding="True"), 0.45, 0.30),
            Row("aiohttp", imgpipe(), aiohttp(peers), 0.8, 0.5),
            Row("aiohttp deaf to proxies", imgpipe(), aiohttp(peers, "lean"), 0.8, 0.5),
            Row("curl, no digest", imgpipe("--hash", "none"), curl, 2.0, 1.4),
            Row("64 to 512 in flight", imgpipe("-j", "512"), imgpipe("-j", "64"), 1.3, 1.1),
        ],
        "tls": [Row("TLS, aiohttp", imgpipe("--insecure"), aiohttp(peers), 1.5, 1.0)],
        "hosts": [Row("200 hosts, aiohttp", imgpipe(), aiohttp(peers), 1.5, 1.0)],
        "fresh": [Row("fresh connections, aiohttp", imgpipe("--header", "Connection: close"), aiohttp(peers, "fresh"), 1.5, 1.0)],
    }  # fmt: skip


def measure(command: Callable[[str, str], list[str]], urls: str, folder: Path) -> Run:
    """Run a command once over the list, into a folder that is emptied before and after."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words = command(urls, str(folder))
    with open(urls) as stdin, open(os.devnull, "w") as sink:
        started = time.monotonic()
        process = subprocess.Popen(words, stdin=stdin, stdout=sink, stderr=sink)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    shutil.rmtree(folder, ignore_errors=True)
    if status:
        raise SystemExit(f"{words[:4]} ended with {status}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


def compare(row: Row, urls: str, runs: int, folder: Path) -> dict[str, object]:
    """Both commands in turn; the median of the ratios of each pair."""
    images = len(Path(urls).read_text().split())
    pairs = [(measure(row.ours, urls, folder), measure(row.theirs, urls, folder)) for _ in range(runs)]
    median = statistics.median
    return {
        "row": row.name,
        "ratio": round(median(ours.cpu / theirs.cpu for ours, theirs in pairs), 3),
        "wall_ratio": round(median(ours.wall / theirs.wall for ours, theirs in pairs), 3),
        "ours_ms": round(median(ours.cpu for ours, _ in pairs) / images * 1000, 3),
        "theirs_ms": round(median(theirs.cpu for _, theirs in pairs) / images * 1000, 3),
        "peak_mb": round(median(ours.peak for ours, _ in pairs) / 1e6),
        "first": row.first,
        "goal": row.goal,
        "images": images,
        "runs": runs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--list", help="URLs on one host")
    parser.add_argument("--hosts", help="URLs on 200 hosts")
    parser.add_argument("--tls", help="https URLs")
    parser.add_argument("--peers", default=sys.executable, help="an interpreter with aiohttp and img2dataset")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", default=None, help="where files are kept meanwhile")
    parser.add_argument("--json", help="write the results there")
    parser.add_argument("only", nargs="*", metavar="ROW", help="beginnings of the names of rows")
    given = parser.parse_args()
    folder = Path(given.folder or tempfile.mkdtemp()) / "fetched"
    results = []
    lists = {"list": given.list, "hosts": given.hosts, "tls": given.tls, "fresh": given.list}
    for name, table in rows(given.peers).items():
        for row in table:
            if lists[name] is None or (given.only and not row.name.startswith(tuple(given.only))):
                continue
            results.append(compare(row, lists[name], given.runs, folder))
            print(
                "{row:28} ratio {ratio:6.2f} (first {first}, goal {goal})  wall {wall_ratio:5.2f}  "
                "ours {ours_ms:.2f} ms, theirs {theirs_ms:.2f} ms, peak {peak_mb} MB".format(**results[-1]),
                flush=True,
            )
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
