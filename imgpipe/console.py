"""What people see on standard error: messages, the progress line, the log file.

Nothing here fails because standard error is closed or full, and nothing that came from outside
reaches it unescaped.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import urlsplit

from imgpipe.errors import OutputError, Status, safe
from imgpipe.records import Record
from imgpipe.tally import Tally

_BOLD_RED: Final = "1;31"
_DIM: Final = "2"


def say(text: str) -> None:
    """Write lines for people. `text` is safe already, or our own."""
    with contextlib.suppress(OSError):
        os.write(2, (text + "\n").encode("utf-8", "backslashreplace"))


def complain(text: str) -> None:
    """Write a line that says what went wrong: `imgpipe: …`."""
    say(coloured("imgpipe:", _BOLD_RED) + " " + safe(text))


def loud(text: str) -> str:
    """The text so that it is seen among others, where the terminal can."""
    return coloured(text, _BOLD_RED)


def coloured(text: str, code: str) -> str:
    """The text with an ANSI colour where standard error is a terminal that wants it (no-color.org)."""
    if not os.isatty(2) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def is_last_stage() -> bool:
    """Whether no other program reads standard output, so that this stage may talk to people."""
    try:
        mode = os.fstat(1).st_mode
    except OSError:
        return True
    return not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def open_missing_streams() -> None:
    """Give the descriptors 0 to 2 something to lead to where they arrived closed.

    Otherwise the next file that is opened would take such a number, and output meant for people
    would land in it. What is put there fails when it is used for its purpose, as a closed one does.
    """
    for descriptor, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    # Python has no object for a stream that was closed, and click would write to the other one.
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


class Progress:
    """A line on standard error that tells twice a second how far the stage is.

    Args:
        stage: The stage's name.
        tally: What it counted so far.
        shown: Whether to show it at all.
    """

    INTERVAL: Final = 0.5

    def __init__(self, stage: str, tally: Tally, *, shown: bool) -> None:
        self._stage = stage
        self._tally = tally
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True) if shown else None

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the line away. A second call does nothing."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._draw("\r\x1b[K")

    def _run(self) -> None:
        while not self._ended.wait(self.INTERVAL):
            line = f"imgpipe {self._stage}: {self._tally.line(self.seconds)}"
            self._draw(f"\r{coloured(line, _DIM)}\x1b[K")

    def _draw(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(2, text.encode())


def wants_progress() -> bool:
    """Whether standard error is a terminal that can rewrite a line."""
    return os.isatty(2) and os.environ.get("TERM") != "dumb"


class LogFile:
    """Appends a line a record to a file: time, stage, status, what, and why it failed.

    Each line is one write to the end of the file, so that several processes may share it.

    Raises:
        OutputError: The file cannot be opened.
    """

    def __init__(self, path: str, stage: str) -> None:
        self._path = path
        self._stage = stage
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise OutputError(f"cannot write to the log {path} (--log): {error.strerror}") from error

    def __call__(self, record: Record) -> None:
        """Append the line of one record."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            os.write(
                self._file, f"{now} {self._stage} {describe(record)}\n".encode("utf-8", "backslashreplace")
            )
        except OSError as error:
            raise OutputError(f"cannot write to the log {self._path} (--log): {error.strerror}") from error


def describe(record: Record) -> str:
    """One safe line about a record, without what should stay secret in its URL."""
    what = record.get("url") or record.get("file_name") or record.get("path") or "-"
    words = [str(record.get("status", Status.OK))]
    if record.get("error"):
        words.append(str(record["error"]))
    if isinstance(record.get("seconds"), float):
        words.append(f"{record['seconds']:.3f}s")
    if type(record.get("bytes")) is int:
        words.append(f"{record['bytes']}B")
    words.append(redact(str(what)))
    if record.get("detail"):
        words.append(f"- {record['detail']}")
    return safe(" ".join(words), 4000)


def redact(url: str) -> str:
    """The URL without its user, password, query and fragment, where keys and signatures stand."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    if not parts.scheme or not parts.netloc:
        return url
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def stdin_is_terminal() -> bool:
    """Whether a person is expected to type the input."""
    return sys.stdin is not None and os.isatty(0)
