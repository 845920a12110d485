"""Where a data set is kept, as the rooms that write shards and lists see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from imgpipe.layout import Layout
from imgpipe.records import Record


class Store(Protocol):
    """OUT: its visible names, and those in its hidden folder. Everything raises `OutputError` where it
    cannot be written, and `UsageError` where something of another kind stands in the way."""

    path: str
    """As people know it."""
    layout: Layout
    """The names of the data set, or of the part of it that is written."""
    is_held: bool
    """Whether nobody else can write the same meanwhile."""

    def where(self, name: str) -> str:
        """A hidden file as people know it."""
        ...

    def temporary(self) -> str:
        """An unused absolute path of this machine, for a file that is published later."""
        ...

    def names(self, *, hidden: bool = False) -> list[str]:
        """What stands in OUT, or in its hidden folder."""
        ...

    def read(self, name: str) -> bytes | None:
        """A small hidden file, whole; None where there is none."""
        ...

    def rows(self, name: str) -> Iterator[Record]:
        """The lines of a hidden list; none where there is no such list."""
        ...

    def since(self, mark: Mapping[str, int]) -> Iterator[Record]:
        """The rows of what was placed after `mark` (see `placed.since`)."""
        ...

    def journal(self, name: str, head: bytes) -> str:
        """The path of a new hidden list to append to, which begins with `head`."""
        ...

    def replace(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Put a small hidden file, whole, in place of an older one."""
        ...

    def create(self, name: str, data: bytes, *, fsync: bool = False) -> bool:
        """Put a small hidden file, whole, where there is none; False where there is one."""
        ...

    def publish(self, temporary: str, name: str, *, hidden: bool = False, fsync: bool = False) -> None:
        """Give a complete file its name. A visible name that is taken is refused, a hidden one replaced."""
        ...

    def commit(self, sidecar: tuple[str, str], shard: tuple[str, str], *, fsync: bool = False) -> None:
        """Give a complete shard its name, once its sidecar has one: each a temporary path and a name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a hidden file, if it is there."""
        ...
