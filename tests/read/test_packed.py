from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc

import pytest
import zstandard

from imgpipe.errors import UsageError
from imgpipe.read.packed import unpacked

PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
TEXT = b"".join(b"http://host/%d\n" % number for number in range(20_000))

every_packing = pytest.mark.parametrize("packing", PACKERS)


def pieces(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@every_packing
@pytest.mark.parametrize("size", [7, 65536])
def test_what_was_packed_comes_out(packing, size):
    """Pieces of any size, and several members one after the other, give the text."""
    packed = PACKERS[packing](TEXT)
    assert b"".join(unpacked(pieces(packed, size), packing, "t")) == TEXT
    assert b"".join(unpacked(pieces(packed + packed, size), packing, "t")) == TEXT + TEXT


@every_packing
def test_a_file_that_was_cut_off_is_an_error_after_what_there_is(packing):
    """The end of a packed file that is missing is told."""
    packed = PACKERS[packing](TEXT)
    with pytest.raises(UsageError, match="t ends too early"):
        b"".join(unpacked(pieces(packed[: len(packed) // 2], 1000), packing, "t"))


@every_packing
def test_a_broken_file_is_an_error(packing):
    """Data that cannot be unpacked is told in one line."""
    packed = PACKERS[packing](TEXT)
    with pytest.raises(UsageError, match="t is broken"):
        b"".join(unpacked([packed[:100] + b"\xff" * 200 + packed[300:]], packing, "t"))


@every_packing
def test_a_bomb_only_flows(packing):
    """A file that swells a thousandfold is never held: the pieces stay small, and so does the memory."""
    packed = PACKERS[packing](bytes(1 << 26))
    tracemalloc.start()
    total = 0
    for piece in unpacked(pieces(packed, 65536), packing, "t"):
        assert len(piece) <= 65536
        total += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 1 << 26
    assert peak < 1 << 26
