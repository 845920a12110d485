from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from imgpipe.report.sketches import Reservoir, Top


@given(st.integers(0, 30), st.integers(0, 200))
def test_a_sample_has_the_size_that_is_asked_for(size, count):
    """It holds different items of the stream, as many as there are or as it may hold."""
    sample = Reservoir(size)
    for item in range(count):
        sample.add(item)

    assert min(size, count) == len(sample.kept)
    assert len(set(sample.kept)) == len(sample.kept)
    assert set(sample.kept) <= set(range(count))


def test_every_item_has_the_same_chance():
    """Over many items a sample is spread as evenly as chance makes it: no tenth has twice its share."""
    sample = Reservoir(1000)
    for item in range(100_000):
        sample.add(item)

    tenths = Counter(item // 10_000 for item in sample.kept)
    assert all(70 <= tenths[n] <= 135 for n in range(10)), tenths


def test_the_same_stream_gives_the_same_sample():
    """A report made twice shows the same pictures."""
    first, second = Reservoir(10), Reservoir(10)
    for item in range(5000):
        first.add(item)
        second.add(item)

    assert first.kept == second.kept


@given(st.lists(st.integers(0, 20)), st.integers(1, 8))
def test_the_largest_are_kept_in_their_order(values, size):
    """The largest come first, and of equal ones the one that came first."""
    top = Top(size)
    for place, value in enumerate(values):
        top.add(value, place)

    expected = sorted(enumerate(values), key=lambda pair: (-pair[1], pair[0]))[:size]
    assert [(value, place) for place, value in expected] == top.items()
