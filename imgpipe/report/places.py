"""Where the image of a row is: what the lists say, before anything is opened."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from imgpipe.records import Record


class Holder(enum.Enum):
    """What kind of place holds images."""

    NOTHING = enum.auto()
    """They cannot be looked at."""
    FOLDER = enum.auto()
    """A folder; a row's `file_name` is relative to it."""
    PATH = enum.auto()
    """Anywhere: each row has its own `path`."""
    TAR = enum.auto()
    PARQUET = enum.auto()


@dataclass(frozen=True, slots=True)
class Place:
    """A holder of images; the rows of one list share one."""

    holder: Holder
    path: str = ""
    """Of the folder or the shard."""
    series: str = ""
    """Shards of one series were written one after the other."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row that a sample kept, and where its image is."""

    row: Record
    place: Place

    @property
    def name(self) -> str:
        """What its image is called in the place."""
        return str(self.row.get("file_name"))
