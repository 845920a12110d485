from __future__ import annotations

import os
import signal

from imgpipe.signals import Stop
from imgpipe.stream import Source, read_chunks


def test_the_beginning_of_a_line_is_no_line_after_a_request_to_stop():
    """A line of which only the beginning had come when the stage was asked to stop is not taken."""
    reading, writing = os.pipe()
    os.write(writing, b"http://host/1\nhttp://host/whose-rest-is-st")
    stop = Stop()
    chunks = read_chunks(reading, stop, before_wait=lambda: stop.request(signal.SIGTERM))
    source = Source("fetch", "url", chunks, stop=stop)
    assert list(source) == [{"url": "http://host/1", "seq": 1}]
