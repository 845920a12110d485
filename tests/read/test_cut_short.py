from __future__ import annotations

import os

from imgpipe.signals import Stop
from imgpipe.stream import Source, read_chunks


def test_the_beginning_of_a_line_is_no_line_after_a_request_to_stop():
    """A line of which only the beginning had come when the stage was asked to stop is not taken."""
    reading, writing = os.pipe()
    os.write(writing, b"http://host/1\nhttp://host/whose-rest-is-st")
    stop = Stop()

    def ask():
        # What a signal does, without the watchdog that would end this very process.
        stop._deadline = 0.0

    source = Source("fetch", "url", read_chunks(reading, stop, ask), stop=stop)
    assert [{"url": "http://host/1", "seq": 1}] == list(source)
