"""Which job is next: a pure decision on hosts, their paces and the time.

Jobs wait by host. Hosts that may be asked now take turns; those that must wait sleep until their time,
so that a slow host costs the others nothing. Every operation takes constant or logarithmic time.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import OrderedDict, deque
from typing import Final

from imgpipe.fetch.jobs import Job
from imgpipe.fetch.options import AUTO, FetchOptions
from imgpipe.fetch.pace import Outcome, Pace
from imgpipe.fetch.retry import LONGEST_WAIT

IDLE_HOSTS: Final = 10_000
"""Hosts without work whose pace is remembered, the least recently used going first."""


LEAST_SHARE: Final = 2
"""Requests in flight that each of many competing hosts may have."""


class _Host:
    __slots__ = ("jobs", "name", "pace", "ready", "sleeping")

    def __init__(self, name: str, pace: Pace) -> None:
        self.name = name
        self.pace = pace
        self.jobs: deque[Job] = deque()
        self.ready = False
        self.sleeping = False


class Scheduler:
    """Jobs that wait, by host.

    Args:
        options: The limits.
        rng: Source of drawn delays.

    Attributes:
        waiting: Jobs that wait, for their turn or for another try.
        active: Jobs that are under way.
    """

    def __init__(self, options: FetchOptions, rng: random.Random) -> None:
        self._options = options
        self._rng = rng
        self._hosts: dict[str, _Host] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._ready: deque[_Host] = deque()
        self._timed: list[tuple[float, int, _Host | Job]] = []
        self._numbers = itertools.count()
        self.waiting = 0
        self.active = 0

    def add(self, job: Job, now: float) -> None:
        """A job that is to be done when its host's turn comes."""
        self.waiting += 1
        host = self._host(job.target.host)
        host.jobs.append(job)
        self._settle(host, now)

    def next(self, now: float) -> Job | None:
        """A job that may start now, which counts as started; None where all must wait."""
        self._wake(now)
        while self._ready:
            host = self._ready.popleft()
            host.ready = False
            if host.jobs and self._ready_at(host, now) == now:
                job = host.jobs.popleft()
                self.waiting -= 1
                self.active += 1
                host.pace.start(now)
                job.start(now)
                self._settle(host, now)
                return job
            self._settle(host, now)
        return None

    @property
    def ready(self) -> bool:
        """Whether a host with jobs may be asked now, as far as is known without a look at the time."""
        return bool(self._ready)

    def next_time(self) -> float | None:
        """When a job that waits for its time may start; None where none does."""
        return self._timed[0][0] if self._timed else None

    def end(self, job: Job, outcome: Outcome, now: float, retry_after: float | None = None) -> None:
        """An attempt at a job ended. A host's wish is heeded up to the longest wait."""
        self.active -= 1
        host = self._hosts[job.target.host]
        if retry_after is not None:
            retry_after = min(retry_after, LONGEST_WAIT)
        host.pace.end(outcome, job.started, now, retry_after)
        self._settle(host, now)

    def again(self, job: Job, at: float) -> None:
        """A job that ended is to be tried again at that time."""
        self.waiting += 1
        heapq.heappush(self._timed, (at, next(self._numbers), job))

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            options = self._options
            cap = options.per_host if options.per_host > 0 else options.concurrency
            pace = Pace(cap, adaptive=options.per_host == AUTO, delay=options.delay, rng=self._rng)
            host = self._hosts[name] = _Host(name, pace)
        self._idle.pop(name, None)
        return host

    def _settle(self, host: _Host, now: float) -> None:
        """Put a host where it belongs after anything changed about it."""
        if not host.jobs:
            if not (host.pace.active or host.ready or host.sleeping):
                self._rest(host)
            return
        if host.ready or host.sleeping:
            return
        at = self._ready_at(host, now)
        if at is None:
            return
        if at <= now:
            host.ready = True
            self._ready.append(host)
        else:
            host.sleeping = True
            heapq.heappush(self._timed, (at, next(self._numbers), host))

    def _ready_at(self, host: _Host, now: float) -> float | None:
        # Where hosts compete, none takes more than its share of what may be in flight: a slow one would
        # fill it all in the end.
        busy = len(self._hosts) - len(self._idle)
        if busy > 1 and host.pace.active >= max(LEAST_SHARE, self._options.concurrency // busy):
            return None
        return host.pace.ready_at(now)

    def _rest(self, host: _Host) -> None:
        self._idle[host.name] = None
        self._idle.move_to_end(host.name)
        while len(self._idle) > IDLE_HOSTS:
            name, _ = self._idle.popitem(last=False)
            del self._hosts[name]

    def _wake(self, now: float) -> None:
        while self._timed and self._timed[0][0] <= now:
            _, _, sleeper = heapq.heappop(self._timed)
            if isinstance(sleeper, Job):
                host = self._host(sleeper.target.host)
                host.jobs.appendleft(sleeper)
            else:
                host = sleeper
                host.sleeping = False
            self._settle(host, now)
