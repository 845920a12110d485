"""A page taken apart, as a browser without a screen would."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "rect", "path", "br"}


class Page(HTMLParser):
    """The elements of a page, with their attributes, and its words.

    Attributes:
        elements: Each with its attributes, in order.
        text: What is read, one blank between words; without style, script and data.
        data: What the script reads.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self._data = ""
        self.feed(source)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self._words)).strip()
        self.data = json.loads(self._data)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self._open[-1:] == ["script"] and self.elements[-1][1].get("id") == "data":
            self._data += data
        elif self._open[-1:] not in (["script"], ["style"]):
            self._words.append(data)

    def all(self, tag: str) -> list[dict]:
        """The attributes of each element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]
