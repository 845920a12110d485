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
from imgpipe.fetch.channels import Plain, Tls
from imgpipe.fetch.names import Names
from imgpipe.fetch.urls import Target

Origin = tuple[str, str, int]

IDLE_SECONDS: Final = 15.0
"""Seconds for which an idle connection is kept: below what servers keep one themselves (nginx 75 s,
Apache 5 s), since a closed one is noticed anyway."""

_DIALS: Final = 4
"""Addresses of one name that are tried."""


class Connection:
    """An open connection to one origin.

    Attributes:
        origin: What it may be shared for.
        channel: Carries the bytes.
        used: Whether it has carried a request: the server may have closed it since.
        idle_since: When it was last given back, by the event loop's clock.
    """

    __slots__ = ("channel", "idle_since", "origin", "used")

    def __init__(self, origin: Origin, channel: Plain | Tls) -> None:
        self.origin = origin
        self.channel = channel
        self.used = False
        self.idle_since = 0.0

    def is_stale(self) -> bool:
        """Whether an idle connection has something to read: its end, or what nobody asked for."""
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close it, without a farewell."""
        self.channel.close()


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
            return Connection(target.origin, Plain(raw))
        doing = Kind.TLS
        return Connection(target.origin, await _handshake(Plain(raw), target, context()))
    if doing is Kind.TLS:
        raise RecordError(
            Kind.TIMEOUT, f"{target.host}: no TLS handshake within {seconds:g} s (--connect-timeout)"
        )
    raise RecordError(doing, f"{target.host}: no answer within {seconds:g} s (--connect-timeout)")


async def _connect(addresses: list[str], target: Target, seconds: float) -> socket.socket:
    error: OSError | None = None
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            raw = socket.socket(family, socket.SOCK_STREAM)
        except OSError as failure:
            # A machine without IPv6, or a process without a descriptor to spare.
            error = failure
            continue
        try:
            raw.setblocking(False)
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


async def _handshake(plain: Plain, target: Target, context: ssl.SSLContext) -> Tls:
    try:
        return await Tls(plain, context, target.host).handshake()
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise RecordError(Kind.TLS, f"{target.authority}: {error.verify_message}") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        plain.close()
        why = "the connection ended during the TLS handshake"
        raise RecordError(Kind.CONNECT, f"{target.authority}: {why}") from error
    except ssl.SSLError as error:
        plain.close()
        raise RecordError(Kind.TLS, f"{target.authority}: {error.reason or error}") from error
    except OSError as error:
        # A peer that hangs up may not do so next time; a certificate stays wrong.
        plain.close()
        raise RecordError(Kind.CONNECT, f"{target.authority}: {error.strerror}") from error
    except BaseException:
        plain.close()
        raise
