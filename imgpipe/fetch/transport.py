"""Our transport: HTTP/1.1 on trio sockets, with kept connections.

It does what httpx's own does not: it checks each address it dials, keeps thousands of origins without
slowing down, refuses heads without end, and costs a seventh of the CPU. `httpx_seam` makes it one of
httpx's; here nothing of httpx is loaded, which would double what a start costs after trio.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import wire
from imgpipe.fetch.answers import Headers
from imgpipe.fetch.connections import Connection, Pool, dial
from imgpipe.fetch.names import Names
from imgpipe.fetch.urls import Target

DRAINED: Final = 16 << 10
"""Bytes of an unwanted body that are read so that the connection can be kept; a new one costs more."""

DRAIN_SECONDS: Final = 0.5
"""Seconds for that: a body that does not come must not turn what its head said into a timeout."""


class BodyStream(Protocol):
    """A body in the pieces in which it arrives; encoded as the server sent it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces."""

    async def aclose(self) -> None:
        """Give the connection back, read to the end or not."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer whose head is there. Names of headers are in lower case; the body must be closed."""

    status: int
    headers: Headers
    body: BodyStream


class Opener(Protocol):
    """What can send a request: our transport itself, or one that goes through proxies."""

    async def open(self, target: Target, headers: Headers) -> Opened:
        """Send a GET request; raises `RecordError`."""

    async def aclose(self) -> None:
        """Close what is kept."""


class Transport:
    """Sends each request over a kept connection to its origin, or a new one.

    Args:
        names: Resolves names and checks addresses.
        context: Gives what TLS trusts; asked only where it is needed.
        connect_seconds: For the name, the connection and the TLS handshake.
        idle: Idle connections kept at the most.
    """

    def __init__(
        self, names: Names, context: Callable[[], ssl.SSLContext], connect_seconds: float, idle: int
    ) -> None:
        self._names = names
        self._context = context
        self._connect_seconds = connect_seconds
        self._pool = Pool(idle)

    async def open(self, target: Target, headers: Headers) -> Opened:
        """Send a GET request; returns once the head of the answer is there.

        Raises:
            RecordError: `dns`, `blocked_address`, `connect`, `tls`, `timeout`, `protocol` or `incomplete`.
        """
        data = wire.request(target, headers)
        connection = self._pool.take(target.origin)
        answer = await self._ask(connection, data) if connection is not None else None
        if connection is None or answer is None:
            # There was none, or the server has closed it, perhaps under this very request: once more.
            connection = await dial(target, self._names, self._context, self._connect_seconds)
            answer = await self._ask(connection, data)
        assert answer is not None, "only a kept connection is given up without an error"
        return Opened(answer.status, answer.headers, Body(self._pool, connection, answer))

    async def _ask(self, connection: Connection, data: bytes) -> wire.Answer | None:
        """Send and await the head; None where a kept connection turned out to be closed."""
        answer = wire.Answer()
        begun = False
        try:
            await connection.channel.send(data)
            while not answer.status:
                received = await connection.channel.receive()
                if not received:
                    if connection.used and not begun:
                        connection.close()
                        return None
                    answer.end()
                begun = True
                answer.feed(received)
        except OSError as error:
            connection.close()
            if connection.used and not begun:
                return None
            raise _broken(error) from error
        except BaseException:
            connection.close()
            raise
        return answer

    async def aclose(self) -> None:
        """Close all idle connections."""
        self._pool.close()


class Body:
    """The body of an answer, in the pieces in which it arrives; encoded as the server sent it."""

    def __init__(self, pool: Pool, connection: Connection, answer: wire.Answer) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces.

        Raises:
            RecordError: `incomplete` or `protocol`.
        """
        answer = self._answer
        while True:
            for piece in answer.pieces():
                yield piece
            if answer.complete:
                return
            await self._more()

    async def _more(self) -> None:
        assert self._connection is not None, "the body is read before it is closed"
        try:
            received = await self._connection.channel.receive()
        except OSError as error:
            raise _broken(error) from error
        if received:
            self._answer.feed(received)
        else:
            self._answer.end()

    async def aclose(self) -> None:
        """Keep the connection where the answer is whole, or nearly so; else close it."""
        if self._connection is None:
            return
        try:
            if not self._answer.complete and self._answer.reusable and self._short():
                with trio.move_on_after(DRAIN_SECONDS):
                    while not self._answer.complete:
                        self._answer.pieces()
                        await self._more()
        except RecordError:
            self._answer.reusable = False
        finally:
            connection, self._connection = self._connection, None
            if self._answer.complete and self._answer.reusable:
                self._pool.give(connection, trio.current_time())
            else:
                connection.close()

    def _short(self) -> bool:
        length = self._answer.header(b"content-length")
        return length is not None and int(length) <= DRAINED


def _broken(error: OSError) -> RecordError:
    return RecordError(Kind.INCOMPLETE, f"before the answer was whole: {error.strerror or error}")
