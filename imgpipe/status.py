"""The state of a stage as lines of JSON on standard error, for the logs of batch jobs."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any, Self

from imgpipe import console
from imgpipe.records import dump
from imgpipe.tally import Tally


class StatusLines:
    """Writes the state of a stage every some seconds, whenever it is asked for, and at the end.

    A line is shorter than the 4096 bytes that Linux writes to a pipe in one piece (PIPE_BUF), so that those of
    several stages and tasks in one log do not mix.

    Args:
        stage: The stage's name.
        tally: What it counted so far.
        every: Seconds between two lines; None for none but those that are asked for.
    """

    def __init__(self, stage: str, tally: Tally, every: float | None) -> None:
        self._stage = stage
        self._tally = tally
        self._every = every
        self._started = self._last = time.monotonic()
        self._done_last = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def __enter__(self) -> Self:
        if self._every is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._every is not None:
            self._thread.join()
            self._write(ended=True)

    def write(self) -> None:
        """Write a line now. From any thread."""
        self._write(ended=False)

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self._write(ended=False)

    def _write(self, *, ended: bool) -> None:
        # On a terminal a line of progress may stand there.
        clear = "\r\x1b[K" if console.wants_progress() else ""
        with self._lock:
            console.say(clear + dump(self._state(ended=ended)).decode().rstrip("\n"))

    def _state(self, *, ended: bool) -> dict[str, Any]:
        now, tally, done = time.monotonic(), self._tally, self._tally.done
        seconds, since, fresh = now - self._started, now - self._last, done - self._done_last
        self._last, self._done_last = now, done
        return {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "stage": self._stage,
            "ended": ended,
            "seconds": round(seconds, 3),
            "done": done,
            "ok": tally.ok,
            "failed": tally.failed,
            "skipped": tally.skipped,
            "left_out": tally.left_out,
            "unfinished": tally.unfinished,
            "bytes": tally.bytes,
            "rate": _rate(done, seconds),
            "rate_now": _rate(fresh, since),
            "kinds": dict(tally.kinds),
        }


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0
