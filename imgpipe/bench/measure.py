"""One run of `imgpipe fetch`, measured: time, CPU, memory, what became of the images."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from imgpipe import records, spool
from imgpipe.errors import ProcessError, RecordError, Status, safe

_SAMPLE: Final = 0.05
"""Seconds between two looks at the memory."""

_PATIENCE: Final = 15.0
"""Seconds that a run which was asked to stop has to end."""


@dataclass(slots=True)
class Measurement:
    """What one run of a mode did.

    Attributes:
        mode: The mode.
        concurrency: How many requests in flight it was given; None for its own default.
        images: Images fetched.
        failed: Records that failed or were skipped.
        kinds: Those by their kind.
        seconds: From the start of the command to the last record.
        cpu_seconds: User and system time of all processes of the command.
        peak_memory: Bytes of memory of all its processes together at the most; None where unknown.
        stopped: Whether the time was up before the list was.
    """

    mode: str
    concurrency: int | None = None
    images: int = 0
    failed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int | None = None
    stopped: bool = False

    @property
    def per_second(self) -> float:
        """Images a second."""
        return self.images / self.seconds if self.seconds > 0 else 0.0

    @property
    def cpu_per_image(self) -> float | None:
        """Milliseconds of CPU an image; None without any."""
        return 1000 * self.cpu_seconds / self.images if self.images else None


def measure(
    mode: str,
    lines: Path,
    arguments: list[str],
    seconds: float,
    environment: Mapping[str, str],
    concurrency: int | None = None,
) -> Measurement:
    """Run `imgpipe fetch --mode MODE [-j N] ARGUMENTS < LINES` and measure it; its files are removed.

    Args:
        mode: The mode.
        lines: The input.
        arguments: Further options of the command.
        seconds: After so many it is stopped.
        environment: The environment of the command.
        concurrency: Requests in flight; None for the mode's own default.

    Raises:
        ProcessError: The command ended with an error.
    """
    command = [sys.executable, "-m", "imgpipe", "fetch", "-q", "--mode", mode, *arguments]
    command += [] if concurrency is None else ["-j", str(concurrency)]
    found = Measurement(mode, concurrency)
    started = time.monotonic()
    with lines.open("rb") as stdin, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=complaints, env=environment
        )
        assert process.stdout is not None
        timer = threading.Timer(seconds, _stop, (process, found))
        timer.daemon = True
        timer.start()
        try:
            with _Memory(process.pid) as memory, process.stdout as output:
                _take(output, found, started)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            timer.cancel()
            if process.returncode is None:
                process.kill()
                process.wait()
        found.cpu_seconds = usage.ru_utime + usage.ru_stime
        found.peak_memory = max(memory.peak, _largest(usage.ru_maxrss)) or None
        if process.returncode != (-signal.SIGINT if found.stopped else 0):
            raise ProcessError(f"imgpipe fetch --mode {mode} ended badly: {_last_line(complaints)}")
    return found


def _take(output: IO[bytes], found: Measurement, started: float) -> None:
    """Count the records until the output ends, and remove their files."""
    for line in output:
        try:
            record = records.parse(line.rstrip(b"\n"), "url")
        except RecordError:
            # The last one of a run that had to be killed.
            continue
        found.seconds = time.monotonic() - started
        if record.get("status") == Status.OK:
            found.images += 1
        else:
            found.failed += 1
            found.kinds[str(record.get("error"))] += 1
        spool.discard(record)


def _stop(process: subprocess.Popen[bytes], found: Measurement) -> None:
    found.stopped = True
    process.send_signal(signal.SIGINT)
    killer = threading.Timer(_PATIENCE, process.kill)
    killer.daemon = True
    killer.start()


def _largest(maxrss: int) -> int:
    # The largest single process: kilobytes on Linux, bytes on macOS (getrusage(2) of each).
    return maxrss if sys.platform == "darwin" else maxrss * 1024


def _last_line(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read()[-4000:].decode("utf-8", "replace").split("\n")
    return next((safe(line, 300) for line in reversed(lines) if line.strip()), "it said nothing")


class _Memory:
    """Looks at the memory of a process and its descendants while the context lasts.

    Memory that several of them share is counted once (PSS). Only Linux tells it; elsewhere `peak` stays 0.

    Attributes:
        peak: Bytes at the most, so far.
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SAMPLE):
            self.peak = max(self.peak, sum(map(_shared_memory, _family(self._pid))))


def _family(pid: int) -> list[int]:
    """The process and its descendants."""
    family = [pid]
    for member in family:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{member}/task").iterdir():
                with contextlib.suppress(OSError):
                    family += map(int, (thread / "children").read_text().split())
    return family


def _shared_memory(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
