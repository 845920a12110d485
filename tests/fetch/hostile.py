"""A hostile web server on raw sockets: one path a fault, everything counted.

It serves what it is given by name: `/NAME` or `/NAME/anything`. Bytes are sent as they are; a function
does with the connection what it likes. Each connection has a thread.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from helpers import picture

JPEG = picture(96, 64)
"""What a good answer holds."""


def answer(status="200 OK", *headers: str, body=JPEG, length: int | str | None = -1, version="1.1") -> bytes:
    """An answer; `length` -1 is the true one, None leaves Content-Length out."""
    lines = [f"HTTP/{version} {status}", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes, end=b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


@dataclass
class Seen:
    """One request as the server saw it."""

    name: str
    path: str
    headers: dict[str, str]
    connection: int
    at: float
    until: float = float("inf")


@dataclass
class Peer:
    """One connection, as a handler sees it. `request` is the one to answer."""

    socket: socket.socket
    number: int
    server: Hostile
    request: Seen | None = None

    def send(self, data: bytes) -> None:
        # Whoever has the whole answer may ask again before this thread runs on.
        if self.request is not None:
            self.request.until = time.monotonic()
        self.socket.sendall(data)

    def trickle(self, data: bytes, pause=0.2) -> None:
        """Byte by byte, until the other side has enough."""
        for byte in data:
            self.send(bytes([byte]))
            if self.server.closing.wait(pause):
                return

    def flood(self, piece: bytes, most=1 << 30) -> None:
        """The same bytes over and over, until the other side has enough."""
        for _ in range(most // len(piece)):
            self.send(piece)

    def stall(self) -> None:
        """Say nothing until the other side hangs up."""
        with contextlib.suppress(OSError):
            while self.socket.recv(65_536):
                pass

    def reset(self) -> None:
        """Hang up with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read_head(self) -> bytes | None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = self.socket.recv(65_536)
            if not received:
                return None
            head += received
        return head


Handler = Callable[[Peer], object]
"""Answers one request; true keeps the connection for another one."""


@dataclass
class Hostile:
    """The server. `seen` holds every request in order, `connections` counts those that were accepted.

    Args:
        faults: What to answer by name: bytes, after which the connection is closed, or a handler.
        tls: Greets every connection with TLS, if given.
        address: A loopback address.
    """

    faults: Mapping[str, bytes | Handler]
    tls: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    most_open: int = 0
    most_at_once: int = 0

    def __post_init__(self):
        self.closing = threading.Event()
        self._mutex = threading.Lock()
        self._open: set[socket.socket] = set()
        self._at_once = 0
        self._listener = socket.create_server((self.address, 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        # A blocked accept does not notice a close; it does notice a shutdown.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._mutex:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def url(self, name: str, host: str | None = None, scheme: str | None = None) -> str:
        scheme = scheme or ("https" if self.tls else "http")
        return f"{scheme}://{host or self.address}:{self.port}/{name}"

    def requests(self, name: str) -> list[Seen]:
        """Those for one fault, in order."""
        return [request for request in self.seen if request.name == name]

    @property
    def counts(self) -> Counter[str]:
        return Counter(request.name for request in self.seen)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._mutex:
                self.connections += 1
                self._open.add(sock)
                self.most_open = max(self.most_open, len(self._open))
                number = self.connections
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, plain: socket.socket, number: int):
        sock = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                sock = self.tls.wrap_socket(plain, server_side=True)
            peer = Peer(sock, number, self)
            while self._one(peer):
                pass
        except (OSError, ValueError):
            pass  # the client hung up on us, as most faults deserve
        finally:
            with self._mutex:
                self._open.discard(plain)
            sock.close()

    def _one(self, peer: Peer) -> object:
        head = peer.read_head()
        if head is None:
            return False
        first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        path = first.split(" ")[1]
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        name = path.lstrip("/").partition("/")[0].partition("?")[0]
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
        peer.request = Seen(name, path, headers, peer.number, time.monotonic())
        with self._mutex:
            self.seen.append(peer.request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            act = self.faults.get(name, answer("404 Not Found", body=b"no"))
            if isinstance(act, bytes):
                peer.send(act)
                return False
            return act(peer)
        finally:
            peer.request.until = min(peer.request.until, time.monotonic())
            with self._mutex:
                self._at_once -= 1


def good(peer: Peer) -> bool:
    """A picture; the connection is kept."""
    peer.send(answer())
    return True


def refused() -> socket.socket:
    """A port at which nobody listens, as long as the socket is kept."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock
