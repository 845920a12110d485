"""What `imgpipe report` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_THUMBNAILS: Final = 400
"""With 8 kB for each at the most, a page stays below 5 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """The options of one run."""

    out: str | None = None
    """The folder of the data set, or its address; None for records on standard input."""
    output: str | None = None
    """The page; `-` for standard output, None for the usual place."""
    root: str | None = None
    """The folder in which records of standard input find their `file_name`; None where they need none."""
    log: str | None = None
    """A file that a stage wrote with `--log`, for the times; None for those of the files in OUT."""
    thumbnails: int = 96
    """Pictures on the page at the most; 0 for none."""
    null: bool = False
    """Records on standard input end with NUL instead of LF."""
    quiet: bool = False
    """No progress, no hints."""
