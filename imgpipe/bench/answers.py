"""What the embedded server answers to a path. No sockets here.

    /pictures/NAME.jpg      an embedded photograph
    /photo/N.jpg            the N-th of photographs without end; ?size=BYTES for exactly that size
    /size/BYTES             a photograph in a file of that size; /size/BYTES/N.jpg for the N-th
    /status/CODE            that status, with a short text
    /redirect/N/PATH        N redirects on the way to /PATH; /redirect/loop; /redirect?to=URL
    /flaky/N/PATH           503 for the first N requests, then /PATH
    /broken/NAME            an answer that is wrong: see `BROKEN`
    /stats                  what the server counted, as JSON

A query changes any of them: `latency=S`, `status=CODE`, `header=NAME:VALUE` (again and again).
"""

from __future__ import annotations

import enum
import gzip
import http
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from imgpipe.bench import pictures


class Manner(enum.Enum):
    """How the body is sent."""

    WHOLE = "whole"
    INCOMPLETE = "incomplete"
    """Half of what was announced, then the connection is closed."""
    SLOW = "slow"
    """A byte every tenth of a second."""
    ENDLESS = "endless"
    """The body again and again, without a length."""
    SILENT = "silent"
    """Nothing at all; the connection stays open."""
    RESET = "reset"
    """The connection is reset instead of an answer."""
    RAW = "raw"
    """The body alone, without an HTTP head, then the connection is closed."""


@dataclass(slots=True)
class Answer:
    """An answer as it is meant; the server sends it."""

    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    manner: Manner = Manner.WHOLE
    latency: float | None = None
    """Seconds to wait before it; None for the server's own."""

    def head(self, *, keep_alive: bool) -> bytes:
        """Status line and headers."""
        length = [] if self.manner is Manner.ENDLESS else [("Content-Length", str(len(self.body)))]
        names = {name.lower() for name, _ in self.headers}
        usual = [("Content-Type", self.media_type), *length]
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in usual if name.lower() not in names]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [] if keep_alive else ["Connection: close"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


_JPEG: Final = "image/jpeg"
_HTML: Final = b"<!doctype html><title>Sign in</title><p>Please sign in to see this picture.</p>\n"

BROKEN: Final = (
    "html.jpg",
    "truncated.jpg",
    "empty.jpg",
    "incomplete.jpg",
    "slow.jpg",
    "endless.jpg",
    "silent.jpg",
    "reset.jpg",
    "garbage.jpg",
    "gzip.jpg",
    "badgzip.jpg",
)
"""A page instead of a picture; a file that was cut, sent whole; no byte; less than was announced; a
byte every tenth of a second; without end; no answer; a reset; no HTTP; gzip, as it should be; gzip that
is none."""


def _broken(name: str) -> Answer:
    coffee = pictures.picture("coffee")
    gzipped = [("Content-Encoding", "gzip")]
    answers = {
        "html.jpg": Answer(_HTML, _JPEG),
        "truncated.jpg": Answer(coffee[: len(coffee) // 2], _JPEG),
        "empty.jpg": Answer(b"", _JPEG),
        "incomplete.jpg": Answer(coffee, _JPEG, manner=Manner.INCOMPLETE),
        "slow.jpg": Answer(coffee, _JPEG, manner=Manner.SLOW),
        "endless.jpg": Answer(coffee, _JPEG, manner=Manner.ENDLESS),
        "silent.jpg": Answer(manner=Manner.SILENT),
        "reset.jpg": Answer(manner=Manner.RESET),
        "garbage.jpg": Answer(b"this is no HTTP\r\n\r\n", manner=Manner.RAW),
        "gzip.jpg": Answer(gzip.compress(coffee, mtime=0), _JPEG, headers=gzipped),
        "badgzip.jpg": Answer(coffee, _JPEG, headers=gzipped),
    }
    return answers[name]


class Site:
    """Answers paths.

    Args:
        size: Bytes of each `/photo/N.jpg`; None for their natural sizes.
    """

    REMEMBERED: Final = 10_000
    """Flaky paths whose requests are counted."""

    def __init__(self, size: int | None = None) -> None:
        self._size = size
        self._seen: OrderedDict[str, int] = OrderedDict()

    def answer(self, target: str) -> Answer:
        """The answer to a request for `target`, a path with its query; 404 where there is none."""
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True)
        try:
            answer = self._route(unquote(parts.path), dict(query))
            return _changed(answer, query)
        except (KeyError, ValueError, OverflowError):
            return _text(404, "nothing here")

    def _route(self, path: str, query: dict[str, str]) -> Answer:
        _, room, *rest = path.split("/", 2)
        if path == "/":
            return _text(200, __doc__ or "")
        rooms: dict[str, Callable[[str, dict[str, str]], Answer]] = {
            "pictures": lambda name, _: Answer(pictures.picture(name.removesuffix(".jpg")), _JPEG),
            "photo": self._photo,
            "size": _sized,
            "status": lambda name, _: _text(int(name), f"status {int(name)}"),
            "redirect": _redirect,
            "flaky": self._flaky,
            "broken": lambda name, _: _broken(name),
        }
        return rooms[room](rest[0] if rest else "", query)

    def _photo(self, name: str, query: dict[str, str]) -> Answer:
        size = int(query["size"]) if "size" in query else self._size
        number = int(name.removesuffix(".jpg"))
        return Answer(pictures.photo(number) if size is None else pictures.sized(size, number), _JPEG)

    def _flaky(self, name: str, query: dict[str, str]) -> Answer:
        times, _, rest = name.partition("/")
        before = self._seen.pop(name, 0)
        self._seen[name] = before + 1
        if len(self._seen) > self.REMEMBERED:
            self._seen.popitem(last=False)
        return _text(503, "not yet") if before < int(times) else self._route(f"/{rest}", query)


def _sized(name: str, _query: dict[str, str]) -> Answer:
    size, _, number = name.partition("/")
    return Answer(pictures.sized(int(size), int(number.removesuffix(".jpg") or 0)), _JPEG)


def _text(status: int, text: str) -> Answer:
    return Answer(f"{text}\n".encode(), status=status)


def _redirect(name: str, query: dict[str, str]) -> Answer:
    times, _, rest = name.partition("/")
    if "to" in query:
        target = query["to"]
    elif times == "loop":
        target = "/redirect/loop"
    else:
        target = f"/redirect/{int(times) - 1}/{rest}" if int(times) > 1 else f"/{rest}"
    return Answer(b"", status=302, headers=[("Location", target)])


def _changed(answer: Answer, query: list[tuple[str, str]]) -> Answer:
    for name, value in query:
        if name == "latency":
            answer.latency = float(value)
        elif name == "status":
            answer.status = int(value)
        elif name == "header":
            header, _, content = value.partition(":")
            answer.headers.append((_one_line(header), _one_line(content)))
    return answer


def _one_line(text: str) -> str:
    # A path must not be able to end the head early.
    return text.strip().replace("\r", " ").replace("\n", " ")
