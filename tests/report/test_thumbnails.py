from __future__ import annotations

import base64
import io
import random
import struct

import pytest
from helpers import picture
from PIL import Image

from imgpipe.report import thumbnails
from imgpipe.report.pictures import Unseen
from imgpipe.report.thumbnails import SIDE, thumbnail


@pytest.fixture(autouse=True)
def _prepared(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    thumbnails.prepare()


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def icon(png: bytes) -> bytes:
    """An icon that claims to be of 16 pixels, with this picture in it."""
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(png), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + png


def decoded(small) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(small.uri.partition(",")[2])))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_picture_of_each_format_is_made_small(kind):
    """The longer side is as long as a tile, the shape stays."""
    small = thumbnail(picture(640, 320, kind))

    assert (small.width, small.height) == (SIDE, SIDE // 2)
    assert decoded(small).size == (SIDE, SIDE // 2)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_a_picture_of_each_mode_is_made_small(mode):
    """Greys, palettes, alpha, print colours and many bits: what is bright stays bright, what is dark dark."""
    gradient = Image.linear_gradient("L").resize((320, 320))
    if mode in ("I;16", "I", "F"):
        image = gradient.convert("I").point(lambda value: value * 200).convert(mode)
    else:
        image = gradient.convert(mode)
    kind = "TIFF" if mode in ("CMYK", "I", "F", "LA") else "PNG"

    grey = decoded(thumbnail(encoded(image, kind))).convert("L")

    assert grey.getpixel((80, 5)) < 60
    assert grey.getpixel((80, 155)) > 190


def test_a_picture_stands_upright():
    """The orientation of the camera is applied."""
    exif = Image.Exif()
    exif[0x0112] = 6

    assert (thumbnail(picture(200, 100, exif=exif)).width, SIDE) == (SIDE // 2, SIDE)


def test_what_is_transparent_stays_so():
    """The page's own colour is seen through it, light or dark."""
    made = thumbnail(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0)), "PNG"))

    with Image.open(io.BytesIO(base64.b64decode(made.uri.partition(",")[2]))) as seen:
        assert seen.convert("RGBA").getpixel((10, 10))[3] == 0


def test_one_shade_of_many_bits_is_a_picture():
    """Where the darkest is the brightest, nothing is stretched."""
    assert thumbnail(encoded(Image.new("I;16", (20, 20), 500), "PNG")).width == 20


def test_noise_takes_no_more_than_its_share():
    """What does not compress is made coarser."""
    noise = Image.frombytes("RGB", (SIDE, SIDE), random.Random(1).randbytes(3 * SIDE * SIDE))

    assert len(thumbnail(encoded(noise, "PNG")).uri) < 11_000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be decoded"),
        # Of a format that is no picture of the web: some of those start programs.
        (encoded(Image.new("RGB", (20, 20)), "PPM"), "cannot be decoded"),
        (b"GIF89a", "cannot be decoded"),
        (picture()[:300], "cannot be decoded"),
        (encoded(Image.new("1", (9000, 9000)), "PNG"), "too many pixels"),
        # Cut, so that it is refused for its size only where that is looked at before it is decoded.
        (icon(encoded(Image.new("1", (9000, 9000)), "PNG")[:60]), "too many pixels"),
    ],
    ids=["nothing", "foreign", "head", "cut", "bomb", "icon"],
)
def test_what_cannot_be_shown_says_why(content, why):
    """Broken, empty and huge pictures cost their tile only."""
    with pytest.raises(Unseen, match=why):
        thumbnail(content)


def test_without_webp_it_is_jpeg(monkeypatch):
    """A Pillow without WebP makes pages too, also of pictures with alpha."""
    monkeypatch.setattr(thumbnails.features, "check", lambda _: False)

    assert thumbnail(picture(200, 100, "PNG", "RGBA")).uri.startswith("data:image/jpeg;base64,")
