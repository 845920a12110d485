"""EXIF tags as JSON: plain values, bounded, nothing that a line cannot hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

LONGEST: Final = 1000
"""Characters or items of a value that is kept: longer ones are previews and makers' own notes."""

MOST: Final = 500
"""Tags that are kept: EXIF 3.0 names fewer."""

_SAFE_INTEGER: Final = 2**53
"""JSON readers that know only floats hold integers up to here (RFC 8259 §6)."""


def as_json(tags: Iterable[tuple[int, Any]], names: Mapping[int, str]) -> dict[str, Any]:
    """An object of tag name to value.

    Args:
        tags: Numbers and values, as Pillow reads them.
        names: The names of known numbers; others are named by their number, such as `0xc4a5`.
    """
    found: dict[str, Any] = {}
    for number, value in tags:
        plain = _plain(value)
        if plain is not None:
            found[names.get(number, f"0x{number:04x}")] = plain
        if len(found) == MOST:
            break
    return found


def _plain(value: Any) -> Any:
    """The value as JSON has it; None for one that is left out."""
    if isinstance(value, bytes):
        return _from_bytes(value)
    if isinstance(value, str):
        return _text(value) if len(value) <= LONGEST else None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _SAFE_INTEGER else float(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value] if len(value) <= LONGEST else None
    return _number(value)


def _number(value: Any) -> float | None:
    # Pillow's rationals are no floats, and those with a denominator of 0 are no numbers.
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: str) -> str:
    # Lone surrogates cannot be written as UTF-8.
    return value.rstrip("\0 ").encode("utf-8", "replace").decode("utf-8")


def _from_bytes(value: bytes) -> str | None:
    if len(value) > LONGEST:
        return None
    try:
        text = value.rstrip(b"\0 ").decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()
