"""Content-Encoding: nobody asked for one, but some servers send it. Decoded piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from imgpipe.errors import Kind, RecordError

STEP: Final = 1 << 16
"""Bytes decoded at a time, so that a small piece cannot become gigabytes in memory."""

LAYERS: Final = 2
"""Encodings on top of each other that are taken off (curl takes 5; honest servers send one)."""


class Decoder(Protocol):
    """Takes encoded pieces, gives decoded ones."""

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """The decoded pieces of one encoded piece, each of at most `STEP` bytes."""

    def end(self) -> None:
        """The body has ended.

        Raises:
            RecordError: `incomplete` where the encoded stream has not.
        """


class Identity:
    """Nothing to decode."""

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """The piece itself."""
        yield piece

    def end(self) -> None:
        """Nothing to check."""


class Inflate:
    """gzip or deflate.

    Args:
        window_bits: As zlib takes them: 31 for gzip alone, 15 for zlib, -15 for raw deflate.
    """

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._inflater = zlib.decompressobj(window_bits)
        self._begun = False

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """The decoded pieces."""
        if not self._begun and piece:
            self._begun = True
            # Some servers send deflate without zlib's header, against RFC 9110 §8.4.1.2.
            if self._window_bits == zlib.MAX_WBITS and (piece[0] & 0x0F) != zlib.DEFLATED:
                self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            while not self._inflater.eof:
                decoded = self._inflater.decompress(piece, STEP)
                piece = self._inflater.unconsumed_tail
                if decoded:
                    yield decoded
                if not piece and len(decoded) < STEP:
                    return
        except zlib.error as error:
            raise RecordError(
                Kind.BAD_ENCODING, f"the body is not what its Content-Encoding says: {error}"
            ) from error

    def end(self) -> None:
        """The encoded stream must have ended too."""
        if not self._inflater.eof:
            raise RecordError(Kind.INCOMPLETE, "the encoded body ends too early")


class Layers:
    """Encodings on top of each other, the last applied coming off first."""

    def __init__(self, decoders: list[Decoder]) -> None:
        self._decoders = decoders

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """The decoded pieces."""
        return self._through(piece, 0)

    def _through(self, piece: bytes, layer: int) -> Iterator[bytes]:
        if layer == len(self._decoders):
            yield piece
            return
        for decoded in self._decoders[layer].decode(piece):
            yield from self._through(decoded, layer + 1)

    def end(self) -> None:
        """Each of them must have ended."""
        for decoder in self._decoders:
            decoder.end()


def decoder_for(content_encoding: bytes | None) -> Decoder:
    """The decoder of a body with this Content-Encoding header.

    Raises:
        RecordError: `bad_encoding` where it is not one that can be taken off.
    """
    if content_encoding is None:
        return Identity()
    names = [name.strip().lower() for name in content_encoding.decode("latin-1").split(",")]
    names = [name for name in names if name and name != "identity"]
    if not names:
        return Identity()
    if len(names) > LAYERS:
        raise RecordError(Kind.BAD_ENCODING, f"{len(names)} encodings on top of each other")
    return Layers([_one(name) for name in reversed(names)])


def _one(name: str) -> Decoder:
    if name in ("gzip", "x-gzip"):
        return Inflate(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return Inflate(zlib.MAX_WBITS)
    raise RecordError(Kind.BAD_ENCODING, f"Content-Encoding {name}, though none was asked for")
