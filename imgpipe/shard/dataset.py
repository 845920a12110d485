"""What is fixed for all runs over one data set: its format and its columns."""

from __future__ import annotations

from typing import Any

import orjson

from imgpipe import media
from imgpipe.errors import UsageError
from imgpipe.layout import DATASET, METADATA, SHARD_SUFFIXES
from imgpipe.records import Record
from imgpipe.shard.columns import EXTRA, OWN, TYPES, Columns, columns_of
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.store import Store


class DataSet:
    """The fixed part of a data set, kept in `OUT/__imgpipe__/dataset.json` from the first image on.

    That of a data set in parts is written once, by the part that comes first, and holds for all of them.

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
        self._in_parts = out.layout.part is not None
        self._fsync = options.fsync != "none"
        data = out.read(DATASET)
        if data is not None:
            self._read(data)
        elif not self.is_new and not (options.format == "files" and METADATA in out.names()):
            raise UsageError(f"{out.path} holds a data set already, without {out.where(DATASET)}")

    def _read(self, data: bytes) -> None:
        where = self._out.where(DATASET)
        try:
            kept = orjson.loads(data)
            columns = tuple(kept["columns"].items())
            known = all(kind in TYPES for _, kind in columns)
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise UsageError(f"{where} cannot be read")
        if bool(kept.get("parts")) is not self._in_parts:
            raise UsageError(
                f"{where} tells of a data set that is not in parts: choose another folder for --part"
                if self._in_parts
                else f"{self._out.path} holds a data set in parts: name one with --part, or choose another folder"
            )
        if self.is_new and not self._in_parts:
            # A run that placed nothing fixed nothing.
            return
        self._kept = kept
        if self._kept.get("format") != self._options.format:
            held = self._kept.get("format")
            raise UsageError(
                f"{self._out.path} holds a data set of the format {held}, not {self._options.format}; "
                f"go on with --format {held}, or name another OUT"
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
            if self._in_parts:
                self._fix(first)
            else:
                self.keep()
        return self._columns

    def _fix(self, first: Record) -> None:
        """Write down what holds for all parts, or take what another part wrote meanwhile."""
        assert self._columns is not None, "the caller has set them"
        self._kept = {
            "parts": True,
            "format": self._options.format,
            "columns": dict(self._columns.user),
            "extension": media.extension(first["media_type"]),
            "captions": "caption" in first,
        }
        if not self._out.create(DATASET, self._dumped(), fsync=self._fsync):
            self._read(self._out.read(DATASET) or b"")

    def keep(self, **more: Any) -> None:
        """Write down what is fixed, with whatever else a format needs to know in its next run."""
        if more and all(self._kept.get(name, self) == value for name, value in more.items()):
            return
        columns = dict(self._columns.user) if self._columns is not None else {}
        self._kept = {**self._kept, **more, "format": self._options.format, "columns": columns}
        self._out.replace(DATASET, self._dumped(), fsync=self._fsync)

    def _dumped(self) -> bytes:
        return orjson.dumps(self._kept, option=orjson.OPT_INDENT_2)

    @property
    def captions(self) -> bool | None:
        """Whether each sample of a tar has a caption of its own; None where the first tar shows it."""
        return None if self.is_new and not self._in_parts else bool(self.get("captions"))

    def get(self, name: str) -> Any:
        """What `keep` was told about `name`; None where nothing was."""
        return self._kept.get(name)


def _is_data(name: str) -> bool:
    return name == METADATA or name.endswith(SHARD_SUFFIXES)
