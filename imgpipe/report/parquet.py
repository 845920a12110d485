"""Single images of a parquet file. The one room of the package that knows pyarrow."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow.parquet as pq


def images(path: str, wanted: Collection[str]) -> Iterator[tuple[str, bytes | None]]:
    """The name and the bytes of each wanted image.

    Names are read first, and of the images only the row groups that hold a wanted one, one at a time.

    Args:
        path: The file.
        wanted: Names of images.
    """
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            names = file.read_row_group(group, columns=["image.path"]).column("image").to_pylist()
            inside = [place for place, image in enumerate(names) if image["path"] in wanted]
            if inside:
                column = file.read_row_group(group, columns=["image"]).column("image")
                for image in column.take(inside).to_pylist():
                    yield image["path"], image["bytes"]
