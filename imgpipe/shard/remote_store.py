"""OUT at an address: shards are written on this machine and put there whole."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from imgpipe import files, placed
from imgpipe.errors import OutputError
from imgpipe.layout import HIDDEN, Layout
from imgpipe.records import Record
from imgpipe.remote import Remote
from imgpipe.spool import Spool

_PATIENCE: Final = 10.0
"""Seconds for a twin to put its shard beside its sidecar: more than most take. Where one takes longer, both
try, and whose shard is there first has it."""

_POLL: Final = 0.5
"""Seconds between two looks for it."""


class RemoteStore:
    """A data set at an address. Nothing there keeps a second process from writing, as a lock would.

    Args:
        address: Such as `s3://bucket/set`.
        layout: The names of the data set, or of the part of it that is written.

    Raises:
        UsageError: It cannot be used.
    """

    def __init__(self, address: str, layout: Layout) -> None:
        self._remote = Remote(address)
        self.layout = layout
        # Parts are started twice by engines (speculation, a lost node), whole sets by people.
        self.is_held = layout.part is None
        self.path = self._remote.address
        # A run folder in the spool: what a killed run leaves is removed by `imgpipe clean`.
        self._spool = Spool()
        self._folder = self._spool.folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what is on this machine."""
        self._spool.remove()

    def where(self, name: str) -> str:
        """A hidden object as people know it."""
        return f"{self.path}/{HIDDEN}/{name}"

    def temporary(self) -> str:
        """An unused absolute path of this machine, for a file that is published later."""
        return f"{self._folder}/{os.urandom(6).hex()}"

    def names(self, *, hidden: bool = False) -> list[str]:
        """What stands in OUT, or in its hidden folder."""
        return self._remote.names(HIDDEN if hidden else "")

    def read(self, name: str) -> bytes | None:
        """A small hidden object, whole; None where there is none."""
        try:
            with self._remote.open(f"{HIDDEN}/{name}") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def rows(self, name: str) -> Iterator[Record]:
        """The lines of a hidden list; none where there is no such list."""
        return placed.read_remote(self._remote, f"{HIDDEN}/{name}")

    def since(self, mark: Mapping[str, int]) -> Iterator[Record]:
        """The rows of what was placed after `mark`."""
        return placed.since(self.path, mark, self.layout)

    def journal(self, name: str, head: bytes) -> str:
        """The path of a new list to append to, which begins with `head`; it is lost with this process."""
        path = f"{self._folder}/{name}"
        Path(path).write_bytes(head)
        return path

    def replace(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Put a small hidden object, whole, in place of an older one."""
        path = self.temporary()
        Path(path).write_bytes(data)
        self.publish(path, name, hidden=True)

    def create(self, name: str, data: bytes, *, fsync: bool = False) -> bool:
        """Put a small hidden object, whole, where there is none; False where there is one."""
        path = self.temporary()
        Path(path).write_bytes(data)
        try:
            self._put_new(path, f"{HIDDEN}/{name}")
        except FileExistsError:
            return False
        return True

    def publish(self, temporary: str, name: str, *, hidden: bool = False, fsync: bool = False) -> None:
        """Make an object of a complete file. A visible name that is taken is refused, a hidden one replaced."""
        if hidden:
            self._remote.put(temporary, f"{HIDDEN}/{name}")
            files.unlink_quietly(temporary)
            return
        try:
            self._put_new(temporary, name)
        except FileExistsError:
            raise self._taken(name) from None

    def _taken(self, name: str) -> OutputError:
        return OutputError(f"{self.path}/{name} is there already: does another imgpipe shard write there?")

    def commit(self, sidecar: tuple[str, str], shard: tuple[str, str], *, fsync: bool = False) -> None:
        """Give a complete shard its name, once its sidecar has one: each a temporary path and a name.

        Of two that write the same part one has the sidecar, then the shard, and the last word on both.
        """
        path, name = sidecar
        self._claim(path, f"{HIDDEN}/{name}", shard[1])
        self.publish(*shard, fsync=fsync)
        self.publish(path, name, hidden=True)

    def _claim(self, path: str, name: str, shard: str) -> None:
        """Put a sidecar where there is none. One that is there is either a twin's, whose shard comes in a
        moment, or was left by a run that was killed; nobody but time can tell."""
        deadline = time.monotonic() + _PATIENCE
        while shard not in self.names():
            late = self.is_held or time.monotonic() >= deadline
            with contextlib.suppress(FileExistsError):
                self._remote.put(path, name, new=not late)
                return
            time.sleep(_POLL)
        raise self._taken(shard)

    def _put_new(self, temporary: str, name: str) -> None:
        # Stores that know no conditional write are asked before.
        folder, _, last = name.rpartition("/")
        if last in self._remote.names(folder):
            raise FileExistsError(name)
        self._remote.put(temporary, name, new=True)
        files.unlink_quietly(temporary)

    def remove(self, name: str) -> None:
        """Remove a hidden object, if it is there."""
        if name in self.names(hidden=True):
            self._remote.remove(f"{HIDDEN}/{name}")
