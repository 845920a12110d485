from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.shard.names import Taken, stem


def by_url(url, **more):
    return stem({"url": url, **more}, "url", "000000007", str)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/a/photo.jpg?x=/y.png#z", "photo"),
        ("http://h/a/b/", "b"),
        ("http://h/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("http://h/", "000000007"),
        ("http://[bad", "000000007"),
        ("http://h/.jpg", "jpg"),
        ("http://h/%00%01", "000000007"),
    ],
)
def test_names_by_url(url, expected):
    """The last segment of the path, made safe; the counter where nothing is left of it."""
    assert by_url(url) == expected


def test_a_file_of_the_user_has_its_own_name():
    """Without a URL the path's name is taken, but not that of a spooled file."""
    assert stem({"path": "/x/holiday.1.jpg"}, "url", "000000007", str) == "holiday_1"
    assert stem({"path": "/x/000000123.jpg", "spooled": True}, "url", "000000007", str) == "000000007"
    assert stem({}, "url", "000000007", str) == "000000007"


@pytest.mark.parametrize("key", [None, "", "...", "/", True, 1.5, ["a"], "\0"])
def test_a_key_that_is_none_fails(key):
    """What has no character that a name can have is `bad_key`."""
    with pytest.raises(RecordError) as caught:
        stem({"key": key}, "key", "000000000", str)
    assert caught.value.kind is Kind.BAD_KEY


@settings(max_examples=200, deadline=None)
@given(
    st.text(min_size=1)
    | st.sampled_from(["CON", "nul.txt", "../../x", "/abs", "a" * 300, "e\u0301", "é", "\u202ex"])
)
def test_a_name_by_key_is_safe(key):
    """No separator, dot, control character or device name, NFC, and short enough."""
    try:
        name = stem({"key": key}, "key", "000000000", str)
    except RecordError:
        return
    assert not set(name) & set("/\\.\0\n:")
    assert name == unicodedata.normalize("NFC", name)
    assert 0 < len(name.encode()) <= 200
    assert name.casefold() not in {"con", "nul", "aux", "prn"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "A", "a-2", "a-2-2", "b", "ß", "SS"]), max_size=30))
def test_names_given_out_are_distinct_without_regard_to_case(stems):
    """However names repeat and look like suffixes, no two are equal."""
    taken = Taken()
    given_out = [taken.free(name) for name in stems]
    assert len({name.casefold() for name in given_out}) == len(stems)
