"""What a parser yields, and the bounds that hold for every form."""

from __future__ import annotations

from typing import TypeAlias

from imgpipe.errors import Kind, RecordError
from imgpipe.records import MAX_LINE, Record

Row: TypeAlias = Record | RecordError | None
"""One row of a table: its record, why there is none, or None for a blank line."""


def bad(why: str, excerpt: str) -> RecordError:
    """The error of a row that cannot be read; `excerpt` is its beginning."""
    return RecordError(Kind.BAD_LINE, f"{why}: {excerpt[:200]}")


def too_long(excerpt: str) -> RecordError:
    """The error of a row of over `MAX_LINE` bytes."""
    return bad(f"longer than {MAX_LINE} bytes", excerpt)
