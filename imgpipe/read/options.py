"""What `imgpipe read` is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imgpipe.parts import BY_HOST

FORMATS: Final = ("auto", "txt", "csv", "tsv", "json", "jsonl", "parquet")
"""The forms of a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options of the stage."""

    files: tuple[str, ...] = ()
    """Paths of the tables, read in turn; `-` is standard input, and so is none at all."""
    format: str = "auto"
    """One of `FORMATS`; `auto` goes by the suffix, else by the first bytes."""
    url_col: str | None = None
    """The column renamed to `url`; None finds the usual names."""
    key_col: str | None = None
    """The column renamed to `key`; None finds the usual names, or none."""
    caption_col: str | None = None
    """The column renamed to `caption`; None finds the usual names, or none."""
    columns: tuple[str, ...] | None = None
    """The columns to pass on besides those three; None for all, empty for none."""
    limit: int | None = None
    """Records to write at the most; None for all, 0 for none."""
    skip: int = 0
    """Rows to leave out first, over all files."""
    null: bool = False
    """Lines of `txt` and `jsonl` end with NUL instead of LF."""
    part: tuple[int, int] | None = None
    """Write only part I of N, I from 0 to N - 1; None for all."""
    part_by: str = BY_HOST
    """One of `parts.PART_BY`; a line goes by its number."""
    parts: int | None = None
    """Parts to write into `into`."""
    into: str | None = None
    """The folder for the parts; None writes to standard output."""
