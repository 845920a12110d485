"""Text that anybody may have written, made fit to be shown; numbers as people read them. All pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from imgpipe.errors import safe

URL_SHOWN: Final = 300
"""Characters of a URL that are shown."""

_JOINERS: Final = "\u200c\u200d"
"""They stand in words of many scripts and in emoji, and cannot turn what is beside them round."""


def visible(text: str, limit: int = URL_SHOWN) -> str:
    """The text with each character that is not seen, or that turns others round, as its escape.

    Args:
        text: From anywhere.
        limit: Characters of the result, at the most.
    """
    return safe(text, limit, keep=_JOINERS)


def link(url: object) -> str | None:
    """The URL as the aim of a link; None where it is no plain HTTP address."""
    if not isinstance(url, str) or len(url) > 2000 or not url.isprintable() or " " in url:
        return None
    return url if url[:8].lower().startswith(("http://", "https://")) else None


def shown(value: Any, limit: int) -> str:
    """A value of a record as text: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return visible(value, limit)
    try:
        return visible(orjson.dumps(value).decode(), limit)
    except (TypeError, orjson.JSONEncodeError):
        return visible(str(value), limit)


def number(value: float) -> str:
    """A count: `1,234,567`."""
    return f"{value:,.0f}"


def percent(part: float, whole: float) -> str:
    """A share, which is 0 % or 100 % only where it is exactly that."""
    if not whole or not part:
        return "0 %"
    share = 100 * part / whole
    if share >= 99.95 and part != whole:
        return "> 99.9 %"
    if share < 0.1:
        return "< 0.1 %"
    return f"{share:.0f} %" if share >= 10 or share == round(share) else f"{share:.1f} %"


def size(value: float) -> str:
    """A number of bytes: `12.3 MB`, in powers of 1000."""
    return scaled(value, "B")


def seconds(value: float) -> str:
    """A duration: `85 ms`, `3.2 s`, `4 min`, `2.5 h`."""
    if value < 60:
        return scaled(value, "s") if value >= 1 else f"{three(value * 1000)} ms"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if value >= length:
            return f"{three(value / length)} {unit}"
    raise AssertionError("a minute is the least here")


def scaled(value: float, unit: str) -> str:
    """A value with a prefix of the International System before its unit."""
    for prefix, factor in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor * 0.9995:
            return f"{three(value / factor)} {prefix}{unit}"
    return f"{three(value)} {unit}".rstrip()


def three(value: float) -> str:
    """About three digits, without zeros that say nothing."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(value))
    return f"{value:.{min(6, max(0, digits))}f}".rstrip("0").rstrip(".")


def moment(when: float, *, with_seconds: bool = False) -> str:
    """A point of time, in UTC."""
    form = "%Y-%m-%d %H:%M:%S" if with_seconds else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(when, UTC).strftime(form)
