"""Content-Encoding, taken off piece by piece."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch.encoding import STEP, decoder_for


def encode(data: bytes, names: list[str]) -> bytes:
    for name in names:
        if name.endswith("gzip"):
            data = gzip.compress(data, 1)
        elif name == "deflate":
            data = zlib.compress(data)
        elif name == "raw":
            packer = zlib.compressobj(wbits=-15)
            data = packer.compress(data) + packer.flush()
    return data


def decode(header: str | None, pieces) -> bytes:
    decoder = decoder_for(header.encode() if header is not None else None)
    out = b"".join(decoded for piece in pieces for decoded in decoder.decode(piece))
    decoder.end()
    return out


@given(
    st.binary(max_size=4096),
    st.lists(st.sampled_from(["gzip", "X-Gzip", "deflate", "raw", "identity"]), max_size=2),
    st.integers(1, 700),
    st.integers(0, 3),
)
def test_what_was_encoded_comes_back(data, names, size, repeated):
    """In any pieces, one or two layers, by any of their names; raw deflate as some servers send it."""
    data *= 10**repeated
    sent = encode(data, [name.lower() for name in names])
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]

    assert data == decode(" , ".join(name.replace("raw", "deflate") for name in names), pieces)


def test_no_header_is_no_encoding():
    """And an empty one is none either."""
    assert b"abc" == decode(None, [b"a", b"bc"]) == decode("", [b"abc"]) == decode("identity", [b"abc"])


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_goes_off_in_steps(layers):
    """However small a piece, what is made of it at a time is bounded, and can be left at any point."""
    bomb = encode(bytes(50 << 20), ["gzip"] * layers)
    decoder = decoder_for(", ".join(["gzip"] * layers).encode())

    sizes = []
    for decoded in decoder.decode(bomb):
        sizes.append(len(decoded))
        if sum(sizes) > 1 << 20:
            break

    assert max(sizes) <= STEP
    assert sum(sizes) <= (1 << 20) + STEP


@pytest.mark.parametrize(
    "header",
    ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip", "gzip;q=1", "\xff", ",".join("x" * 99)],
)
def test_what_cannot_be_taken_off(header):
    """Unknown encodings, and more than two."""
    with pytest.raises(RecordError) as caught:
        decoder_for(header.encode("latin-1"))
    assert Kind.BAD_ENCODING is caught.value.kind


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_what_is_not_what_it_says(name):
    """A plain body under the header, and one that breaks off."""
    with pytest.raises(RecordError) as plain:
        decode(name, [b"\xff\xd8\xff\xe0 a picture"])
    with pytest.raises(RecordError) as short:
        decode(name, [encode(bytes(range(256)) * 99, [name])[:-9]])

    assert Kind.BAD_ENCODING is plain.value.kind
    assert Kind.INCOMPLETE is short.value.kind


@given(st.binary(), st.sampled_from(["gzip", "deflate", "gzip, deflate"]))
def test_any_bytes_decode_or_fail(data, header):
    """Nothing else is raised."""
    try:
        decode(header, [data, data])
    except RecordError as error:
        assert error.kind in (Kind.BAD_ENCODING, Kind.INCOMPLETE)  # noqa: PT017 - most bytes are not encoded


def test_what_follows_the_encoded_stream_is_dropped():
    """As curl and browsers do."""
    assert decode("gzip", [gzip.compress(b"abc") + b"\x00 padding", b"more"]) == b"abc"
