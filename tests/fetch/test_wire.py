"""HTTP on the wire, without a socket."""

from __future__ import annotations

import pytest
from fetch.faults import FAULTS
from fetch.hostile import JPEG, answer, chunked
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import urls, wire

VALID = {
    "length": answer(),
    "empty": answer(body=b""),
    "close": answer(length=None),
    "chunked": answer("200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG[:9], JPEG[9:]), length=None),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + answer(),
    "no-content": answer("204 No Content", body=b"", length=None),
    "old": answer(version="1.0"),
    "trailer": answer(
        "200 OK", "Transfer-Encoding: chunked", body=chunked(JPEG, end=b"0\r\nA: b\r\n\r\n"), length=None
    ),
}


def read(pieces, *, ended=True):
    """All that an answer tells, fed in these pieces."""
    subject = wire.Answer()
    body = b""
    for piece in pieces:
        subject.feed(piece)
        body += b"".join(subject.pieces())
    if ended and not subject.complete:
        subject.end()
    return subject.status, subject.headers, body, subject.complete, subject.reusable


def cut(data, places):
    places = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]


@pytest.mark.parametrize("name", VALID)
@given(places=st.lists(st.integers(0, 1 << 16)))
def test_pieces_do_not_matter(name, places):
    """However an answer is cut up on its way, it tells the same."""
    data = VALID[name]
    assert read([data]) == read(cut(data, places))


@pytest.mark.parametrize("name", VALID)
def test_a_valid_answer_is_whole(name):
    """Status, body and whether the connection can be kept."""
    status, _, body, complete, reusable = read([VALID[name]])

    assert (204 if name == "no-content" else 200) == status
    assert (b"" if name in ("empty", "no-content") else JPEG) == body
    assert complete
    assert (name not in ("close", "old")) == reusable


@given(st.sampled_from(sorted(VALID)), st.integers(0, 1 << 16))
def test_a_cut_answer_is_incomplete(name, place):
    """Where the end is known, nothing shorter passes for the whole."""
    data = VALID[name]
    head = data.index(b"\r\n\r\n", data.rindex(b"HTTP/1.")) + 4
    shorter = data[: place % len(data)]
    if name in ("close", "no-content", "empty") and len(shorter) >= head:
        return
    with pytest.raises(RecordError) as caught:
        read([shorter])
    assert Kind.INCOMPLETE is caught.value.kind


messy = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 404 x\r\n", b"\r\n", b"Content-Length: 5\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n",
             b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Content-Length: -1\r\n", b"HTTP/1.1 100 C\r\n\r\n",
             b"Upgrade: x\r\n", b"Connection: upgrade\r\n", b"HTTP/1.1 101 S\r\n", b"\x00", b"a: b\r\n c\r\n"]
        ),
    )
)  # fmt: skip


@given(messy)
def test_any_bytes_are_an_answer_or_a_record_error(pieces):
    """Nothing else is raised, and no kind but these two."""
    try:
        read(pieces)
    except RecordError as error:
        assert error.kind in (Kind.PROTOCOL, Kind.INCOMPLETE)  # noqa: PT017 - most bytes are no answer


@given(
    st.sampled_from(
        [name for name, fault in FAULTS.items() if fault.kind == "protocol" and isinstance(fault.act, bytes)]
    ),
    st.lists(st.integers(0, 1 << 16)),
)
def test_faults_do_not_pass_in_pieces(name, places):
    """What is refused in one piece is refused in many."""
    with pytest.raises(RecordError) as caught:
        read(cut(FAULTS[name].act, places))
    assert caught.value.kind in (Kind.PROTOCOL, Kind.INCOMPLETE)


def test_excess_is_dropped_and_costs_the_connection():
    """What follows an answer is nobody's."""
    for excess in (b"x", answer(), b"HTTP/1.1 404 No\r\n", b"\x00" * 99):
        status, _, body, complete, reusable = read([answer(), excess])
        assert (status, body, complete, reusable) == (200, JPEG, True, False)


def test_chunks_of_one_byte_are_taken():
    """Five bytes of framing for one of body are no abuse."""
    pieces = [bytes([byte]) for byte in JPEG] * 40
    data = answer("200 OK", "Transfer-Encoding: chunked", body=chunked(*pieces), length=None)

    assert read([data[n : n + 1000] for n in range(0, len(data), 1000)])[2] == JPEG * 40


def test_framing_without_content_is_refused():
    """Extensions of chunks count for nothing and could go on for ever."""
    start = answer("200 OK", "Transfer-Encoding: chunked", body=b"5;", length=None)
    with pytest.raises(RecordError, match="framing"):
        read([start, *[b"x" * 9999] * 100])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(300)), "256 headers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, "head of over"),
        (b"HTTP/1.1 100 C\r\n\r\n" * 5000, "head of over"),
        (b"HTTP/1.1 101 S\r\n\r\n", "protocol"),
    ],
)
def test_heads_have_a_limit(data, match):
    """In number, in size, and with interim ones before them."""
    with pytest.raises(RecordError, match=match):
        read([data])


def test_a_request_is_what_it_says():
    """Path, then the headers in their order."""
    target = urls.parse("http://a.example/b?c")
    sent = wire.request(target, [(b"Host", b"a.example"), (b"X", b"y")])
    assert sent == b"GET /b?c HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n"
