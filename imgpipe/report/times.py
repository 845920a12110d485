"""When images were made: rows hold no time of day, so their files, or the log of a stage, tell it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from imgpipe.errors import STAGE_KINDS, Status, UsageError
from imgpipe.layout import DATASET, HIDDEN, LOCK, METADATA, Layout
from imgpipe.records import Record
from imgpipe.report.bins import Timeline
from imgpipe.report.places import Holder, Place

_LOOKED_AT: Final = 20_000
"""Files of a data set in folders whose time is looked up; each stands for its neighbours."""

_ROW: Final = 500
"""Bytes of a row of metadata, about: for a first guess of how many there are."""


class FileTimes:
    """The times of the files in OUT, gathered while its rows go by.

    In folders an image's file has the time at which the last stage that made it wrote it. Of a shard only
    the end is known: its images are spread from the end of the one before it.

    Args:
        out: The folder of the data set.
        timeline: What is gathered.
    """

    def __init__(self, out: str, timeline: Timeline) -> None:
        self._timeline = timeline
        self._hidden = f"{out}/{HIDDEN}"
        self._ends: dict[str, float] = {}
        self._place: Place | None = None
        self._images = self._size = 0
        self._every = 1
        self._in_shards = False

    @property
    def axis(self) -> str:
        """What the times are, in words."""
        if self._in_shards:
            return "by the ends of the shards, the images of each spread evenly from the end of the one before it"
        more = f" (of one image in {self._every})" if self._every > 1 else ""
        return f"when the files of the images were written{more}"

    def note(self, row: Record, place: Place) -> None:
        """Take note of a row; rows of one list come one after the other."""
        if place is not self._place:
            self.finish()
            self._place = place
            if place.holder is Holder.FOLDER:
                self._every = _bytes_of(f"{place.path}/{METADATA}") // (_ROW * _LOOKED_AT) + 1
        size = row.get("bytes")
        self._images += 1
        self._size += size if type(size) is int else 0
        if place.holder is Holder.FOLDER and self._images >= self._every:
            when = _mtime(f"{place.path}/{row.get('file_name')}")
            if when is not None:
                self._timeline.add(when, self._images, self._size)
            self._images = self._size = 0

    def finish(self) -> None:
        """The rows of this list are over."""
        place, images, size = self._place, self._images, self._size
        self._place, self._images, self._size = None, 0, 0
        if place is None or not images or place.holder is Holder.FOLDER:
            return
        self._in_shards = True
        end = _mtime(place.path)
        if end is None:
            return
        start = self._ends.get(place.series) or self._begin(place.series)
        self._ends[place.series] = end
        if start is None or start > end:
            self._timeline.add(end, images, size)
        else:
            self._timeline.spread(start, end, images, size)

    def _begin(self, series: str) -> float | None:
        # Its lock is made first, and never written to; the list of columns only once there are some.
        lock = _mtime(f"{self._hidden}/{Layout(series or None).hidden(LOCK)}")
        return lock if lock is not None else _mtime(f"{self._hidden}/{DATASET}")


def _mtime(path: str) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        return os.lstat(path).st_mtime
    return None


def _bytes_of(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0


_LINE: Final = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)Z (\w+) (\w+)(?: [a-z_]+)?(?: \d+\.\d+s)?(?: (\d{1,15})B)? "
)
"""A line of `--log`: time, stage, status, perhaps a kind, seconds, bytes, then what it is about."""

_FIRST: Final = ("fetch", "resize", "shard")
"""The stages whose lines are taken, before others, where several wrote to one log."""


def of_log(path: str) -> tuple[str, Timeline]:
    """The stage that wrote a log, and when its records left it.

    Args:
        path: What `--log` of a stage wrote, perhaps of several in turn.

    Raises:
        UsageError: It cannot be read, or is no such log.
    """
    found: dict[str, Timeline] = {}
    for when, stage, status, size in _parsed(path):
        timeline = found.setdefault(stage, Timeline())
        if status == Status.OK:
            timeline.add(when, 1, size)
        elif status == Status.FAILED:
            # The time that it took counts, though nothing came of it.
            timeline.add(when, 0, 0)
    for stage in (*_FIRST, *found):
        if stage in found:
            return stage, found[stage]
    raise UsageError(f"{path} is no log: no line of it is as --log of a stage writes them")


def _parsed(path: str) -> Iterator[tuple[float, str, str, int]]:
    try:
        with open(path, "rb") as file:
            while line := file.readline(1 << 16):
                match = _LINE.match(line)
                stage = match[2].decode() if match else ""
                if match is None or stage not in STAGE_KINDS:
                    continue
                try:
                    when = datetime.fromisoformat(match[1].decode()).replace(tzinfo=UTC).timestamp()
                except ValueError:
                    continue
                yield when, stage, match[3].decode(), int(match[4] or 0)
    except OSError as error:
        raise UsageError(f"cannot read the log {path}: {error.strerror}") from error
