"""What is fixed for all runs over one data set: its format and its columns."""

from __future__ import annotations

import os
from typing import Any, Final

import orjson

from imgpipe.errors import UsageError
from imgpipe.records import Record
from imgpipe.shard.columns import EXTRA, OWN, TYPES, Columns, columns_of
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.outfolder import OutFolder

DATASET: Final = "dataset.json"


class DataSet:
    """The fixed part of a data set, kept in `OUT/__imgpipe__/dataset.json` from the first image on.

    Args:
        out: The data set's folder, locked.
        options: The options of this run.

    Raises:
        UsageError: OUT holds another format or other columns than the options ask for.
    """

    def __init__(self, out: OutFolder, options: ShardOptions) -> None:
        self._out = out
        self._options = options
        self._columns: Columns | None = None
        self._kept: dict[str, Any] = {}
        kept = self._read()
        if kept is None:
            return
        if kept.get("format") != options.format:
            raise UsageError(
                f"{out.path} holds a data set of the format {kept.get('format')}, not {options.format}"
            )
        self._kept = kept
        self._take(tuple(kept["columns"].items()))

    def _read(self) -> dict[str, Any] | None:
        if not os.path.lexists(f"{self._out.hidden_path}/{DATASET}"):
            return None
        descriptor = self._out.open_file(DATASET, os.O_RDONLY, hidden=True)
        try:
            kept = orjson.loads(os.read(descriptor, 1 << 24))
            if all(kind in TYPES for kind in kept["columns"].values()):
                return dict(kept)
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            pass
        finally:
            os.close(descriptor)
        raise UsageError(f"{self._out.hidden_path}/{DATASET} cannot be read; remove it to have it made anew")

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
        columns = dict(self._columns.user) if self._columns is not None else {}
        self._kept = {**self._kept, **more, "format": self._options.format, "columns": columns}
        self._out.replace(DATASET, orjson.dumps(self._kept, option=orjson.OPT_INDENT_2))

    def get(self, name: str) -> Any:
        """What `keep` was told about `name`; None where nothing was."""
        return self._kept.get(name)
