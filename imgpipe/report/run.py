"""The report from its rows to its file."""

from __future__ import annotations

import importlib.util
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imgpipe import __version__, console, files, signals
from imgpipe.console import Progress
from imgpipe.errors import OutputError, UsageError
from imgpipe.layout import HIDDEN
from imgpipe.output import Output
from imgpipe.records import Record
from imgpipe.remote import address_of
from imgpipe.report import times
from imgpipe.report.bins import Timeline
from imgpipe.report.facts import Facts
from imgpipe.report.options import ReportOptions
from imgpipe.report.source import DataSet, Rows, of_records
from imgpipe.signals import Stop
from imgpipe.stream import Source, read_chunks
from imgpipe.tally import Tally

STAGE: Final = "report"
PAGE: Final = "report.html"

_NEEDED: Final = ("jinja2", "pygal")


@dataclass(slots=True)
class Gathered:
    """What is known once all rows have gone by."""

    facts: Facts
    timeline: Timeline
    axis: str
    """Where the times come from; empty where there are none."""
    data_set: DataSet | None
    growing: bool


def run(options: ReportOptions) -> str | None:
    """Make the page.

    Returns:
        Where it is; None where it went to standard output.

    Raises:
        UsageError: What the page is made with is not installed, or there is nothing to read.
        OutputError: It cannot be written.
    """
    _check_libraries()
    target = _target(options)
    stop, tally = Stop(), Tally()
    with signals.handled(stop), Progress(STAGE, tally, shown=not options.quiet and console.wants_progress()):
        gathered = _gather(options, stop, tally)
        if stop.signal is None:
            page = _page(gathered, options)
        if stop.signal is None:
            if target is None:
                Output(1).write(page)
            else:
                _write(target, page)
    if stop.signal is not None:
        # Half of the rows make no report; one that is there already stays.
        signals.leave_by(stop.signal)
    return target


def _check_libraries() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"report needs {' and '.join(missing)}: pip install 'imgpipe[report]'")


def _target(options: ReportOptions) -> str | None:
    """The page's path; None for standard output."""
    if options.output == "-" or (options.output is None and options.out is None):
        if os.isatty(1):
            raise UsageError("the page would fill the terminal: name a file with -o, or redirect the output")
        return None
    if options.output is not None:
        return _checked(options.output)
    assert options.out is not None, "without both the page goes to standard output"
    if address_of(options.out) is not None:
        raise UsageError("the page cannot be put beside a data set at an address: name a file with -o")
    hidden = f"{options.out}/{HIDDEN}"
    if os.path.isdir(options.out) and not os.path.isdir(hidden):
        raise UsageError(
            f"{options.out} has no folder {HIDDEN}, as imgpipe shard makes it: is it the data set?"
            " -o FILE puts the page elsewhere"
        )
    # Whether OUT is there at all is seen when it is read.
    return _checked(f"{hidden}/{PAGE}") if os.path.isdir(hidden) else f"{hidden}/{PAGE}"


def _checked(target: str) -> str:
    """The path, if a page can be put there: known before a million rows are read."""
    folder = os.path.dirname(os.path.realpath(target))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write {target}: its folder is missing or may not be written to; -o names another"
        )
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        raise OutputError(f"cannot write {target}: it is no regular file; -o names another")
    return target


def _gather(options: ReportOptions, stop: Stop, tally: Tally) -> Gathered:
    facts = Facts(options.thumbnails)
    axis, timeline, clock = "", Timeline(), None
    if options.log is not None:
        stage, timeline = times.of_log(options.log)
        axis = f"when records left {stage}, by its log"
    if options.out is None:
        rows, data_set = of_records(_stdin(options, stop), options.root), None
    else:
        data_set = DataSet(options.out)
        rows = data_set.rows()
        if data_set.is_here and options.log is None:
            clock = times.FileTimes(options.out, timeline)
    _count(rows, facts, tally, stop, clock)
    if clock is not None:
        clock.finish()
        axis = clock.axis
    return Gathered(facts, timeline, axis, data_set, data_set is not None and data_set.is_growing())


def _stdin(options: ReportOptions, stop: Stop) -> Iterator[Record]:
    if not options.quiet and console.stdin_is_terminal():
        console.say(f"imgpipe {STAGE}: waiting for records; Ctrl-D ends the input")
    return iter(Source(STAGE, "url", read_chunks(0, stop, lambda: None), null=options.null, stop=stop))


def _count(rows: Rows, facts: Facts, tally: Tally, stop: Stop, clock: times.FileTimes | None) -> None:
    statuses = tally.statuses
    for row, place in rows:
        facts.add(row, place)
        statuses["failed" if "error" in row else "ok"] += 1
        if clock is not None and "error" not in row:
            clock.note(row, place)
        if stop.requested:
            return


def _page(gathered: Gathered, options: ReportOptions) -> bytes:
    from imgpipe.report import content, page  # noqa: PLC0415 - they load Jinja, pygal and Pillow

    return page.render(content.of(gathered, options, time.time(), __version__))


def _write(target: str, page: bytes) -> None:
    try:
        files.replace(target, page)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror}; -o names another place") from error
