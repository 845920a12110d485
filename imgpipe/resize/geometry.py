"""Sizes, as arithmetic: what part of a picture becomes how large, and where it lies in what is written.

All sizes are (width, height) in pixels of the upright picture. A side that follows from the ratio is
Python's `round` of the exact quotient, and at least 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from imgpipe.errors import Kind, RecordError
from imgpipe.resize.options import Fit, Size

Pair: TypeAlias = tuple[int, int]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""

LONGEST_SIDE: Final = 16_383
"""Pixels that a side may be enlarged to: the most that WebP takes, the least of the written formats. A
picture of 1 by 1,000 that fills a box of 256 would be 256,000 long."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one picture gets its size.

    Attributes:
        box: The part of the source that is used.
        scaled: The size that this part gets.
        canvas: The size that is written.
        offset: Where the scaled part begins on the canvas.
    """

    box: Box
    scaled: Pair
    canvas: Pair
    offset: Pair = (0, 0)

    def turned(self) -> Plan:
        """The same plan for a source that is stored with its sides swapped."""
        left, top, right, bottom = self.box
        return Plan((top, left, bottom, right), self.scaled[::-1], self.canvas[::-1], self.offset[::-1])


def plan(source: Pair, size: Size, fit: Fit, *, enlarge: bool = True) -> Plan:
    """How a picture of `source` pixels is fitted to `size`.

    Where only one side is asked for, the other follows from the picture's shape, whatever the fit.

    Raises:
        RecordError: `aspect` where a side would be enlarged beyond `LONGEST_SIDE`.
    """
    made = _plan(source, size, fit, enlarge=enlarge)
    for side, was in zip(made.canvas, source, strict=True):
        if side > max(LONGEST_SIDE, was, *(asked or 0 for asked in (size.width, size.height))):
            width, height = made.canvas
            raise RecordError(
                Kind.ASPECT, f"{source[0]}x{source[1]} would become {width}x{height} with --fit {fit}"
            )
    return made


def _plan(source: Pair, size: Size, fit: Fit, *, enlarge: bool) -> Plan:
    width, height = source
    whole = (0.0, 0.0, float(width), float(height))
    if fit is Fit.NONE:
        return Plan(whole, source, source)
    if size.width is None or size.height is None:
        scaled = _along(source, size, enlarge=enlarge)
        return Plan(whole, scaled, scaled)
    box = (size.width, size.height)
    if fit is Fit.COVER:
        return _cover(source, box, enlarge=enlarge)
    if fit is Fit.FILL:
        scaled = box if enlarge else (min(width, box[0]), min(height, box[1]))
    else:
        scaled = _scaled(source, box, fills=fit is Fit.OUTSIDE, enlarge=enlarge)
    if fit is Fit.CONTAIN:
        return Plan(whole, scaled, box, ((box[0] - scaled[0]) // 2, (box[1] - scaled[1]) // 2))
    return Plan(whole, scaled, scaled)


def _side(length: int, numerator: int, denominator: int) -> int:
    return max(1, round(Fraction(length * numerator, denominator)))


def _along(source: Pair, size: Size, *, enlarge: bool) -> Pair:
    width, height = source
    if size.width is not None:
        asked = size.width if enlarge else min(size.width, width)
        return asked, _side(height, asked, width)
    assert size.height is not None, "a size has a side"
    asked = size.height if enlarge else min(size.height, height)
    return _side(width, asked, height), asked


def _scaled(source: Pair, box: Pair, *, fills: bool, enlarge: bool) -> Pair:
    scale = _scale(source, box, fills=fills)
    if not enlarge:
        scale = min(scale, Fraction(1))
    return max(1, round(source[0] * scale)), max(1, round(source[1] * scale))


def _scale(source: Pair, box: Pair, *, fills: bool) -> Fraction:
    across, down = Fraction(box[0], source[0]), Fraction(box[1], source[1])
    return max(across, down) if fills else min(across, down)


def _cover(source: Pair, box: Pair, *, enlarge: bool) -> Plan:
    scale = _scale(source, box, fills=True)
    if scale > 1 and not enlarge:
        # Nothing is enlarged: the part of the picture that lies within the box, pixel for pixel.
        out = (min(source[0], box[0]), min(source[1], box[1]))
        left, top = (source[0] - out[0]) // 2, (source[1] - out[1]) // 2
        return Plan((float(left), float(top), float(left + out[0]), float(top + out[1])), out, out)
    used = (box[0] / scale, box[1] / scale)
    left_, top_ = (source[0] - used[0]) / 2, (source[1] - used[1]) / 2
    return Plan((float(left_), float(top_), float(left_ + used[0]), float(top_ + used[1])), box, box)
