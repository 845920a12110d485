from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgpipe.report.bins import FINE, Histogram, Moment, Timeline
from imgpipe.report.drawings import _times

VALUES = st.floats(1e-5, 1e14)


@given(st.lists(VALUES, min_size=1), st.integers(12, 40))
@example([1.0, 10 ** (24.5 / FINE)], 12)  # one bar too many, were they not put together
def test_bars_hold_every_value(values, most):
    """Neighbouring bars, as few as asked, count each value once between the first and the last."""
    found = Histogram()
    for value in values:
        found.add(value)

    bars = found.bars(most)
    assert len(bars) <= most
    assert sum(count for _, _, count in bars) == len(values) == found.count
    assert all(math.isclose(high, low) for (_, high, _), (low, _, _) in itertools.pairwise(bars))
    assert bars[0][0] <= min(values) * 1.0001
    assert max(values) <= bars[-1][1] * 1.0001


@given(st.lists(VALUES, min_size=1), st.sampled_from([0.1, 0.5, 0.95, 1.0]))
def test_a_quantile_is_near_the_true_one(values, share):
    """It lies within half a bin of the value at that place."""
    found = Histogram()
    for value in values:
        found.add(value)

    true = sorted(values)[math.ceil(share * len(values)) - 1]
    assert math.isclose(found.quantile(share), true, rel_tol=10 ** (0.5001 / FINE) - 1)


def test_no_values_have_no_bars():
    """Where nothing was counted nothing is drawn."""
    found = Histogram()

    assert (found.bars(10), found.quantile(0.5), found.count) == ([], 0.0, 0)


def test_what_is_out_of_every_range_counts_at_its_end():
    """No value, however odd, makes more bins."""
    found = Histogram()
    for value in (5e-324, 1e308):
        found.add(value)

    assert sum(count for _, _, count in found.bars(32)) == 2


MOMENTS = st.lists(st.tuples(st.floats(0, 4e9), st.integers(0, 1000), st.integers(0, 10**9)), min_size=1)


@given(MOMENTS, st.integers(10, 100))
def test_nothing_is_lost_over_time(events, most):
    """The steps are few and hold all images and bytes, whenever and in what order they came."""
    timeline = Timeline()
    for when, images, size in events:
        timeline.add(when, images, size)

    steps = timeline.moments(most)
    assert len(steps) <= most
    assert math.isclose(sum(step.images for step in steps), sum(images for _, images, _ in events))
    assert math.isclose(sum(step.bytes for step in steps), sum(size for _, _, size in events))
    assert all(
        math.isclose(one.start + one.seconds, two.start, abs_tol=1e-6)
        for one, two in itertools.pairwise(steps)
    )


def test_a_long_time_is_held_in_few_steps():
    """A second a step for two days does not grow: the steps grow instead."""
    timeline = Timeline()
    for second in range(200_000):
        timeline.add(1.7e9 + second, 2, 10)

    assert len(timeline._bins) <= 2048
    steps = timeline.moments(60)
    assert len(steps) <= 61
    assert sum(step.images for step in steps) == 400_000
    middle = steps[len(steps) // 2]
    assert middle.images / middle.seconds == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(("start", "end"), [(100.0, 160.0), (100.0, 100.0), (0.0, 1e6)])
def test_what_is_spread_stays_as_much(start, end):
    """Images of a shard are spread over its time, and are as many as before."""
    timeline = Timeline()
    timeline.spread(start, end, 50, 5000)
    assert len(timeline._bins) <= 256

    steps = timeline.moments(60)
    assert sum(step.images for step in steps) == pytest.approx(50)
    assert sum(step.bytes for step in steps) == pytest.approx(5000)
    if start < end:
        early = sum(step.images for step in steps if step.start < (start + end) / 2)
        assert early == pytest.approx(25, abs=3)


def test_nothing_has_no_steps():
    """Where nothing happened there is no axis."""
    assert Timeline().moments(10) == []


@pytest.mark.parametrize(
    ("start", "width", "steps", "unit"),
    [
        (1_700_000_000.3, 0.1, 60, 1),
        (1_700_000_000.9, 0.1, 35, 1),
        (1_700_000_010, 10, 70, 60),
        (1_700_000_000, 7200, 60, 86_400),
    ],
)
def test_a_mark_of_time_stands_where_its_time_begins(start, width, steps, unit):
    """A second, minute or day that is named on the axis begins there, but for the first, which may be under way; there
    are no more than asked for, none too near the next."""
    found = _times([Moment(start + n * width, width, 1.0, 1.0) for n in range(steps)], 9)

    assert 2 <= len(found) <= 9
    assert all(at % unit < width for at, _ in found[1:])
    assert all(later - at > width * steps / 9 / 2 for (at, _), (later, _) in itertools.pairwise(found))
