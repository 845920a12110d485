"""What to tell people whose first line is no URL: what it seems to be, and which command takes it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from imgpipe.errors import safe
from imgpipe.fields import usual
from imgpipe.media import EXTENSIONS
from imgpipe.records import Record

_HEADER: Final = re.compile(
    r"""["']?(?:url|urls|link|image_url|image|key|id|name)s?["']?(?:[,;\t].*)?""", re.IGNORECASE
)
_BEHIND: Final = re.compile(r"[^/?#]*[,;|\t]\s*[\"']?https?://.*", re.IGNORECASE | re.DOTALL)
"""A URL that stands behind other fields."""

_HOST: Final = re.compile(
    r"(?://)?(?:www\.[\w.-]+|(?:[\w-]+\.)+[\w-]+(?::\d+)?(?=/)|localhost(?::\d+)?(?=/))(?:/.*)?"
)
"""What a browser would take for an address: `www.example.com`, `example.com/cat.jpg`."""

_PACKED: Final = ("PAR1", "\\x1f\\x8b", "(\\xb5/\\xfd")
"""How details of `bad_line` show the first bytes of Parquet, gzip and zstd files."""

_SUFFIXES: Final = (*(f".{name}" for name in EXTENSIONS.values()), ".jpeg", ".tif")

_SHOWN: Final = 60
"""Characters of the line that are shown."""

_LOOKED_AT: Final = 2048
"""Characters of the line that are looked at: the time for a hostile one is bounded."""

_NO_TEXT: Final = "the input is no text; imgpipe read FILE takes Parquet and compressed tables"


def on_first(record: Record) -> str | None:
    """What helps where the first record of the input is no URL; None where nothing can be told.

    Args:
        record: As it was read: a bare line has filled its `url`.
    """
    url = record.get("url")
    if isinstance(url, str):
        line = url[:_LOOKED_AT].strip()
        what = next((words for applies, words in _CASES if applies(line)), None)
        return f"the first line, '{safe(line, _SHOWN)}', {what}" if what else None
    name = usual("url", record)
    if name is not None and name != "url":
        return f"the first record has no url; imgpipe read --format jsonl finds it in '{name}'"
    detail = str(record.get("detail"))
    packed = record.get("error") == "bad_line" and any(start in detail for start in _PACKED)
    return _NO_TEXT if packed else None


def _is_picture(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES) and os.path.isfile(name)


_CASES: Final[tuple[tuple[Callable[[str], object], str | None], ...]] = (
    (lambda line: line.startswith("PK\x03\x04"), "begins a spreadsheet or a zip archive; save it as CSV"),
    (_HEADER.fullmatch, "looks like a table's header; use imgpipe read for tables, or tail -n +2"),
    (_BEHIND.fullmatch, "holds more than a URL; cut -d, -f2 takes the second field, imgpipe read a table"),
    (lambda line: "://" in line, None),
    (_is_picture, "is a picture on this machine; imgpipe resize takes those"),
    (
        os.path.isfile,
        "is a file here, and no URL; imgpipe read FILE | imgpipe fetch, or fetch < FILE for one URL a line",
    ),
    (_HOST.fullmatch, "has no scheme; sed 's|^/*|https://|' puts one in front of each line"),
)
"""What a line seems to be, and what to say to it; the first that applies."""
