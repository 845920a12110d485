"""A server that is many hosts of loopback at once, and logs who asked which of them, and from when to when."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cluster.loopback import free_ports
from helpers import picture


@dataclass
class ManyHosts:
    """Answers every request with one picture, after a while.

    Args:
        hosts: Addresses within 127.0.0.0/8; it listens on these and no others.
        latency: Seconds before each answer.
    """

    hosts: Sequence[str]
    latency: float = 0.05
    port: int = field(init=False)
    asked: list[tuple[str, str, float, float]] = field(default_factory=list)
    """Of each request the host, the part that asked (its header `X-Part`), and its begin and end in seconds."""

    def __post_init__(self):
        self.port = free_ports(1, tuple(self.hosts))[0]
        self._picture = picture()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Until the block ends."""
        loop = asyncio.new_event_loop()
        sockets = [socket.create_server((host, self.port), backlog=16) for host in self.hosts]
        servers = [loop.run_until_complete(asyncio.start_server(self._serve, sock=sock)) for sock in sockets]
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield
        finally:
            for server in servers:
                loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                begin = time.monotonic()
                fields = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:] if line)
                await asyncio.sleep(self.latency)
                said = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self._picture)}\r\n\r\n"
                self.asked.append((fields["Host"], fields["X-Part"], begin, time.monotonic()))
                writer.write(said.encode() + self._picture)
                await writer.drain()
        writer.close()

    def asked_by_two_at_once(self) -> set[str]:
        """The hosts that a part asked while another one's request was under way there."""
        found = set()
        last: dict[str, tuple[str, float]] = {}
        for host, part, begin, end in sorted(self.asked, key=lambda row: row[2]):
            before, until = last.get(host, (part, 0.0))
            if before != part and begin < until:
                found.add(host)
            if end >= until:
                last[host] = (part, end)
        return found
