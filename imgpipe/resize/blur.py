"""Which parts of a picture are blurred, from the boxes in a record, as arithmetic."""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

from imgpipe.errors import Kind, RecordError
from imgpipe.resize.geometry import Pair, Plan

Region: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom, relative to the upright picture: 0 to 1."""

MOST: Final = 1000
"""Boxes of one picture: more than the faces of any crowd that data sets mark."""

MARGIN: Final = 0.1
"""Of the box's diagonal, added on each side; the figure of ImageNet's face obfuscation (Yang et al. 2022)."""

RADIUS: Final = 0.1
"""Of the box's diagonal, the standard deviation of the blur; from the same place."""


def regions(value: Any, field: str) -> tuple[Region, ...]:
    """The boxes that a record's field holds: none where it is null or empty.

    Raises:
        RecordError: `bad_line` where it holds anything else, since what should be hidden would show.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST:
        raise _bad(field)
    return tuple(_region(box, field) for box in value)


def _region(box: Any, field: str) -> Region:
    if not isinstance(box, list) or len(box) != 4:
        raise _bad(field)
    if not all(type(side) in (int, float) and 0 <= side <= 1 for side in box):
        raise _bad(field)
    left, top, right, bottom = (float(side) for side in box)
    if left > right or top > bottom:
        raise _bad(field)
    return left, top, right, bottom


def _bad(field: str) -> RecordError:
    return RecordError(
        Kind.BAD_LINE, f"{field} is no list of boxes [x0, y0, x1, y1] with sides from 0 to 1 (--blur)"
    )


def on_scaled(region: Region, source: Pair, plan: Plan) -> tuple[tuple[int, int, int, int], float] | None:
    """Where a region lies on the scaled picture, with its margin, and how far to blur it.

    Args:
        region: Relative to the whole upright source.
        source: Pixels of the upright source.
        plan: How it was scaled.

    Returns:
        Left, top, right, bottom in pixels and the radius in pixels; None where nothing of it is left.
    """
    across = plan.scaled[0] / (plan.box[2] - plan.box[0])
    down = plan.scaled[1] / (plan.box[3] - plan.box[1])
    left, right = ((side * source[0] - plan.box[0]) * across for side in region[::2])
    top, bottom = ((side * source[1] - plan.box[1]) * down for side in region[1::2])
    diagonal = math.hypot(right - left, bottom - top)
    margin = MARGIN * diagonal
    box = (
        max(0, math.floor(left - margin)),
        max(0, math.floor(top - margin)),
        min(plan.scaled[0], math.ceil(right + margin)),
        min(plan.scaled[1], math.ceil(bottom + margin)),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    return box, max(1.0, RADIUS * diagonal)
