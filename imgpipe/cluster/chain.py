"""Programs in a row, each reading what the one before writes, and what became of them.

They are a process group of their own. A guard beside them, a shell, reads from a pipe that only this
process holds open: where this process is killed, the guard ends the group and clears the folder away, so
that no orphan goes on for hours with what another machine does already.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final, Self

from imgpipe.cluster.options import Command
from imgpipe.errors import safe

LINGER: Final = 60.0
"""Seconds that programs have to end once the one that reads from them has: a closed pipe ends a stage of
imgpipe at once, another program when it writes next."""

GRACE: Final = 10
"""Seconds from asking a group to end until it is killed; a stage takes 5 to close its outputs."""

TAIL: Final = 4096
"""Bytes of what a program said last that are kept."""

_GUARD: Final = """trap '' HUP INT TERM
group=0
while read -r line; do group=$line; done
if [ "$group" -gt 0 ]; then
    kill -s TERM -- "-$group"
    left=$1
    while [ "$left" -gt 0 ] && kill -s 0 -- "-$group"; do sleep 1; left=$((left - 1)); done
    kill -s KILL -- "-$group"
fi
rm -rf -- "$2"
"""
"""Each line that it reads is the group to look after from now on, 0 for none."""


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


class Guard:
    """Ends the group that it looks after, and clears `folder` away, if this process is killed.

    Args:
        folder: What it removes.
    """

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(GRACE), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            process_group=0,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def look_after(self, group: int) -> None:
        """From now on it is this group; 0 is none."""
        assert self._process.stdin is not None
        # Without its guard the group works as well.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"%d\n" % group)


def run(
    commands: Sequence[Command],
    *,
    stdin: IO[bytes] | int,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    guard: Guard,
    folder: str,
    environment: Mapping[str, str],
    timeout: float,
) -> list[Ended]:
    """Run the commands in a row until all have ended.

    Args:
        commands: At least one.
        stdin: What the first one reads.
        stdout: Where the last one writes to.
        guard: Who looks after them.
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
    late: list[_Running] = []
    try:
        for command in commands:
            before = running[-1].process.stdout if running else None
            output = stdout if len(running) == len(commands) - 1 else subprocess.PIPE
            group = running[0].process.pid if running else 0
            running.append(_start(command, before or stdin, output, folder, environment, group))
            if before is None:
                guard.look_after(running[0].process.pid)
            else:
                before.close()
        _wait(running, deadline)
        late = [one for one in running if one.process.poll() is None]
        if late:
            # Who is late may have left the group, and nobody be in it any more.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(running[0].process.pid, signal.SIGTERM)
            _wait(running, time.monotonic() + GRACE)
    finally:
        _kill(running)
        guard.look_after(0)
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


def _kill(running: Sequence[_Running]) -> None:
    """End what still runs, and what the programs left behind."""
    if running:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running[0].process.pid, signal.SIGKILL)
    for one in running:
        # It may have left the group, as setsid(1) does.
        one.process.kill()
        one.process.wait()
        if one.process.stdout is not None:
            one.process.stdout.close()


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
    more, only followed. Whose reader had enough, and ended well, did not fail: `shard` reads no further
    where its part is done.
    """
    readers = [*ended[1:], None]
    failed = [
        one
        for one, reader in zip(ended, readers, strict=True)
        if one.code != 0 and not (one.code in _CLOSED_PIPE and reader is not None and reader.code == 0)
    ]
    if not failed:
        return None
    blamed = min(failed, key=lambda one: (one.code is None, one.code in _CLOSED_PIPE))
    return f"{blamed.name} {_how(blamed.code)}{_said(blamed.said)}"


def _how(code: int | None) -> str:
    if code is None:
        return "did not end in time"
    if code >= 0:
        return f"exited with {code}"
    # Those for real time have no names, but the first and the last.
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"was ended by {name}"


def _said(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = [line for line in lines if line.startswith(("imgpipe: ", "Error: "))] or lines
    return f": {safe(chosen[-1], 300)}" if chosen else ""
