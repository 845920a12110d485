"""The modes of fetch, or one at several numbers in flight, one after the other over the same images."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from imgpipe.bench.environment import without_proxy
from imgpipe.bench.measure import Measurement, measure
from imgpipe.bench.options import BenchOptions
from imgpipe.bench.server import serve
from imgpipe.errors import OutputError, UsageError, safe

_WARM_UP: Final = 20
"""Images fetched before the first measurement, so that no mode pays for cold files alone."""


def compare(options: BenchOptions, tell: Callable[[str], None]) -> Iterator[Measurement]:
    """Measure each mode, at each number in flight, and yield what it did.

    Args:
        options: What to compare.
        tell: Is told what is measured now.

    Raises:
        UsageError: The list cannot be read, or is empty.
        ProcessError: Fetch ended with an error.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(_working_folder(options.spool)))
        lines = folder / "lines"
        arguments = ["--spool", str(folder)]
        environment = dict(os.environ)
        if options.file is None:
            url = stack.enter_context(serve(latency=options.latency, size=options.size))
            arguments += ["--allow-private", "--per-host", "0", "--retries", "0"]
            _write(lines, (f"{url}/photo/{number}.jpg".encode() for number in range(options.count)))
            environment = without_proxy()
            warm = folder / "warm-up"
            _write(warm, (f"{url}/photo/{number}.jpg".encode() for number in range(_WARM_UP)))
            tell("warming up")
            measure("async", warm, arguments, options.seconds, environment)
        elif not _write(lines, itertools.islice(_lines(options.file), options.count)):
            raise UsageError("the list is empty; give it URLs or records, one a line")
        for mode, number in options.runs():
            tell(f"mode {mode}" if number is None else f"mode {mode} -j {number}")
            yield measure(mode, lines, arguments, options.seconds, environment, number)


@contextlib.contextmanager
def _working_folder(spool: Path | None) -> Iterator[str]:
    try:
        if spool is not None:
            spool.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="imgpipe-bench-", dir=spool, ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(f"cannot make a folder for the images: {error.strerror}") from error
    with folder as name:
        yield os.path.realpath(name)


def _lines(file: str) -> Iterator[bytes]:
    """The lines of a list that are not blank."""
    name = "standard input" if file == "-" else safe(file)
    try:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as stream:
            for line in stream:
                if line.strip():
                    yield line.rstrip(b"\r\n")
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _write(path: Path, lines: Iterable[bytes]) -> int:
    """Write lines to a file, and return how many they were."""
    with path.open("wb") as file:
        return sum(1 for line in lines if file.write(line + b"\n"))
