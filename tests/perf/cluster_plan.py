"""When a cluster has a billion URLs done, against the ideal: cluster_plan.py [--seed N] [--nodes N]… [--parts N]…

A simulation: nothing is fetched. What is assumed:

hosts   five hold a tenth of the URLs, the others as many as their rank to the power of -0.75. Each is
        asked no faster than it bears: the five 1,000 times a second; one of 100 URLs 20 times, others
        with the root of their URLs more, a third of all more than twice as fast or less than half
work    5.72 ms of a core for each image, 0.39 ms of that in the one process that fetches, as was
        measured on a machine that keeps its memory; README.md tells of one that does not, and has 7.2
nodes   16 cores, as many parts at a time; 3 % at half speed; each is lost every 200 hours on average, and
        back after 10 minutes. Its parts are continued elsewhere: 90 seconds and half a shard are lost
parts   differ by 15 % in what an image takes

A part takes as long as its slowest host or its cores do. Its job has one core (`one`, as where a scheduler
holds it to that) or what the others on its node leave (`free`). Ways to divide and to start:

host    as `imgpipe read --part-by host`, started in the order of their names
first   the same, the largest started first
apart   as that, the five largest hosts by line, each in as many parts as it bears at once
line    as `--part-by line`. No part knows of another that asks the same host; the column `asked by` tells how
        many do. The time is that of hosts which share fairly what they bear, without refusing any
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import random
import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

HEADS = (0.04, 0.025, 0.015, 0.01, 0.01)
"""Shares of the URLs that the largest hosts hold: a tenth together."""
POWER = 0.75
SINGLE = 50_000
"""Hosts that are placed one by one; the smaller ones make every part larger by nearly as much."""
IMAGE, FETCHED = 0.00572, 0.00039
"""Seconds of a core that an image takes in all stages, and in `fetch`, which is one process."""
CORES = 16
START = 2.0
"""Seconds of a core in which the processes of a part start and end."""
SHARD = 5_000
LEASE, BACK = 90.0, 600.0
"""Seconds until a lost node's locks are free, and until the node is back."""
SLOW_NODES, SPREAD = 0.03, 0.15


@dataclass
class Part:
    """Seconds of a core that a part takes, and seconds for which its slowest host makes it last."""

    work: float
    wait: float

    def alone(self, cores: float) -> float:
        """Seconds that it takes where it has so many cores for itself."""
        return max(self.work / cores, self.wait)


@dataclass(frozen=True)
class Host:
    """URLs of a host, and seconds that all of them take at the pace that it bears."""

    urls: float
    wait: float


@dataclass(frozen=True)
class Web:
    """The hosts of a list: the largest five, others one by one, and what all smaller ones have together.

    Attributes:
        rest: URLs of the smaller ones.
        squares: The sum of the squares of their numbers.
    """

    heads: list[Host]
    others: list[Host]
    rest: float
    squares: float


def web(urls: float, hosts: int, bears: float, rng: random.Random) -> Web:
    """A list whose largest hosts hold a tenth, and the others shares by a power law."""
    tail = urls * (1 - sum(HEADS))
    scale = tail / sum_of_powers(1, hosts, POWER)
    sizes = [scale * rank**-POWER for rank in range(1, min(SINGLE, hosts) + 1)]
    others = []
    for size in sizes:
        rate = 20 * math.sqrt(max(size, 100) / 100) * 2 ** rng.gauss(0, 1)
        others.append(Host(size, size / min(rate, bears)))
    squares = scale**2 * sum_of_powers(len(sizes) + 1, hosts, 2 * POWER)
    heads = [Host(urls * share, urls * share / bears) for share in HEADS]
    return Web(heads, others, max(0.0, tail - sum(sizes)), squares)


def sum_of_powers(first: int, last: int, power: float) -> float:
    """The sum of rank to -power; by the integral where the ranks are many."""
    exact = min(last, first + 1000)
    total = sum(rank**-power for rank in range(first, exact + 1))
    if last > exact:
        total += ((last + 0.5) ** (1 - power) - (exact + 0.5) ** (1 - power)) / (1 - power)
    return total


def by_host(hosts: list[Host], found: Web, count: int, rng: random.Random) -> list[Part]:
    """Parts of which each host is in one."""
    spread = math.sqrt(found.squares / count)
    parts = [Part(max(0.0, rng.gauss(found.rest / count, spread)) * IMAGE, 0.0) for _ in range(count)]
    for host in hosts:
        part = rng.choice(parts)
        part.work += host.urls * IMAGE
        part.wait = max(part.wait, host.wait)
    return parts


def divide(way: str, found: Web, count: int, jobs: int, cores: float, rng: random.Random) -> list[Part]:
    """The parts in the order in which they are started, `jobs` at a time of up to `cores` each."""
    if way == "line":
        hosts = [*found.heads, *found.others]
        urls = sum(host.urls for host in hosts) + found.rest
        wait = max(host.wait for host in hosts) * min(jobs, count) / count
        parts = [Part(urls * IMAGE / count, wait)] * count
    elif way == "apart":
        parts = by_host(found.others, found, count, rng)
        for head in found.heads:
            borne = math.ceil(head.urls * IMAGE / head.wait / cores)
            parts += [Part(head.urls * IMAGE / borne, head.wait)] * borne
    else:
        parts = by_host([*found.heads, *found.others], found, count, rng)
    parts = [Part(part.work * math.exp(rng.gauss(0, SPREAD)) + START, part.wait) for part in parts]
    return parts if way == "host" else sorted(parts, key=lambda part: part.alone(cores), reverse=True)


class Node:
    """Cores that the jobs on it share.

    Args:
        speed: 1 for a usual one.
        most: Cores that one job may use.
    """

    def __init__(self, speed: float, most: float) -> None:
        self.up, self.round = True, 0
        self.jobs: list[tuple[Part, Part]] = []
        self._speed, self._most, self._at = speed, most, 0.0
        self._rates: list[float] = []

    def advance(self, now: float) -> int:
        """Let the jobs go on until `now`; how many have ended."""
        passed, self._at = now - self._at, now
        for (_, left), rate in zip(self.jobs, self._rates, strict=True):
            share = min(1.0, rate * passed)
            left.work, left.wait = left.work * (1 - share), left.wait * (1 - share)
        before = len(self.jobs)
        self.jobs = [(part, left) for part, left in self.jobs if left.work > 1e-6 * part.work]
        return before - len(self.jobs)

    def share_out(self) -> float:
        """Divide the cores among the jobs; seconds until the next one ends, if nothing else happens."""
        self.round += 1
        wanted = [
            min(self._most, left.work / left.wait if left.wait else self._most) for _, left in self.jobs
        ]
        self._rates = [0.0] * len(wanted)
        cores, waiting = CORES * self._speed, len(wanted)
        for job in sorted(range(len(wanted)), key=wanted.__getitem__):
            given = min(wanted[job], cores / waiting)
            cores, waiting = cores - given, waiting - 1
            self._rates[job] = given / self.jobs[job][1].work
        return 1 / max(self._rates) if self._rates else math.inf


class Cluster:
    """Nodes that take parts from a queue, each lost now and then.

    Args:
        nodes: How many there are.
        most: Cores that one job may use.
        life: Hours after which a node is lost, on average.
        rng: What chance decides by.
    """

    def __init__(self, nodes: int, most: float, life: float, rng: random.Random) -> None:
        self._nodes = [Node(0.5 if rng.random() < SLOW_NODES else 1.0, most) for _ in range(nodes)]
        self._life, self._rng = life * 3600, rng
        self._events: list[tuple[float, int, str, int, int]] = []
        self._numbers = itertools.count()
        self._now = 0.0
        self.lost = 0

    def run(self, parts: list[Part]) -> float:
        """Seconds until all parts are done. They are started in their order."""
        queue, left = deque(parts), len(parts)
        for number in range(len(self._nodes)):
            self._later(self._rng.expovariate(1 / self._life), "lost", number)
        self._fill(queue, range(len(self._nodes)), set())
        while left:
            self._now, _, what, number, its_round = heapq.heappop(self._events)
            node = self._nodes[number]
            if what == "end" and its_round != node.round:
                continue
            left -= node.advance(self._now)
            if what == "lost":
                self._lose(queue, number)
            elif what == "back":
                node.up = True
            self._fill(queue, range(len(self._nodes)) if what == "lost" else (number,), {number})
        return self._now

    def _later(self, seconds: float, what: str, number: int, its_round: int = 0) -> None:
        if seconds < math.inf:
            heapq.heappush(self._events, (self._now + seconds, next(self._numbers), what, number, its_round))

    def _fill(self, queue: deque[Part], numbers: Iterable[int], changed: set[int]) -> None:
        # One a node in turn, as engines do it: the first parts do not share a node.
        for _, number in itertools.product(range(CORES), numbers):
            node = self._nodes[number]
            if queue and node.up and len(node.jobs) < CORES:
                if number not in changed:
                    node.advance(self._now)
                changed.add(number)
                part = queue.popleft()
                node.jobs.append((part, Part(part.work, part.wait)))
                node._rates.append(0.0)
        for number in changed:
            self._later(self._nodes[number].share_out(), "end", number, self._nodes[number].round)

    def _lose(self, queue: deque[Part], number: int) -> None:
        node = self._nodes[number]
        for part, left in node.jobs:
            done = part.work - left.work
            again = (left.work + min(SHARD / 2 * IMAGE, done)) / part.work
            queue.appendleft(Part(part.work * again + START, part.wait * again + LEASE))
        self.lost += len(node.jobs)
        node.jobs, node._rates, node.up = [], [], False
        self._later(BACK, "back", number)
        self._later(BACK + self._rng.expovariate(1 / self._life), "lost", number)


def row(way: str, nodes: int, count: int, cores: float, options: argparse.Namespace) -> str:
    """One line of the table: medians of several runs of chance."""
    ideal = options.urls * IMAGE / (nodes * CORES)
    finished, longest, lost = [], [], []
    for run in range(options.runs):
        # The same hosts and the same fate in all ways.
        found = web(options.urls, options.hosts, options.bears, random.Random(f"web {options.seed} {run}"))
        rng = random.Random(f"{options.seed} {run} {nodes} {count}")
        parts = divide(way, found, count, nodes * CORES, cores, rng)
        cluster = Cluster(nodes, cores, options.life, random.Random(f"{options.seed} {run} {nodes}"))
        finished.append(cluster.run(parts))
        longest.append(max(part.alone(cores) for part in parts))
        lost.append(cluster.lost)
    asked = min(nodes * CORES, count) if way == "line" else 1
    if way == "apart":
        asked = math.ceil(options.bears * IMAGE / cores)
    took = statistics.median(finished)
    return (
        f"{nodes:5} {count:6}  {'one' if cores == 1 else 'free':4}  {way:5} {ideal / 3600:6.1f} {took / 3600:7.1f}"
        f" {took / ideal:6.2f} {statistics.median(longest) / 3600:8.2f} {statistics.median(lost):5.0f} {asked:8}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", default="1")
    parser.add_argument("--nodes", type=int, action="append", help="10 and 100")
    parser.add_argument("--parts", type=int, action="append", help="1,000 and 10,000")
    parser.add_argument("--urls", type=float, default=1e9)
    parser.add_argument("--hosts", type=int, default=10_000_000)
    parser.add_argument("--bears", type=float, default=1000.0, help="requests a second to the largest hosts")
    parser.add_argument("--life", type=float, default=200.0, help="hours until a node is lost")
    parser.add_argument("--runs", type=int, default=3, help="whose medians are told")
    options = parser.parse_args()
    largest = options.urls * HEADS[0] / options.bears
    print(
        f"{options.urls:.3g} URLs of {options.hosts:.3g} hosts, seed {options.seed}; the largest host alone takes"
    )
    print(
        f"{largest / 3600:.1f} hours, in which {options.urls * IMAGE / CORES / largest:.1f} nodes do all the work\n"
    )
    print("                          ideal  finish  ideal  longest parts    asked")
    print("nodes  parts  core  way       h       h  times  part, h  lost       by")
    for nodes, count in itertools.product(options.nodes or (10, 100), options.parts or (1000, 10_000)):
        for cores, ways in (
            (1, ("host", "first", "apart", "line")),
            (IMAGE / FETCHED, ("host", "first", "line")),
        ):
            for way in ways:
                print(row(way, nodes, count, cores, options), flush=True)


if __name__ == "__main__":
    main()
