"""One picture's work, as the values that go in and come out; they also travel between processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from imgpipe.resize.blur import Region


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with one picture; the options say the rest.

    Attributes:
        path: Where its file is.
        regions: Parts to blur.
    """

    path: str
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What became of it.

    Attributes:
        data: The bytes of the new file, or of the old one where `unchanged`.
        unchanged: Whether they are the source's own bytes.
        media_type: What they are.
        size: Width and height in pixels of what they show.
        original: The same of the source, upright.
        exif: Tag names and values, where they were asked for.
    """

    data: bytes
    unchanged: bool
    media_type: str
    size: tuple[int, int]
    original: tuple[int, int]
    exif: dict[str, Any] | None


Maker: TypeAlias = Callable[[Job], Made]
"""Does one job; raises `RecordError` where the picture cannot be made."""
