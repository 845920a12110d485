"""`parquet`: batches of rows, never a row group as a whole. Only here is pyarrow imported."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO, Final, cast

from imgpipe.errors import UsageError
from imgpipe.read.columns import Plan, plan
from imgpipe.read.opening import Table
from imgpipe.read.options import ReadOptions
from imgpipe.read.rows import Row, bad

_BATCH_BYTES: Final = 1 << 23
"""Uncompressed bytes of a batch, as far as the file's own figures tell."""

_BATCH_ROWS: Final = 2048

_BUFFER: Final = 1 << 18
"""Bytes read at a time of each column, instead of the whole column of a row group."""


def parquet(table: Table, options: ReadOptions) -> Iterator[Row]:
    """The rows; their values become JSON's: dates and times ISO 8601, decimals text, bytes text or base64.

    Raises:
        UsageError: pyarrow is not installed, the file is broken, or a column holds what cannot be told.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, wanted here only
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - of the same extra
    except ImportError as error:
        raise UsageError(f"{table.name} is parquet; to read it: pip install 'imgpipe[parquet]'") from error
    with _seekable(table) as file:
        try:
            source = ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
            names = source.schema_arrow.names
            chosen = plan(_without_doubles(names, table), options, table.name)
            wanted = [names[pick] for pick in dict.fromkeys(chosen.picks)]
            for batch in source.iter_batches(_batch_rows(source.metadata), columns=wanted, use_threads=False):
                yield from _batch(batch, chosen, names, table)
        except (pa.ArrowException, OSError) as error:
            raise UsageError(f"{table.name} is no whole parquet file: {error}") from error


def _without_doubles(names: list[str], table: Table) -> list[str]:
    if len(set(names)) < len(names):
        raise UsageError(f"{table.name} has two columns of the same name")
    return names


def _batch_rows(metadata: Any) -> int:
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return max(1, min(_BATCH_ROWS, int(_BATCH_BYTES * metadata.num_rows // max(1, size))))


def _seekable(table: Table) -> BinaryIO:
    """The file itself where it can be read in any order, else an unnamed copy on the disk."""
    if stat.S_ISREG(os.fstat(table.descriptor).st_mode) and not table.packed:
        return open(os.dup(table.descriptor), "rb")
    import tempfile  # noqa: PLC0415 - rarely wanted

    copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        for chunk in table.chunks():
            copy.write(chunk)
        copy.seek(0)
    except OSError as error:
        copy.close()
        raise UsageError(
            f"{table.name} must be copied to be read, and cannot: {error.strerror}; TMPDIR chooses where"
        ) from error
    except BaseException:
        copy.close()
        raise
    return copy


def _batch(batch: Any, chosen: Plan, names: list[str], table: Table) -> Iterator[Row]:
    columns = {name: _values(batch.column(name), name, table) for name in batch.schema.names}
    lists = [columns[names[pick]] for pick in chosen.picks]
    for row in zip(*lists, strict=True):
        if any(value is _TORN for value in row):
            yield bad("not UTF-8", "a text of this row")
        else:
            yield dict(zip(chosen.fields, row, strict=True))


_TORN: Final = object()
"""Stands for a text that is not UTF-8."""


def _values(column: Any, name: str, table: Table) -> list[Any]:
    """The values of a column, as JSON knows them."""
    import pyarrow as pa  # noqa: PLC0415 - an extra, wanted here only

    kind = column.type
    try:
        if _is_plain(kind):
            return list(column.to_pylist())
        if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
            # Nanoseconds would need pandas.
            column = _in_microseconds(column)
        return [_plain(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        return [_text(value) for value in column.cast(pa.binary()).to_pylist()]
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise UsageError(
            f"{table.name}: the column {name} ({kind}) cannot be read: {error}; --columns leaves it out"
        ) from error


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - an extra, wanted here only

    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_boolean(kind)
        or types.is_floating(kind)
        or types.is_null(kind)
    )


def _in_microseconds(column: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - an extra, wanted here only

    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    if pa.types.is_duration(kind):
        return column.cast(pa.duration("us"), safe=False)
    return column.cast(pa.time64("us"), safe=False)


def _text(value: bytes | None) -> Any:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return _TORN


def _plain(value: Any) -> Any:
    """The value as JSON knows it."""
    return next((turn(value) for kind, turn in _TURNS if isinstance(value, kind)), value)


def _bytes(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _list(value: list[Any]) -> Any:
    if value and all(isinstance(pair, tuple) for pair in value):
        # A map: pyarrow hands it over as pairs.
        return {str(_plain(name)): _plain(inner) for name, inner in value}
    return [_plain(inner) for inner in value]


_TURNS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (bytes, _bytes),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    (Decimal, str),
    (dict, lambda value: {str(name): _plain(inner) for name, inner in value.items()}),
    (list, _list),
)
