"""Names into addresses: each looked up once, remembered with a bound, and checked at every use."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import trio

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch.addresses import Network, is_allowed

TTL: Final = 300.0
"""Seconds for which an address is believed. The system's resolver does not tell the record's own TTL;
five minutes is what content networks commonly set as theirs."""

NEGATIVE_TTL: Final = 30.0
"""Seconds for which a name that did not resolve is not asked for again."""

REMEMBERED: Final = 65_536
"""Names remembered at the most, the least recently used going first."""

Lookup = Callable[[str], list[str]]
"""A name into addresses, blocking; raises OSError where there are none."""


def system_lookup(name: str) -> list[str]:
    """The addresses of a name by the system's resolver, in the order to try them in (RFC 6724)."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(slots=True)
class _Answer:
    expires: float
    addresses: list[str]
    error: str


class NameCache:
    """What names resolved to. Shared by the threads of a process; the bound is on entries.

    Args:
        pinned: Addresses for names, which are not looked up.
        size: Entries at the most.
    """

    def __init__(self, pinned: tuple[tuple[str, str], ...] = (), size: int = REMEMBERED) -> None:
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._size = size
        self._mutex = threading.Lock()
        self._pinned: dict[str, list[str]] = {}
        for name, address in pinned:
            self._pinned.setdefault(name.lower(), []).append(address)

    def pinned(self, name: str) -> list[str] | None:
        """The addresses that the user set for `name`; None where there are none."""
        return self._pinned.get(name)

    def get(self, name: str, now: float) -> _Answer | None:
        """What is known about `name`; None where it must be looked up."""
        with self._mutex:
            answer = self._answers.get(name)
            if answer is None or answer.expires < now:
                return None
            self._answers.move_to_end(name)
            return answer

    def put(self, name: str, addresses: list[str], error: str, now: float) -> None:
        """Remember what a lookup gave: addresses, or why there are none."""
        with self._mutex:
            self._answers[name] = _Answer(now + (TTL if addresses else NEGATIVE_TTL), addresses, error)
            self._answers.move_to_end(name)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)


class Names:
    """Resolves names on one event loop, one lookup at a time for a name.

    Args:
        cache: What is known already.
        allowed: Networks that may be connected to although they are not public; None allows all.
        threads: Lookups under way at once. A lookup cannot be interrupted: one that is given up keeps its
            thread until the system's resolver gives up too, so that there must be more than requests.
        lookup: How to look up.
        clock: The time in seconds; not the loop's, of which each has another, while they share the cache.
    """

    def __init__(
        self,
        cache: NameCache,
        allowed: tuple[Network, ...] | None,
        threads: int,
        lookup: Lookup = system_lookup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache = cache
        self._allowed = allowed
        self._lookup = lookup
        self._clock = clock
        self._limiter = trio.CapacityLimiter(threads)
        self._under_way: dict[str, trio.Event] = {}

    async def addresses(self, host: str) -> list[str]:
        """The addresses of `host`, all of which may be connected to.

        Raises:
            RecordError: `dns` where it has none, `blocked_address` where any of them is not allowed.
        """
        addresses = literal(host) or self._cache.pinned(host) or await self._resolved(host)
        if self._allowed is not None:
            for address in addresses:
                if not is_allowed(address, self._allowed):
                    named = address if address == host else f"{host} is {address}, which"
                    raise RecordError(Kind.BLOCKED_ADDRESS, f"{named} is not public (--allow-private)")
        return addresses

    async def _resolved(self, host: str) -> list[str]:
        while True:
            answer = self._cache.get(host, self._clock())
            if answer is not None:
                break
            waiting = self._under_way.get(host)
            if waiting is None:
                await self._look_up(host)
            else:
                await waiting.wait()
        if not answer.addresses:
            raise RecordError(Kind.DNS, answer.error)
        return answer.addresses

    async def _look_up(self, host: str) -> None:
        event = self._under_way[host] = trio.Event()
        try:
            addresses = await trio.to_thread.run_sync(
                self._lookup, host, limiter=self._limiter, abandon_on_cancel=True
            )
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self._cache.put(host, [], f"{host}: {why}", self._clock())
        else:
            self._cache.put(host, addresses, f"{host}: no address", self._clock())
        finally:
            del self._under_way[host]
            event.set()


def literal(host: str) -> list[str] | None:
    """The address that `host` is, as a list; None where it is a name."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        return None
