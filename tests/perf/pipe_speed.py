"""What the whole pipe costs, against img2dataset: CPU an image and wall time, side by side.

    python tests/perf/pipe_speed.py --list URLS --peers PYTHON [--runs 5]

Both fetch the list, resize to 256 and write tars, on all cores. URLS and PYTHON are as for fetch_speed.py.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path

from fetch_speed import Row, compare, img2dataset

PEER = {"image_size": "256", "resize_mode": "keep_ratio", "output_format": "webdataset"}


def imgpipe(_: str, out: str) -> list[str]:
    run = f"{shlex.quote(sys.executable)} -m imgpipe"
    spool = shlex.quote(f"{out}/spool")
    fetch = f"{run} fetch --allow-private --per-host 0 --spool {spool}"
    resize = f"{run} resize --size 256x --spool {spool}"
    return [
        "bash",
        "-c",
        f"{fetch} | {resize} | {run} shard --format tar --folder-size 1000 {shlex.quote(out)}/set",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--list", required=True)
    parser.add_argument("--peers", required=True, help="an interpreter with img2dataset")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", default=None, help="where files are kept meanwhile")
    given = parser.parse_args()
    folder = Path(given.folder or tempfile.mkdtemp()) / "piped"
    row = Row("the whole pipe, img2dataset", imgpipe, img2dataset(given.peers, **PEER), 0.72, 0.50)
    print(json.dumps(compare(row, given.list, given.runs, folder), indent=1))


if __name__ == "__main__":
    main()
