"""Programs in a row, each reading what the one before writes, and what became of them.

They are a process group of their own, with a guard in it: a shell that waits at a pipe which only this
process holds open. Where this process is killed, the guard ends the group and clears its folder away, so
that no orphan goes on for hours with what another machine does already.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final

from imgpipe.cluster.options import Command
from imgpipe.errors import safe

LINGER: Final = 60.0
"""Seconds that programs have to end once the one that reads from them has: a closed pipe ends a stage of
imgpipe at once, another program when it writes next."""

GRACE: Final = 10.0
"""Seconds from asking a group to end until it is killed; a stage takes 5 to close its outputs."""

TAIL: Final = 4096
"""Bytes of what a program said last that are kept."""

_GUARD: Final = """trap '' HUP INT TERM
read -r word
kill -TERM 0
sleep "$1"
rm -rf -- "$2"
kill -KILL 0
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        name: The program, or the stage of imgpipe.
        code: Its exit code; that of a signal is negative; None where it did not end in time.
        said: The end of what it wrote to standard error.
    """

    name: str
    code: int | None
    said: str


class _Running:
    """A program under way. What it says is taken, or it would stop once the pipe is full; the end is kept."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.process = process
        self._said = bytearray()
        self._listener = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError), self.process.stderr as stream:
            while chunk := os.read(stream.fileno(), 65_536):
                self._said += chunk
                del self._said[:-TAIL]

    def ended(self, *, late: bool) -> Ended:
        """How it ended."""
        # Somebody that it left behind in another group may hold the pipe open for ever.
        self._listener.join(1.0)
        code = None if late else self.process.returncode
        return Ended(self.name, code, bytes(self._said).decode("utf-8", "replace").strip())


def run(
    commands: Sequence[Command],
    *,
    stdin: IO[bytes] | int,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    group: int,
    folder: str,
    environment: Mapping[str, str],
    timeout: float,
) -> list[Ended]:
    """Run the commands in a row until all have ended.

    Args:
        commands: At least one.
        stdin: What the first one reads.
        stdout: Where the last one writes to.
        group: Their process group (see `guarded`).
        folder: Where they run.
        environment: Their environment.
        timeout: Seconds after which they are ended.

    Returns:
        How each ended, in their order.

    Raises:
        OSError: A program cannot be started; its `filename` says which.
    """
    deadline = time.monotonic() + timeout
    running: list[_Running] = []
    try:
        for command in commands:
            before = running[-1].process.stdout if running else None
            output = stdout if len(running) == len(commands) - 1 else subprocess.PIPE
            running.append(_start(command, before or stdin, output, folder, environment, group))
            if before is not None:
                before.close()
        _wait(running, deadline)
        late = [one for one in running if one.process.poll() is None]
        if late:
            os.killpg(group, signal.SIGTERM)
            _wait(running, time.monotonic() + GRACE)
    finally:
        for one in running:
            one.process.kill()
            one.process.wait()
    return [one.ended(late=one in late) for one in running]


def _start(
    command: Command,
    stdin: IO[bytes] | int,
    stdout: IO[bytes] | int,
    folder: str,
    environment: Mapping[str, str],
    group: int,
) -> _Running:
    process = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        process_group=group,
    )
    return _Running(_name(command), process)


@contextlib.contextmanager
def guarded(folder: str, environment: Mapping[str, str]) -> Iterator[int]:
    """A process group with a guard in it, by its number; what is left of it in the end is killed.

    Args:
        folder: What the guard removes if this process is killed.
        environment: The guard's environment.
    """
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", f"{GRACE:g}", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        process_group=0,
    )
    try:
        yield guard.pid
    finally:
        # Not reaped yet, the guard keeps the group's number from being given to others.
        os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()
        assert guard.stdin is not None
        guard.stdin.close()


def _wait(running: Sequence[_Running], deadline: float) -> None:
    """Until all have ended, or the time is up. The last one ends last, or takes the others with it."""
    for one in reversed(running):
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.process.wait(max(0.0, deadline - time.monotonic()))
        deadline = min(deadline, time.monotonic() + LINGER)


def _name(command: Command) -> str:
    """What people call the command."""
    if command[1:4] == ("-P", "-m", "imgpipe"):
        return f"imgpipe {command[4]}"
    return os.path.basename(command[0])


_CLOSED_PIPE: Final = frozenset({-signal.SIGPIPE, 128 + signal.SIGPIPE})


def complaint(ended: Sequence[Ended]) -> str | None:
    """Why the chain failed, on one line; None where all went well.

    The first that failed is to blame; one that was waited for in vain, or that nobody read from any
    more, only followed.
    """
    failed = [one for one in ended if one.code != 0]
    if not failed:
        return None
    blamed = min(failed, key=lambda one: (one.code is None, one.code in _CLOSED_PIPE))
    return f"{blamed.name} {_how(blamed.code)}{_said(blamed.said)}"


def _how(code: int | None) -> str:
    if code is None:
        return "did not end in time"
    return f"exited with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def _said(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = [line for line in lines if line.startswith(("imgpipe: ", "Error: "))] or lines
    return f": {safe(chosen[-1], 300)}" if chosen else ""
