"""Single images of a parquet file. The one room of the package that knows pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow.parquet as pq


def images(path: str, wanted: Sequence[int]) -> Iterator[tuple[int, str | None, bytes | None]]:
    """The number, the name and the bytes of each wanted image.

    Only the row groups that hold one are read, one at a time.

    Args:
        path: The file.
        wanted: Numbers of rows, from 0, in order.
    """
    with pq.ParquetFile(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            inside = [index - first for index in wanted if first <= index < first + count]
            if inside:
                column = file.read_row_group(group, columns=["image"]).column("image")
                for index, image in zip(inside, column.take(inside).to_pylist(), strict=True):
                    yield first + index, image["path"], image["bytes"]
            first += count
