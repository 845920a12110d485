"""Connections: dialled under the address rule, kept by origin while idle, bounded."""

from __future__ import annotations

import errno
import select
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import trio

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch.names import Names
from imgpipe.fetch.urls import Target

Origin = tuple[str, str, int]

IDLE_SECONDS: Final = 15.0
"""Seconds for which an idle connection is kept: below what servers keep one themselves (nginx 75 s,
Apache 5 s), since a closed one is noticed anyway."""

RECEIVE: Final = 1 << 16
"""Bytes asked for at a time."""

AT_ONCE: Final = 8
"""Times in a row that bytes are taken without a checkpoint: half a megabyte at the most."""

_DIALS: Final = 4
"""Addresses of one name that are tried."""


class Connection:
    """An open connection to one origin.

    Attributes:
        origin: What it may be shared for.
        used: Whether it has carried a request: the server may have closed it since.
        idle_since: When it was last given back, by the event loop's clock.
    """

    __slots__ = ("_at_once", "_socket", "_stream", "idle_since", "origin", "used")

    def __init__(
        self, origin: Origin, plain: socket.socket, stream: trio.SSLStream[trio.SocketStream] | None
    ) -> None:
        self.origin = origin
        self.used = False
        self.idle_since = 0.0
        self._socket = plain
        self._stream = stream
        self._at_once = 0

    async def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            OSError, trio.BrokenResourceError: The connection is broken.
        """
        if self._stream is not None:
            await self._stream.send_all(data)
            return
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._socket)

    async def receive(self) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            OSError, trio.BrokenResourceError: The connection is broken.
        """
        if self._stream is not None:
            return bytes(await self._stream.receive_some(RECEIVE))
        # What is there already is taken without asking the scheduler, which costs more than the bytes do;
        # now and then it gets its turn all the same, so that deadlines hold and no body holds up others.
        if self._at_once < AT_ONCE:
            self._at_once += 1
        else:
            self._at_once = 0
            await trio.lowlevel.checkpoint()
        while True:
            try:
                return self._socket.recv(RECEIVE)
            except BlockingIOError:
                self._at_once = 0
                await trio.lowlevel.wait_readable(self._socket)

    def is_stale(self) -> bool:
        """Whether an idle connection has something to read: its end, or what nobody asked for."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close it, without a farewell."""
        self._socket.close()


class Pool:
    """Idle connections by origin, the longest idle going first.

    Args:
        size: Idle connections at the most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._by_origin: dict[Origin, list[Connection]] = {}

    def take(self, origin: Origin) -> Connection | None:
        """An idle connection to `origin` that is alive, the last used first; None where there is none."""
        while connections := self._by_origin.get(origin):
            connection = connections[-1]
            self._forget(connection)
            if not connection.is_stale():
                return connection
            connection.close()
        return None

    def give(self, connection: Connection, now: float) -> None:
        """Keep a connection that may carry another request, and close those that were idle too long."""
        connection.idle_since = now
        connection.used = True
        self._idle[connection] = None
        self._by_origin.setdefault(connection.origin, []).append(connection)
        while self._idle:
            oldest = next(iter(self._idle))
            if len(self._idle) <= self._size and now - oldest.idle_since <= IDLE_SECONDS:
                break
            self._forget(oldest)
            oldest.close()

    def _forget(self, connection: Connection) -> None:
        del self._idle[connection]
        connections = self._by_origin[connection.origin]
        connections.remove(connection)
        if not connections:
            del self._by_origin[connection.origin]

    def close(self) -> None:
        """Close all."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        self._by_origin.clear()


async def dial(
    target: Target, names: Names, context: Callable[[], ssl.SSLContext], seconds: float
) -> Connection:
    """A new connection to the target's origin, at an address that may be connected to.

    Args:
        target: Whom to reach. Its host stays the name in TLS (SNI and certificate).
        names: Resolves and checks.
        context: Gives what TLS trusts; asked only where it is needed.
        seconds: For all of it.

    Raises:
        RecordError: `dns`, `blocked_address`, `connect` or `tls`.
    """
    doing = Kind.DNS
    with trio.move_on_after(seconds):
        addresses = await names.addresses(target.host)
        doing = Kind.CONNECT
        raw = await _connect(addresses[:_DIALS], target, seconds)
        if target.scheme == "http":
            return Connection(target.origin, raw, None)
        doing = Kind.TLS
        stream = await _handshake(raw, target, context())
        return Connection(target.origin, raw, stream)
    if doing is Kind.TLS:
        raise RecordError(Kind.TIMEOUT, f"{target.host}: no TLS handshake within {seconds:g} s")
    raise RecordError(doing, f"{target.host}: no answer within {seconds:g} s")


async def _connect(addresses: list[str], target: Target, seconds: float) -> socket.socket:
    error: OSError | None = None
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        raw = socket.socket(family, socket.SOCK_STREAM)
        raw.setblocking(False)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # An address that does not answer leaves the next ones their share of the time.
            with trio.move_on_after(seconds / left if left > 1 else seconds):
                await trio.socket.from_stdlib_socket(raw).connect((address, target.port))
                return raw
            error = TimeoutError(errno.ETIMEDOUT, "no answer")
        except OSError as failure:
            error = failure
        except BaseException:
            raw.close()
            raise
        raw.close()
    why = error.strerror if error is not None else "no address"
    raise RecordError(Kind.CONNECT, f"{target.authority}: {why}") from error


async def _handshake(
    raw: socket.socket, target: Target, context: ssl.SSLContext
) -> trio.SSLStream[trio.SocketStream]:
    stream = trio.SSLStream(
        trio.SocketStream(trio.socket.from_stdlib_socket(raw)),
        context,
        server_hostname=target.host,
        https_compatible=True,
    )
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        raw.close()
        raise RecordError(_tls_kind(error), f"{target.authority}: {_tls_reason(error)}") from error
    except BaseException:
        raw.close()
        raise
    return stream


def _tls_kind(error: trio.BrokenResourceError) -> Kind:
    # A peer that hangs up during the handshake may not do so next time; a certificate stays wrong.
    cause = error.__cause__
    hung_up = isinstance(cause, (trio.BrokenResourceError, ssl.SSLEOFError)) or (
        isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError)
    )
    return Kind.CONNECT if hung_up else Kind.TLS


def _tls_reason(error: trio.BrokenResourceError) -> str:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError):
        return cause.reason or str(cause)
    return "the connection ended during the TLS handshake"
