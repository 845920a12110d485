"""The rows that a report is about: a data set's own lists, or records on standard input."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imgpipe import placed
from imgpipe.errors import UsageError
from imgpipe.layout import HIDDEN, LOCK, METADATA, SHARD_SUFFIXES, Layout
from imgpipe.records import Record
from imgpipe.remote import address_of
from imgpipe.report.places import Holder, Place

Rows = Iterator[tuple[Record, Place]]
"""Rows, and where the image of each is."""

_NOWHERE: Final = Place(Holder.NOTHING)
_SHARDS: Final = {".tar": Holder.TAR, ".parquet": Holder.PARQUET}


class DataSet:
    """A data set, with all its parts.

    Args:
        out: Its folder or address.

    Raises:
        UsageError: There is none, or it cannot be read.
    """

    def __init__(self, out: str) -> None:
        self.out = out
        self.is_here = address_of(out) is None
        if self.is_here and not os.path.isdir(out):
            raise UsageError(f"{out} is no folder" if os.path.exists(out) else f"{out} does not exist")
        self._listing = placed.Listing(out)
        self.layouts = self._listing.layouts
        self._shards = list(self._committed())
        if not self._shards and not self._has_lists():
            raise UsageError(f"{out} holds no data set: neither {METADATA} nor a shard, nor what failed")

    def _committed(self) -> Iterator[tuple[Layout, str, str]]:
        """The layout, the sidecar and the shard of each shard."""
        for layout in self.layouts:
            shards = self._listing.shards(layout)
            for number, sidecar in self._listing.committed_sidecars(layout):
                yield layout, sidecar, shards[number]

    def _has_lists(self) -> bool:
        if not self.is_here:
            return any(True for layout in self.layouts for _ in placed.failures(self.out, layout))
        return any(
            os.path.exists(f"{layout.folder(self.out)}/{METADATA}") for layout in self.layouts
        ) or os.path.isdir(f"{self.out}/{HIDDEN}")

    @property
    def parts(self) -> list[str]:
        """The names of its parts."""
        return [layout.part for layout in self.layouts if layout.part is not None]

    @property
    def form(self) -> str:
        """How the images are placed: `files`, `tar`, `parquet`."""
        return self._shards[0][2].rpartition(".")[2] if self._shards else "files"

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self._shards)

    def rows(self) -> Rows:
        """All rows: the placed ones, part by part, then the failed ones.

        Raises:
            UsageError: A list cannot be read.
        """
        if self.is_here:
            for layout in self.layouts:
                place = Place(Holder.FOLDER, layout.folder(self.out), layout.part or "")
                rows = filter(placed.counts_as_placed, _metadata(self.out, layout))
                yield from ((row, place) for row in rows)
        for layout, sidecar, shard in self._shards:
            holder = _SHARDS[os.path.splitext(shard)[1]] if self.is_here else Holder.NOTHING
            place = Place(holder, f"{self.out}/{shard}", layout.part or "")
            rows = filter(placed.counts_as_placed, placed.hidden_records(self.out, sidecar))
            yield from ((row, place) for row in rows)
        for layout in self.layouts:
            yield from ((row, _NOWHERE) for row in placed.failures(self.out, layout))

    def is_growing(self) -> bool:
        """Whether `imgpipe shard` writes to it now."""
        return self.is_here and any(
            _is_locked(f"{self.out}/{HIDDEN}/{layout.hidden(LOCK)}") for layout in self.layouts
        )


def _metadata(out: str, layout: Layout) -> Iterator[Record]:
    return placed.read_records(Path(layout.folder(out)) / METADATA)


def _is_locked(path: str) -> bool:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.close(lock)
    return False


def of_records(records: Iterator[Record], root: str | None) -> Rows:
    """The rows of records from a pipe, whose images are at their `path`, or below `root`.

    Args:
        records: As a stage writes them, or rows of a data set.
        root: Where a `file_name` leads from; None where only a `path` counts.
    """
    anywhere = Place(Holder.PATH)
    below = Place(Holder.FOLDER, root) if root is not None else anywhere
    for row in records:
        if "path" in row or "file_name" not in row:
            yield row, anywhere
        else:
            yield row, _of_shard(row, root) or below


def _of_shard(row: Record, root: str | None) -> Place | None:
    """The shard that a row of a sidecar names; None where it is in a folder."""
    shard = row.get("shard")
    if root is None or not isinstance(shard, str) or not shard.endswith(SHARD_SUFFIXES) or "/" in shard:
        return None
    return Place(_SHARDS[os.path.splitext(shard)[1]], f"{root}/{shard}")
