"""The embedded photographs and what is made from them: other crops, and files of a set size.

Pillow is imported when the first crop is made, and only then.
"""

from __future__ import annotations

import functools
import io
import random
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "pictures"

TITLES: Final = {
    "astronaut": "Eileen Collins, astronaut",
    "brick": "A brick wall",
    "camera": "A photographer",
    "chelsea": "Chelsea the cat",
    "coffee": "A cup of coffee",
    "gravel": "Gravel",
    "hubble": "Hubble eXtreme Deep Field",
    "retina": "A human retina",
    "rocket": "Falcon 9 with DSCOVR",
}
"""The embedded photographs with their titles; `pictures/CREDITS.md` says where they come from."""

NAMES: Final = tuple(TITLES)

LEAST_SIZE: Final = 1024
"""Bytes of the smallest file that `sized` makes: below, the headers leave no room for a picture."""

MOST_SIZE: Final = 1 << 28
"""Bytes of the largest: it is made in memory."""

_CACHED: Final = 512
"""Crops kept: about 60 MB."""

_SEGMENT: Final = 0xFFFF
"""Bytes of the longest JPEG segment, with its two bytes of length (ITU T.81 §B.1.1.4)."""


@functools.cache
def picture(name: str) -> bytes:
    """The embedded photograph `name`, as a JPEG file.

    Raises:
        KeyError: There is none of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    return (FOLDER / f"{name}.jpg").read_bytes()


@functools.lru_cache(maxsize=_CACHED)
def photo(number: int) -> bytes:
    """The `number`-th photograph of a size that is usual on the web, as a JPEG file.

    A crop of an embedded one, mirrored or not, 640 to 1,280 pixels on its longer side, 40 to 400 kB.
    The same number gives the same bytes; other numbers give other pictures.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415 - the server starts without it

    draw = random.Random(number)  # noqa: S311 - it is to be repeatable, not secret
    with Image.open(io.BytesIO(picture(NAMES[number % len(NAMES)]))) as source:
        width, height = source.size
        part_width, part_height = (round(side * draw.uniform(0.6, 1.0)) for side in (width, height))
        left, top = draw.randint(0, width - part_width), draw.randint(0, height - part_height)
        scale = draw.randint(640, 1280) / max(part_width, part_height)
        size = max(1, round(part_width * scale)), max(1, round(part_height * scale))
        box = (left, top, left + part_width, top + part_height)
        image = source.resize(size, Image.Resampling.BICUBIC, box)
    if draw.random() < 0.5:
        image = ImageOps.mirror(image)
    return _jpeg(image, quality=draw.randint(88, 95))


@functools.lru_cache(maxsize=_CACHED)
def _small(name: str, room: int) -> bytes:
    """The photograph `name`, made so small that its file has at most `room` bytes."""
    from PIL import Image  # noqa: PLC0415 - the server starts without it

    with Image.open(io.BytesIO(picture(name))) as source:
        for side in (384, 256, 192, 128, 96, 64, 48, 32, 16, 8):
            image = source.copy()
            image.thumbnail((side, side))
            data = _jpeg(image, quality=75)
            if len(data) <= room:
                return data
    raise AssertionError("eight pixels fit")


def sized(size: int, number: int = 0) -> bytes:
    """A JPEG file of exactly `size` bytes: the `number`-th photograph, filled up with comments.

    Each number gives other bytes, which no compression makes shorter.

    Raises:
        ValueError: `size` is below `LEAST_SIZE` or above `MOST_SIZE`.
    """
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise ValueError(f"a file of {size} bytes is not made, {LEAST_SIZE} to {MOST_SIZE} are")
    name = NAMES[number % len(NAMES)]
    data = picture(name)
    if len(data) != size and len(data) > size - 4:
        data = _small(name, size - 4)
    filling = random.Random(number)  # noqa: S311 - it is to be repeatable, not secret
    return data[:2] + _comments(size - len(data), filling) + data[2:]


def _comments(size: int, filling: random.Random) -> bytes:
    """Comment segments of `size` bytes together: 0, or 4 and more."""
    parts = []
    while size:
        whole = min(size, _SEGMENT + 2)
        # What is left must be able to hold a marker and a length.
        if 0 < size - whole < 4:
            whole -= 4
        parts.append(b"\xff\xfe" + (whole - 2).to_bytes(2) + filling.randbytes(whole - 4))
        size -= whole
    return b"".join(parts)


def _jpeg(image: object, quality: int) -> bytes:
    from PIL import Image  # noqa: PLC0415 - the server starts without it

    assert isinstance(image, Image.Image)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()
