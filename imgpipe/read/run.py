"""Tables in, records out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imgpipe.errors import Kind, RecordError, UsageError
from imgpipe.read import delimited, formats, json_array, lines, parquet
from imgpipe.read.opening import Inputs, Table
from imgpipe.read.options import ReadOptions
from imgpipe.read.rows import Row
from imgpipe.records import Record, fail, is_over
from imgpipe.stream import CutShort, Emit
from imgpipe.tally import Tally

_PARSERS: Final[dict[str, Callable[[Table, ReadOptions], Iterator[Row]]]] = {
    "txt": lines.txt,
    "jsonl": lines.jsonl,
    "csv": delimited.comma_separated,
    "tsv": delimited.tab_separated,
    "json": json_array.array,
    "parquet": parquet.parquet,
}


def run(inputs: Inputs, emit: Emit, options: ReadOptions) -> Tally:
    """Write a record for each row of each table; one that cannot be read becomes a failed record.

    Raises:
        UsageError: A table cannot be read at all, or not further; what came before is written.
    """
    try:
        _all(inputs, emit, options)
    except UsageError:
        emit.flush()
        raise
    except CutShort:
        pass
    return emit.tally


def _all(inputs: Inputs, emit: Emit, options: ReadOptions) -> None:
    if options.limit == 0:
        return
    stop, taken = inputs.stop, 0
    last = None if options.limit is None else options.skip + options.limit
    for number, row in enumerate(_rows(inputs, options), 1):
        if stop.requested:
            return
        if row is None:
            continue
        taken += 1
        if taken > options.skip:
            emit(_record(row, number))
        # Before the next row is asked for: it may be long in coming.
        if taken == last:
            return


def _rows(inputs: Inputs, options: ReadOptions) -> Iterator[Row]:
    for table in inputs:
        form = options.format
        if form == "auto":
            form = formats.by_name(table.name) or formats.by_content(table.head, options)
        yield from _PARSERS[form](table, options)


def _record(row: Record | RecordError, number: int) -> Record:
    if isinstance(row, RecordError):
        return fail({"seq": number}, "read", row)
    if type(row.get("seq")) is not int:
        row["seq"] = number
    if "url" in row and not (isinstance(row["url"], str) and row["url"]) and not is_over(row):
        fail(row, "read", RecordError(Kind.BAD_URL, "the row has no URL"))
    return row
