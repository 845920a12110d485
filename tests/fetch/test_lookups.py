"""Names into addresses: each looked up once, remembered for a while, none in the way of another."""

from __future__ import annotations

import threading
from ipaddress import ip_network

import pytest
import trio
import trio.testing

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch.names import NEGATIVE_TTL, TTL, NameCache, Names, literal, system_lookup


class Lookup:
    """A resolver that knows some names, counts what it is asked, and hangs at `hang…` until released."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked: list[str] = []
        self.begun = threading.Event()
        self.released = threading.Event()

    def __call__(self, name):
        self.asked.append(name)
        self.begun.set()
        if name.startswith("hang"):
            self.released.wait(20)
        if name not in self.answers:
            raise OSError(-2, "Name or service not known")
        return self.answers[name]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def made(lookup, *, cache=None, allowed=None, threads=8, clock=None):
    return Names(cache or NameCache(), allowed, threads, lookup, clock or Clock())


def resolve(names, *hosts):
    """What each host gives: addresses or a kind, all asked at the same time."""
    found = {}

    async def one(place, host):
        try:
            found[place] = await names.addresses(host)
        except RecordError as error:
            found[place] = error.kind

    async def main():
        async with trio.open_nursery() as nursery:
            for place, host in enumerate(hosts):
                nursery.start_soon(one, place, host)

    trio.run(main)
    return [found[place] for place in range(len(hosts))]


def test_a_name_is_looked_up_once_however_many_ask():
    """One lookup at a time for a name, whether it succeeds or not."""
    lookup = Lookup(a=["1.1.1.1"])

    found = resolve(made(lookup), *["a"] * 20, *["b"] * 20)

    assert found == [["1.1.1.1"]] * 20 + [Kind.DNS] * 20
    assert sorted(lookup.asked) == ["a", "b"]


def test_what_was_found_is_believed_for_a_while():
    """Addresses for five minutes, their absence for half a minute."""
    lookup, clock = Lookup(a=["1.1.1.1"]), Clock()
    names = made(lookup, clock=clock)
    resolve(names, "a", "b")

    clock.now += NEGATIVE_TTL - 1
    resolve(names, "a", "b")
    assert len(lookup.asked) == 2

    clock.now += 2
    resolve(names, "a", "b")
    assert sorted(lookup.asked) == ["a", "b", "b"]

    clock.now += TTL
    resolve(names, "a")
    assert sorted(lookup.asked) == ["a", "a", "b", "b"]


def test_loops_share_what_is_known():
    """Each event loop has a clock of its own; what one has found, the next one believes."""
    lookup, cache = Lookup(a=["1.1.1.1"]), NameCache()
    for _ in range(10):
        resolve(Names(cache, None, 8, lookup), "a", "b")

    assert sorted(lookup.asked) == ["a", "b"]


def test_what_is_remembered_is_bounded():
    """The least recently used goes first."""
    lookup = Lookup(**{f"h{n}": ["1.1.1.1"] for n in range(20)})
    names = made(lookup, cache=NameCache(size=5))
    for number in range(20):
        resolve(names, "h0", f"h{number}")

    assert len(lookup.asked) == 20
    resolve(names, "h0", "h3")
    assert len(lookup.asked) == 21


def test_names_that_hang_delay_no_other():
    """Two hundred lookups under way, and the next name is answered at once."""
    lookup = Lookup(good=["1.1.1.1"])
    names = made(lookup, threads=4 * 64 + 64)

    async def hang(number):
        with pytest.raises(RecordError):
            await names.addresses(f"hang{number}")

    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(hang, number)
            with trio.fail_after(5):
                assert await names.addresses("good") == ["1.1.1.1"]
            lookup.released.set()

    trio.run(main)


def test_a_lookup_that_is_given_up_is_taken_over():
    """Who waited for another's lookup makes one of his own when that is cancelled."""
    lookup = Lookup(hang=["1.1.1.1"])
    names = made(lookup)

    async def main():
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def first():
                with scope:
                    await names.addresses("hang")

            nursery.start_soon(first)
            assert await trio.to_thread.run_sync(lookup.begun.wait, 20)
            nursery.start_soon(names.addresses, "hang")
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            # Until it is taken over: an answer that comes before that would do for both.
            await trio.testing.wait_all_tasks_blocked()
            lookup.released.set()

    trio.run(main)
    assert lookup.asked == ["hang", "hang"]


@pytest.mark.parametrize(
    ("addresses", "verdict"),
    [
        (["93.184.215.14"], ["93.184.215.14"]),
        (["93.184.215.14", "127.0.0.1"], Kind.BLOCKED_ADDRESS),
        (["::1", "93.184.215.14"], Kind.BLOCKED_ADDRESS),
        (["fe80::1%eth0"], Kind.BLOCKED_ADDRESS),
        (["10.1.2.3"], ["10.1.2.3"]),
        ([], Kind.DNS),
    ],
)
def test_all_addresses_of_a_name_must_be_allowed(addresses, verdict):
    """One that is not refuses the name, also when it comes second."""
    names = made(Lookup(a=addresses), allowed=(ip_network("10.0.0.0/8"),))

    assert [verdict] == resolve(names, "a")


def test_an_answer_that_changes_is_checked_again():
    """A name that leads elsewhere at its second lookup does not get round the rule."""
    lookup, clock = Lookup(a=["93.184.215.14"]), Clock()
    names = made(lookup, allowed=(), clock=clock)
    assert resolve(names, "a") == [["93.184.215.14"]]

    lookup.answers["a"] = ["127.0.0.1"]
    assert resolve(names, "a") == [["93.184.215.14"]]
    clock.now += TTL + 1
    assert resolve(names, "a") == [Kind.BLOCKED_ADDRESS]


def test_pinned_names_and_addresses_are_not_looked_up():
    """What the user says holds, under the same rule."""
    lookup = Lookup()
    cache = NameCache((("A.example", "93.184.215.14"), ("A.example", "1.1.1.1"), ("b.example", "127.0.0.1")))
    names = made(lookup, cache=cache, allowed=())

    found = resolve(names, "a.example", "b.example", "8.8.8.8", "127.0.0.1")

    assert found == [["93.184.215.14", "1.1.1.1"], Kind.BLOCKED_ADDRESS, ["8.8.8.8"], Kind.BLOCKED_ADDRESS]
    assert lookup.asked == []


@pytest.mark.parametrize("name", ["a..b", "a" * 64 + ".b", "x" * 300])
def test_names_that_no_resolver_takes_do_not_resolve(name):
    """The system's resolver refuses some before it asks anybody."""
    assert resolve(made(system_lookup), name) == [Kind.DNS]


def test_the_system_knows_this_machine():
    """Its addresses, each once."""
    found = system_lookup("localhost")
    assert "127.0.0.1" in found
    assert len(found) == len(set(found))


def test_what_is_an_address():
    """Only what is one in its usual form: the others go to the resolver, and are checked after it."""
    assert literal("127.0.0.1") == ["127.0.0.1"]
    assert literal("0:0:0:0:0:0:0:1") == ["::1"]
    assert None is literal("127.1") is literal("2130706433") is literal("a")
