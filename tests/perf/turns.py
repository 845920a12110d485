"""One command measured, and two of them in turn: what every script here shares. Nothing is printed here."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


class CommandFailed(Exception):  # noqa: N818 - it tells what happened
    """A command that is measured did not do its work."""


Measures = dict[str, float]
"""What one run took: `cpu` seconds of user and system time, `user` seconds without the system's, `wall` seconds,
`peak` bytes of the largest process; or `db`, where pictures are compared."""

LAUNCHER = """
import os, sys, time
report, words = int(sys.argv[1]), sys.argv[2:]
os.set_inheritable(report, False)
started = time.monotonic()
pid = os.posix_spawnp(words[0], words, os.environ)
_, status, usage = os.wait4(pid, 0)
wall, user = time.monotonic() - started, usage.ru_utime
code, peak = os.waitstatus_to_exitcode(status), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
os.write(report, b'{"cpu": %f, "user": %f, ' % (user + usage.ru_stime, user))
os.write(report, b'"wall": %f, "peak": %d, "code": %d}' % (wall, peak, code))
"""
"""A small process that starts the command and measures it. Linux counts the memory of the process that starts
another one as the other's own peak, so that a large one would hide it."""

IMGPIPE = f"{Path(sys.executable).parent}/imgpipe"


@dataclass(frozen=True)
class Bound:
    """What a row must reach.

    Attributes:
        measure: Which of the measures.
        kind: `ratio` of ours to theirs at the most; `most` or `least`: of ours alone.
        goal: The bound.
    """

    measure: str
    goal: float
    kind: str = "ratio"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Two things that are run in turn and compared.

    Attributes:
        name: What `--rows` calls it; its group before the first dash.
        work, against: For people.
        ours, theirs: Run one of them, and return what it took.
        command, against_command: What they run, to read.
        each: How many images, or starts, one run does.
        bounds: What is to be reached; the first is the one that is drawn. Without any, the row is only told.
        rival: Whether it is run against another program, not against imgpipe itself or a bare interpreter.
        turns: How often it is run; None for as often as is asked for.
        missing: Why it cannot be run here; empty where it can.
    """

    name: str
    work: str
    against: str
    ours: Callable[[], Measures]
    theirs: Callable[[], Measures]
    command: str = ""
    against_command: str = ""
    each: int = 1
    bounds: tuple[Bound, ...] = ()
    rival: bool = True
    turns: int | None = None
    missing: str = ""


def at_most(**ratios: float) -> tuple[Bound, ...]:
    """Bounds of ratios, by measure."""
    return tuple(Bound(measure, goal) for measure, goal in ratios.items())


def timed(
    words: list[str],
    *,
    stdin: str | Path = os.devnull,
    feed: Iterable[bytes] | None = None,
    take: Callable[[bytes], None] | None = None,
) -> Measures:
    """Run a command, and measure it with all its processes.

    Args:
        words: The command.
        stdin: What it reads.
        feed: Lines that it reads instead, made as it asks for them.
        take: Is given each line that it writes; without it they are dropped.

    Raises:
        CommandFailed: It ended with an error.
    """
    told, report = os.pipe()
    with open(told) as answer, open(stdin, "rb") as source, open(os.devnull, "wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(report), *words],
            stdin=source if feed is None else subprocess.PIPE,
            stdout=sink if take is None else subprocess.PIPE,
            stderr=sink,
            pass_fds=[report],
        )
        os.close(report)
        if feed is not None:
            threading.Thread(target=_feed, args=(process.stdin, feed), daemon=True).start()
        if take is not None:
            for line in process.stdout:
                take(line)
        process.wait()
        found = json.loads(answer.read() or '{"code": "a signal"}')
    code = found.pop("code")
    if code:
        raise CommandFailed(f"{shown(words)} ended with {code}")
    return found


def _feed(pipe, lines: Iterable[bytes]) -> None:
    # A command that ends early is told by its exit code.
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.writelines(lines)


def into_fresh(folder: Path, run: Callable[[], Measures]) -> Measures:
    """Run something that fills a folder, which is emptied before and after, outside of the time."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shown(words: Iterable[str], **names: object) -> str:
    """A command as one would type it: programs without their folders, scripts as dots.

    Args:
        words: The command.
        names: Values, each to be shown by its name in capitals.
    """
    text = []
    for number, word in enumerate(words):
        short = "..." if "\n" in word else os.path.basename(word) if number == 0 else word
        for name, value in names.items():
            short = short.replace(str(value), name.upper())
        text.append(short)
    return " ".join(word if word.isupper() else shlex.quote(word) for word in text)
