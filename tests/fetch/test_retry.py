"""When to try again."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import retry

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"120", 120.0),
        (b" 7 ", 7.0),
        (b"-1", 0.0),
        (b"86400", 86_400.0),
        (b"9" * 400, float("9" * 20)),
        (b"Fri, 01 May 2026 12:00:30 GMT", 30.0),
        (b"Friday, 01-May-26 12:00:30 GMT", 30.0),
        (b"Fri May  1 12:00:30 2026", 30.0),
        (b"Fri, 01 May 2026 14:00:30 +0200", 30.0),
        (b"Fri, 01 May 2020 12:00:00 GMT", 0.0),
        (b"abc", None),
        (b"", None),
        (b"-", None),
        (b"1.5", None),
        ("٣".encode(), None),
        (b"Fri, 99 May 2026 12:00:30 GMT", None),
        (b"Fri, 01 May 99999 12:00:30 GMT", None),
    ],
)
def test_retry_after_in_both_forms(value, seconds):
    """Seconds or a date; in the past it asks for nothing, otherwise it is not one."""
    assert seconds == retry.retry_after(value, NOW)


@given(
    st.binary() | st.from_regex(rb"(Mon, )?[0-9]{1,4} (Jan|May) [0-9]{1,7}( [0-9:]{1,9})?( [+-][0-9]{1,7})?")
)
def test_any_retry_after_is_a_time_or_none(value):
    """No header breaks it."""
    seconds = retry.retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(1, 10_000), st.randoms(use_true_random=False))
def test_waits_grow_to_a_limit(attempt, rng):
    """Doubled each time, with jitter of half, never over half a minute."""
    full = min(30.0, 2.0 ** min(attempt - 1, 10))
    assert full / 2 <= retry.backoff(attempt, rng) <= full


def failed(kind=Kind.HTTP_STATUS, status=None, after=None):
    return RecordError(kind, "", http_status=status, retry_after=after)


@pytest.mark.parametrize(
    ("error", "attempt", "retries", "waits"),
    [
        (failed(status=500), 1, 2, (0.5, 1.0)),
        (failed(status=500), 2, 2, (1.0, 2.0)),
        (failed(status=500), 3, 2, None),
        (failed(status=404), 1, 2, None),
        (failed(Kind.TIMEOUT), 1, 1, (0.5, 1.0)),
        (failed(Kind.TIMEOUT), 1, 0, None),
        (failed(Kind.TLS), 1, 2, None),
        (failed(Kind.THROTTLED, 429, 900.0), 1, 2, None),
        (failed(status=429, after=7.0), 1, 2, (7.0, 7.0)),
        (failed(status=429, after=0.0), 1, 2, (0.5, 1.0)),
        (failed(status=429, after=7.0), 1, 0, None),
        # A host that asks to wait has no say in how often.
        (failed(status=429, after=7.0), 2, 2, (7.0, 7.0)),
        (failed(status=429, after=7.0), 3, 2, None),
        (failed(status=429, after=0.0), 3, 2, None),
        (failed(status=429), 3, 2, None),
        # A server error's Retry-After is no pace.
        (failed(status=500, after=90.0), 1, 2, (0.5, 1.0)),
    ],
)
def test_whether_and_when(error, attempt, retries, waits):
    """Only what may pass, as often as allowed, no sooner than the host asks."""
    wait = retry.wait_before_retry(error, attempt, retries, random.Random(1))
    if waits is None:
        assert wait is None
    else:
        assert waits[0] <= wait <= waits[1]
