"""How fetch paces itself: fetch_pace.py [limit] [free] [fair] [--seconds N]

limit   a server that answers 429 above 20 requests a second: the share of the allowed rate that is reached,
        the share of answers that are 429, and that every image comes
free    a server without a limit: images a second with `--per-host auto` and with `--per-host 0`, in turn
fair    100 hosts of which one answers in 5 seconds: images a second of the other 99, beside a run without it
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

PICTURE = b"\xff\xd8\xff\xe0" + bytes(20_000)
ALLOWED = 20
SLOW = "127.0.99.1"


class Paced(asyncio.Protocol):
    """Answers each GET with a picture; on /limit/ with 429 once a token bucket is empty, on /slow/ late."""

    tokens, filled = float(ALLOWED), 0.0

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/limit/"):
                self.limited()
            elif SLOW.encode() in head:
                asyncio.get_running_loop().call_later(5.0, self.answer, PICTURE)
            else:
                self.answer(PICTURE)

    def limited(self):
        now = time.monotonic()
        Paced.tokens = min(ALLOWED, Paced.tokens + (now - Paced.filled) * ALLOWED)
        Paced.filled = now
        if Paced.tokens >= 1:
            Paced.tokens -= 1
            self.answer(PICTURE)
        else:
            self.answer(b"", b"429 Too Many Requests", b"Retry-After: 1\r\n")

    def answer(self, body, status=b"200 OK", more=b""):
        head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), more)
        self.transport.write(head + body)


async def _serve(pipe):
    server = await asyncio.get_running_loop().create_server(Paced, "0.0.0.0", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _process(pipe):
    asyncio.run(_serve(pipe))


@contextmanager
def server() -> Iterator[int]:
    """A server on all of 127.0.0.0/8; its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_process, args=(theirs,), daemon=True)
    process.start()
    yield ours.recv()
    process.terminate()


def fetch(urls: list[str], *options: str, until: str = "") -> tuple[float, list[dict]]:
    """Fetch a list.

    Returns:
        Seconds until the last record whose URL holds not `until` (all of them by default), and the records.
    """
    command = [sys.executable, "-m", "imgpipe", "fetch", "-q", "--allow-private", *options]
    left = sum(not until or until not in url for url in urls)
    records = []
    with tempfile.TemporaryDirectory() as spool, tempfile.TemporaryFile() as stdin:
        stdin.write("\n".join(urls).encode())
        stdin.seek(0)
        started = time.monotonic()
        with subprocess.Popen([*command, "--spool", spool], stdin=stdin, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while left:
                record = json.loads(process.stdout.readline())
                records.append(record)
                left -= not until or until not in record["url"]
            seconds = time.monotonic() - started
            process.terminate()
    return seconds, records


def limit(port: int, seconds: int) -> None:
    count = ALLOWED * seconds
    took, records = fetch([f"http://127.0.0.1:{port}/limit/{i}" for i in range(count)])
    ok = sum(record["status"] == "ok" for record in records)
    tries = sum(record["attempts"] for record in records)
    print(
        f"limit: {ok} of {count} images in {took:.0f} s, {ok / took / ALLOWED:.1%} of the allowed rate, "
        f"{(tries - ok) / tries:.1%} of answers 429"
    )


def free(port: int, seconds: int) -> None:
    count = 500 * seconds
    urls = [f"http://127.0.0.1:{port}/{i}" for i in range(count)]
    ratios = []
    for _ in range(5):
        auto, _ = fetch(urls)
        unlimited, _ = fetch(urls, "--per-host", "0")
        ratios.append(auto / unlimited)
    print(f"free: {count} images with auto take {statistics.median(ratios):.2f} times as long as with 0")


def fair(port: int, seconds: int) -> None:
    hosts = [f"127.0.{number}.1" for number in range(1, 100)]
    fast = [f"http://{host}:{port}/{i}" for i in range(5 * seconds) for host in hosts if host != SLOW]
    mixed = [f"http://{host}:{port}/{i}" for i in range(5 * seconds) for host in hosts]
    ratios = []
    for _ in range(5):
        alone, _ = fetch(fast, "-j", "64")
        beside, _ = fetch(mixed, "-j", "64", until=SLOW)
        ratios.append(beside / alone)
    print(
        f"fair: 98 hosts beside a slow one take {statistics.median(ratios):.2f} times as long as without it"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="limit, free, fair; all by default")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    for name in given.what or ["limit", "free", "fair"]:
        with server() as port:
            {"limit": limit, "free": free, "fair": fair}[name](port, given.seconds)


if __name__ == "__main__":
    main()
