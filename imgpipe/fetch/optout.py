"""Opt-outs in the headers of an answer: sites that do not want their pictures in data sets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from imgpipe.errors import Kind, RecordError

ROBOT: Final = "imgpipe"
"""The product token by which a site may name this robot."""

DIRECTIVES: Final = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none", "noml"})
"""Directives of X-Robots-Tag that are obeyed: Google's noindex, noimageindex and none, DeviantArt's
noai and noimageai (2022), and noml."""

# Directives that take a value after a colon: their name is no robot's (Google's robots meta tag
# specification). A date after unavailable_after may hold commas, whose parts are harmless here.
_WITH_VALUE: Final = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after", "unavailable-after"}
)
_PREFIX: Final = re.compile(r"\s*([A-Za-z0-9_*.\-]+)\s*:")


def check(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse an answer whose headers opt out. Names of headers are in lower case.

    Raises:
        RecordError: `opted_out`, with the header that says so.
    """
    for name, value in headers:
        if name == b"x-robots-tag":
            directive = robots_tag(value.decode("latin-1"))
            if directive is not None:
                raise RecordError(Kind.OPTED_OUT, f"X-Robots-Tag: {directive}")
        elif name == b"tdm-reservation" and value.strip() == b"1":
            raise RecordError(Kind.OPTED_OUT, "TDM-Reservation: 1")
        elif name == b"content-usage" and _forbids_training(value.decode("latin-1")):
            raise RecordError(Kind.OPTED_OUT, f"Content-Usage: {value.decode('latin-1')}")


def robots_tag(value: str) -> str | None:
    """The first directive of one X-Robots-Tag header that forbids; None where none does.

    A robot's name with a colon scopes what follows it, to the next name or the end of the header.
    """
    meant = True
    for part in value.split(","):
        rest = part
        while (prefix := _PREFIX.match(rest)) is not None and prefix[1].lower() not in _WITH_VALUE:
            meant = prefix[1].lower() in (ROBOT, "*")
            rest = rest[prefix.end() :]
        directive = rest.partition(":")[0].strip().lower()
        if meant and directive in DIRECTIVES:
            return directive
    return None


def _forbids_training(value: str) -> bool:
    """The IETF's aipref draft: `train-ai=n` among the usage preferences."""
    parts = {part.strip().replace(" ", "").lower() for part in re.split(r"[,;]", value)}
    return "train-ai=n" in parts
