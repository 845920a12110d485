"""HTTP/1.1 on the wire, without a socket: bytes of a request, and an answer from bytes.

httptools (llhttp, the parser of Node.js) finds heads, lengths and chunks; what is refused beyond its
own faults, and where an answer ends, is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import httptools

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch.urls import Target

HEAD_LENGTH: Final = 64 << 10
"""Bytes of the longest head, interim ones included: servers send 8 KiB at most as a rule, and
httpcore takes 100 KiB."""

FRAMING: Final = 8
"""Bytes of framing for each byte of body that are taken, beyond twice the longest head: chunks of one byte
take 5."""

HEADER_COUNT: Final = 256
"""Headers of the longest list (Apache's LimitRequestFields is 100)."""


def request(target: Target, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a GET request to `target` with these headers, which name the host."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (target.path.encode("ascii"), lines)


class Answer:
    """One answer as it arrives. Feed it bytes; take the head, then the pieces of the body.

    Attributes:
        status: The status code; 0 until the head is complete.
        headers: Names in lower case, with values, in order.
        complete: Whether the body has ended.
        reusable: Whether the connection may carry another request afterwards.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._head_bytes = 0
        self._fed = 0
        self._body_bytes = 0
        self._until_close = False
        self._excess = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.reusable = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes from the connection.

        Raises:
            RecordError: `protocol` where they are no HTTP, or more head or framing than is taken.
        """
        self._fed += len(data)
        if not self.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.reusable = False
            # What follows a complete answer is another's fault, and this one is whole.
            if not self.complete:
                cause = error.__context__
                if isinstance(cause, RecordError):
                    raise cause from None
                raise self._refuse(f"no HTTP: {error}") from error
        if not self.status and self._head_bytes > HEAD_LENGTH:
            raise self._refuse(f"a head of over {HEAD_LENGTH} bytes")
        if self._fed > 2 * HEAD_LENGTH + (1 + FRAMING) * self._body_bytes and not self.complete:
            raise self._refuse("next to nothing but framing")

    def _refuse(self, why: str, kind: Kind = Kind.PROTOCOL) -> RecordError:
        return RecordError(kind, why, http_status=self.status or None)

    def end(self) -> None:
        """The server closed the connection.

        Raises:
            RecordError: `incomplete` where the answer is not whole, `protocol` where none began.
        """
        self.reusable = False
        if self.status and self._until_close:
            self.complete = True
        elif not self.complete:
            if not self.status and not self._head_bytes:
                raise self._refuse("the server closed the connection without an answer", Kind.INCOMPLETE)
            raise self._refuse(
                "the server closed the connection before the answer was whole", Kind.INCOMPLETE
            )

    def pieces(self) -> list[bytes]:
        """The pieces of the body that arrived since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def header(self, name: bytes) -> bytes | None:
        """The value of the last header of that name, in lower case; None where there is none."""
        found = None
        for key, value in self.headers:
            if key == name:
                found = value
        return found

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Another head begins: after an interim answer rightly, after a complete one as excess."""
        if self.complete:
            self._excess = True
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the head."""
        if self._excess:
            return
        if len(self.headers) >= HEADER_COUNT:
            raise self._refuse(f"over {HEADER_COUNT} headers")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self._excess:
            return
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK and status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers.clear()
            return
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise self._refuse("the server switched to a protocol that nobody asked for")
        self.status = status
        self.reusable = self._parser.should_keep_alive()
        encoding = (self.header(b"transfer-encoding") or b"").lower()
        has_length = self.header(b"content-length") is not None
        self._until_close = not has_length and not encoding.endswith(b"chunked")

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if not self._excess:
            self._pieces.append(piece)
            self._body_bytes += len(piece)

    def on_message_complete(self) -> None:
        """The answer has ended, if it was not an interim one."""
        if self.status and not self._excess:
            self.complete = True
