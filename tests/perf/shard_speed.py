"""What placing costs: shard_speed.py [--count N] [--flat N] [--bytes N] [--fsync none|shard].

Records a second, CPU a record and peak memory of `imgpipe shard` for each format, on pictures of `--bytes`
that lie in a spool on the same file system; then `--flat` records, to see that memory does not grow with their
number. The pictures are links to a few files, so that making them is quick and does not fill the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from turns import IMGPIPE, timed

FORMATS = {"files": 10_000, "tar": 5_000, "parquet": 0}
"""Records a second that are asked for."""

LINKS = 50_000
"""Links a file: file systems allow 65,000 (ext4)."""


def records(spool: Path, count: int, size: int) -> Iterator[bytes]:
    """Lines of spooled records; their files are made as they are asked for."""
    run = spool / f"imgpipe-run-{os.getpid()}-speed"
    run.mkdir(parents=True)
    source = spool / "source"
    for number in range(count):
        if number % LINKS == 0:
            source.unlink(missing_ok=True)
            source.write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(size - 4))
        path = f"{run}/{number:09d}.jpg"
        os.link(source, path)
        yield (
            json.dumps(
                {
                    "url": f"https://images{number % 977}.example.org/photos/{number}/large.jpg?size=1024",
                    "caption": f"a caption of a usual length, number {number}",
                    "seq": number + 1,
                    "status": "ok",
                    "path": path,
                    "spooled": True,
                    "bytes": size,
                    "media_type": "image/jpeg",
                    "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
                    "http_status": 200,
                    "attempts": 1,
                    "seconds": 0.123,
                    "width": 256,
                    "height": 192,
                    "original_width": 1024,
                    "original_height": 768,
                }
            ).encode()
            + b"\n"
        )


def measure(folder: Path, kind: str, count: int, size: int, fsync: str, *, stream: bool) -> dict[str, float]:
    """Place `count` records; where `stream` is false, all of them wait in a file at the start."""
    lines = records(folder / f"spool-{kind}-{count}", count, size)
    words = [IMGPIPE, "shard", "-q", str(folder / f"out-{kind}-{count}"), "--format", kind, "--fsync", fsync]
    listed = folder / "records.jsonl"
    if not stream:
        with listed.open("wb") as file:
            file.writelines(lines)
        os.sync()
    found = timed(words, feed=lines) if stream else timed(words, stdin=listed)
    return {
        "rate": count / found["wall"],
        "cpu_us": found["cpu"] / count * 1e6,
        "peak_mib": found["peak"] / (1 << 20),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--flat", type=int, default=0, help="also so many records of 1 kB, streamed")
    parser.add_argument("--bytes", type=int, default=25_000)
    parser.add_argument("--fsync", default="none")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, goal in FORMATS.items():
        with tempfile.TemporaryDirectory(dir=".") as folder:
            found = measure(
                Path(folder).absolute(), kind, options.count, options.bytes, options.fsync, stream=False
            )
            text = "{rate:8.0f} records/s  {cpu_us:6.1f} µs CPU  {peak_mib:6.1f} MiB".format(**found)
            print(f"{kind:8} {text}   (asked for: {goal}/s)", flush=True)
        if options.flat and kind != "parquet":
            with tempfile.TemporaryDirectory(dir=".") as folder:
                found = measure(Path(folder).absolute(), kind, options.flat, 1000, options.fsync, stream=True)
                print(f"{kind:8} {options.flat} records of 1 kB: {found['peak_mib']:.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
