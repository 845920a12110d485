"""How fast one host is asked: pure arithmetic on times and outcomes that it is handed.

Three things hold a host's requests back: how many may be in flight (adapted by additive increase and
multiplicative decrease, as TCP does it), how soon after each other they may start (once the host has
shown that it counts them), and a pause (which it asked for). Hosts that answer well are soon held back
by nothing.
"""

from __future__ import annotations

import enum
import math
import random
from typing import Final

FIRST_LIMIT: Final = 4.0
"""Requests in flight to a host that nothing is known of: browsers open 6 connections to one."""

FIRST_PAUSE: Final = 1.0
"""Seconds of the pause after 429 or 503 without a Retry-After."""

STEP_BACK: Final = 0.05
"""Share of the rate at which a host complained by which it is undercut at first."""

RECOVERY: Final = 30.0
"""Seconds in which a rate grows back to where the host complained. From there it grows as in CUBIC (RFC
9438): slowly near that rate, ever faster away from it, so that a wrong guess is not kept."""

DOUBLING: Final = 3.0
"""Seconds in which the rate doubles while it is searched for, after a host's first complaint."""

GUESS: Final = 1.05
"""How far above what a host has allowed since the last pause its limit may lie."""

SLOWEST: Final = 1.0 / 60.0
"""Requests a second below which no host is slowed down by guessing."""


class Outcome(enum.Enum):
    """What an answer says about the host."""

    GOOD = enum.auto()
    """It answers: also with 404."""
    TROUBLE = enum.auto()
    """A timeout, a refused or broken connection: perhaps too much at a time."""
    SLOW_DOWN = enum.auto()
    """429 or 503: it counts."""


class Pace:
    """The pace of one host. Times are seconds of a clock that never goes back.

    Args:
        cap: Requests in flight that are never exceeded.
        adaptive: Whether to adapt; if not, `cap` holds as it is.
        delay: Seconds from start to start, drawn from this range; None starts when there is room.
        rng: Source of the draws.
    """

    __slots__ = (
        "_adaptive", "_allowed", "_cap", "_cut_at", "_delay", "_good", "_measured_from", "_not_before",
        "_resumed_at", "_rng", "_searching", "_slow_start", "active", "limit",
    )  # fmt: skip

    def __init__(
        self, cap: int, *, adaptive: bool, delay: tuple[float, float] | None, rng: random.Random
    ) -> None:
        self._cap = 1 if delay is not None else cap
        self._adaptive = adaptive and delay is None
        self._delay = delay
        self._rng = rng
        self.active = 0
        self.limit = min(FIRST_LIMIT, self._cap) if self._adaptive else float(self._cap)
        self._slow_start = True
        self._not_before = -math.inf
        self._cut_at = -math.inf
        self._allowed = math.inf
        self._searching = False
        self._resumed_at = 0.0
        self._good = 0
        self._measured_from = math.nan

    def ready_at(self, now: float) -> float | None:
        """When another request may start, `now` or later; None where one must end first."""
        if self.active >= max(1, int(self.limit)):
            return None
        return max(now, self._not_before)

    def start(self, now: float) -> None:
        """A request starts."""
        self.active += 1
        if math.isnan(self._measured_from):
            self._measured_from = now
        if self._delay is not None:
            self._not_before = max(self._not_before, now + self._rng.uniform(*self._delay))
        elif self._allowed < math.inf:
            # Spaced from when it was due, not from when it came about: a late timer costs no rate.
            interval = 1.0 / self.rate(now)
            self._not_before = max(self._not_before, now - interval) + interval

    def rate(self, now: float) -> float:
        """Requests a second that may start; infinite while the host did not complain."""
        if self._allowed == math.inf:
            return math.inf
        seconds = max(0.0, now - self._resumed_at)
        if self._searching:
            return float(self._allowed * 2.0 ** min(seconds / DOUBLING, 60.0))
        return max(SLOWEST, self._allowed * (1.0 + STEP_BACK * (seconds / RECOVERY - 1.0) ** 3))

    def end(self, outcome: Outcome, started: float, now: float, retry_after: float | None = None) -> None:
        """A request ended.

        Args:
            outcome: What it says about the host.
            started: When it began; what began before the last cut tells nothing new.
            now: The time.
            retry_after: Seconds that the host asks to wait; None where it did not.
        """
        self.active -= 1
        if outcome is Outcome.GOOD:
            self._good += 1
            if self._adaptive and self.limit < self._cap:
                self.limit = min(self._cap, self.limit + (1.0 if self._slow_start else 1.0 / self.limit))
            return
        if outcome is Outcome.SLOW_DOWN:
            pause = FIRST_PAUSE if retry_after is None else retry_after
            resume = max(self._not_before, now + pause)
            if started > self._cut_at:
                self._slow(now, resume)
            self._not_before = resume
        if started > self._cut_at:
            self._cut_at = now
            if self._adaptive:
                self._slow_start = False
                self.limit = max(1.0, self.limit / 2)

    def _slow(self, now: float, resume: float) -> None:
        """The host counts requests: go on, after the pause, at the rate that it has just allowed."""
        if not self._adaptive:
            return
        rate = self.rate(now)
        if rate == math.inf:
            # All that is known: it has allowed these in all that time, the pause to come included. From
            # there the search goes up until the next complaint.
            self._allowed = max(SLOWEST, max(self._good, 1) / max(resume - self._measured_from, 1e-3))
            self._searching = True
        else:
            measured = max(self._good, 1) / max(now - self._measured_from, 1e-3)
            self._allowed = max(SLOWEST, min(rate, GUESS * measured))
            self._searching = False
        self._resumed_at = resume
        self._good = 0
        self._measured_from = resume
