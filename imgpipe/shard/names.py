"""What images are named by. Everything here is pure."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from imgpipe.errors import Kind, RecordError
from imgpipe.files import safe_stem
from imgpipe.records import Record

_INDEX_DIGITS: Final = 9

_ASCII_LENGTH: Final = 80
"""Characters: a plain tar header has room for 100, with suffix and extension."""


def index_stem(index: int, part: str | None = None) -> str:
    """The name by the counter of the images in a data set, from 0, or in a part of one.

    Names in shards are keys of samples, which no two parts may share, and end at a dot.
    """
    stem = f"{index:0{_INDEX_DIGITS}d}"
    return stem if part is None else f"{part.replace('.', '_')}-{stem}"


def folder_name(number: int) -> str:
    """The name of a folder, or the stem of a shard, from 0."""
    return f"{number:05d}"


def stem(record: Record, name_format: str, counter: str, digest: Callable[[], str]) -> str:
    """The name without extension that a record asks for.

    Args:
        record: The record.
        name_format: One of `options.NAME_FORMATS`.
        counter: The name by the counter (see `index_stem`).
        digest: Gives the digest of the image's bytes.

    Raises:
        RecordError: `bad_key`, where the name is to be the key and that is none.
    """
    if name_format == "index":
        return counter
    if name_format == "key":
        return _key_stem(record.get("key"))
    if name_format == "hash":
        return digest()
    if name_format == "random":
        return os.urandom(16).hex()
    return _url_stem(record) or counter


def ascii_stem(stem: str, counter: str) -> str:
    """The name as a member of a tar: ASCII, and so short that the header has room for it.

    Accents are taken off; a name of which nothing is left becomes the counter.
    """
    if not stem.isascii():
        plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
        stem = safe_stem(plain) or counter
    return stem if len(stem) <= _ASCII_LENGTH else stem[:_ASCII_LENGTH].rstrip("_- ")


def _key_stem(key: Any) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise RecordError(Kind.BAD_KEY, "the record has no key" if key is None else "the key is no text")
    found = safe_stem(str(key))
    if found is None:
        raise RecordError(Kind.BAD_KEY, f"the key {str(key)[:100]!r} has no character that a name can have")
    return found


def _url_stem(record: Record) -> str | None:
    """From the last segment of the URL's path; of a file of the user without a URL, from its own name."""
    source = record.get("url")
    if isinstance(source, str):
        try:
            name = unquote(urlsplit(source).path).rstrip("/").rpartition("/")[2]
        except ValueError:
            return None
    else:
        path = record.get("path")
        if record.get("spooled") is True or not isinstance(path, str):
            return None
        name = path.rpartition("/")[2]
    return safe_stem(name.rpartition(".")[0] or name)


class Taken:
    """The names in one folder or shard: a name that is taken gets `-2`, `-3`, …

    Names that differ only in case are equal here, since they are on some file systems.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._next)

    def note(self, stem: str) -> None:
        """The name is in use."""
        self._next.setdefault(stem.casefold(), 2)

    def free(self, stem: str) -> str:
        """The name to use for `stem`; it is taken from now on."""
        folded = stem.casefold()
        number = self._next.get(folded)
        if number is None:
            self._next[folded] = 2
            return stem
        while f"{folded}-{number}" in self._next:
            number += 1
        self._next[folded] = number + 1
        self._next[f"{folded}-{number}"] = 2
        return f"{stem}-{number}"
