"""A contact sheet: the placed pictures on one page, with what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

_COLUMNS: Final = 4
_GAP: Final = 24
_LINE: Final = 30
"""Pixels of the line below each picture."""

_HEAD: Final = 64
_PAPER: Final = (250, 250, 248)
_INK: Final = (36, 41, 47)
_FAINT: Final = (110, 119, 129)


def draw(pictures: Sequence[tuple[Path, str]], heading: str, target: Path, side: int) -> None:
    """Write the sheet as a JPEG file.

    Args:
        pictures: Each picture's file and title.
        heading: The line on top.
        target: The file to write.
        side: Pixels of the square that each picture is shown in.
    """
    columns = min(_COLUMNS, max(1, len(pictures)))
    rows = -(-len(pictures) // columns)
    cell = side + _GAP
    size = (columns * cell + _GAP, _HEAD + rows * (cell + _LINE) + _GAP // 2)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, _HEAD // 2), heading, _INK, _font(22), anchor="lm")
    for number, (path, title) in enumerate(pictures):
        row, column = divmod(number, columns)
        left, top = _GAP + column * cell, _HEAD + row * (cell + _LINE)
        with Image.open(path) as picture:
            picture.thumbnail((side, side))
            # At the foot of its square, so that the titles stand close below.
            place = (left + (side - picture.width) // 2, top + side - picture.height)
            sheet.paste(picture.convert("RGB"), place)
        font = _font(15)
        pen.text(
            (left + side // 2, top + side + _LINE // 2),
            _fitting(title, side, font),
            _FAINT,
            font,
            anchor="mm",
        )
    sheet.save(target, "JPEG", quality=90)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitting(title: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The title, cut where it is wider than `width` pixels."""
    if font.getlength(title) <= width:
        return title
    while title and font.getlength(title + "...") > width:
        title = title[:-1]
    return title + "..."
