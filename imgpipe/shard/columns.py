"""What a placed image's line holds: the same keys with the same types in every line.

Loaders take the types from the first lines, fail on one that changes and drop a key that comes late;
hence what has no column of its own goes into `extra`, a JSON text. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from imgpipe import records
from imgpipe.errors import UsageError
from imgpipe.records import Record

TYPES: Final = ("string", "int", "float", "bool")

DEFAULTS: Final[dict[str, Any]] = {"string": "", "int": 0, "float": 0.0, "bool": False}

OWN: Final[dict[str, str]] = {
    "file_name": "string",
    "shard": "string",
    "url": "string",
    "key": "string",
    "caption": "string",
    "width": "int",
    "height": "int",
    "original_width": "int",
    "original_height": "int",
    "bytes": "int",
    "media_type": "string",
    "sha256": "string",
    "http_status": "int",
    "final_url": "string",
    "attempts": "int",
    "seconds": "float",
    "exif": "string",
}
"""Our own columns, in their order, with their types; the user's come next and `extra` last."""

EXTRA: Final = "extra"

_NOT_KEPT: Final = frozenset({"seq", "path", "spooled", "status", *records.ERROR_FIELDS})
_MISFIT: Final = object()
_INT64: Final = range(-(2**63), 2**63)

FIRST_ROWS: Final = 5
"""Rows at the start of a file that loaders take the types from (HuggingFace's webdataset)."""


def parse_columns(text: str) -> tuple[tuple[str, str], ...]:
    """The columns of `a,b:int`, with their types; `string` where none is given.

    Raises:
        UsageError: A type is not known, or a name cannot be a column.
    """
    columns: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, kind = part.partition(":")
        kind = _ALIASES.get(kind, kind)
        if kind not in TYPES:
            raise UsageError(f"{part!r}: the type of a column is one of {', '.join(TYPES)}")
        if name not in OWN and not _may_be_column(name):
            raise UsageError(f"{name!r} cannot be a column: loaders give the name a meaning of its own")
        if name not in OWN:
            columns[name] = kind
    return tuple(columns.items())


_ALIASES: Final = {
    "": "string",
    "str": "string",
    "text": "string",
    "int64": "int",
    "integer": "int",
    "float64": "float",
    "double": "float",
    "number": "float",
    "boolean": "bool",
}


def _may_be_column(name: str) -> bool:
    # A column `image` would replace the picture; HuggingFace takes `…file_name` and `…file_names` for
    # paths of further pictures.
    return bool(name) and name not in ("image", EXTRA) and not name.endswith(("file_name", "file_names"))


def columns_of(record: Record) -> tuple[tuple[str, str], ...]:
    """The user's columns as a first record has them: what is neither number nor truth value is text."""
    return tuple(
        (name, _type_of(value))
        for name, value in record.items()
        if name not in OWN and name not in _NOT_KEPT and _may_be_column(name)
    )


def _type_of(value: Any) -> str:
    return {int: "int", float: "float", bool: "bool"}.get(type(value), "string")


def text(value: Any) -> str:
    """A value as text: text as it is, nothing as "", anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else records.dump(value).decode().rstrip("\n")


class Columns:
    """Makes rows of records.

    Args:
        user: The user's columns with their types.
    """

    def __init__(self, user: Iterable[tuple[str, str]]) -> None:
        self.user = tuple(user)
        self._own = [(name, kind, DEFAULTS[kind]) for name, kind in OWN.items()]
        self._placed = frozenset(OWN) | {name for name, _ in self.user} | _NOT_KEPT | {EXTRA}

    @property
    def types(self) -> dict[str, str]:
        """Every column with its type, in order."""
        return {**OWN, **dict(self.user), EXTRA: "string"}

    def row(self, record: Record, *, typed: bool) -> Record:
        """The row of a placed record.

        Args:
            record: With `file_name` and all else that the stages set.
            typed: For the rows that types are taken from: where a column of the user has no value, the
                row has an empty one of its type, and `extra` has the null.
        """
        row: Record = {}
        extra: Record = {}
        for name, kind, default in self._own:
            value = record.get(name)
            if type(value) is type(default) and (kind != "int" or value in _INT64):
                row[name] = value
                continue
            row[name] = default if value is None else _or_extra(name, kind, value, default, extra)
        if not row["final_url"]:
            row["final_url"] = row["url"]
        if not row["exif"]:
            row["exif"] = "{}"
        for name, kind in self.user:
            value = record.get(name)
            fitting = None if value is None else _or_extra(name, kind, value, None, extra)
            if fitting is None and typed:
                extra.setdefault(name, None)
                fitting = DEFAULTS[kind]
            row[name] = fitting
        self._add_others(record, extra)
        row[EXTRA] = text(extra) if extra else "{}"
        return row

    def _add_others(self, record: Record, extra: Record) -> None:
        placed = self._placed
        for name, value in record.items():
            if name not in placed:
                extra[name] = value
        # A row that is read back and placed anew brings its own `extra`.
        inner = record.get(EXTRA)
        if isinstance(inner, str):
            try:
                inner = orjson.loads(inner)
            except orjson.JSONDecodeError:
                extra[EXTRA] = inner
                return
        if isinstance(inner, dict):
            for name, value in inner.items():
                extra.setdefault(name, value)
        elif inner is not None:
            extra[EXTRA] = inner


def _or_extra(name: str, kind: str, value: Any, default: Any, extra: Record) -> Any:
    fitting = fit(kind, value)
    if fitting is _MISFIT:
        extra[name] = value
        return default
    return fitting


def fit(kind: str, value: Any) -> Any:
    """`value` as a value of the type `kind`; `_MISFIT` where that would change what it says."""
    if kind == "string":
        return text(value)
    if kind == "bool":
        return value if isinstance(value, bool) else _MISFIT
    if isinstance(value, bool):
        return _MISFIT
    try:
        number = float(value) if kind == "float" else int(value)
    except (ValueError, TypeError, OverflowError):
        return _MISFIT
    if kind == "int" and (number not in _INT64 or (isinstance(value, float) and value != number)):
        return _MISFIT
    # `nan` and `inf` are numbers to Python, not to JSON.
    return number if number - number == 0 else _MISFIT
