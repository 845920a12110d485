"""Which job is next: every job once, no host above its cap, none behind another's."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from imgpipe.fetch import scheduler as scheduling
from imgpipe.fetch import urls
from imgpipe.fetch.jobs import Job
from imgpipe.fetch.options import AUTO, FetchOptions
from imgpipe.fetch.pace import Outcome
from imgpipe.fetch.scheduler import Scheduler

HOSTS = [f"h{n}.example" for n in range(6)]


def job(host=HOSTS[0], place=0):
    return Job({"url": f"http://{host}/"}, urls.parse(f"http://{host}/"), place)


def made(**options) -> Scheduler:
    return Scheduler(FetchOptions(**options), random.Random(5))


class Jobs(RuleBasedStateMachine):
    """Jobs come, start, end and come again in any order."""

    @initialize(per_host=st.sampled_from([AUTO, 0, 1, 3]), delay=st.sampled_from([None, (0.5, 2.0)]))
    def begin(self, per_host, delay):
        self.subject = made(per_host=per_host, delay=delay, concurrency=8)
        self.cap = 1 if delay else per_host if per_host > 0 else 8
        self.now = 0.0
        self.places = 0
        self.waiting: set[int] = set()
        self.under_way: dict[int, Job] = {}

    @rule(host=st.sampled_from(HOSTS))
    def add(self, host):
        self.subject.add(job(host, self.places), self.now)
        self.waiting.add(self.places)
        self.places += 1

    @rule()
    def start(self):
        found = self.subject.next(self.now)
        if found is not None:
            self.waiting.remove(found.place)
            self.under_way[found.place] = found

    @precondition(lambda self: self.under_way)
    @rule(
        pick=st.randoms(use_true_random=False),
        outcome=st.sampled_from(Outcome),
        after=st.none() | st.floats(0, 1e6),
        again=st.booleans(),
    )
    def end(self, pick, outcome, after, again):
        ended = self.under_way.pop(pick.choice(sorted(self.under_way)))
        self.subject.end(ended, outcome, self.now, after if outcome is Outcome.SLOW_DOWN else None)
        if again:
            self.subject.again(ended, self.now + 1.0)
            self.waiting.add(ended.place)

    @rule(seconds=st.floats(0, 50))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def counts_are_right(self):
        if hasattr(self, "subject"):
            assert len(self.waiting) == self.subject.waiting
            assert len(self.under_way) == self.subject.active

    @invariant()
    def no_host_is_above_its_cap(self):
        if hasattr(self, "subject"):
            hosts = [found.target.host for found in self.under_way.values()]
            assert all(hosts.count(host) <= self.cap for host in hosts)

    def teardown(self):
        """In the end every job comes out, at times that are told, and nothing is kept."""
        if not hasattr(self, "subject"):
            return
        for ended in list(self.under_way.values()):
            self.subject.end(ended, Outcome.GOOD, self.now)
        while self.waiting:
            found = self.subject.next(self.now)
            if found is None:
                until = self.subject.next_time()
                assert until is not None, "all wait, and nobody knows for what"
                assert until > self.now
                self.now = until
                continue
            self.waiting.remove(found.place)
            self.subject.end(found, Outcome.GOOD, self.now)
        assert None is self.subject.next(self.now + 1e6)
        assert 0 == self.subject.waiting == self.subject.active


Jobs.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestJobs = Jobs.TestCase


def test_a_paused_host_holds_back_no_other():
    """While one sleeps, all the others take turns."""
    subject = made(per_host=0, concurrency=64)
    for place in range(5):
        subject.add(job("slow.example", place), 0.0)
        subject.add(job("good.example", place + 5), 0.0)
    first = subject.next(0.0)
    assert first.target.host == "slow.example"
    subject.end(first, Outcome.SLOW_DOWN, 0.0, 60.0)

    hosts = []
    while (found := subject.next(1.0)) is not None:
        hosts.append(found.target.host)
        subject.end(found, Outcome.GOOD, 1.0)

    assert hosts == ["good.example"] * 5
    assert subject.next_time() == 60.0
    assert subject.next(60.0).target.host == "slow.example"


def test_hosts_take_turns():
    """A host with a thousand jobs does not come before one that came later."""
    subject = made(per_host=0, concurrency=64)
    for place in range(1000):
        subject.add(job("big.example", place), 0.0)
    subject.add(job("small.example", 1000), 0.0)

    assert {"big.example", "small.example"} == {subject.next(0.0).target.host for _ in range(2)}


def test_a_slow_host_takes_no_more_than_its_share():
    """Where hosts compete, what hangs leaves room for what does not."""
    subject = made(per_host=0, concurrency=8)
    for place in range(50):
        subject.add(job("hangs.example", place), 0.0)
        subject.add(job("good.example", place + 50), 0.0)

    hung = []
    for _ in range(40):
        found = subject.next(0.0)
        if found.target.host == "hangs.example":
            hung.append(found)
        else:
            subject.end(found, Outcome.GOOD, 0.0)

    assert len(hung) == 4


def test_a_host_s_wish_is_heeded_up_to_the_longest_wait():
    """Nobody stops a run for a day."""
    subject = made()
    subject.add(job(place=1), 0.0)
    subject.add(job(place=2), 0.0)
    subject.end(subject.next(0.0), Outcome.SLOW_DOWN, 0.0, 86_400.0)

    assert None is subject.next(100.0)
    assert 120.0 <= subject.next_time() < 180.0


def test_idle_hosts_are_forgotten(monkeypatch):
    """Millions of hosts take the memory of a bounded number."""
    monkeypatch.setattr(scheduling, "IDLE_HOSTS", 10)
    subject = made()
    for number in range(100):
        subject.add(job(f"h{number}.example", number), 0.0)
        subject.end(subject.next(0.0), Outcome.GOOD, 0.0)

    assert len(subject._hosts) == 10
    assert len(subject._idle) == 10


def test_a_job_whose_host_was_forgotten_is_tried_again(monkeypatch):
    """The host is met anew."""
    monkeypatch.setattr(scheduling, "IDLE_HOSTS", 1)
    subject = made()
    subject.add(job("a.example", 1), 0.0)
    first = subject.next(0.0)
    subject.end(first, Outcome.TROUBLE, 0.0)
    subject.again(first, 5.0)
    for number in range(3):
        subject.add(job(f"h{number}.example", number), 0.0)
        subject.end(subject.next(0.0), Outcome.GOOD, 0.0)

    assert None is subject.next(4.0)
    assert first is subject.next(5.0)
