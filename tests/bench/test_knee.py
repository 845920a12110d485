from __future__ import annotations

import itertools

import pytest
from click import BadParameter
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.bench import knee
from imgpipe.bench.measure import Measurement
from imgpipe.bench.options import BenchOptions
from imgpipe.cli.params import Counts

RATES = st.floats(0, 1e6, allow_subnormal=False)
POINTS = st.dictionaries(st.integers(1, 4096), RATES, min_size=1).map(lambda found: list(found.items()))
SHARES = st.floats(0.01, 1)


@given(POINTS, SHARES)
def test_the_knee_is_the_least_that_comes_near_the_best(points, share):
    """It is a point of the curve, it reaches the share, and nothing smaller does."""
    found = knee.find(points, share)
    best = max(rate for _, rate in points)
    if best == 0:
        assert found is None
        return
    assert (found.concurrency, found.rate) in points
    assert (found.best_concurrency, found.best_rate) in points
    assert found.best_rate == best
    assert found.rate >= share * best
    assert all(rate < share * best for number, rate in points if number < found.concurrency)
    assert found.concurrency <= found.best_concurrency
    assert found.is_last == (found.concurrency == max(points)[0])


@given(POINTS, st.randoms(), st.integers(0, 20))
def test_neither_order_nor_unit_moves_the_knee(points, random, power):
    """Shuffled points, and rates in another unit, have the same knee."""
    first = knee.find(points)
    random.shuffle(points)
    other = knee.find([(number, rate * 2**power) for number, rate in points])
    assert (first and first.concurrency) == (other and other.concurrency)


@given(POINTS, SHARES, SHARES)
def test_who_asks_for_more_gets_no_smaller_number(points, one, other):
    """A greater share never moves the knee down."""
    lower, higher = knee.find(points, min(one, other)), knee.find(points, max(one, other))
    assert lower is None or lower.concurrency <= higher.concurrency


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_a_range_goes_up_in_doublings(first, last):
    """A range begins and ends where it says, and no step is more than a doubling."""
    text = f"{first}-{last}"
    if first > last:
        with pytest.raises(BadParameter):
            Counts(4096).convert(text, None, None)
        return
    numbers = Counts(4096).convert(text, None, None)
    assert (numbers[0], numbers[-1]) == (first, last)
    assert all(low < high <= 2 * low for low, high in itertools.pairwise(numbers))


@given(st.lists(st.integers(1, 4096), min_size=1))
def test_a_list_is_taken_once_and_in_order(numbers):
    """Numbers with commas are each measured once, the smallest first."""
    assert Counts(4096).convert(",".join(map(str, numbers)), None, None) == tuple(sorted(set(numbers)))


@given(st.text(max_size=12))
def test_any_other_text_is_refused(text):
    """What is neither a number nor a list nor a range is an error of usage, never another one."""
    try:
        numbers = Counts(4096).convert(text, None, None)
    except BadParameter:
        return
    assert numbers
    assert all(1 <= number <= 4096 for number in numbers)


def test_one_number_is_no_sweep():
    """Modes that are measured once each have no curve, and nothing is said of a knee."""
    found = [Measurement("async", 64, images=5, seconds=1.0), Measurement("loop", images=5, seconds=1.0)]
    assert knee.curves(found) == {}
    assert knee.sentences(found) == []


def test_a_rate_that_still_rises_is_told():
    """Where the knee is the largest number tried, the words ask for more."""
    found = [Measurement("async", number, images=number, seconds=1.0) for number in (8, 16, 32)]
    assert knee.sentences(found) == [
        "knee: async -j 32: 32.0 images/s, the best rate; the curve still rises, try more"
    ]


def test_the_knee_is_told_beside_the_best():
    """In whatever order the numbers were measured, and of equal rates the one with fewer in flight."""
    rates = {64: 100, 8: 90, 32: 100, 16: 96}
    found = [Measurement("async", number, images=rate, seconds=1.0) for number, rate in rates.items()]
    assert knee.curves(found) == {"async": sorted(rates.items())}
    assert knee.sentences(found) == [
        "knee: async -j 16: 96.0 images/s, 96% of the best rate (100.0 with -j 32); the least in flight that reaches 95%"
    ]


def test_a_sweep_without_an_image_says_so():
    """Where every request failed there is no knee."""
    found = [Measurement("threads", number, images=0, seconds=1.0) for number in (8, 16)]
    assert knee.sentences(found) == ["knee: threads: no image came at any number in flight"]


def test_each_mode_is_run_at_each_number_but_loop():
    """Loop has one request in flight whatever is asked; without numbers each mode has its own."""
    assert list(BenchOptions(modes=("async", "loop"), concurrency=(8, 16)).runs()) == [
        ("async", 8),
        ("async", 16),
        ("loop", None),
    ]
    assert list(BenchOptions(modes=("async",)).runs()) == [("async", None)]
