"""The desk: what comes in, what is next, what goes out."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import jobs
from imgpipe.fetch.desk import Desk
from imgpipe.fetch.options import FetchOptions, Hash, Mode
from imgpipe.fetch.pace import Outcome
from imgpipe.tally import Tally


def made(**options):
    return Desk(FetchOptions(**options), Tally(), random.Random(7))


def record(number, host="a"):
    return {"url": f"http://{host}.example/{number}", "seq": number}


FIELDS = {"path": "/x", "spooled": True, "bytes": 1}


@given(
    st.booleans(),
    st.lists(st.sampled_from(["take", "bad", "next", "good", "fail", "retry"]), max_size=80),
    st.randoms(use_true_random=False),
)
def test_every_record_comes_out_once(ordered, steps, rng):
    """In whatever order jobs end and are tried again; with `ordered` in that of the input."""
    desk = made(ordered=ordered, concurrency=4, per_host=0, retries=2)
    now, taken, out, under_way = 0.0, 0, [], []

    def end(result):
        out.extend(desk.end(under_way.pop(rng.randrange(len(under_way))), result, now))

    for step in steps:
        now += 0.5
        if step in ("take", "bad") and desk.hungry:
            given_ = record(taken, rng.choice("ab")) if step == "take" else {"url": "bad", "seq": taken}
            taken += 1
            out.extend(desk.take(given_, now))
        elif step == "next" and len(under_way) < 4 and (job := desk.next(now)) is not None:
            under_way.append(job)
        elif under_way and step in ("good", "fail", "retry"):
            kind = Kind.TLS if step == "fail" else Kind.INCOMPLETE
            end(dict(FIELDS) if step == "good" else RecordError(kind, "x"))
    desk.input_over = True
    while not desk.finished:
        while under_way:
            end(dict(FIELDS))
        job = desk.next(now)
        if job is None:
            now = desk.next_time()
        else:
            under_way.append(job)

    numbers = [done["seq"] for done in out]
    assert sorted(numbers) == list(range(taken))
    assert not ordered or numbers == sorted(numbers)
    assert desk.unfinished == 0
    assert desk.rest() == []


def test_it_reads_no_further_ahead_than_it_may():
    """A bounded number of records waits, so that a slow host neither holds up nor fills the memory."""
    desk = made(concurrency=1, mode=Mode.LOOP)
    assert desk.hungry
    desk.take(record(1), 0.0)
    assert not desk.hungry

    desk = made(concurrency=2)
    for number in range(1024):
        assert desk.hungry
        desk.take(record(number), 0.0)
    assert not desk.hungry


def test_in_order_it_reads_no_further_than_its_window():
    """Four times what is in flight, from the oldest that is not done; the rest can be had at an end."""
    desk = made(ordered=True, concurrency=3, per_host=0)
    for number in range(12):
        assert desk.hungry
        desk.take(record(number), 0.0)
    assert not desk.hungry
    started = [desk.next(0.0) for _ in range(3)]
    assert desk.end(started[2], dict(FIELDS), 1.0) == []
    assert desk.end(started[1], dict(FIELDS), 1.0) == []
    assert desk.unfinished == 10

    assert [done["seq"] for done in desk.rest()] == [1, 2]


def test_attempts_and_time_are_told():
    """From the first start to the end, with each attempt counted."""
    desk = made(retries=1, per_host=0)
    desk.take(record(1), 0.0)
    job = desk.next(10.0)
    assert desk.end(job, RecordError(Kind.TIMEOUT, "slow"), 12.0) == []
    assert None is desk.next(12.1)
    again = desk.next(desk.next_time())
    assert job is again
    (done,) = desk.end(job, RecordError(Kind.HTTP_STATUS, "500", http_status=500), 15.25)

    assert {
        **record(1), "status": "failed", "stage": "fetch", "error": "http_status", "detail": "500",
        "retryable": True, "http_status": 500, "attempts": 2, "seconds": 5.25,
    } == done  # fmt: skip


def test_resume_counts_what_it_leaves_out(tmp_path):
    """Such a record neither goes out nor is waited for."""
    (tmp_path / "metadata.jsonl").write_text(
        json.dumps({"url": "http://a.example/1", "file_name": "x"}) + "\n"
    )
    tally = Tally()
    desk = Desk(FetchOptions(resume=(tmp_path,)), tally)

    assert [] == desk.take(record(1), 0.0) == desk.take(record(2), 0.0)

    assert (tally.left_out, desk.unfinished) == (1, 1)


def test_advice_on_the_first_line_comes_once(capfd):
    """On standard error, about the first line and no other."""
    desk = made()
    desk.take({"url": "url"}, 0.0)
    desk.take({"url": "url"}, 0.0)

    assert capfd.readouterr().err.count("imgpipe read") == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.GOOD),
        (RecordError(Kind.HTTP_STATUS, "", http_status=404), Outcome.GOOD),
        (RecordError(Kind.HTTP_STATUS, "", http_status=429), Outcome.SLOW_DOWN),
        (RecordError(Kind.THROTTLED, "", http_status=503), Outcome.SLOW_DOWN),
        (RecordError(Kind.TIMEOUT, ""), Outcome.TROUBLE),
        (RecordError(Kind.CONNECT, ""), Outcome.TROUBLE),
        (RecordError(Kind.INCOMPLETE, ""), Outcome.TROUBLE),
        (RecordError(Kind.NOT_IMAGE, ""), Outcome.GOOD),
    ],
)
def test_what_an_end_says_about_the_host(error, outcome):
    """Only what may come from too many requests counts against its pace."""
    assert outcome is jobs.outcome(error)


def test_a_bug_takes_one_record_and_asks_for_a_report():
    """Of kind `internal`, with what it was."""
    error = jobs.internal(ZeroDivisionError("x"))
    assert (error.kind, "report it: ZeroDivisionError: x" in error.detail) == (Kind.INTERNAL, True)


def test_a_digest_of_our_own_is_removed_before_work_done_anew():
    """Also one of another kind than the default."""
    job = jobs.prepare({"url": "http://a/", "md5": "old", "sha512": "mine"}, FetchOptions(hash=Hash.MD5), 0)
    assert job.record == {"url": "http://a/", "sha512": "mine"}
