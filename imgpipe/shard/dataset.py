"""What is fixed for all runs over one data set: its format and its columns."""

from __future__ import annotations

from typing import Any, Final

import orjson

from imgpipe.errors import UsageError
from imgpipe.placed import HIDDEN, METADATA, SHARD_SUFFIXES
from imgpipe.records import Record
from imgpipe.shard.columns import EXTRA, OWN, TYPES, Columns, columns_of
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.store import Store

DATASET: Final = "dataset.json"


class DataSet:
    """The fixed part of a data set, kept in `OUT/__imgpipe__/dataset.json` from the first image on.

    Args:
        out: The data set's folder, locked.
        options: The options of this run.

    Raises:
        UsageError: OUT holds another format or other columns than the options ask for.
    """

    def __init__(self, out: Store, options: ShardOptions) -> None:
        self._out = out
        self._options = options
        self._columns: Columns | None = None
        self._kept: dict[str, Any] = {}
        self.is_new = not any(_is_data(name) for name in out.names())
        """Whether nothing is placed in OUT yet."""
        if not self.is_new:
            self._read()

    def _read(self) -> None:
        where = f"{self._out.path}/{HIDDEN}/{DATASET}"
        data = self._out.read(DATASET)
        if data is None:
            if self._options.format == "files" and METADATA in self._out.names():
                return
            raise UsageError(f"{self._out.path} holds a data set already, without {where}")
        try:
            self._kept = orjson.loads(data)
            columns = tuple(self._kept["columns"].items())
            known = all(kind in TYPES for _, kind in columns)
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise UsageError(f"{where} cannot be read")
        if self._kept.get("format") != self._options.format:
            held = self._kept.get("format")
            raise UsageError(
                f"{self._out.path} holds a data set of the format {held}, not {self._options.format}"
            )
        self._take(columns)

    def _take(self, columns: tuple[tuple[str, str], ...]) -> None:
        asked = self._options.columns
        if asked is not None and dict(asked) != dict(columns):
            has = ",".join(f"{name}:{kind}" for name, kind in columns) or "no columns of the user"
            raise UsageError(f"{self._out.path} has other columns already: {has}")
        self._columns = Columns(columns)

    def assume(self, row: Record) -> None:
        """Take the columns of a row of ours, where what is kept about the data set was lost.

        Raises:
            UsageError: It is a row of something else.
        """
        if self._columns is not None:
            return
        if EXTRA not in row or not OWN.keys() <= row.keys():
            raise UsageError(f"{self._out.path} holds a data set that imgpipe did not write")
        row = {name: value for name, value in row.items() if name != EXTRA}
        self._take(columns_of(row))

    def columns(self, first: Record) -> Columns:
        """The columns; those of the record `first` where nothing fixed them yet.

        Raises:
            OutputError: They cannot be kept.
        """
        if self._columns is None:
            asked = self._options.columns
            self._columns = Columns(asked if asked is not None else columns_of(first))
        if not self._kept:
            self.keep()
        return self._columns

    def keep(self, **more: Any) -> None:
        """Write down what is fixed, with whatever else a format needs to know in its next run."""
        if more and all(self._kept.get(name, self) == value for name, value in more.items()):
            return
        columns = dict(self._columns.user) if self._columns is not None else {}
        self._kept = {**self._kept, **more, "format": self._options.format, "columns": columns}
        self._out.replace(DATASET, orjson.dumps(self._kept, option=orjson.OPT_INDENT_2))

    def get(self, name: str) -> Any:
        """What `keep` was told about `name`; None where nothing was."""
        return self._kept.get(name)


def _is_data(name: str) -> bool:
    return name == METADATA or name.endswith(SHARD_SUFFIXES)
