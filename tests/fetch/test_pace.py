"""The pace of one host: arithmetic on times that it is handed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.fetch.pace import FIRST_LIMIT, Outcome, Pace


def pace(cap=64, *, adaptive=True, delay=None):
    return Pace(cap, adaptive=adaptive, delay=delay, rng=random.Random(3))


def run(subject: Pace, outcomes, now=0.0, step=0.01):
    """One request after the other, each ending at once; returns the time after."""
    for outcome in outcomes:
        now = max(now + step, subject.ready_at(now))
        subject.start(now)
        subject.end(outcome, now, now)
    return now


steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "good", "trouble", "slow"]),
        st.floats(0, 5),
        st.none() | st.floats(0, 200),
    ),
    max_size=60,
)


@given(st.integers(1, 100), st.booleans(), steps)
def test_it_never_exceeds_its_cap(cap, adaptive, steps):
    """Whatever happens, no more than the cap are in flight, and one always may be in the end."""
    subject = pace(cap, adaptive=adaptive)
    now, started = 0.0, []
    for what, passed, after in steps:
        now += passed
        ready = subject.ready_at(now)
        if what == "start":
            if ready is not None and ready <= now:
                subject.start(now)
                started.append(now)
        elif started:
            outcome = {"good": Outcome.GOOD, "trouble": Outcome.TROUBLE, "slow": Outcome.SLOW_DOWN}[what]
            subject.end(outcome, started.pop(), now, after if what == "slow" else None)
        assert subject.active == len(started) <= cap
        assert 1.0 <= subject.limit <= max(cap, 1)
        if not started:
            ready = subject.ready_at(now)
            assert ready is not None
            assert now <= ready < now + 400
            if ready > now:
                assert subject.ready_at(ready) == ready


def test_it_begins_with_few_and_grows_while_answers_are_good():
    """Up to its cap, soon."""
    subject = pace(cap=32)
    assert subject.limit == FIRST_LIMIT

    run(subject, [Outcome.GOOD] * 40)

    assert subject.limit == 32


def test_trouble_halves_it_once_for_all_that_were_under_way():
    """Requests from before the cut tell nothing new; those from after it do."""
    subject = pace(cap=32)
    now = run(subject, [Outcome.GOOD] * 40)
    for _ in range(8):
        subject.start(now)
    for later in range(8):
        subject.end(Outcome.TROUBLE, now, now + 1 + later)
    assert subject.limit == 16

    subject.start(now + 20)
    subject.end(Outcome.TROUBLE, now + 20, now + 21)
    assert subject.limit == 8


def test_it_recovers_slowly_after_trouble():
    """One more for each round of good answers, not for each answer."""
    subject = pace(cap=64)
    now = run(subject, [Outcome.GOOD] * 80)
    now = run(subject, [Outcome.TROUBLE], now)
    assert subject.limit == 32

    now = run(subject, [Outcome.GOOD] * 33, now)
    assert 32.5 < subject.limit < 34.5

    run(subject, [Outcome.GOOD] * 5000, now)
    assert subject.limit == 64


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_pause_that_the_host_asks_for_is_kept(adaptive):
    """Nothing starts before it is over; a later answer does not shorten it."""
    subject = pace(adaptive=adaptive)
    subject.start(10.0)
    subject.start(10.0)
    subject.end(Outcome.SLOW_DOWN, 10.0, 11.0, 30.0)
    subject.end(Outcome.GOOD, 10.0, 11.5)

    assert 41.0 <= subject.ready_at(12.0) < 42.0

    subject.start(41.9)
    subject.end(Outcome.SLOW_DOWN, 41.9, 42.0, None)
    assert subject.ready_at(42.0) >= 43.0


def test_a_host_that_counts_is_asked_at_the_rate_that_it_allows():
    """After some complaints requests are spaced so that nearly all are answered well."""
    subject = pace(cap=64)
    now, allowed = 0.0, 10
    window: list[float] = []
    refused = asked = 0
    while now < 120:
        ready = subject.ready_at(now)
        now = max(now + 1e-4, ready)
        window = [at for at in window if at > now - 1.0]
        subject.start(now)
        good = len(window) < allowed
        if good:
            window.append(now)
        if now > 30:
            asked += 1
            refused += not good
        subject.end(Outcome.GOOD if good else Outcome.SLOW_DOWN, now, now, None)

    assert asked > 90 * allowed * 0.8
    assert refused < asked * 0.05


def test_a_delay_spaces_starts_one_at_a_time():
    """Drawn from the range, from start to start, whatever the answers are."""
    subject = pace(delay=(1.0, 4.0))
    now, gaps = 0.0, []
    for _ in range(200):
        ready = subject.ready_at(now)
        gaps.append(ready - now)
        now = ready
        subject.start(now)
        assert subject.ready_at(now + 100) is None
        subject.end(Outcome.GOOD, now, now + 0.5)

    assert gaps[0] == 0
    assert all(1.0 <= gap <= 4.0 for gap in gaps[1:])
    assert max(gaps) - min(gaps[1:]) > 2


def test_without_adaptation_the_cap_holds_as_it_is():
    """A number that the user gave is neither raised nor lowered."""
    subject = pace(cap=5, adaptive=False)
    run(subject, [Outcome.GOOD, Outcome.TROUBLE, Outcome.SLOW_DOWN] * 5)
    assert subject.limit == 5
