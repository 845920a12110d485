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
    shown = [(_thumbnail(path, side), title) for path, title in pictures]
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    heights = [max(picture.height for picture, _ in row) for row in rows]
    width = columns * (side + _GAP) + _GAP
    sheet = Image.new("RGB", (width, _HEAD + sum(heights) + len(rows) * (_LINE + _GAP)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, _HEAD // 2), heading, _INK, _font(22), anchor="lm")
    font, foot = _font(15), _HEAD
    for row, height in zip(rows, heights, strict=True):
        foot += height
        for column, (picture, title) in enumerate(row):
            left = _GAP + column * (side + _GAP)
            # At the foot of its row, so that the titles stand in line, close below.
            sheet.paste(picture, (left + (side - picture.width) // 2, foot - picture.height))
            place = (left + side // 2, foot + _LINE // 2)
            pen.text(place, _fitting(title, side, font), _FAINT, font, anchor="mm")
        foot += _LINE + _GAP
    sheet.save(target, "JPEG", quality=90)


def _thumbnail(path: Path, side: int) -> Image.Image:
    with Image.open(path) as picture:
        picture.thumbnail((side, side))
        return picture.convert("RGB")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitting(title: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The title, cut where it is wider than `width` pixels."""
    if font.getlength(title) <= width:
        return title
    while title and font.getlength(title + "...") > width:
        title = title[:-1]
    return title + "..."
