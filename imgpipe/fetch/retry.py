"""When to try again: pure arithmetic on what happened and what the server asked for."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Final

from imgpipe.errors import Kind, RecordError, retryable

LONGEST_WAIT: Final = 120.0
"""Seconds that a server may ask to wait; beyond, the record fails as `throttled` and can be retried
another day."""

FIRST_BACKOFF: Final = 1.0
"""Seconds before the second attempt, on average; doubled each time (curl's --retry begins so)."""

LONGEST_BACKOFF: Final = 30.0
"""Seconds between two attempts, at the most."""

SLOW_DOWN: Final = frozenset({429, 503})
"""Statuses by which a host asks for fewer requests (RFC 6585 §4, RFC 9110 §15.6.4)."""


def backoff(attempt: int, rng: random.Random) -> float:
    """Seconds to wait after the failed attempt number `attempt` (from 1): exponential, with jitter of
    half of it, so that records which failed together do not come back together."""
    full = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(attempt - 1, 30))
    return full * rng.uniform(0.5, 1.0)


def retry_after(value: bytes, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks to wait, in either form; None where it is neither.

    A date in the past and a negative number ask for nothing: 0.0.
    """
    text = value.decode("latin-1").strip()
    if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit():
        return max(0.0, float(text[:20]))
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 2 ms at each start, for what few hosts send

    try:
        when = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def wait_before_retry(error: RecordError, attempt: int, retries: int, rng: random.Random) -> float | None:
    """Seconds until the next attempt; None where there is none.

    Args:
        error: How attempt number `attempt` (from 1) failed.
        attempt: Number of the failed attempt.
        retries: Further attempts that the user allows.
        rng: Source of the jitter.
    """
    if not retryable(error.kind, "fetch", error.http_status) or error.kind is Kind.THROTTLED:
        return None
    if attempt > retries:
        return None
    asked = error.retry_after if error.http_status in SLOW_DOWN else None
    return max(asked or 0.0, backoff(attempt, rng))
