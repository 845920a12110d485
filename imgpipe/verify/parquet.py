"""The rows of a parquet file. The one room of the package that knows pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

_ROWS: Final = 64
"""Rows held in memory at a time."""


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows, in their order."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            yield from batch.to_pylist()
