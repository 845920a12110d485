"""Opt-outs in headers: the grammar of X-Robots-Tag, and the two other headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import optout


@pytest.mark.parametrize(
    ("value", "directive"),
    [
        # The thirteen forms, some of which other tools miss.
        ("noai", "noai"),
        ("noimageai", "noimageai"),
        ("NoIndex", "noindex"),
        ("none", "none"),
        ("noml", "noml"),
        ("nofollow, noimageindex", "noimageindex"),
        ("imgpipe: noai", "noai"),
        ("*: noai", "noai"),
        ("noai, googlebot: nofollow", "noai"),
        ("googlebot: nofollow, imgpipe: noindex", "noindex"),
        ("max-snippet:20, noai", "noai"),
        ("unavailable_after: Thu, 25 Jun 2030 15:00:00 GMT, noai", "noai"),
        ("max-image-preview:large, max-video-preview: -1, none", "none"),
        # And what does not concern us.
        ("", None),
        ("all", None),
        ("nofollow, noarchive", None),
        ("googlebot: noindex", None),
        ("googlebot: nofollow, noai", None),
        ("otherbot: noindex, nofollow, noai", None),
        ("imgpipe2: noai", None),
        ("max-snippet: 0", None),
        ("noaix", None),
    ],
)
def test_the_grammar_of_x_robots_tag(value, directive):
    """A list of directives, perhaps for one robot, perhaps with values."""
    assert directive == optout.robots_tag(value)


@pytest.mark.parametrize(
    ("header", "out"),
    [
        ((b"x-robots-tag", b"noai"), True),
        ((b"tdm-reservation", b" 1 "), True),
        ((b"tdm-reservation", b"0"), False),
        ((b"content-usage", b"train-ai=n"), True),
        ((b"content-usage", b"search=y, Train-AI = N"), True),
        ((b"content-usage", b"train-ai=y"), False),
        ((b"content-type", b"noai"), False),
    ],
)
def test_which_headers_opt_out(header, out):
    """Among others, in any place; the detail names the header."""
    headers = [(b"x-robots-tag", b"nofollow"), (b"server", b"x"), header]
    if not out:
        optout.check(headers)
        return
    with pytest.raises(RecordError) as caught:
        optout.check(headers)
    assert Kind.OPTED_OUT is caught.value.kind
    assert header[0].decode() in caught.value.detail.lower()


@given(st.binary())
def test_no_header_breaks_it(value):
    """Any bytes are a header or none."""
    for name in (b"x-robots-tag", b"tdm-reservation", b"content-usage"):
        try:
            optout.check([(name, value)])
        except RecordError as error:
            assert Kind.OPTED_OUT is error.kind  # noqa: PT017 - most values opt out of nothing
