from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from imgpipe.report.sketches import Heavy, Reservoir, Top


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


@given(st.lists(st.integers(0, 40).map(str)), st.integers(1, 12))
def test_a_count_is_never_too_high_and_told_how_much_too_low(names, size):
    """The true count of each name is between what is told and that with what may be missed."""
    heavy = Heavy(size)
    for name in names:
        heavy.add(name)

    true = Counter(names)
    told = heavy.top(1000)
    assert len(told) <= 2 * size
    for name, count, missed in told:
        assert count <= true[name] <= count + missed
        assert count == heavy.get(name)
    if heavy.is_exact:
        assert dict(true) == {name: count for name, count, _ in told}
        assert len(true) == heavy.seen
    assert heavy.seen <= len(true)


def test_a_common_name_is_found_among_any_number_of_rare_ones():
    """A host of one in fifty records is there after ten thousand hosts of one record each."""
    heavy = Heavy(50)
    for number in range(10_000):
        heavy.add(f"rare{number}")
        if number % 50 == 0:
            heavy.add("common")

    assert heavy.top(1)[0][0] == "common"
    assert not heavy.is_exact
    assert len(heavy.top(1000)) <= 100
