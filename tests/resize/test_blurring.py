from __future__ import annotations

import io
from pathlib import Path

import pytest
from helpers import run_filter
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageStat

from imgpipe.errors import Kind, RecordError
from imgpipe.resize.blur import on_scaled, regions
from imgpipe.resize.geometry import plan
from imgpipe.resize.options import Fit, Size


def checkers(width=400, height=200) -> bytes:
    """Black and white squares of 4 pixels."""
    small = Image.new("L", (width // 4, height // 4))
    small.putdata([255 * ((x + y) % 2) for y in range(height // 4) for x in range(width // 4)])
    out = io.BytesIO()
    small.resize((width, height), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def contrast(image: Image.Image, box) -> float:
    return ImageStat.Stat(image.convert("L").crop(box)).stddev[0]


def test_a_box_is_made_unrecognizable_and_the_rest_is_not(make):
    """Within a box nothing is left to be seen; away from it everything is."""
    image, _ = make(checkers(), regions=((0.25, 0.25, 0.5, 0.75),), size=Size(400, 200))

    assert contrast(image, (100, 50, 200, 150)) < 2
    assert contrast(image, (250, 0, 400, 200)) > 120
    assert contrast(image, (0, 0, 70, 200)) > 120


def test_boxes_are_of_the_upright_picture(make):
    """A box is where people see it, though the file has the picture lying on its side."""
    stored = Image.open(io.BytesIO(checkers())).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    stored.save(out, "PNG", exif=exif)

    image, _ = make(out.getvalue(), regions=((0.25, 0.25, 0.5, 0.75),), size=Size(400, 200))

    assert contrast(image, (100, 50, 200, 150)) < 2
    assert contrast(image, (250, 0, 400, 200)) > 120


@pytest.mark.parametrize("fit", [Fit.COVER, Fit.CONTAIN, Fit.FILL, Fit.OUTSIDE, Fit.NONE])
def test_boxes_follow_every_fit(make, fit):
    """Wherever the fit puts the middle of the picture, its box is blurred there."""
    image, _ = make(
        checkers(), regions=((0.4, 0.4, 0.6, 0.6),), size=Size(200, 200), fit=fit, background=(0, 0, 0)
    )

    middle = (image.width // 2, image.height // 2)
    assert contrast(image, (middle[0] - 8, middle[1] - 8, middle[0] + 8, middle[1] + 8)) < 12
    assert contrast(image, (middle[0] - 95, middle[1] - 45, middle[0] - 65, middle[1] + 45)) > 60


boxes = st.tuples(*[st.floats(0, 1)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@given(boxes, st.integers(1, 3000), st.integers(1, 3000), st.sampled_from(Fit))
def test_a_blurred_part_lies_on_the_picture(box, width, height, fit):
    """What is blurred is a part of the scaled picture, or nothing where the box was cut off."""
    made = plan((width, height), Size(100, 70), fit, enlarge=False)
    found = on_scaled(box, (width, height), made)

    if found is not None:
        (left, top, right, bottom), radius = found
        assert 0 <= left < right <= made.scaled[0]
        assert 0 <= top < bottom <= made.scaled[1]
        assert radius >= 1
    elif fit is not Fit.COVER:
        assert box[0] == box[2] or box[1] == box[3]


@pytest.mark.parametrize("value", [None, [], [[0, 0, 1, 1]], [[0.5, 0.5, 0.5, 0.5], [0, 0.1, 0.2, 0.3]]])
def test_good_fields_are_taken(value):
    """Null, no boxes and boxes in order are taken as they are."""
    assert regions(value, "faces") == tuple(tuple(map(float, box)) for box in value or [])


@pytest.mark.parametrize(
    "value",
    ["", 0, {}, [1], [[0, 0, 1]], [[0, 0, 1, 1.1]], [[-0.1, 0, 1, 1]], [[0.6, 0, 0.5, 1]], [[0, 1, 1, 0]],
     [["0", 0, 1, 1]], [[True, 0, 1, 1]], [[0, 0, 1, None]], [[0, 0, 1, 1]] * 1001],
)  # fmt: skip
def test_a_bad_field_fails_the_record(value):
    """What is no list of boxes fails the record, since what should be hidden would show."""
    with pytest.raises(RecordError) as caught:
        regions(value, "faces")

    assert caught.value.kind is Kind.BAD_LINE


def test_the_option_names_the_field(tmp_path):
    """`--blur FIELD` blurs by the record's own field; records without it are left sharp."""
    (tmp_path / "a.png").write_bytes(checkers())
    lines = [
        {"path": "a.png", "faces": [[0, 0, 1, 1]]},
        {"path": "a.png"},
        {"path": "a.png", "faces": "all of them"},
    ]

    result = run_filter(
        "resize", "-q", "--ordered", "--blur", "faces", "-s", "400", lines=lines, cwd=tmp_path
    )

    blurred, sharp, bad = result.records
    assert contrast(Image.open(io.BytesIO(Path(blurred["path"]).read_bytes())), (0, 0, 400, 200)) < 4
    assert contrast(Image.open(io.BytesIO(Path(sharp["path"]).read_bytes())), (0, 0, 400, 200)) > 120
    assert (bad["status"], bad["error"]) == ("failed", "bad_line")
    assert blurred["faces"] == [[0, 0, 1, 1]]
