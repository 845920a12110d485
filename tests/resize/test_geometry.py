from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.resize.geometry import LONGEST_SIDE, plan
from imgpipe.resize.options import Fit, Size

SOURCES = {
    "portrait": (600, 800),
    "landscape": (800, 600),
    "square": (500, 500),
    "odd": (1001, 333),
    "tiny": (3, 2),
    "dot": (1, 1),
    "huge": (7999, 5333),
    "sliver": (1, 1000),
    "strip": (1000, 1),
}

# Sizes that are written, in the order of SOURCES; None where no size would be sensible.
TABLE = {
    ("256", "inside"): [(192, 256), (256, 192), (256, 256), (256, 85), (256, 171), (256, 256), (256, 171), (1, 256), (256, 1)],
    ("256", "outside"): [(256, 341), (341, 256), (256, 256), (770, 256), (384, 256), (256, 256), (384, 256), None, None],
    ("256", "cover"): [(256, 256)] * 9,
    ("256", "contain"): [(256, 256)] * 9,
    ("256", "fill"): [(256, 256)] * 9,
    ("100x50", "inside"): [(38, 50), (67, 50), (50, 50), (100, 33), (75, 50), (50, 50), (75, 50), (1, 50), (100, 1)],
    ("100x50", "outside"): [(100, 133), (100, 75), (100, 100), (150, 50), (100, 67), (100, 100), (100, 67), None, None],
    ("100x50", "cover"): [(100, 50)] * 9,
    ("100x50", "contain"): [(100, 50)] * 9,
    ("100x50", "fill"): [(100, 50)] * 9,
    ("512x", "inside"): [(512, 683), (512, 384), (512, 512), (512, 170), (512, 341), (512, 512), (512, 341), None, (512, 1)],
    ("512x", "fill"): [(512, 683), (512, 384), (512, 512), (512, 170), (512, 341), (512, 512), (512, 341), None, (512, 1)],
    ("x64", "cover"): [(48, 64), (85, 64), (64, 64), (192, 64), (96, 64), (64, 64), (96, 64), (1, 64), None],
    ("x64", "outside"): [(48, 64), (85, 64), (64, 64), (192, 64), (96, 64), (64, 64), (96, 64), (1, 64), None],
}  # fmt: skip

# The same without enlarging.
SMALLER = {
    ("256", "inside"): [(192, 256), (256, 192), (256, 256), (256, 85), (3, 2), (1, 1), (256, 171), (1, 256), (256, 1)],
    ("256", "outside"): [(256, 341), (341, 256), (256, 256), (770, 256), (3, 2), (1, 1), (384, 256), (1, 1000), (1000, 1)],
    ("256", "cover"): [(256, 256), (256, 256), (256, 256), (256, 256), (3, 2), (1, 1), (256, 256), (1, 256), (256, 1)],
    ("256", "contain"): [(256, 256)] * 9,
    ("256", "fill"): [(256, 256), (256, 256), (256, 256), (256, 256), (3, 2), (1, 1), (256, 256), (1, 256), (256, 1)],
    ("512x", "inside"): [(512, 683), (512, 384), (500, 500), (512, 170), (3, 2), (1, 1), (512, 341), (1, 1000), (512, 1)],
    ("x64", "inside"): [(48, 64), (85, 64), (64, 64), (192, 64), (3, 2), (1, 1), (96, 64), (1, 64), (1000, 1)],
}  # fmt: skip


def size_of(text: str) -> Size:
    width, _, height = text.partition("x") if "x" in text else (text, "x", text)
    return Size(int(width) if width else None, int(height) if height else None)


def written(source, size, fit, **more):
    try:
        return plan(source, size_of(size), Fit(fit), **more).canvas
    except RecordError:
        return None


def test_a_side_beyond_sense_is_refused():
    """A sliver that would have to be enlarged without bounds is left out, with its size to be told."""
    with pytest.raises(RecordError, match="1x1000 would become 256x256000") as caught:
        plan((1, 1000), Size(256, 256), Fit.OUTSIDE)

    assert caught.value.kind is Kind.ASPECT


@pytest.mark.parametrize(("size", "fit"), TABLE)
def test_each_fit_gives_each_shape_its_exact_size(size, fit):
    """Every fit, size and shape of source has one exact size, rounded as Python rounds."""
    assert TABLE[size, fit] == [written(source, size, fit) for source in SOURCES.values()]


@pytest.mark.parametrize(("size", "fit"), SMALLER)
def test_without_enlarging_no_picture_gets_more_pixels(size, fit):
    """`--no-enlarge` gives every fit and shape one exact size, and enlarges none."""
    found = [written(source, size, fit, enlarge=False) for source in SOURCES.values()]

    assert SMALLER[size, fit] == found


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_no_fit_leaves_the_size(source):
    """`--fit none` leaves every size as it is."""
    assert source == plan(source, Size(256, 256), Fit.NONE).canvas


sides = st.integers(1, 20_000)


@given(st.tuples(sides, sides), sides, sides, st.sampled_from(Fit), st.booleans())
def test_a_plan_holds_together(source, width, height, fit, enlarge):
    """Parts lie within the source, results within the canvas, and no side is 0 or enormous."""
    try:
        made = plan(source, Size(width, height), fit, enlarge=enlarge)
    except RecordError:
        assume(False)

    left, top, right, bottom = made.box
    assert 0 <= left < right <= source[0]
    assert 0 <= top < bottom <= source[1]
    for side in (0, 1):
        assert 1 <= made.canvas[side] <= max(LONGEST_SIDE, source[side], width, height)
        assert made.offset[side] + made.scaled[side] <= made.canvas[side]
    if not enlarge and fit is not Fit.CONTAIN:
        assert all(new <= old for new, old in zip(made.canvas, source, strict=True))
    assert made == made.turned().turned()


@given(st.tuples(sides, sides), sides)
def test_the_shape_is_kept_as_well_as_pixels_allow(source, side):
    """Inside a box, neither side is off the exact ratio by more than half a pixel."""
    width, height = plan(source, Size(side, side), Fit.INSIDE).canvas
    scale = Fraction(side, max(source))

    assert max(width, height) == side
    assert abs(width - source[0] * scale) <= Fraction(1, 2) or width == 1
    assert abs(height - source[1] * scale) <= Fraction(1, 2) or height == 1


def test_cover_cuts_equally_from_both_ends():
    """What overhangs is cut off from both ends alike, to the fraction of a pixel."""
    assert plan((801, 600), Size(100, 100), Fit.COVER).box == (100.5, 0.0, 700.5, 600.0)


def test_contain_puts_the_picture_in_the_middle():
    """A padded picture lies in the middle of its box."""
    made = plan((800, 600), Size(256, 256), Fit.CONTAIN)

    assert (made.scaled, made.offset) == ((256, 192), (0, 32))
