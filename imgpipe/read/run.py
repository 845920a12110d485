"""Tables in, records out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imgpipe.errors import Kind, RecordError, UsageError
from imgpipe.read import delimited, formats, json_array, lines, parquet
from imgpipe.read.balance import Balance
from imgpipe.read.into import PartFiles
from imgpipe.read.opening import Inputs, Table
from imgpipe.read.options import ReadOptions
from imgpipe.read.parts import place
from imgpipe.read.rows import Row
from imgpipe.records import Record, dump, fail, is_over
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


def run(inputs: Inputs, emit: Emit, options: ReadOptions, balance: Balance | None = None) -> Tally:
    """Write a record for each row of each table; one that cannot be read becomes a failed record.

    Args:
        inputs: The tables.
        emit: Takes each record; where all parts go into a folder, it only counts them.
        options: What is wanted.
        balance: Counts the records of all parts, where any are wanted.

    Raises:
        UsageError: A table cannot be read at all, or not further; what came before is written.
        OutputError: The folder for the parts cannot be written to.
    """
    try:
        if options.into is not None:
            _write_parts(inputs, emit, options, balance)
        else:
            _write(inputs, emit, options, balance)
    except UsageError:
        emit.flush()
        raise
    except CutShort:
        pass
    return emit.tally


def _write(inputs: Inputs, emit: Emit, options: ReadOptions, balance: Balance | None) -> None:
    if options.part is None:
        for _, record in _records(inputs, options):
            emit(record)
        return
    assert balance is not None
    wanted, parts = options.part
    for number, record in _records(inputs, options):
        part, host = place(record, number, parts, options.part_by)
        balance.add(part, host)
        if part == wanted:
            emit(record)


def _write_parts(inputs: Inputs, emit: Emit, options: ReadOptions, balance: Balance | None) -> None:
    assert options.into is not None
    assert options.parts is not None
    assert balance is not None
    published = False
    try:
        with PartFiles(options.into, options.parts) as files:
            for number, record in _records(inputs, options):
                part, host = place(record, number, options.parts, options.part_by)
                balance.add(part, host)
                files.put(part, dump(record))
                emit(record)
            if not inputs.stop.requested:
                files.publish()
                published = True
    finally:
        if not published:
            emit.tally.void()


def _records(inputs: Inputs, options: ReadOptions) -> Iterator[tuple[int, Record]]:
    """The records that are wanted, each with its number among all, from 1."""
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
            yield taken, _record(row, number)
        # Before the next row is asked for: it may be long in coming.
        if taken == last:
            return


def _rows(inputs: Inputs, options: ReadOptions) -> Iterator[Row]:
    for table in inputs:
        if what := formats.foreign(table.head):
            raise UsageError(f"{table.name} is {what}")
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
