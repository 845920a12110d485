"""The embedded web server: photographs and every kind of trouble, on this machine only.

    python -m imgpipe.bench.server --latency 0.05 --size 160000

It prints its address in one line when it is ready, and ends when its standard input does. What it
answers stands in `imgpipe.bench.answers`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imgpipe.bench.answers import Answer, Manner, Site

_MAX_HEAD: Final = 1 << 16
"""Bytes of the longest head of a request."""

_PAUSE: Final = 0.1
"""Seconds between the bytes of a slow answer."""

_BACKLOG: Final = 4096


@dataclass(slots=True)
class Stats:
    """What the server counted."""

    requests: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    connections: int = 0
    open_connections: int = 0

    def begin(self) -> None:
        """A request came."""
        self.requests += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def as_json(self) -> bytes:
        """The counts as an object."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode() + b"\n"


class Connection(asyncio.Protocol):
    """One connection: requests are answered one after the other, in their order.

    Args:
        site: What to answer.
        latency: Seconds before each answer.
        stats: Where to count.
    """

    def __init__(self, site: Site, latency: float, stats: Stats) -> None:
        self._site = site
        self._latency = latency
        self._stats = stats
        self._buffer = b""
        self._busy = False
        self._keep_alive = True
        self._writable = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; a connection that did not come over loopback is closed."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._stats.connections += 1
        self._stats.open_connections += 1
        self._writable.set()
        if not str(transport.get_extra_info("sockname")[0]).startswith(("127.", "::1")):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count, and end what is under way."""
        self._stats.open_connections -= 1
        if self._busy:
            self._stats.in_flight -= 1
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request begins once its head is whole."""
        self._buffer += data
        if not self._busy:
            self._next()
        elif len(self._buffer) > _MAX_HEAD:
            self._transport.abort()

    def _next(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            if len(head) > _MAX_HEAD:
                self._transport.abort()
            return
        self._buffer = rest
        method, _, after = head.decode("latin-1").partition(" ")
        lower = head.lower()
        self._keep_alive = b"http/1.1" in lower and b"\r\nconnection: close" not in lower
        self._busy = True
        self._stats.begin()
        answer = self._answer(method, after.partition(" ")[0])
        latency = self._latency if answer.latency is None else answer.latency
        if latency > 0:
            self._loop.call_later(latency, self._send, answer, method)
        else:
            self._send(answer, method)

    def _answer(self, method: str, target: str) -> Answer:
        if method not in ("GET", "HEAD"):
            # Its body, if it has one, would be taken for the next request.
            self._keep_alive = False
            return Answer(b"only GET and HEAD\n", status=405)
        if target == "/stats":
            return Answer(self._stats.as_json(), "application/json", latency=0.0)
        return self._site.answer(target)

    def _send(self, answer: Answer, method: str) -> None:
        if self._transport.is_closing():
            return
        if answer.manner is Manner.WHOLE or method == "HEAD":
            body = b"" if method == "HEAD" else answer.body
            self._transport.writelines([answer.head(keep_alive=self._keep_alive), body])
            self._done()
        elif answer.manner is Manner.INCOMPLETE:
            half = answer.body[: len(answer.body) // 2]
            self._transport.write(answer.head(keep_alive=True) + half)
            self._transport.close()
        elif answer.manner is Manner.RAW:
            self._transport.write(answer.body)
            self._transport.close()
        elif answer.manner is Manner.RESET:
            # To close with no time to linger is what sends a reset (socket(7)).
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self._transport.abort()
        elif answer.manner is not Manner.SILENT:
            self._transport.write(answer.head(keep_alive=False))
            self._task = self._loop.create_task(self._trickle(answer))

    async def _trickle(self, answer: Answer) -> None:
        if answer.manner is Manner.SLOW:
            for byte in answer.body:
                self._transport.write(bytes((byte,)))
                await asyncio.sleep(_PAUSE)
        while answer.manner is Manner.ENDLESS:
            await self._writable.wait()
            self._transport.write(answer.body)
            await asyncio.sleep(0)
        self._transport.close()

    def _done(self) -> None:
        self._busy = False
        self._stats.in_flight -= 1
        if not self._keep_alive:
            self._transport.close()
        elif self._buffer:
            self._loop.call_soon(self._again)

    def _again(self) -> None:
        if not self._busy and not self._transport.is_closing():
            self._next()


async def _main(address: str, port: int, latency: float, size: int | None) -> None:
    site, stats = Site(size), Stats()
    loop = asyncio.get_running_loop()
    listening = socket.create_server((address, port), backlog=_BACKLOG)
    server = await loop.create_server(
        lambda: Connection(site, latency, stats), sock=listening, backlog=_BACKLOG
    )
    host, port = listening.getsockname()[:2]
    ended = asyncio.Event()

    def wait_for_the_end() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_the_end, name="end-of-input", daemon=True).start()
    # All of 127.0.0.0/8 leads here then; the first of it is as good as any.
    shown = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - compared
    with contextlib.suppress(BrokenPipeError):  # who started it is gone, and the input ends too
        os.write(1, f"http://{shown}:{port}\n".encode())
    await ended.wait()
    server.close()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m imgpipe.bench.server", description=__doc__)
    parser.add_argument("--address", default="127.0.0.1", help="0.0.0.0 answers on all of 127.0.0.0/8")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--size", type=int, help="bytes of each /photo/N.jpg")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(options.address, options.port, options.latency, options.size))


@contextlib.contextmanager
def serve(*, latency: float = 0.0, size: int | None = None, address: str = "127.0.0.1") -> Iterator[str]:
    """Run the server in a process of its own, and yield its address, such as `http://127.0.0.1:34567`.

    Args:
        latency: Seconds before each answer.
        size: Bytes of each `/photo/N.jpg`; None for their natural sizes.
        address: Where to listen; `0.0.0.0` answers on all of 127.0.0.0/8 (Linux) and nowhere else.
    """
    command = [sys.executable, "-m", "imgpipe.bench.server", "--latency", str(latency), "--address", address]
    command += [] if size is None else ["--size", str(size)]
    # In a session of its own it outlives a Ctrl-C, so that stages can finish what they have begun.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, contextlib.closing(process.stdin):
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the embedded server did not start")
            yield url
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
