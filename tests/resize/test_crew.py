from __future__ import annotations

import threading

import pytest

from imgpipe.errors import OutputError
from imgpipe.resize.crew import WAITING_PER_WORKER, WINDOW_PER_WORKER, Crew
from imgpipe.signals import ReaderGone


def records(count):
    return [{"i": i} for i in range(count)]


def test_every_record_comes_out_once():
    """Each record that goes in comes out, from any worker."""
    out = []

    Crew([dict] * 3, out.append, ordered=False, see=lambda _: None).run(records(100))

    assert sorted(record["i"] for record in out) == list(range(100))


def test_the_order_is_kept_within_a_window():
    """In order, no more records are read than the window holds while the first is under way."""
    seen, out = [], []
    first_may_end = threading.Event()
    most = 2 * WINDOW_PER_WORKER

    def source():
        for record in records(100):
            if record["i"] == most:
                first_may_end.set()
            yield record

    def work(record):
        if record["i"] == 0:
            assert first_may_end.wait(10)
            assert len(seen) <= most + 1
        return record

    Crew([work] * 2, out.append, ordered=True, see=seen.append).run(source())

    assert out == records(100)


def test_what_waits_is_bounded():
    """While no worker is done, the input is read no further than the workers and their queue hold."""
    taken, out = [], []
    bound = 1 + WAITING_PER_WORKER
    at_bound, may_end = threading.Event(), threading.Event()

    def source():
        for record in records(50):
            taken.append(record)
            if len(taken) == bound + 1:
                at_bound.set()
            yield record

    def work(record):
        assert may_end.wait(10)
        return record

    crew = Crew([work], out.append, ordered=False, see=lambda _: None)
    runner = threading.Thread(target=crew.run, args=(source(),))
    runner.start()
    assert at_bound.wait(10)
    assert len(taken) == bound + 1
    may_end.set()
    runner.join(10)

    assert len(out) == 50


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("where", ["worker", "emit", "source", "see"])
@pytest.mark.parametrize("error", [OutputError, ReaderGone, ZeroDivisionError])
def test_what_a_thread_raises_reaches_the_caller(where, error, ordered):
    """An exception in a worker, the output, or the input ends the run and is raised where it was called."""

    def fail_at_20(record):
        if record["i"] == 20:
            raise error("why")
        return record

    def source():
        for record in records(10_000):
            if where == "source":
                fail_at_20(record)
            yield record

    worker = fail_at_20 if where == "worker" else dict
    emit = fail_at_20 if where == "emit" else dict
    see = fail_at_20 if where == "see" else dict

    with pytest.raises(error):
        Crew([worker] * 3, emit, ordered=ordered, see=see).run(source())


def test_an_input_that_is_silent_does_not_hold_back_an_error():
    """A failure ends the run though the input neither ends nor sends anything."""
    never = threading.Event()

    def source():
        yield {"i": 0}
        never.wait(30)

    def work(_record):
        raise OutputError("full")

    with pytest.raises(OutputError):
        Crew([work], lambda _: None, ordered=False, see=lambda _: None).run(source())
    never.set()
