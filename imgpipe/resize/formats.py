"""The formats that are read and written, and what Pillow calls them."""

from __future__ import annotations

from typing import Final

from imgpipe.resize.options import MEDIA_TYPES, Format

PILLOW_NAMES: Final[dict[str, str]] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/jp2": "JPEG2000",
    "image/x-icon": "ICO",
    "image/vnd.adobe.photoshop": "PSD",
}
"""Pillow's decoder for each type that is sniffed."""

SNIFFED: Final = frozenset(name.lower() for name in PILLOW_NAMES.values())
"""The formats that are told by their first bytes."""

NEVER: Final = frozenset({"EPS", "FPX", "GBR", "MIC", "WMF", "BUFR", "GRIB", "HDF5"})
"""Decoders that run other programs or libraries, or only know that a file is theirs."""

SAVED: Final[dict[str, str]] = {
    name: PILLOW_NAMES[name]
    for name in (
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/avif",
        "image/gif",
        "image/bmp",
        "image/tiff",
    )
}
"""Pillow's encoder for each type that is written."""

LONGEST_SIDES: Final = {"image/jpeg": 65_500, "image/webp": 16_383}
"""The most pixels a side that libjpeg and libwebp write; libjpeg would say so on standard error."""

COLOUR_ONLY: Final = frozenset({"image/webp", "image/avif"})
WITH_QUALITY: Final = frozenset({"image/jpeg", "image/webp", "image/avif"})


def encoding(asked: Format, media_type: str | None) -> str:
    """The media type of what is written."""
    if asked is not Format.KEEP:
        return MEDIA_TYPES[asked]
    return media_type if media_type in SAVED else "image/png"
