"""The sample that can be looked through: tiles with pictures, lines of failed records, and all their fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imgpipe.errors import Status
from imgpipe.hosts import host_of
from imgpipe.media import EXTENSIONS
from imgpipe.records import Record
from imgpipe.report import text
from imgpipe.report.facts import NO_HOST, Facts
from imgpipe.report.pictures import Unseen, contents
from imgpipe.report.thumbnails import Thumbnail, prepare, thumbnail

_FAILED_ROWS: Final = 240
"""Failed records on the page, at the most."""

_CHARACTERS: Final = 1200
"""Of all fields of one record together: so that a page of hundreds stays below 3 MB whatever they hold."""
_FIELDS: Final = 40
_NAME: Final = 60
_CAPTION: Final = 160

_ZERO_IF_UNKNOWN: Final = frozenset(
    {"width", "height", "original_width", "original_height", "http_status", "attempts", "seconds"}
)
"""Columns of a placed row that are 0 where nothing is known: rows have constant types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record of the sample."""

    number: int
    """Its place in the data that the script reads."""
    status: str
    kind: str
    """The kind of failure; empty for a placed one."""
    host: str
    form: str
    """Extension of its format; empty where it is not known."""
    title: str
    """What it is called: caption, key, or the end of its URL."""
    url: str
    detail: str
    picture: Thumbnail | None
    why: str
    """Why there is no picture."""
    data: dict[str, Any]
    """Fields for the dialog: link, and names with values."""


def placed(facts: Facts) -> list[Entry]:
    """The sampled images, with their pictures."""
    prepare()
    found = []
    for number, (kept, content) in enumerate(contents(facts.sample)):
        picture, why = None, ""
        try:
            if isinstance(content, Unseen):
                raise content
            picture = thumbnail(content)
        except Unseen as reason:
            why = str(reason)
        found.append(_entry(number, kept.row, picture, why))
    return found


def failed(facts: Facts, start: int) -> list[Entry]:
    """Sampled failed records, of each kind some, numbered from `start`."""
    causes = sorted(facts.causes.values(), key=lambda cause: -cause.count)
    chosen = _in_turn([cause.rows.kept for cause in causes], _FAILED_ROWS)
    return [_entry(start + number, row, None, "") for number, row in enumerate(chosen)]


def _in_turn(lists: Sequence[Sequence[Record]], most: int) -> Iterator[Record]:
    """One of each, then a second of each, until there are `most`."""
    left = most
    for turn in range(max(map(len, lists), default=0)):
        for rows in lists:
            if turn < len(rows) and left:
                left -= 1
                yield rows[turn]


def _entry(number: int, row: Record, picture: Thumbnail | None, why: str) -> Entry:
    status = row.get("status")
    status = status if status in (Status.FAILED, Status.SKIPPED) else Status.OK.value
    url = row.get("url")
    return Entry(
        number=number,
        status=status,
        kind=text.shown(row["error"], _NAME) if status != Status.OK and "error" in row else "",
        host=text.visible(host_of(url) or NO_HOST, 253),
        form=EXTENSIONS.get(str(row.get("media_type")), ""),
        title=_title(row),
        url=text.shown(url, text.URL_SHOWN) if url else "",
        detail=text.shown(row.get("detail", ""), 240),
        picture=picture,
        why=why,
        data={"link": text.link(url), "fields": list(_fields(row))},
    )


def _title(row: Record) -> str:
    for name in ("caption", "key"):
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return text.visible(value.strip(), _CAPTION)
    what = row.get("url") or row.get("file_name") or row.get("path") or "(no name)"
    if isinstance(what, str):
        what = what.rstrip("/").rpartition("/")[2] or what
    return text.shown(what, _CAPTION)


def _fields(row: Record) -> Iterator[tuple[str, str]]:
    left = _CHARACTERS
    for name, value in list(row.items())[:_FIELDS]:
        if left <= 0 or _tells_nothing(name, value):
            continue
        shown = text.shown(value, min(400, left))
        left -= len(shown) + len(name[:_NAME])
        yield text.visible(str(name), _NAME), shown


def _tells_nothing(name: str, value: Any) -> bool:
    return value is None or value in ("", "{}") or (name in _ZERO_IF_UNKNOWN and value == 0)
