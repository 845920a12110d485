"""Kill -9 for jobs of a cluster, wherever an engine has started them on this machine."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

WHOLE = "the whole job"


def words(pid: str | int) -> list[str]:
    """The command line of a process; empty where it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """Its children; none where it has ended."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _tree(pid: int) -> list[int]:
    return [pid, *(other for child in children(pid) for other in _tree(child))]


@dataclass
class Reaper:
    """Watches for the jobs of some parts, and kills each once, some time after its stages have begun.

    Args:
        victims: What is killed of the job whose input is this file: one stage by its name, or `WHOLE`.
        seconds: The least and the most of the time that a job is left alone.
    """

    victims: dict[str, str]
    seconds: tuple[float, float] = (0.05, 0.5)
    killed: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Until the block ends."""
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _watch(self, ended: threading.Event) -> None:
        chance = random.Random("reaper")
        due: dict[int, tuple[float, str]] = {}
        while not ended.wait(0.01):
            for pid, name in self._jobs():
                if pid not in due and name not in self.killed and len(children(pid)) >= 3:
                    due[pid] = (time.monotonic() + chance.uniform(*self.seconds), name)
            for pid, (moment, name) in list(due.items()):
                if time.monotonic() >= moment:
                    del due[pid]
                    if name not in self.killed and self._kill(pid, self.victims[name]):
                        self.killed.append(name)

    def _jobs(self) -> Iterator[tuple[int, str]]:
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                line = words(entry)
                # `bash ./part.sh FILE`, and not the shells in between that engines wrap around it.
                if len(line) > 2 and line[1].endswith(".sh") and line[2] in self.victims:
                    yield int(entry), line[2]

    def _kill(self, pid: int, what: str) -> bool:
        tree = _tree(pid)
        doomed = [process for process in tree if what in (WHOLE, *words(process))]
        for process in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return bool(doomed)
