"""What `imgpipe shard` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FORMATS: Final = ("files", "tar", "parquet")
NAME_FORMATS: Final = ("index", "key", "url", "hash", "random")

FSYNCS: Final = ("none", "shard", "each")
DEDUPS: Final = ("url", "sha256")

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
    emit: bool = False
    """Whether another program reads the records: those of a shard are then emitted when it is committed."""
    max_shard_bytes: int | None = None
    """Bytes of a tar, or of the pictures and rows of a parquet file, at the most; None for no limit. One
    image that is larger has a shard of its own."""
    sidecar: bool = False
    """Whether each image in a folder has its row in a `.json`, and its caption in a `.txt`, beside it."""
    fsync: str = "shard"
    """One of `FSYNCS`: what is on the disk before the run goes on: nothing, each shard or finished folder,
    each image."""
    part: str | None = None
    """The part of the data set that this run writes; None for the whole of it."""
    input: str | None = None
    """A file with the part's whole input, by which it is known to be complete; None goes by what comes."""
    wait: float = 0.0
    """Seconds to wait for another process that writes the same; 0 refuses at once."""
    dedup: str | None = None
    """One of `DEDUPS`: what must not be equal in two images of the data set; None lets all be equal."""
