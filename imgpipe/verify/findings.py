"""What the check of a data set comes upon: images to look at, and faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from imgpipe.errors import Kind, RecordError
from imgpipe.records import Record


@dataclass(frozen=True, slots=True)
class Placed:
    """An image with its row."""

    row: Record
    """What is written about it."""
    content: Callable[[], bytes]
    """Gives its bytes; raises `OSError`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it should be."""

    row: Record
    """What is known about it: any of `url`, `key`, `shard`, `file_name`."""
    error: RecordError
    """What is wrong."""


Finding: TypeAlias = Placed | Fault


def mismatch(row: Record, detail: str) -> Fault:
    """A fault: what is written and what is there differ."""
    return Fault(row, RecordError(Kind.MISMATCH, detail))
