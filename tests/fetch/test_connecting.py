"""New connections and kept ones, on real sockets in one process."""

from __future__ import annotations

import os
import resource
import socket
import ssl
from contextlib import ExitStack

import pytest
import trio
from fetch.hostile import refused
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import connections, urls
from imgpipe.fetch.channels import Plain
from imgpipe.fetch.connections import IDLE_SECONDS, Connection, Pool, dial
from imgpipe.fetch.names import NameCache, Names


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def full():
    """A listener that takes no more connections: to it, a connection hangs."""
    stack = ExitStack()
    made = stack.enter_context(socket.socket())
    made.bind(("127.0.0.1", 0))
    made.listen(0)
    for _ in range(3):
        sock = stack.enter_context(socket.socket())
        sock.setblocking(False)
        sock.connect_ex(made.getsockname())
    return stack, made.getsockname()[1]


def dialled(port, *addresses, seconds=2.0, scheme="http"):
    """Connect to a name with these addresses; the peer's address, or the error."""

    async def main():
        names = Names(NameCache(), None, 4, lambda _: list(addresses))
        target = urls.parse(f"{scheme}://a.example:{port}/")
        connection = await dial(target, names, ssl.create_default_context, seconds)
        with socket.socket(fileno=os.dup(connection.channel.fileno())) as same:
            connection.close()
            return same.getpeername()[0]

    try:
        return trio.run(main)
    except RecordError as error:
        return error


def test_the_first_address_that_answers_is_taken(listener):
    """One that refuses costs nothing, and each gets its turn."""
    port = listener.getsockname()[1]

    assert dialled(port, "127.0.0.1") == "127.0.0.1"
    assert dialled(port, "127.0.0.2", "127.0.0.3", "127.0.0.1") == "127.0.0.1"
    assert dialled(port, "::1", "127.0.0.1") == "127.0.0.1"


def test_no_more_than_four_addresses_are_tried(listener):
    """A name with a thousand addresses does not get a thousand connections."""
    error = dialled(listener.getsockname()[1], *[f"127.0.0.{n}" for n in range(2, 9)], "127.0.0.1")

    assert Kind.CONNECT is error.kind
    assert "refused" in error.detail


def test_an_address_that_hangs_leaves_time_for_the_next():
    """It gets its share of the time, and no more."""
    stack, port = full()
    with stack, socket.create_server(("127.0.0.2", port)):
        assert dialled(port, "127.0.0.1", "127.0.0.2", seconds=1.0) == "127.0.0.2"


def test_nobody_there():
    """Refused is told as such; silence as no answer; both may pass."""
    with refused() as sock:
        error = dialled(sock.getsockname()[1], "127.0.0.1")
    assert (error.kind, error.detail[:10]) == (Kind.CONNECT, "a.example:")

    stack, port = full()
    with stack:
        error = dialled(port, "127.0.0.1", seconds=0.2)
    assert Kind.CONNECT is error.kind
    assert "no answer" in error.detail


def test_a_name_that_hangs_is_dns():
    """Which part took too long is told."""
    target = urls.parse("http://a.example/")

    async def main():
        names = Names(NameCache(), None, 4, lambda _: os.read(reading, 1) and [])
        with pytest.raises(RecordError) as caught:
            await dial(target, names, ssl.create_default_context, 0.2)
        assert Kind.DNS is caught.value.kind
        os.close(writing)

    reading, writing = os.pipe()
    trio.run(main)
    os.close(reading)


def test_without_descriptors_it_is_no_bug_of_ours(listener):
    """A process that has none to spare fails the record, to be tried again."""
    port = listener.getsockname()[1]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main():
        names = Names(NameCache(), None, 4, lambda _: ["127.0.0.1"])
        await names.addresses("a.example")
        probe = os.dup(0)
        os.close(probe)
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
        try:
            with pytest.raises(RecordError) as caught:
                await dial(urls.parse(f"http://a.example:{port}/"), names, ssl.create_default_context, 1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert Kind.CONNECT is caught.value.kind
        assert "Too many open files" in caught.value.detail

    trio.run(main)


@pytest.fixture
def pairs():
    """Makes connections, with their other ends."""
    with ExitStack() as stack:

        def make(host="a"):
            ours, theirs = socket.socketpair()
            stack.enter_context(theirs)
            stack.callback(ours.close)
            ours.setblocking(False)
            return Connection(("http", host, 80), Plain(ours)), theirs

        yield make


def test_the_last_used_comes_first(pairs):
    """And each only once."""
    pool = Pool(10)
    one, other = pairs()[0], pairs()[0]
    pool.give(one, 0.0)
    pool.give(other, 1.0)

    assert [other, one, None] == [pool.take(("http", "a", 80)) for _ in range(3)]
    assert one.used


def test_what_has_something_to_read_is_not_taken(pairs):
    """It was closed, or says what nobody asked for."""
    pool = Pool(10)
    good, _keep = pairs()
    ended, theirs = pairs()
    chatty, speaker = pairs()
    theirs.close()
    speaker.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    for connection in (good, ended, chatty):
        pool.give(connection, 0.0)

    assert good is pool.take(("http", "a", 80))
    assert None is pool.take(("http", "a", 80))
    assert -1 == ended.channel.fileno() == chatty.channel.fileno()


def test_idle_ones_are_closed_in_time(pairs):
    """Those that were idle too long go when another comes; closing closes all."""
    pool = Pool(10)
    old, young = pairs("a")[0], pairs("b")[0]
    pool.give(old, 0.0)
    pool.give(young, IDLE_SECONDS + 1)

    assert old.channel.fileno() == -1
    assert None is pool.take(("http", "a", 80))

    pool.close()
    assert young.channel.fileno() == -1
    assert None is pool.take(("http", "b", 80))


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=30))
def test_the_pool_is_bounded(size, steps):
    """Never more than its size are idle, and what it drops is closed."""
    pool = Pool(size)
    made, taken = [], []
    with ExitStack() as stack:
        for give, host in steps:
            origin = ("http", str(host), 80)
            if give:
                ours, theirs = socket.socketpair()
                stack.enter_context(theirs)
                stack.callback(ours.close)
                connection = Connection(origin, Plain(ours))
                made.append(connection)
                pool.give(connection, 0.0)
            elif (connection := pool.take(origin)) is not None:
                assert origin == connection.origin
                taken.append(connection)
            open_ones = [one for one in made if one.channel.fileno() >= 0 and one not in taken]
            assert len(open_ones) <= size
            assert len(pool._idle) == len(open_ones) == sum(map(len, pool._by_origin.values()))
            assert all(pool._by_origin.values())


def test_the_limits_are_the_known_ones():
    """Idle connections are dropped before usual servers do."""
    assert connections.IDLE_SECONDS < 75
