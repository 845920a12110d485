"""The columns of tables that are found without being named."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

USUAL: Final[dict[str, tuple[str, ...]]] = {
    "url": ("url", "urls", "URL", "image_url"),
    "key": ("key", "name", "names"),
    "caption": ("caption", "text", "TEXT"),
}
"""The names under which a column is found where none is given, the likeliest first."""

LOCAL: Final = frozenset({"path", "file_name"})
"""A table with such a column is work for the later stages, and needs no URL."""


def usual(role: str, names: Collection[str], taken: Collection[str] = ()) -> str | None:
    """The column among `names` that fills a role of `USUAL` where none was named for it; None without one.

    Args:
        role: `url`, `key` or `caption`.
        names: The columns that there are.
        taken: Those that fill another role.
    """
    return next((name for name in USUAL[role] if name in names and name not in taken), None)
