"""`json`: an array of objects, or objects one after the other, read as a stream."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from imgpipe import records
from imgpipe.errors import UsageError, safe
from imgpipe.read.columns import Objects
from imgpipe.read.opening import Table
from imgpipe.read.options import ReadOptions
from imgpipe.read.rows import Row, bad, too_long
from imgpipe.records import MAX_LINE, is_over

_MOST: Final = 1 << 22
"""Characters of an element that are read to find its end; one of over `MAX_LINE` is a bad row."""

_BETWEEN: Final = re.compile(r"[\s,]*")

_LONGEST_TOKEN: Final = 16
"""Characters before the end of a text at which an error may come from a token that is cut: an escape of
two surrogates has twelve."""

_DEEP: Final = 250
"""Brackets up to which an element is surely not nested too deep to be written (see `records`)."""


def array(table: Table, options: ReadOptions) -> Iterator[Row]:
    """Objects, in an array or not; a string among them is a URL.

    Raises:
        UsageError: It is no JSON: where the next element begins is not known then.
    """
    objects = Objects(options, table.name)
    for value, text in _elements(table):
        if len(text) > MAX_LINE:
            yield too_long(text)
        elif isinstance(value, str):
            yield {"url": value}
        elif not isinstance(value, dict):
            yield bad("no JSON object", text)
        elif _too_deep(value, text):
            yield bad("nested too deep", text)
        else:
            yield value if is_over(value) else objects.row(value)


def _too_deep(value: Any, text: str) -> bool:
    if text.count("[") + text.count("{") <= _DEEP:
        return False
    try:
        records.dump(value)
    except TypeError:
        return True
    return False


def _elements(table: Table) -> Iterator[tuple[Any, str]]:
    """Each element with its text."""
    scanner = _Scanner(table)
    in_array = scanner.next() == "["
    scanner.position += in_array
    while (sign := scanner.next()) and not (in_array and sign == "]"):
        yield scanner.element()
    if in_array:
        if not sign:
            raise scanner.no_json("the array does not end")
        scanner.position += 1
        if scanner.next():
            raise scanner.no_json("something follows the array")


class _Scanner:
    """Finds elements in a text that comes in pieces, of which it keeps what is not yet taken.

    Args:
        table: Where the text comes from.
    """

    def __init__(self, table: Table) -> None:
        self._name = table.name
        self._chunks = table.chunks()
        self._text = codecs.getincrementaldecoder("utf-8-sig")()
        self._decode = json.JSONDecoder(
            parse_constant=records.refuse_constant, parse_float=records.finite
        ).raw_decode
        self._buffer = ""
        self.position = 0

    def next(self) -> str:
        """The next character that separates nothing, which is not taken; empty at the end."""
        while True:
            found = _BETWEEN.match(self._buffer, self.position)
            self.position = found.end() if found else self.position
            if self.position < len(self._buffer):
                return self._buffer[self.position]
            if not self._grow():
                return ""

    def element(self) -> tuple[Any, str]:
        """The element that begins here, and its text."""
        while True:
            try:
                value, end = self._decode(self._buffer, self.position)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error) or not self._double():
                    raise self.no_json(str(error)) from error
            except (ValueError, RecursionError) as error:
                raise self.no_json(str(error)) from error
            else:
                # A number at the very end of what is there may go on; anything else has an end.
                if end < len(self._buffer) or self._buffer[self.position] in '{["' or not self._double():
                    text = self._buffer[self.position : end]
                    self.position = end
                    return value, text

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated") or error.pos > len(self._buffer) - _LONGEST_TOKEN

    def _double(self) -> bool:
        """Take more text, so much that a long element is not tried at each chunk; whether there is any."""
        wanted = 2 * (len(self._buffer) - self.position)
        if wanted > 2 * _MOST:
            raise self.no_json(f"an element is longer than {_MOST} characters")
        grown = False
        while len(self._buffer) - self.position < wanted and self._grow():
            grown = True
        return grown

    def _grow(self) -> bool:
        chunk = next(self._chunks, None)
        try:
            more = self._text.decode(chunk or b"", final=chunk is None)
        except UnicodeDecodeError as error:
            raise UsageError(f"{self._name} is not UTF-8 text") from error
        self._buffer = self._buffer[self.position :] + more
        self.position = 0
        return chunk is not None

    def no_json(self, why: str) -> UsageError:
        """The error of a text in which no further element can be found."""
        excerpt = self._buffer[self.position : self.position + 60]
        return UsageError(
            f"{self._name} is no JSON from here on: {safe(excerpt)} ({safe(why)}); --format jsonl takes an object a line"
        )
