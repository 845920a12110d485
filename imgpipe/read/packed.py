"""Compressed bytes become plain ones, as a stream: a small file that swells to terabytes only flows."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from imgpipe.errors import UsageError
from imgpipe.stream import CHUNK

_ZSTD_PIECE: Final = 1 << 10
"""Compressed bytes unpacked at a time: a block of 128 kB takes four at the least (RFC 8878 §3.1.1.2),
so that they become 32 MB at the most."""

_ZSTD_WINDOW: Final = 1 << 27
"""Bytes of memory that a file may ask for: what the zstd program takes without being told (zstd(1))."""


def unpacked(chunks: Iterable[bytes], packing: str, name: str) -> Iterator[bytes]:
    """The uncompressed bytes, in pieces of at most `CHUNK`.

    Args:
        chunks: The compressed bytes.
        packing: `gz`, `bz2`, `xz` or `zst`.
        name: The table's name, for messages.

    Raises:
        UsageError: They are broken or cut off, or what they take is not installed.
    """
    if packing == "zst":
        return _unpacked_zstd(chunks, name)
    return _unpacked(_OPENERS[packing](io.BufferedReader(_Raw(chunks), CHUNK)), name)


def _unpacked(file: Any, name: str) -> Iterator[bytes]:
    while True:
        try:
            piece = file.read1(CHUNK)
        except EOFError as error:
            raise _cut_off(name) from error
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise _broken(name, error) from error
        if not piece:
            return
        yield piece


def _unpacked_zstd(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    try:
        import zstandard  # noqa: PLC0415 - an extra, wanted here only
    except ImportError as error:
        raise UsageError(
            f"{name} is compressed with zstd; to read it: pip install 'imgpipe[zstd]'"
        ) from error
    # Its stream_reader does not tell a file that was cut off from a whole one (measured, 0.25).
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = None
    for chunk in chunks:
        for start in range(0, len(chunk), _ZSTD_PIECE):
            left = chunk[start : start + _ZSTD_PIECE]
            while left:
                frame = frame or decompressor.decompressobj()
                try:
                    data = frame.decompress(left)
                except zstandard.ZstdError as error:
                    raise _broken(name, error) from error
                yield from (data[i : i + CHUNK] for i in range(0, len(data), CHUNK))
                left, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame is not None:
        raise _cut_off(name)


def _cut_off(name: str) -> UsageError:
    return UsageError(f"{name} ends too early: its compressed data is cut off")


def _broken(name: str, error: Exception) -> UsageError:
    return UsageError(f"{name} is broken: {error}")


class _Raw(io.RawIOBase):
    """Chunks as a file that is read once."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        size = min(len(view), len(self._left))
        view[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


_OPENERS: Final[dict[str, Callable[[io.BufferedReader], Any]]] = {
    "gz": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
