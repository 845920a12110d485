"""Whether an image is what its row says: its length, its type, its digest, its pixels.

The one room of the package that knows Pillow.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from typing import Final

from PIL import Image, UnidentifiedImageError

from imgpipe import media
from imgpipe.errors import Kind, RecordError
from imgpipe.records import Record

_SHA256_DIGITS: Final = 64

_DECODED: Final = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/gif",
        "image/avif",
        "image/bmp",
        "image/tiff",
        "image/x-icon",
    }
)
"""The types that Pillow's wheels decode; of the others only length, type and digest are checked."""


def check(row: Record, content: bytes) -> None:
    """Check the bytes of an image against its row.

    Raises:
        RecordError: What is wrong.
    """
    if len(content) != row.get("bytes"):
        raise RecordError(Kind.MISMATCH, f"{len(content)} bytes are there, {row.get('bytes')} were placed")
    media_type = media.sniff(content[: media.SNIFF_LENGTH])
    if media_type is None:
        raise RecordError(Kind.NOT_IMAGE, "the bytes are no image of a known kind")
    if media_type != row.get("media_type"):
        raise RecordError(Kind.MISMATCH, f"it is {media_type}, not {row.get('media_type')}")
    resized = bool(row.get("original_width"))
    digest = row.get("sha256")
    # The digest is that of the bytes as they were downloaded.
    if not resized and isinstance(digest, str) and len(digest) == _SHA256_DIGITS:
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise RecordError(Kind.HASH_MISMATCH, f"the digest is {found}, not {digest}")
    if media_type in _DECODED:
        size = _decode(content)
        if resized and size != (row.get("width"), row.get("height")):
            raise RecordError(
                Kind.MISMATCH,
                f"it has {size[0]}x{size[1]} pixels, not {row.get('width')}x{row.get('height')}",
            )


def _decode(content: bytes) -> tuple[int, int]:
    """The size in pixels, after all of them were decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                return image.size
    except Image.DecompressionBombError as error:
        raise RecordError(Kind.TOO_MANY_PIXELS, str(error)) from error
    except UnidentifiedImageError as error:
        raise RecordError(Kind.DECODE, "the image cannot be read") from error
    # Decoders of broken files raise whatever they stumble over.
    except Exception as error:
        raise RecordError(Kind.DECODE, f"{type(error).__name__}: {error}") from error
