"""Connections that are kept: used again where that is right, and only there."""

from __future__ import annotations

import pytest
from fetch.hostile import Hostile, Peer, answer, good
from helpers import run_filter


def fetch(server, *names, mode="async"):
    """Fetch one after the other; the records in order."""
    run = run_filter(
        "fetch", "-q", "--mode", mode, "-j", 1, "--ordered", "--allow-private", "--retries", 0, "--timeout", 3,
        lines=[server.url(name) for name in names],
    )  # fmt: skip
    assert (run.code, run.err) == (0, "")
    assert len(names) == len(run.records)
    return run.records


def errors(records):
    return [record.get("error") for record in records]


def is_second(peer: Peer) -> bool:
    """Whether the connection has carried a request before this one."""
    return sum(request.connection == peer.number for request in peer.server.seen) > 1


def closes_under_it(peer: Peer) -> bool:
    return False if is_second(peer) else good(peer)


def resets_under_it(peer: Peer) -> bool:
    if is_second(peer):
        peer.reset()
        return False
    return good(peer)


def half_an_answer(peer: Peer) -> None:
    peer.send(answer()[:60])


def never(peer: Peer) -> None:
    """Hang up, whoever asks."""


@pytest.mark.parametrize("mode", ["async", "threads", "processes", "loop"])
def test_a_connection_is_used_again(mode):
    """One connection carries all requests to an origin, also past an error with a body."""

    def gone(peer):
        peer.send(answer("404 Not Found", body=b"x" * 9000))
        return True

    with Hostile({"good": good, "gone": gone}) as server:
        records = fetch(server, "good/1", "gone", "good/2", "good/3", mode=mode)

    assert errors(records) == [None, "http_status", None, None]
    assert server.connections == 1


@pytest.mark.parametrize("act", [closes_under_it, resets_under_it])
def test_a_stale_connection_costs_a_second_request_not_the_record(act):
    """Where the server closes a kept connection under a request, that is sent once more."""
    with Hostile({"one": act, "two": act}) as server:
        records = fetch(server, "one", "two")

    assert errors(records) == [None, None]
    assert [record["attempts"] for record in records] == [1, 1]
    assert server.counts == {"one": 1, "two": 2}


def test_a_connection_closed_while_idle_is_noticed():
    """Its end is seen before a request is wasted on it."""
    with Hostile({"bytes": answer()}) as server:
        records = fetch(server, "bytes/1", "bytes/2", "bytes/3")

    assert errors(records) == [None] * 3
    assert server.counts == {"bytes": 3}
    assert server.connections == 3


def test_a_request_is_sent_again_only_once():
    """A server that hangs up on the second try too has failed."""
    with Hostile({"good": good, "never": never}) as server:
        records = fetch(server, "good", "never")

    assert errors(records) == [None, "incomplete"]
    assert server.counts["never"] == 2


def test_a_request_whose_answer_began_is_not_sent_again():
    """The server has heard it."""
    with Hostile({"good": good, "half": half_an_answer}) as server:
        records = fetch(server, "good", "half")

    assert errors(records) == [None, "incomplete"]
    assert server.counts["half"] == 1


@pytest.mark.parametrize(
    "data",
    [
        answer() + answer("200 OK", body=b"smuggled"),
        answer() + b"garbage",
        answer("200 OK", "Connection: close"),
        answer(version="1.0"),
        answer("404 Not Found", body=b"", length=1 << 20) + b"x" * 100,
        answer("404 Not Found", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n", length=None),
    ],
    ids=["another-answer", "garbage", "asked-to-close", "http-1.0", "long-error", "chunked-error"],
)
def test_a_doubtful_connection_is_not_used_again(data):
    """What a server sends beyond its answer can never answer another request."""

    def odd(peer):
        peer.send(data)
        return True

    with Hostile({"odd": odd, "good": good}) as server:
        records = fetch(server, "odd", "good")

    assert None is records[1].get("error")
    assert server.connections == 2


def test_interim_answers_do_not_cost_the_connection():
    """A 1xx before the answer is no answer of its own."""

    def hints(peer):
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer())
        return True

    with Hostile({"hints": hints}) as server:
        assert errors(fetch(server, "hints/1", "hints/2")) == [None, None]

    assert server.connections == 1
