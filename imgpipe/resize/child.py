"""A decoder's process: `python -m imgpipe.resize.child`, started and fed by `isolate`.

It reads its options and then jobs from standard input, and writes a result for each.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import sys
from typing import BinaryIO, Final

import orjson

from imgpipe.errors import Kind, RecordError
from imgpipe.resize import wire
from imgpipe.resize.job import Job, Made, Maker
from imgpipe.resize.options import ResizeOptions

SPARE: Final = 5
"""Seconds of CPU after the timeout at which the kernel ends a process that nobody watches any more."""


def main(requests: BinaryIO, results: BinaryIO) -> None:
    """Work until the requests end."""
    options = pickle.loads(_read(requests))  # noqa: S301 - it comes from the process that started this one
    from imgpipe.resize import codec  # noqa: PLC0415 - so that a failed start is told apart

    codec.prepare(options)
    make = codec.Codec(options)
    _limit_memory(options)
    _say(results, wire.pack({"ready": True}))
    while request := _read(requests):
        _limit_cpu(options.timeout)
        try:
            made = _made(make, wire.job_from(orjson.loads(request)))
        except RecordError as error:
            # What memory is left may be in pieces: the next picture gets a new process.
            last = isinstance(error.__cause__, MemoryError)
            _say(results, wire.pack(wire.error_text(error, last=last)))
            if last:
                return
        else:
            _say(results, wire.pack(wire.made_text(made), made.data))


def _made(make: Maker, job: Job) -> Made:
    try:
        return make(job)
    except MemoryError as error:
        raise RecordError(Kind.DECODE, "out of memory") from error


def _read(requests: BinaryIO) -> bytes:
    """The next message; empty at the end."""
    frame = requests.read(wire.FRAME.size)
    if len(frame) < wire.FRAME.size:
        return b""
    text, data = wire.FRAME.unpack(frame)
    return requests.read(text + data)


def _say(results: BinaryIO, message: bytes) -> None:
    results.write(message)
    results.flush()


def _limit_memory(options: ResizeOptions) -> None:
    """Let this process have so much memory beyond what it has now. Where the system counts none, let it be."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", "rb") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + options.max_memory,) * 2)
    # Where memory runs out all the same, this process goes first.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(b"1000")


def _limit_cpu(timeout: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + timeout) + SPARE
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    # Ctrl-C is for the stage, which lets pictures under way be finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(os.dup(1), "wb") as output:
        # What a library prints must not land among the results.
        os.dup2(2, 1)
        main(sys.stdin.buffer, output)
