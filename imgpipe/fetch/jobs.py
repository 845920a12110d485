"""Records become jobs, and what came of a job becomes a record again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from imgpipe import records
from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import retry, urls
from imgpipe.fetch.options import FetchOptions, Hash
from imgpipe.fetch.pace import Outcome
from imgpipe.fetch.urls import Target
from imgpipe.records import Record

STAGE = "fetch"


@dataclass(slots=True, eq=False)
class Job:
    """A record that is to be fetched.

    Attributes:
        record: Without the fields of earlier work.
        target: Whom to ask for what.
        place: Its place in the order of the input.
        attempts: How many began.
        began: When the first began; None before it.
        started: When the last began.
    """

    record: Record
    target: Target
    place: int
    attempts: int = 0
    began: float | None = None
    started: float = 0.0

    def start(self, now: float) -> None:
        """An attempt begins."""
        self.attempts += 1
        self.started = now
        if self.began is None:
            self.began = now


def prepare(record: Record, options: FetchOptions, place: int) -> Job | Record:
    """The job of a record that comes in; a record where there is nothing to fetch.

    A record with a `url` is work whatever became of it before. Without one, an earlier stage's failure
    passes through.
    """
    if "url" not in record and records.is_over(record):
        return record
    cleaned = records.clean(record)
    if options.hash is not Hash.NONE:
        cleaned.pop(options.hash.value, None)
    if options.verify is not None and options.verify in record:
        # The digest to compare with is the user's, and stays for another try.
        cleaned[options.verify] = record[options.verify]
    try:
        return Job(cleaned, urls.parse(cleaned.get("url")), place)
    except RecordError as error:
        return records.fail(cleaned, STAGE, error)


def succeed(job: Job, fields: dict[str, Any], now: float) -> Record:
    """The record of a job whose file is there."""
    record = job.record
    record["status"] = "ok"
    record.update(fields)
    return _timed(record, job, now)


def fail(job: Job, error: RecordError, now: float) -> Record:
    """The record of a job that is given up."""
    record = records.fail(job.record, STAGE, error)
    if error.http_status is not None:
        record["http_status"] = error.http_status
    return _timed(record, job, now)


def _timed(record: Record, job: Job, now: float) -> Record:
    record["attempts"] = job.attempts
    record["seconds"] = round(now - (job.began if job.began is not None else now), 6)
    return record


def next_attempt(job: Job, error: RecordError, options: FetchOptions, rng: random.Random) -> float | None:
    """Seconds until the job is tried again; None where it is given up."""
    return retry.wait_before_retry(error, job.attempts, options.retries, rng)


_TROUBLES = frozenset({Kind.TIMEOUT, Kind.CONNECT, Kind.INCOMPLETE})


def outcome(error: RecordError | None) -> Outcome:
    """What the end of an attempt says about the host's pace."""
    if error is None:
        return Outcome.GOOD
    if error.http_status in retry.SLOW_DOWN:
        return Outcome.SLOW_DOWN
    return Outcome.TROUBLE if error.kind in _TROUBLES else Outcome.GOOD


def internal(error: Exception) -> RecordError:
    """The error of a record at which our own code failed: it takes one record with it, not the stream."""
    return RecordError(Kind.INTERNAL, f"a bug in imgpipe, please report it: {type(error).__name__}: {error}")
