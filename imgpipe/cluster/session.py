"""A session of Spark, started quietly and ended for good."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from imgpipe.cluster.options import SparkOptions
from imgpipe.errors import ProcessError, UsageError, safe

_LOCAL: Final = re.compile(r"local(?:\[(\d+|\*)\])?")

_LOST: Final = 8
"""Attempts of a task that Spark grants beside those that a part has: a task that died with its executor
says nothing against its part."""

_TAIL: Final = 4096
"""Bytes of what Java said last that are looked at."""


def settings(options: SparkOptions, master: str | None) -> dict[str, str]:
    """What Spark is told; what the user set wins.

    Args:
        options: The options.
        master: The cluster that Spark is set up for; None for none.
    """
    failures = options.job.attempts + _LOST
    made = {
        "spark.app.name": "imgpipe",
        "spark.task.maxFailures": str(failures),
        "spark.ui.showConsoleProgress": "false",
        # A table may have a column URL beside url; and many Parquet files do not say that bytes are text.
        "spark.sql.caseSensitive": "true",
        "spark.sql.parquet.binaryAsString": "true",
    }
    given = dict(options.conf)
    chosen = options.master or given.get("spark.master") or master or "local[*]"
    given["spark.master"] = chosen
    if found := _LOCAL.fullmatch(chosen):
        # On one machine Spark retries nothing unless the master says how often; and its page about the
        # run would be a port that is open to the network.
        given["spark.master"] = f"local[{found[1] or '1'},{failures}]"
        made["spark.ui.enabled"] = "false"
    return made | given


@contextlib.contextmanager
def session(options: SparkOptions) -> Iterator[Any]:
    """A session while the context lasts.

    Raises:
        UsageError: pyspark or Java is missing, or Spark refuses its settings.
    """
    if not options.verbose:
        # About other libraries that pyspark finds.
        warnings.filterwarnings("ignore", module=r"pyspark\b")
        # What py4j logs when it is interrupted.
        logging.disable()
    try:
        from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - an extra, and heavy
        from pyspark.java_gateway import launch_gateway  # noqa: PLC0415 - as above
        from pyspark.sql import SparkSession  # noqa: PLC0415 - as above
    except ImportError as error:
        raise UsageError(
            f"imgpipe spark needs PySpark: pip install 'imgpipe[spark]' ({safe(str(error))})"
        ) from None
    # The executors run the same Python unless somebody says otherwise: theirs must be of our release.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    before = signal.getsignal(signal.SIGINT)
    with _noise(options) as noise, _as_usage_errors(noise):
        gateway = launch_gateway(None, {} if noise is None else {"stdout": noise, "stderr": noise})
        SparkContext._ensure_initialized(gateway=gateway)  # noqa: SLF001 - what its own shell calls
        conf = SparkConf()
        wanted = settings(options, conf.get("spark.master"))
        context = SparkContext(conf=_told(conf, wanted), gateway=gateway)
        if not options.verbose:
            context.setLogLevel("OFF")
        found = SparkSession(context)
    # PySpark would cancel its jobs by the very connection that an interrupt found at work.
    signal.signal(signal.SIGINT, before)
    try:
        yield found
    finally:
        # After an interrupt its connection may be torn; Java ends with this process.
        with contextlib.suppress(Exception):
            context.stop()


def _told(conf: Any, wanted: Mapping[str, str]) -> Any:
    for name, value in wanted.items():
        conf.set(name, value)
    return conf


@contextlib.contextmanager
def _noise(options: SparkOptions) -> Iterator[IO[bytes] | None]:
    """Where Java may write to; None for standard error."""
    if options.verbose:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        yield file


@contextlib.contextmanager
def _as_usage_errors(noise: IO[bytes] | None) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        told = [] if noise is None else _lines(noise)
        # Where Java itself does not start, or a cluster does not answer, only the log knows why.
        logged = [line for line in told if " ERROR " in line]
        if isinstance(error, OSError) or "[JAVA_GATEWAY_EXITED]" in str(error):
            why = " ".join(told[-2:]) or reason(error)
        elif "stopped SparkContext" in str(error) and logged:
            why = logged[-1].partition(" ERROR ")[2]
        else:
            why = reason(error)
        raise UsageError(f"Spark does not start: {safe(why, 400)}") from error


def _lines(noise: IO[bytes]) -> list[str]:
    """What Java said last."""
    noise.seek(0, os.SEEK_END)
    noise.seek(max(0, noise.tell() - _TAIL))
    text = noise.read().decode("utf-8", "replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


_THROWN: Final = re.compile(
    r"(?::\s+|Caused by: )?(?:\w+[.$])*\w*(?:Error|Exception|Exit|Failed)\b(?::\s*|$)"
)


def reason(error: Exception) -> str:
    """What Spark says is wrong, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of a failed task it tells the whole story: what was thrown comes first, what caused that further down.
    thrown = [line.removeprefix("Caused by: ") for line in lines if _THROWN.match(line)]
    told = [_THROWN.sub("", line, count=1) for line in (thrown[:1] + thrown[-1:] if thrown else lines[:1])]
    return safe(": ".join(dict.fromkeys(filter(None, told))) or type(error).__name__, 400)


@contextlib.contextmanager
def as_process_errors(what: str, kind: type[ProcessError] = ProcessError) -> Iterator[None]:
    """What Spark raises becomes an error of ours: `what`, and Spark's reason."""
    try:
        yield
    except ProcessError:
        raise
    except Exception as error:
        # What PySpark tidies up after an interrupt meets the connection that it found at work.
        if _was_interrupted(error):
            raise KeyboardInterrupt from error
        raise kind(f"{what}: {reason(error)}") from error


def _was_interrupted(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
