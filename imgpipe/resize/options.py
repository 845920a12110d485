"""What the user asks of `imgpipe resize`, as one value."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Final


class Fit(enum.StrEnum):
    """How a picture gets the asked size. The words are those of CSS and sharp."""

    INSIDE = "inside"
    """As large as fits in the box."""
    OUTSIDE = "outside"
    """As small as fills the box; it overhangs."""
    COVER = "cover"
    """Fills the box; what overhangs is cut off, the middle stays."""
    CONTAIN = "contain"
    """Fits in the box; the rest of the box is background."""
    FILL = "fill"
    """Exactly the box, distorted."""
    NONE = "none"
    """The size stays."""


class Filter(enum.StrEnum):
    """How pixels are weighed, from the sharpest to the coarsest."""

    LANCZOS = "lanczos"
    BICUBIC = "bicubic"
    HAMMING = "hamming"
    BILINEAR = "bilinear"
    AREA = "area"
    NEAREST = "nearest"


class Format(enum.StrEnum):
    """What is written."""

    JPG = "jpg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    KEEP = "keep"
    """The format of the source; PNG where that cannot be written."""


MEDIA_TYPES: Final[dict[Format, str]] = {
    Format.JPG: "image/jpeg",
    Format.PNG: "image/png",
    Format.WEBP: "image/webp",
    Format.AVIF: "image/avif",
}
"""The media type of each format that has one of its own."""

READ_FORMATS: Final = ("jpeg", "png", "webp", "gif", "avif", "bmp", "tiff")
"""The formats that are read unless the user names others: what the web has, in well-fuzzed decoders."""

MAX_PIXELS: Final = 64_000_000
"""A picture from any camera up to medium format; 256 MB as decoded."""

QUALITY: Final = 95


@dataclass(frozen=True, slots=True)
class Size:
    """The asked size in pixels. A side that is None follows from the other one and the picture's shape."""

    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeOptions:
    """The options of `imgpipe resize`."""

    size: Size = Size(256, 256)
    """The box that pictures are fitted to."""
    fit: Fit = Fit.INSIDE
    """How they are fitted to it."""
    filter: Filter = Filter.LANCZOS
    """How pixels are weighed."""
    enlarge: bool = True
    """Whether pictures that are smaller than asked are made larger."""
    skip_small: bool = False
    """Leave out pictures with a side below that of the box (`too_small`)."""
    min_side: int | None = None
    """Leave out pictures whose shorter side has fewer pixels (`too_small`); None for no limit."""
    max_side: int | None = None
    """Leave out pictures whose longer side has more pixels (`too_big`); None for no limit."""
    max_aspect: float | None = None
    """Leave out pictures whose longer side is more than so many times the shorter (`aspect`)."""
    max_pixels: int = MAX_PIXELS
    """Pictures with more pixels fail before they are decoded (`too_many_pixels`)."""
    background: tuple[int, int, int] = (255, 255, 255)
    """What shows behind transparent parts and beside padded pictures: red, green, blue, 0 to 255."""
    format: Format = Format.JPG
    """What is written."""
    quality: int = QUALITY
    """Of JPEG, WebP and AVIF, 1 to 100."""
    skip_reencode: bool = False
    """Leave the bytes of a picture as they are where nothing but their encoding would change."""
    exif: bool = False
    """Put the picture's EXIF tags into the record."""
    keep_icc: bool = False
    """Keep colours and their profile instead of converting them to sRGB."""
    keep_truncated: bool = False
    """Take what can be decoded of a picture that ends early."""
    formats: frozenset[str] | None = frozenset(READ_FORMATS)
    """The formats that are read, in lower case; None for all that are known."""
    blur: str | None = None
    """The field that holds the boxes to blur; None for none."""
    jobs: int = 1
    """Pictures worked on at a time."""
    ordered: bool = False
    """Keep the order of the input."""
    folder: Path | None = None
    """The user's folder for the written files; None for the spool."""
    spool: Path | None = None
    """The spool to write to; None for the one that the input's files lie in, else the default."""
    root: Path | None = None
    """Where the `file_name` of a record without `path` is looked for; None for nowhere."""
    isolate: bool = False
    """Decode in processes of their own, which may crash or hang without harm."""
    timeout: float = 30.0
    """Seconds that a picture may take with `isolate`."""
    max_memory: int = 1 << 30
    """Bytes that a process may take with `isolate`, beyond what it has at its start."""
