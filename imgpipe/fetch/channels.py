"""Bytes to and from one peer: over a plain socket, or through TLS on top of it."""

from __future__ import annotations

import socket
import ssl
from typing import Final, Self

import trio

RECEIVE: Final = 1 << 18
"""Bytes asked for at a time: most pictures arrive in one piece or two. 64 KiB cost 5 % more CPU."""

AT_ONCE: Final = 4
"""Times in a row that bytes are taken without a checkpoint: a megabyte at the most."""


class Plain:
    """A connected socket that does not block."""

    __slots__ = ("_at_once", "_socket")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._at_once = 0

    async def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            OSError: The connection is broken.
        """
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._socket)

    async def receive(self) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            OSError: The connection is broken.
        """
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

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it, without a farewell."""
        self._socket.close()


class Tls:
    """TLS over a plain channel. Unlike trio's stream it gives all that has arrived in one piece, which
    spares a turn for each record of 16 KiB."""

    __slots__ = ("_incoming", "_object", "_outgoing", "_plain")

    def __init__(self, plain: Plain, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def handshake(self) -> Self:
        """Agree with the peer, and check its certificate.

        Raises:
            ssl.SSLError: They do not agree, or the certificate is not to be trusted.
            OSError: The connection is broken.
        """
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                # The peer may want to know why (RFC 8446 §6.2).
                await self._flush()
                raise
            else:
                await self._flush()
                return self

    async def send(self, data: bytes) -> None:
        """Send all of `data`, as `Plain`."""
        self._object.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """The next bytes; empty at the end, as `Plain`."""
        while True:
            pieces = []
            ended = False
            try:
                while piece := self._object.read(RECEIVE):
                    pieces.append(piece)
                ended = True
            except ssl.SSLWantReadError:
                pass
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                # Many servers end without the farewell that TLS asks for; lengths tell what is whole.
                ended = True
            if pieces or ended:
                return b"".join(pieces)
            await self._flush()
            await self._fill()

    async def _fill(self) -> None:
        data = await self._plain.receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._plain.send(self._outgoing.read())

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._plain.fileno()

    def close(self) -> None:
        """Close it, without a farewell."""
        self._plain.close()
