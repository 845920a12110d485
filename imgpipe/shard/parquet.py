"""Rows in a parquet file that HuggingFace's loader and viewer take for pictures without further ado.

The one room of the stage that knows pyarrow, which is loaded when the first row comes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import Any, Final

import orjson

from imgpipe.errors import UsageError
from imgpipe.records import Record, dump

ROW_GROUP_BYTES: Final = 16 << 20
"""Bytes of pictures gathered for a row group: readers advise 100 MB at the most, and all of it is held in
memory, three times over while it is written."""
ROW_GROUP_ROWS: Final = 1000
"""Rows of a row group at the most; viewers read a group at a time."""

_HF_TYPES: Final = {"string": "string", "int": "int64", "float": "float64", "bool": "bool"}


def require() -> None:
    """Load pyarrow.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - heavy, and an extra
    except ImportError:
        raise UsageError(
            "parquet needs pyarrow, which is not installed: pip install 'imgpipe[parquet]'"
        ) from None


def schema(types: dict[str, str]) -> Any:
    """The columns as pyarrow and HuggingFace's features have them: the picture first."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    kinds = {"string": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    features |= {name: {"dtype": _HF_TYPES[kind], "_type": "Value"} for name, kind in types.items()}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [pa.field("image", image), *(pa.field(name, kinds[kind]) for name, kind in types.items())]
    return pa.schema(fields, metadata={"huggingface": orjson.dumps({"info": {"features": features}})})


class ParquetShard:
    """One parquet file that is being written.

    Args:
        path: A new file.
        types: The columns with their types.

    Attributes:
        size: Bytes of pictures and rows so far.

    Raises:
        UsageError: pyarrow is not installed.
    """

    suffix: Final = "parquet"
    untyped: Final = False
    captions: Final = None

    def __init__(self, path: str, *, types: dict[str, str]) -> None:
        require()
        import pyarrow.parquet as pq  # noqa: PLC0415 - as above

        self._path = path
        self._schema = schema(types)
        self._file = open(path, "xb")  # noqa: SIM115 - closed by `finish` or `close`
        # Pictures are compressed already.
        compression = {"image.bytes": "NONE", "image.path": "SNAPPY", **dict.fromkeys(types, "SNAPPY")}
        self._writer = pq.ParquetWriter(
            self._file,
            self._schema,
            compression=compression,
            use_dictionary=[*types],
            write_statistics=[*types],
        )
        self._rows: list[Record] = []
        self._held = 0
        self.size = 0

    def cost(self, image: bytes, row: Record) -> int:
        """About how many bytes a row takes."""
        return len(image) + len(dump(row))

    def name(self, stem: str, extension: str) -> str:
        """The name that an image will have."""
        return f"{stem}.{extension}"

    def add(self, name: str, image: bytes, row: Record) -> None:
        """Append a row.

        Raises:
            OSError: It cannot be written.
        """
        self._rows.append({"image": {"bytes": image, "path": name}, **row})
        size = self.cost(image, row)
        self._held += size
        self.size += size
        if self._held >= ROW_GROUP_BYTES or len(self._rows) >= ROW_GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as above

        rows, self._rows, self._held = self._rows, [], 0
        if rows:
            self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def finish(self, *, fsync: bool) -> str:
        """Write the end of the file, and return the digest of the whole.

        Raises:
            OSError: It cannot be written.
        """
        self._write()
        self._writer.close()
        self._file.flush()
        if fsync:
            os.fsync(self._file.fileno())
        self._file.close()
        with open(self._path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def close(self) -> None:
        """Give it up."""
        with contextlib.suppress(Exception):
            self._writer.close()
        with contextlib.suppress(OSError):
            self._file.close()
