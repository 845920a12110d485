from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe import hosts
from imgpipe.errors import RecordError
from imgpipe.fetch import urls

SPELLINGS = {
    "a.example": [
        "http://a.example",
        "HTTPS://A.Example/x?y#z",
        " http://a.example:80/ ",
        "http://a.example:8080",
        "http://a.example./",
        "http://user:pass@word@a.example/",
        "http://a.example:\\x",
    ],
    "xn--mnchen-3ya.de": [
        "http://münchen.de/",
        "http://MÜNCHEN.de./ü",
        "http://XN--mnchen-3ya.DE",
        "http://münchen。de",
    ],
    "::1": ["http://[::1]/", "https://[0:0::1]:443"],
    "127.0.0.1": ["http://127.0.0.1:1"],
}

letters = st.sampled_from("aZ0.-_:/?#@[]\\%é。\x00 \ud800")
odd_urls = st.one_of(st.text(letters), st.text(letters).map("http://a".__add__), st.none(), st.integers())


@pytest.mark.parametrize(
    ("host", "url"), [(host, url) for host, spelled in SPELLINGS.items() for url in spelled]
)
def test_all_spellings_of_a_host_are_one(host, url):
    """Case, port, user, a dot at the end and the form of other scripts make no other host."""
    assert hosts.host_of(url) == host


@pytest.mark.parametrize(
    "url",
    ["http://a:0/", "http://a:65536/", "http://[::z]/", "http://[1::2::3]/", "http://-a/", "http://☃\ud800/"],
)
def test_what_cannot_be_a_host_is_none(url):
    """It is refused as any other bad URL, and has no host to be paced by."""
    assert hosts.host_of(url) is None
    with pytest.raises(RecordError, match="bad_url"):
        hosts.split(url)


@given(odd_urls)
def test_a_url_has_a_host_where_fetch_would_ask_it(url):
    """What fetch asks has the host that fetch paces; what it refuses has none."""
    try:
        expected = urls.parse(url).host
    except RecordError:
        expected = None

    assert hosts.host_of(url) == expected


def test_long_users_take_no_memory():
    """Of a million URLs with users of 16 kB, none is remembered."""
    before = hosts._remembered.cache_info().currsize
    for number in range(10):
        assert hosts.host_of(f"http://{'u' * 1000}{number}@a.example/") == "a.example"

    assert hosts._remembered.cache_info().currsize == before
