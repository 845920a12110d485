"""From a row of INPUT to the line of its part, and which part that is. Everything here is pure."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from imgpipe import records
from imgpipe.cluster.options import Columns
from imgpipe.errors import Kind, ProcessError, RecordError
from imgpipe.fields import LOCAL, USUAL, missing, missing_url, usual
from imgpipe.hosts import host_of
from imgpipe.parts import BY_LINE, part_of
from imgpipe.records import Record

Row: TypeAlias = tuple[str | None, str | None]
"""The URL of a row, and its line; without a URL it is a bad one, without a line it is blank."""

_SUFFIX: Final = re.compile(
    r".*\.(txt|csv|tsv|tab|jsonl|ndjson|parquet)(?:\.[a-z0-9]{1,6}){0,2}", re.IGNORECASE | re.DOTALL
)
_FORMS: Final = {"tab": "tsv", "ndjson": "jsonl"}


def form_of(path: str) -> str | None:
    """The form of a table by the suffix of its path, a packed one's too; None where it does not tell."""
    found = _SUFFIX.fullmatch(path.rstrip("/").rpartition("/")[2])
    if found is None:
        return None
    name = found[1].lower()
    return _FORMS.get(name, name)


def url_column(names: Sequence[str], columns: Columns, where: str) -> str | None:
    """The column that holds the URL; None in a table of paths.

    Raises:
        UsageError: A column is wanted that is not there, or none is found.
    """
    wanted = [columns.url, columns.key, columns.caption, *(columns.others or ())]
    for name in wanted:
        if name is not None and name not in names:
            raise missing(name, names, where)
    found = columns.url or usual("url", names, [name for name in (columns.key, columns.caption) if name])
    if found is None and not LOCAL & set(names):
        raise missing_url(names, where)
    return found


def is_wanted(name: str, columns: Columns) -> bool:
    """Whether `imgpipe read` may take a column of that name: what is never taken need not be read."""
    if columns.others is None:
        return True
    named = {columns.url, columns.key, columns.caption, *columns.others}
    return name in named or name in LOCAL or any(name in usual_names for usual_names in USUAL.values())


def is_plain(names: Sequence[str], columns: Columns) -> bool:
    """Whether rows with these columns are records as `imgpipe read` would write them."""
    return columns == Columns() and all(usual(role, names) in (None, role) for role in USUAL)


@dataclass(frozen=True, slots=True)
class Txt:
    """A line that is a URL."""

    def __call__(self, line: str) -> Row:
        """Its row."""
        url = line.removeprefix("\ufeff").removesuffix("\r")
        return (url, records.dump({"url": url}).decode().rstrip("\n")) if url.strip() else (None, None)


@dataclass(frozen=True, slots=True)
class Jsonl:
    """A line that is an object.

    `imgpipe read` takes the first object of its input for the pattern of all. Here that is the first of a
    part, which may be a bad one: what it lacks of the columns that are wanted, it has as null.
    """

    columns: Columns

    def __call__(self, line: str) -> Row:
        """Its row."""
        line = line.removeprefix("\ufeff").strip()
        if not line:
            return None, None
        if not line.startswith("{"):
            return None, _failed(RecordError(Kind.BAD_LINE, f"no JSON object: {line[:200]}"))
        try:
            record = records.parse(line.encode("utf-8", "surrogatepass"), "url")
        except RecordError as error:
            return None, _failed(error)
        return self._row(record, line)

    def _row(self, record: Record, line: str) -> Row:
        columns = self.columns
        taken = [name for name in (columns.key, columns.caption) if name]
        column = columns.url or usual("url", record, taken)
        if records.is_over(record):
            return None, line
        wanted = [*taken, *(columns.others or ())]
        if column is None and not LOCAL & record.keys():
            wanted.append("url")
        elif columns.url is not None:
            wanted.append(columns.url)
        absent = [name for name in wanted if name not in record]
        if absent:
            line = records.dump({**record, **dict.fromkeys(absent)}).decode().rstrip("\n")
        url = record.get(column) if column is not None else None
        return url if isinstance(url, str) else None, line


def _failed(error: RecordError) -> str:
    return records.dump(records.fail({}, "read", error)).decode().rstrip("\n")


def parted(_number: int, rows: Iterable[Row], parts: int, by: str) -> Iterator[tuple[int, str | int]]:
    """Each line with its part, from 0 to `parts` - 1; in the end, for each part, how many lines it got.

    By host: what has none goes by its URL, else by its line. By line: by a digest of the line, so that it
    makes no difference how the engine cut the input up.
    """
    counts = array("Q", bytes(8 * parts))
    for url, line in rows:
        if line is not None:
            part = part_of(_decides(url, line, by), parts)
            counts[part] += 1
            yield part, line
    yield from enumerate(counts)


def whole(found: Iterable[tuple[int, str | int]], sources: int) -> Iterator[str]:
    """The lines of one part, after which it is sure that they are all.

    To a worker of Spark, the end of an executor that is killed looks like the end of its data. A part
    must not be closed over what came until then.

    Args:
        found: What `parted` gave for this part, from all sources, in any order.
        sources: How many there are.

    Raises:
        ProcessError: They are not all.
    """
    lines = told = ended = 0
    for _, item in found:
        if isinstance(item, int):
            ended += 1
            told += item
        else:
            lines += 1
            yield item
    if (ended, told) != (sources, lines):
        raise ProcessError(
            f"its rows broke off: {lines} came, from {ended} of {sources} sources; was an executor lost?"
        )


def _decides(url: str | None, line: str, by: str) -> str:
    if by == BY_LINE or url is None:
        return line
    return host_of(url) or url
