"""What every stage's command shares: the common options, the streams, the summary, the exit code."""

from __future__ import annotations

import functools
import math
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from imgpipe import console, signals
from imgpipe.cli.params import SECONDS, SECONDS_OR_ZERO, SHARE, PathName
from imgpipe.console import LogFile, Progress
from imgpipe.errors import Exit
from imgpipe.signals import Stop
from imgpipe.status import StatusLines
from imgpipe.stream import Emit, Source, read_chunks
from imgpipe.tally import Tally

R = TypeVar("R")

SPOOLED: Final = "the files are in the spool, until imgpipe shard takes them; -d DIR keeps them"
"""Where the files of a stage are that is the last of its pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The options that every stage has."""

    quiet: bool
    """No message but errors."""
    verbose: bool
    """A summary also where another program reads the output."""
    log: str | None
    """A file to append a line a record to."""
    fail: bool
    """Exit 3 if any record failed."""
    ordered: bool
    """Keep the order of the input."""
    null: bool
    """Values end with NUL instead of LF."""
    fail_under: float | None = None
    """Exit 3 if the share of ok records is below this, from 0 to 1; None for no such rule."""
    status_every: float | None = None
    """Seconds between two lines of JSON about the state; None for none."""


def common_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the common options to a command, which gets them as one argument `common`."""

    @functools.wraps(function)
    def gathered(**options: Any) -> R:
        common = Common(**{name: options.pop(name) for name in Common.__dataclass_fields__})
        return function(common=common, **options)

    decorators = [
        click.option("-0", "--null", is_flag=True, help="Input values end with NUL, not LF."),
        click.option("--ordered", is_flag=True, help="Write records in the order of the input."),
        click.option("--fail", is_flag=True, help="Exit 3 if any record failed."),
        click.option(
            "--fail-under",
            type=SHARE,
            metavar="RATIO",
            help="Exit 3 if a smaller share of the records is ok, such as 0.95 or 95%; skipped ones aside.",
        ),
        click.option(
            "--status-every",
            type=SECONDS,
            metavar="S",
            help="Write a line of JSON about the state to standard error every S seconds and at the end.",
        ),
        click.option(
            "--log", metavar="FILE", type=PathName(dir_okay=False), help="Append a line a record to FILE."
        ),
        click.option("-v", "--verbose", is_flag=True, help="A summary from every stage of a pipe."),
        click.option("-q", "--quiet", is_flag=True, help="No progress, no summary, no hints."),
    ]
    decorated: Callable[..., R] = gathered
    for decorator in decorators:
        decorated = decorator(decorated)
    return decorated


grace_option = click.option(
    "--grace",
    type=SECONDS_OR_ZERO,
    default=5.0,
    show_default=True,
    metavar="S",
    help="Seconds to go on reading after Ctrl-C or TERM.",
)


def run_stage(
    stage: str,
    common: Common,
    work: Callable[[Source, Emit], object],
    *,
    bare: str,
    values: Sequence[str] = (),
    grace: float = 0.0,
    output: bool = True,
    gather: int = 0,
    waits_for: str,
    after: Callable[[Tally], str | None] | None = None,
    stopped: str | None = None,
) -> Exit:
    """Open the streams, run `work` over them, tell how it went.

    Args:
        stage: The stage's name.
        common: The common options.
        work: The stage itself: takes the records and where to put them.
        bare: The field that a bare value fills.
        values: Positional values; where there are any, standard input is not read.
        grace: Seconds to go on reading after a signal.
        output: Whether records go to standard output.
        gather: Bytes to gather before a write (see `Emit`).
        waits_for: What a person at a terminal is asked to type.
        after: What to tell people besides, in one line, once the input was consumed.
        stopped: What to tell them, in one line, where a signal ended it before and some are ok.

    Returns:
        The exit code. After a signal the process dies by it instead.
    """

    def over_lines(stop: Stop, emit: Emit) -> object:
        return work(_source(stage, bare, common, values, stop, emit), emit)

    return run_streams(
        stage,
        common,
        over_lines,
        grace=grace,
        output=output,
        gather=gather,
        waits_for=None if values else waits_for,
        after=after,
        stopped=stopped,
    )


def run_streams(
    stage: str,
    common: Common,
    work: Callable[[Stop, Emit], object],
    *,
    grace: float = 0.0,
    output: bool = True,
    gather: int = 0,
    waits_for: str | None,
    after: Callable[[Tally], str | None] | None = None,
    stopped: str | None = None,
) -> Exit:
    """As `run_stage`, for a stage that opens its input itself.

    Args:
        stage: The stage's name.
        common: The common options.
        work: The stage itself: takes who may ask it to stop, and where to put records.
        grace: Seconds to go on reading after a signal.
        output: Whether records go to standard output.
        gather: Bytes to gather before a write (see `Emit`).
        waits_for: What a person at a terminal is asked to type; None where standard input is not read.
        after: What to tell people besides, in one line, once the input was consumed.
        stopped: What to tell them, in one line, where a signal ended it before and some are ok.

    Returns:
        The exit code. After a signal the process dies by it instead.
    """
    stop = Stop(grace)
    tally = Tally()
    emit = Emit(
        1 if output else None, tally, log=LogFile(common.log, stage) if common.log else None, gather=gather
    )
    talks = not common.quiet and (common.verbose or not output or console.is_last_stage())
    if waits_for is not None and not common.quiet and console.stdin_is_terminal():
        console.say(f"imgpipe {stage}: waiting for {waits_for}; Ctrl-D ends the input")
    status = StatusLines(stage, tally, common.status_every)
    with (
        signals.handled(stop),
        signals.answered(signal.SIGUSR1, status.write),
        Progress(stage, tally, shown=talks and console.wants_progress()) as progress,
        status,
    ):
        emit.watch.start()
        try:
            work(stop, emit)
            emit.flush()
        finally:
            progress.close()
            # A run that could not begin has nothing to tell but why, in one line.
            if talks and (tally.done or sys.exc_info()[0] is None):
                tell(tally, stage, progress.seconds)
    if stop.signal is not None:
        if talks and tally.ok and stopped is not None:
            console.say(f"imgpipe {stage}: {stopped}")
        signals.leave_by(stop.signal)
    if after is not None and not common.quiet and (line := after(tally)):
        console.say(f"imgpipe {stage}: {line}")
    return _verdict(stage, common, tally)


def _verdict(stage: str, common: Common, tally: Tally) -> Exit:
    """The exit code of a stage that came to the end of its input."""
    if common.fail_under is not None and tally.share < common.fail_under:
        tried = tally.ok + tally.failed
        # Rounded down: what is less than 95% must not be told as 95.0%.
        console.complain(
            f"{stage}: {tally.ok} of {tried} records are ok ({math.floor(tally.share * 1000) / 10:.1f}%), "
            f"less than --fail-under {common.fail_under * 100:g}%"
        )
        return Exit.RECORDS_FAILED
    return Exit.RECORDS_FAILED if common.fail and tally.failed else Exit.OK


def _source(stage: str, bare: str, common: Common, values: Sequence[str], stop: Stop, emit: Emit) -> Source:
    if values:
        # An argument cannot hold NUL, but any other end of line.
        chunks: Iterable[bytes] = (value.encode("utf-8", "surrogateescape") + b"\0" for value in values)
        return Source(stage, bare, chunks, null=True, stop=stop)
    return Source(stage, bare, read_chunks(0, stop, emit.flush), null=common.null, stop=stop)


def tell(tally: Tally, stage: str, seconds: float) -> None:
    """Write the summary of a stage."""
    for line in tally.summary(stage, seconds):
        console.say(console.loud(line) if "WARNING" in line.partition(":")[2][:10] else line)
