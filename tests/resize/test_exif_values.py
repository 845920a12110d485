from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.TiffImagePlugin import IFDRational

from imgpipe.resize.exif import LONGEST, MOST, as_json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text \0\0", "text"),
        ("\ud800", "?"),
        (b"0232", "0232"),
        (b"\x01\x02", "0102"),
        (b"\xff", "ff"),
        (7, 7),
        (True, True),
        (2**60, float(2**60)),
        (IFDRational(1, 4), 0.25),
        (Fraction(1, 4), 0.25),
        (IFDRational(1, 0), None),
        (float("inf"), None),
        ((1, IFDRational(1, 0), "x"), [1, None, "x"]),
        (object(), None),
        ("x" * (LONGEST + 1), None),
        (b"x" * (LONGEST + 1), None),
        ((1,) * (LONGEST + 1), None),
        ({1: 2}, None),
    ],
)
def test_each_kind_of_value_is_plain_or_left_out(value, expected):
    """Text, bytes, rationals and lists become what JSON has; what is long or no number is left out."""
    found = as_json([(271, value)], {271: "Make"})

    assert found == ({} if expected is None else {"Make": expected})
    json.dumps(found, allow_nan=False).encode()


def test_unknown_tags_are_named_by_their_number():
    """A tag without a name is named by its number."""
    assert as_json([(0xC4A5, 1)], {}) == {"0xc4a5": 1}


def test_tags_are_bounded():
    """A file with thousands of tags does not swell the record."""
    assert len(as_json(((n, n) for n in range(10_000)), {})) == MOST


values = st.recursive(
    st.none()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.integers()
    | st.floats()
    | st.booleans(),
    lambda inner: st.lists(inner).map(tuple),
    max_leaves=5,
)


@given(st.dictionaries(st.integers(0, 65535), values))
def test_anything_can_be_written(tags):
    """Whatever the tags hold, the record can be written as UTF-8 JSON."""
    json.dumps(as_json(tags.items(), {}), allow_nan=False, ensure_ascii=False).encode()
