"""Whether memory stays flat: resize_memory.py FOLDER [--records N] [--isolate].

Resizes the pictures in FOLDER over and over until N records are done, into the spool, and prints the resident
memory of all the stage's processes at ten moments. Each new file is removed once it is announced.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path


def resident(pid: int) -> int:
    """MiB of a process and its children."""
    total = 0
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            total += int(line.split()[1]) // 1024
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += sum(resident(int(child)) for child in (task / "children").read_text().split())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--isolate", action="store_true")
    args = parser.parse_args()
    paths = sorted(str(path.absolute()) for path in args.folder.iterdir())
    with tempfile.TemporaryDirectory() as spool:
        options = ["--isolate"] if args.isolate else []
        with subprocess.Popen(
            ["imgpipe", "resize", "-q", "--spool", spool, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as stage:
            assert stage.stdin is not None
            assert stage.stdout is not None

            def feed(pipe):
                for path in itertools.islice(itertools.cycle(paths), args.records):
                    pipe.write(f"{path}\n".encode())
                pipe.close()

            threading.Thread(target=feed, args=(stage.stdin,), daemon=True).start()
            for done, line in enumerate(stage.stdout, 1):
                record = json.loads(line)
                if record["status"] == "ok":
                    os.unlink(record["path"])
                if done % (args.records // 10) == 0:
                    print(f"{done:8} records: {resident(stage.pid)} MiB", flush=True)


if __name__ == "__main__":
    main()
