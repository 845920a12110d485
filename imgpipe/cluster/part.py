"""One part on one machine: its lines into a file, the pipe over that file, the marker read back.

Nothing here knows which engine it serves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import IO, Final

from imgpipe.cluster import chain, marker, pipe
from imgpipe.cluster.marker import PartResult
from imgpipe.cluster.options import Command, Job
from imgpipe.errors import OutputError, ProcessError

PREFIX: Final = "imgpipe-part-"
"""Begins the name of a part's folder on the machine where it runs."""


def run_part(name: str, rows: Iterable[str], job: Job, *, attempt: int = 1) -> PartResult:
    """Run the pipe over one part, and wait until its marker stands.

    A part that is done already costs its start only. What a pipe before this one placed stays placed.

    Args:
        name: The part.
        rows: Its rows as JSON lines, without their ends.
        job: What is the same for all parts.
        attempt: Which attempt it is, from 1.

    Raises:
        ProcessError: The part is not done; running it again goes on from there.
    """
    started = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(
                prefix=f"{PREFIX}{name}-", dir=job.scratch, ignore_cleanup_errors=True
            ) as folder,
            chain.Guard(folder) as guard,
        ):
            _run(name, rows, job, folder, guard)
    except OSError as error:
        what = error.filename or job.scratch or tempfile.gettempdir()
        raise OutputError(f"{what}: {error.strerror}") from error
    return marker.result(job.out, name, seconds=round(time.monotonic() - started, 3), attempt=attempt)


def _run(name: str, rows: Iterable[str], job: Job, folder: str, guard: chain.Guard) -> None:
    environment = {**os.environ, "IMGPIPE_SPOOL": f"{folder}/spool"}
    part = pipe.Part(name=name, input=f"{folder}/{name}.jsonl", python=sys.executable)

    def through(commands: list[Command], stdin: IO[bytes], stdout: IO[bytes] | int) -> None:
        ended = chain.run(
            commands,
            stdin=stdin,
            stdout=stdout,
            guard=guard,
            folder=folder,
            environment=environment,
            timeout=job.timeout,
        )
        problem = chain.complaint(ended)
        if problem is not None:
            raise ProcessError(problem)

    # The whole input stands before the pipe starts: one that is cut short, because whoever hands the
    # rows over has died, must not look like a complete one.
    raw = part.input if job.plain else f"{folder}/rows"
    with open(raw, "wb") as file:
        file.writelines(row.encode("utf-8", "surrogatepass") + b"\n" for row in rows)
    if not job.plain:
        with open(raw, "rb") as source, open(part.input, "wb") as lines:
            through([pipe.reading(job.columns, part.python)], source, lines)
        os.unlink(raw)
    with open(part.input, "rb") as source:
        through(pipe.complete(job, part), source, subprocess.DEVNULL)
