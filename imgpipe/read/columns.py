"""Which column becomes which field of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from imgpipe.errors import Kind, RecordError, UsageError
from imgpipe.fields import LOCAL, missing, missing_url, usual
from imgpipe.read.options import ReadOptions
from imgpipe.records import Record


@dataclass(frozen=True, slots=True)
class Plan:
    """What is taken from each row, in order.

    Attributes:
        picks: The places of the columns in the row.
        fields: The field that each of them fills.
        whole: Whether that is every column, once and in its order.
    """

    picks: tuple[int, ...]
    fields: tuple[str, ...]
    whole: bool

    def record(self, row: Sequence[Any]) -> Record:
        """The record of a row that has a value for every column."""
        if self.whole:
            return dict(zip(self.fields, row, strict=True))
        return {field: row[pick] for pick, field in zip(self.picks, self.fields, strict=True)}


def tidy(header: Sequence[str]) -> list[str]:
    """Names for the columns of a header line: none empty, none twice.

    An empty one becomes `column_N`, by its place from 1; one that was there before gets `_2`, `_3`, …
    """
    names: list[str] = []
    taken = {name.strip() for name in header}
    for place, raw in enumerate(header, 1):
        name = raw.strip() or f"column_{place}"
        names.append(_free(name, taken) if name in names else name)
        taken.add(names[-1])
    return names


def plan(names: Sequence[str], options: ReadOptions, where: str, *, lenient: bool = False) -> Plan:
    """Decide what is taken from rows that have the columns `names`.

    A column that bears the name of a field which another column fills is passed on as `NAME_2`.

    Args:
        names: Without doubles.
        options: Which columns are wanted, and for what.
        where: The table's name, for the message.
        lenient: Whether the rows are objects, which may lack all but the URL.

    Raises:
        UsageError: A column is wanted that is not there.
    """
    roles = _roles(names, options, where, lenient=lenient)
    wanted = set(names if options.columns is None else options.columns)
    taken = {*roles, *names}
    if not lenient and (absent := sorted(wanted - set(names))):
        raise missing(absent[0], names, where)
    picks, fields = [], []
    for place, name in enumerate(names):
        own = [role for role, column in roles.items() if column == name]
        if not own and name in wanted:
            own = [_free(name, taken) if name in roles else name]
            taken.update(own)
        picks += [place] * len(own)
        fields += own
    return Plan(tuple(picks), tuple(fields), picks == list(range(len(names))))


def _roles(names: Sequence[str], options: ReadOptions, where: str, *, lenient: bool) -> dict[str, str]:
    given = {"url": options.url_col, "key": options.key_col, "caption": options.caption_col}
    roles = {}
    for role, name in given.items():
        if name is not None and name in names:
            roles[role] = name
        elif name is not None and (role == "url" or not lenient):
            raise missing(name, names, where)
    for role, name in given.items():
        spare = usual(role, names, roles.values()) if name is None else None
        if spare is not None:
            roles[role] = spare
    if "url" not in roles and not LOCAL & set(names):
        raise missing_url(names, where)
    return roles


def _free(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


class Objects:
    """Makes records of objects, which need not all have the same fields.

    The first one must have what the options name, so that a mistyped name is told at once; a later one
    without its URL is a bad row.

    Args:
        options: Which columns are wanted, and for what.
        where: The table's name, for messages.
    """

    _REMEMBERED: Final = 256
    """Sets of fields whose plans are kept."""

    def __init__(self, options: ReadOptions, where: str) -> None:
        self._options = options
        self._where = where
        self._first = True
        self._plans: dict[tuple[str, ...], Plan] = {}

    def row(self, found: Record) -> Record | RecordError:
        """The record of one object, or why there is none.

        Raises:
            UsageError: The first object lacks a column that is wanted.
        """
        names = tuple(found)
        chosen = self._plans.get(names)
        if chosen is None:
            try:
                chosen = plan(names, self._options, self._where, lenient=not self._first)
            except UsageError as error:
                if self._first:
                    raise
                return RecordError(Kind.BAD_LINE, str(error))
            if len(self._plans) >= self._REMEMBERED:
                self._plans.clear()
            self._plans[names] = chosen
        self._first = False
        return chosen.record(tuple(found.values()))
