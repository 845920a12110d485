"""Pictures made small enough to stand in a page. The one room of the package that knows Pillow."""

from __future__ import annotations

import base64
import io
import logging
import warnings
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, features

from imgpipe.report.pictures import Unseen

SIDE: Final = 160
"""Pixels of the longer side: as tiles are on a phone and beside one another on a desk, at most."""

MOST_PIXELS: Final = 64_000_000
"""Of a picture that is decoded, as the default of `imgpipe resize`."""

_MOST_BYTES: Final = 8000
"""Of a small picture, so that a page of a hundred stays below a megabyte and a half."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "ICO", "MPO")
_QUALITIES: Final = (62, 40, 20, 5)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture."""

    uri: str
    """Its bytes as a `data:` URI."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


def prepare() -> None:
    """Set what Pillow keeps for the whole process: broken pictures are expected, and it need not tell of them."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    # Pillow itself refuses what has more: an icon is decoded as it is opened, whatever size its header tells.
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS


def thumbnail(content: bytes) -> Thumbnail:
    """The picture made small.

    Raises:
        Unseen: It is too large, broken, or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _made(content)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unseen("it has too many pixels to look at") from None
    except MemoryError:
        raise Unseen("it is too large to look at") from None
    except Exception:  # noqa: BLE001 - decoders of broken files raise whatever they stumble over
        raise Unseen("it cannot be decoded") from None


def _made(content: bytes) -> Thumbnail:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as source:
        source.draft("RGB", (2 * SIDE, 2 * SIDE))
        image: Image.Image = ImageOps.exif_transpose(source)
        image = _plain(image)
        image.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    form = "WEBP" if features.check("webp") else "JPEG"
    if form == "JPEG":
        image = image.convert("RGB")
    for quality in _QUALITIES:
        out = io.BytesIO()
        image.save(out, form, quality=quality)
        if out.tell() <= _MOST_BYTES:
            break
    text = base64.b64encode(out.getvalue()).decode()
    return Thumbnail(f"data:image/{form.lower()};base64,{text}", image.width, image.height)


def _plain(image: Image.Image) -> Image.Image:
    """The picture as RGB, with alpha where it has any."""
    if image.mode.startswith(("I", "F")):
        # Sixteen bits and more: what is darkest becomes black, what is brightest white.
        image = image.convert("F")
        low, high = image.getextrema()
        assert isinstance(low, float)
        assert isinstance(high, float)
        scale = 255 / (high - low) if high > low else 1.0
        image = image.point(lambda value: value * scale - low * scale).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
