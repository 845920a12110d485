"""The desk of a run: takes records in, decides what is next, hands records out, in every mode.

It has no thread and no loop of its own; the modes ask it and wait as they see fit.
"""

from __future__ import annotations

import random
from typing import Any

from imgpipe import console
from imgpipe.errors import RecordError
from imgpipe.fetch import jobs
from imgpipe.fetch.advice import on_first
from imgpipe.fetch.jobs import Job
from imgpipe.fetch.options import FetchOptions
from imgpipe.fetch.scheduler import Scheduler
from imgpipe.records import Record
from imgpipe.tally import Tally
from imgpipe.window import Window


class Desk:
    """What is read, waiting, under way and done.

    Args:
        options: What the user set.
        tally: Counts what `--resume` leaves out.
        rng: Source of jitter and drawn delays.
    """

    def __init__(self, options: FetchOptions, tally: Tally, rng: random.Random | None = None) -> None:
        self._options = options
        self._tally = tally
        self._rng = rng if rng is not None else random.Random()  # noqa: S311 - jitter is no secret
        self._scheduler = Scheduler(options, self._rng)
        self._window = Window(4 * options.concurrency if options.ordered else None)
        self._done = options.done_before()
        self._first = True
        self.input_over = False

    @property
    def hungry(self) -> bool:
        """Whether another record should be read."""
        if self._window.full:
            return False
        return self._scheduler.waiting < self._options.look_ahead

    @property
    def finished(self) -> bool:
        """Whether the input is over and nothing is left to do."""
        return self.input_over and not self._scheduler.waiting and not self._scheduler.active

    @property
    def unfinished(self) -> int:
        """Records that were read and did not come out yet."""
        return self._scheduler.waiting + self._scheduler.active

    def rest(self) -> list[Record]:
        """Records that are done and wait for their turn in the order, when there will be no more turns."""
        return self._window.rest()

    def take(self, record: Record, now: float) -> list[Record]:
        """A record from the input; returns the records that can go out at once."""
        if self._first:
            self._first = False
            if advice := on_first(record):
                console.say(f"imgpipe fetch: {advice}")
        if self._done is not None and self._done.leaves_out(record):
            self._tally.left_out += 1
            return []
        place = self._window.take()
        work = jobs.prepare(record, self._options, place)
        if not isinstance(work, Job):
            return self._window.give(place, work)
        self._scheduler.add(work, now)
        return []

    def next(self, now: float) -> Job | None:
        """A job to start now; None where all wait."""
        return self._scheduler.next(now)

    @property
    def ready(self) -> bool:
        """Whether there are more jobs to start now, most likely."""
        return self._scheduler.ready

    def next_time(self) -> float | None:
        """When a job that waits for its time may start; None where none does."""
        return self._scheduler.next_time()

    def end(self, job: Job, result: dict[str, Any] | RecordError, now: float) -> list[Record]:
        """An attempt ended with these fields, or failed; returns the records that can go out.

        None go out where the job is tried again.
        """
        error = result if isinstance(result, RecordError) else None
        self._scheduler.end(job, jobs.outcome(error), now, error.retry_after if error else None)
        if error is None:
            assert isinstance(result, dict), "what is no error tells of a file"
            return self._window.give(job.place, jobs.succeed(job, result, now))
        wait = jobs.next_attempt(job, error, self._options, self._rng)
        if wait is not None:
            self._scheduler.again(job, now + wait)
            return []
        return self._window.give(job.place, jobs.fail(job, error, now))
