"""Pictures made in a process of its own, which a hostile file may crash, fill or hang without harm."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from typing import IO, Final

import orjson

from imgpipe.errors import Kind, ProcessError, RecordError
from imgpipe.resize import wire
from imgpipe.resize.job import Job, Made
from imgpipe.resize.options import ResizeOptions

START: Final = 60.0
"""Seconds in which a process must be ready: its start takes a fifth of one on an idle machine."""

CHUNK: Final = 1 << 16


class _Died(Exception):  # noqa: N818 - it is no error of ours
    """The process closed its output."""


class Isolated:
    """Makes pictures as `codec.Codec` does, in another process. For one thread, `close` aside.

    Args:
        options: What is asked.
    """

    def __init__(self, options: ResizeOptions) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, job: Job) -> Made:
        """Make one picture.

        Raises:
            RecordError: As `Codec` does; or `crash`, `timeout`.
            ProcessError: No process can be started.
        """
        process = self._started()
        try:
            _send(process, wire.pack(wire.job_text(job)))
            text, data = self._receive(process, self._options.timeout)
            if wire.is_last(text):
                self._gone(process)
            return wire.made_from(text, data)
        except _Died:
            raise RecordError(Kind.CRASH, f"{job.path}: the decoder {_how(self._gone(process))}") from None
        except TimeoutError:
            self._gone(process)
            raise RecordError(
                Kind.TIMEOUT, f"{job.path}: took over {self._options.timeout:g} s (--timeout)"
            ) from None
        except ValueError as error:
            self._gone(process)
            raise RecordError(Kind.CRASH, f"{job.path}: the decoder sent nonsense: {error}") from error

    def close(self) -> None:
        """End the process. From any thread."""
        if (process := self._process) is not None:
            self._gone(process)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "imgpipe.resize.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._process = process
        options = pickle.dumps(self._options)
        try:
            _send(process, wire.FRAME.pack(0, len(options)) + options)
            self._receive(process, START)
        except (_Died, TimeoutError, ValueError) as error:
            code = self._gone(process)
            raise ProcessError(
                f"cannot start a process for decoding: it {_how(code)}; --max-memory may be too small for it"
            ) from error
        return process

    def _receive(self, process: subprocess.Popen[bytes], seconds: float) -> tuple[object, bytes]:
        """The next message of the process.

        Raises:
            TimeoutError: It did not come in time.
            ValueError: It is none.
        """
        reader = _Reader(_stream(process.stdout), time.monotonic() + seconds)
        text, data = wire.FRAME.unpack(reader.read(wire.FRAME.size))
        # A result is no larger than the memory that its process had to make it in.
        if text > wire.MOST_TEXT or data > self._options.max_memory:
            raise ValueError("a message without bounds")
        return orjson.loads(reader.read(text)), reader.read(data)

    def _gone(self, process: subprocess.Popen[bytes]) -> int:
        """Make sure that the process is no more; returns how it ended."""
        self._process = None
        # One that closed its output is about to end by itself, and then its signal tells why.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0 if process.poll() is None and not _hung_up(process) else 1)
        process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                _stream(stream).close()
        return code


def _hung_up(process: subprocess.Popen[bytes]) -> bool:
    poll = select.poll()
    poll.register(_stream(process.stdout), 0)
    return bool(poll.poll(0))


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "both are pipes"
    return stream


def _send(process: subprocess.Popen[bytes], message: bytes) -> None:
    try:
        stream = _stream(process.stdin)
        stream.write(message)
        stream.flush()
    except BrokenPipeError:
        raise _Died from None


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with {code}"
    # Real-time signals have no names.
    return f"died by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"


class _Reader:
    """Reads a pipe up to a moment."""

    def __init__(self, stream: IO[bytes], deadline: float) -> None:
        self._descriptor = stream.fileno()
        self._deadline = deadline
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            left = self._deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise TimeoutError
            part = os.read(self._descriptor, min(size, CHUNK))
            if not part:
                raise _Died
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
