"""What `imgpipe shard` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FORMATS: Final = ("files",)
NAME_FORMATS: Final = ("index", "key", "url", "hash", "random")

DEFAULT_FOLDER_SIZE: Final = 5000
"""Images a folder: below the 10,000 that hubs of data sets advise, and quick to list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOptions:
    """The options of one run."""

    out: str
    """The folder of the data set; made if it is not there."""
    format: str = "files"
    """One of `FORMATS`."""
    folder_size: int = DEFAULT_FOLDER_SIZE
    """Images a folder or shard, at least 1."""
    folder_index: int = 0
    """The number of the first folder or shard; a lower one is not filled any further."""
    name_format: str = "index"
    """One of `NAME_FORMATS`: what the images are named by."""
    columns: tuple[tuple[str, str], ...] | None = None
    """The user's columns with their types (see `columns.TYPES`); None takes those of the first record."""
    failed: str | None = None
    """Where the failed and skipped records are kept; None for `OUT/__imgpipe__/failed.jsonl`."""
