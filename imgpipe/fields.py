"""The columns of tables that are found without being named, and what is said where one is not there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from imgpipe.errors import UsageError, safe

USUAL: Final[dict[str, tuple[str, ...]]] = {
    "url": ("url", "urls", "URL", "image_url"),
    "key": ("key", "name", "names"),
    "caption": ("caption", "text", "TEXT"),
}
"""The names under which a column is found where none is given, the likeliest first."""

LOCAL: Final = frozenset({"path", "file_name"})
"""A table with such a column is work for the later stages, and needs no URL."""

_NAMED_AT_MOST: Final = 50
"""Columns that a message names."""


def usual(role: str, names: Collection[str], taken: Collection[str] = ()) -> str | None:
    """The column among `names` that fills a role of `USUAL` where none was named for it; None without one.

    Args:
        role: `url`, `key` or `caption`.
        names: The columns that there are.
        taken: Those that fill another role.
    """
    return next((name for name in USUAL[role] if name in names and name not in taken), None)


def missing(name: str, names: Sequence[str], where: str) -> UsageError:
    """The error of a table without the column `name`.

    Args:
        name: The column that is wanted.
        names: Those that there are.
        where: The table's name.
    """
    return UsageError(f"{where} has no column {safe(name)}; {_listed(names)}")


def missing_url(names: Sequence[str], where: str) -> UsageError:
    """The error of a table in which no column holds the URL."""
    usual_names = " or ".join(USUAL["url"])
    return UsageError(
        f"{where} has no column named {usual_names}; choose one with --url-col; {_listed(names)}"
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    shown = ", ".join(safe(name, 80) for name in names[:_NAMED_AT_MOST])
    return f"its columns are: {shown}" + (f" and {more} more" if more > 0 else "")
