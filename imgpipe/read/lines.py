"""The forms of one record a line: `txt` and `jsonl`."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe import records
from imgpipe.errors import RecordError
from imgpipe.read.columns import Objects
from imgpipe.read.opening import Table
from imgpipe.read.options import ReadOptions
from imgpipe.read.rows import Row, bad
from imgpipe.records import MAX_LINE, is_over
from imgpipe.stream import split_lines


def txt(table: Table, options: ReadOptions) -> Iterator[Row]:
    """One URL a line, whatever is in it; a line end of CRLF is one too."""
    for line in _lines(table, null=options.null):
        if not line or line.isspace():
            yield None
        elif len(line) > MAX_LINE:
            yield records.too_long(line)
        else:
            try:
                yield {"url": line.decode("utf-8")}
            except UnicodeDecodeError as error:
                yield bad(
                    f"not UTF-8 at byte {error.start + 1}", line[:200].decode("utf-8", "backslashreplace")
                )


def jsonl(table: Table, options: ReadOptions) -> Iterator[Row]:
    """One JSON object a line. A record that an earlier stage failed or skipped goes on untouched."""
    objects = Objects(options, table.name)
    for line in _lines(table, null=options.null):
        if not line or line.isspace():
            yield None
            continue
        if not line.lstrip().startswith(b"{"):
            yield bad("no JSON object", line[:200].decode("utf-8", "backslashreplace"))
            continue
        try:
            record = records.parse(line, "url")
        except RecordError as error:
            yield error
        else:
            yield record if is_over(record) else objects.row(record)


def _lines(table: Table, *, null: bool) -> Iterator[bytes]:
    for lines in split_lines(table.chunks(), b"\0" if null else b"\n"):
        yield from lines if null else (line.removesuffix(b"\r") for line in lines)
