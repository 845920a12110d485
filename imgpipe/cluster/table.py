"""INPUT through Spark's own readers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from imgpipe import records
from imgpipe.cluster import rows
from imgpipe.cluster.options import Columns, SparkOptions
from imgpipe.cluster.rows import Row
from imgpipe.cluster.session import as_process_errors
from imgpipe.errors import Kind, RecordError, UsageError, safe
from imgpipe.records import MAX_LINE

_SEPARATORS: Final = ",;\t|"
_CORRUPT: Final = "__imgpipe_corrupt__"


@dataclass(frozen=True, slots=True)
class Table:
    """INPUT as Spark sees it.

    Attributes:
        frame: What is counted.
        rows: An RDD of `Row`.
        plain: Whether their lines are records already (see `Job`).
    """

    frame: Any
    rows: Any
    plain: bool


def open_table(spark: Any, options: SparkOptions) -> Table:
    """Open INPUT; nothing but its beginning is read yet.

    Raises:
        UsageError: It cannot be read, or lacks a column that is wanted.
    """
    with as_process_errors(f"cannot read {safe(options.input)}", UsageError):
        form = options.format if options.format != "auto" else _form(spark, options.input)
        columns = options.job.columns
        if form in ("txt", "jsonl"):
            return _lines(spark, options.input, form, columns)
        if form == "parquet":
            return _columns(spark.read.parquet(options.input), options.input, columns)
        return _delimited(spark, options.input, form, columns)


def _form(spark: Any, path: str) -> str:
    """The form of INPUT by its suffix, or by those of the files in it."""
    found = rows.form_of(path)
    if found is None:
        # Only what Spark itself would read is listed, wherever it is.
        names = spark.read.format("binaryFile").load(path).select("path").take(1)
        found = rows.form_of(names[0][0]) if names else None
    if found is None:
        raise UsageError(f"the form of {safe(path)} is not told by its name; choose it with --format")
    return found


def _lines(spark: Any, path: str, form: str, columns: Columns) -> Table:
    frame = spark.read.option("lineSep", "\n").text(path)
    turn = rows.Txt() if form == "txt" else rows.Jsonl(columns)
    if form == "jsonl":
        _check_first(frame, columns, path)
    return Table(frame, frame.rdd.mapPartitions(partial(_turned, turn)), form == "txt")


def _turned(turn: rows.Txt | rows.Jsonl, found: Iterable[Sequence[str]]) -> Iterator[Row]:
    return (turn(row[0]) for row in found)


def _check_first(frame: Any, columns: Columns, path: str) -> None:
    for (line,) in frame.take(1):
        try:
            record = records.parse(line.removeprefix("\ufeff").strip().encode(), "url")
        except RecordError:
            return
        rows.url_column(list(record), columns, safe(path))


def _delimited(spark: Any, path: str, form: str, columns: Columns) -> Table:
    first = spark.read.option("lineSep", "\n").text(path).take(1)
    if not first:
        return _lines(spark, path, "txt", columns)
    header = first[0][0].removeprefix("\ufeff").removesuffix("\r")
    if "://" in header:
        raise UsageError(
            f"{safe(path)} begins with a URL, not with a line that names its columns; "
            "--format txt takes one URL a line"
        )
    separator = "\t" if form == "tsv" else next((sign for sign in _SEPARATORS if sign in header), ",")
    reader = spark.read.options(
        header=True,
        sep=separator,
        quote='"',
        escape='"',
        multiLine=True,
        # A quote that is never closed would take the rest of the file.
        maxCharsPerColumn=MAX_LINE,
    )
    names = reader.csv(path).columns
    from pyspark.sql.types import StringType, StructField, StructType  # noqa: PLC0415 - an extra, and heavy

    schema = StructType([StructField(name, StringType()) for name in [*names, _CORRUPT]])
    # By default Spark goes by the place of a column alone, also where the header of a further file has
    # another order. It cannot check names that it had to make up, for columns of one name or of none.
    checked = names == next(csv.reader([header], delimiter=separator))
    reader = reader.options(columnNameOfCorruptRecord=_CORRUPT, enforceSchema=not checked)
    return _columns(reader.schema(schema).csv(path), path, columns, null="")


def _columns(frame: Any, path: str, columns: Columns, null: str | None = None) -> Table:
    """The rows of a frame whose columns have names.

    Args:
        frame: It may have a column `_CORRUPT` with the text of rows that are none.
        path: For messages.
        columns: Which are wanted.
        null: What stands for a value that is not there.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - its usual name; an extra, and heavy

    fields = [field for field in frame.schema.fields if field.name != _CORRUPT]
    names = [field.name for field in fields]
    url = rows.url_column(names, columns, safe(path))
    text = F.lit(None).cast("string")
    values = [
        _plain(F, field, null).alias(field.name) for field in fields if rows.is_wanted(field.name, columns)
    ]
    picked = frame.select(
        text if url is None else _named(F, url).cast("string"),
        F.to_json(F.struct(*values), {"ignoreNullFields": "false"}),
        _named(F, _CORRUPT) if _CORRUPT in frame.columns else text,
    )
    return Table(frame, picked.rdd.mapPartitions(_picked), rows.is_plain(names, columns))


def _named(functions: Any, name: str) -> Any:
    return functions.col("`" + name.replace("`", "``") + "`")


def _plain(functions: Any, field: Any, null: str | None) -> Any:
    """The column as JSON should tell it."""
    column = _named(functions, field.name)
    kind = field.dataType.typeName()
    if kind in ("float", "double"):
        return functions.nanvl(column, functions.lit(None))
    if kind == "decimal":
        return column.cast("string")
    return column if null is None else functions.coalesce(column, functions.lit(null))


def _picked(found: Iterable[Sequence[str | None]]) -> Iterator[Row]:
    for url, line, corrupt in found:
        if corrupt is not None:
            error = RecordError(Kind.BAD_LINE, f"no row of this table: {corrupt[:200]}")
            yield None, records.dump(records.fail({}, "read", error)).decode().rstrip("\n")
        else:
            yield url, line
