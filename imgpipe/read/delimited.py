"""`csv` and `tsv`: rows of fields, quoted or not, under a line that names the columns."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Final, NoReturn

from imgpipe.errors import UsageError
from imgpipe.read.columns import plan, tidy
from imgpipe.read.opening import Table
from imgpipe.read.options import ReadOptions
from imgpipe.read.rows import Row, bad, too_long
from imgpipe.records import MAX_LINE
from imgpipe.stream import split_lines


def comma_separated(table: Table, options: ReadOptions) -> Iterator[Row]:
    """CSV (RFC 4180). Where the header holds no comma but semicolons, tabs or bars, those separate."""
    header = table.head.partition(b"\n")[0]
    delimiter = next((sign for sign in ",;\t|" if sign.encode() in header), ",")
    return _rows(table, options, delimiter)


def tab_separated(table: Table, options: ReadOptions) -> Iterator[Row]:
    """As CSV, with tabs."""
    return _rows(table, options, "\t")


def _rows(table: Table, options: ReadOptions, delimiter: str) -> Iterator[Row]:
    # What bounds a row below bounds a field; the module's own bound is 128 kB.
    csv.field_size_limit(2 * MAX_LINE)
    lines = _Lines(split_lines(table.chunks(), b"\n"))
    header = _header(lines, table, delimiter)
    if header is None:
        return
    chosen = plan(header, options, table.name)
    width = len(header)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin_row()
        try:
            row = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            yield lines.refuse(str(error))
            reader = csv.reader(lines, delimiter=delimiter)
            continue
        if len(row) == width and not lines.suspect:
            yield chosen.record(row)
        elif not row:
            yield None
        else:
            yield lines.refuse(f"{len(row)} fields instead of {width}")
            reader = csv.reader(lines, delimiter=delimiter)


def _header(lines: _Lines, table: Table, delimiter: str) -> list[str] | None:
    """The names of the columns; None for an empty table."""
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = next((row for row in reader if row), None)
    except (csv.Error, _TooLong) as error:
        raise UsageError(
            f"{table.name} does not begin with a line that names its columns; "
            "--format says what kind of table it is, txt is one URL a line"
        ) from error
    if lines.torn:
        _not_text(table)
    if header is not None and any("://" in name for name in header):
        raise UsageError(
            f"{table.name} begins with a URL, not with a line that names its columns; "
            "where it has none: cut -d, -f2 FILE | imgpipe fetch, with the number of its column"
        )
    return tidy(header) if header is not None else None


def _not_text(table: Table) -> NoReturn:
    hint = ""
    if table.head.startswith((b"\xff\xfe", b"\xfe\xff")):
        hint = "; it seems to be UTF-16: iconv -f UTF-16 -t UTF-8 makes it readable"
    raise UsageError(f"{table.name} is not UTF-8 text{hint}")


_ALLOWANCE: Final = 16 * MAX_LINE
"""Bytes that may be read anew in any table; beyond, as many as it has."""


class _TooLong(Exception):  # noqa: N818 - it never leaves this room
    """The row under way holds too many bytes."""


class _Torn(str):
    """A line that was not UTF-8."""

    __slots__ = ()


class _Lines:
    """Hands lines to the parser, and takes back those that a stray quote made it swallow.

    A quote that is never closed would take all that follows into one field. Where a row turns out to be
    none, its first line alone is given up, and the ones after it are read anew.
    """

    def __init__(self, batches: Iterator[list[bytes]]) -> None:
        self._batches = batches
        self._ready: deque[str] = deque()
        self._row: list[str] = []
        self._size = 0
        self._read = 0
        self._again = 0
        self._ended = False
        self.torn = False
        """Whether the row under way holds a line that is not UTF-8."""

    def begin_row(self) -> None:
        """What is read from now on is another row."""
        self._row.clear()
        self._size = 0
        self.torn = self._ended = False

    @property
    def suspect(self) -> bool:
        """Whether the row is none, though it has as many fields as it should."""
        return self.torn or self._ended

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._ready:
            batch = next(self._batches, None)
            if batch is None:
                # The parser asks for more within a row only where a quote is open.
                self._ended = bool(self._row)
                raise StopIteration
            self._ready.extend(_decoded(batch))
        line = self._ready.popleft()
        self._row.append(line)
        self._size += len(line)
        self._read += len(line)
        if line.__class__ is _Torn:
            self.torn = True
        if self._size > MAX_LINE:
            raise _TooLong(f"a quote that is not closed, or a row of over {MAX_LINE} bytes")
        return line

    def refuse(self, why: str) -> Row:
        """The error of the row under way; the lines after its first one are read anew.

        Not where that has been done so often that reading would not be linear in the size of the table:
        then the whole row is given up.
        """
        first, *rest = self._row
        swallowed = self._size - len(first)
        if rest and self._again + swallowed <= self._read + _ALLOWANCE:
            self._again += swallowed
            self._read -= swallowed
            self._ready.extendleft(reversed(rest))
        excerpt = (
            first[:200].rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        )
        if first.__class__ is _Torn:
            return bad("not UTF-8", excerpt)
        if len(first) > MAX_LINE:
            return too_long(excerpt)
        return bad("a quote that is not closed" if self._ended else why, excerpt)


def _decoded(batch: list[bytes]) -> list[str]:
    """The lines as text, with their ends, which may stand within a field."""
    try:
        return [line.decode("utf-8") + "\n" for line in batch]
    except UnicodeDecodeError:
        return [_decode(line) for line in batch]


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8") + "\n"
    except UnicodeDecodeError:
        return _Torn(line.decode("utf-8", "surrogateescape") + "\n")
