"""URLs, from text that anybody may have written."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgpipe.errors import Kind, RecordError
from imgpipe.fetch import urls, wire

HOSTS = [
    "a.example",
    "münchen.de",
    "[::1]",
    "127.0.0.1",
    "A",
    "x_y",
    "☃.net",
    "a..b",
    "-a",
    "",
    "a" * 300,
    "\ud800",
]
pieces = st.sampled_from(
    ["http://", "HTTPS:", "//", "\\", "/", "?", "#", ":", "@", "%", "%41", "%zz", "[", "]", "..", "é", "🐈", "\r\n",
     "\x00", "\x7f", " ", "\t", "\u202e", "\ud800", "80", "99999", "file:", "data:", *HOSTS]
)  # fmt: skip
odd_urls = st.one_of(
    st.text(), st.lists(pieces).map("".join), st.lists(pieces).map(lambda p: "http://h" + "".join(p))
)


def assert_sendable(target: urls.Target) -> None:
    """What is put on the wire is one request and nothing else, whatever it was made from."""
    assert re.fullmatch(r"/[!-~]*", target.path)
    assert re.fullmatch(r"[!-~]+", target.authority)
    assert re.fullmatch(r"https?://[!-~]+", target.url)
    assert "#" not in target.url
    assert target.url == f"{target.scheme}://{target.authority}{target.path}"
    assert 0 < target.port < 65_536
    assert target.host == target.host.lower()
    sent = wire.request(target, [(b"Host", target.authority.encode())])
    first, host, *rest = sent.split(b"\r\n")
    assert re.fullmatch(rb"GET [!-~]+ HTTP/1\.1", first)
    assert host == b"Host: " + target.authority.encode()
    assert rest == [b"", b""]
    if target.authorization is not None:
        assert re.fullmatch(r"Basic [A-Za-z0-9+/=]*", target.authorization)


@given(odd_urls)
@example("http://two.dots../")  # one at the end is dropped, and two would be another host each time
def test_any_text_is_a_target_or_a_record_error(text):
    """Nothing else is raised, and what comes out can be sent as it is."""
    try:
        target = urls.parse(text)
    except RecordError as error:
        assert error.kind in (Kind.BAD_URL, Kind.BAD_SCHEME)  # noqa: PT017 - most texts are no URL
    else:
        assert_sendable(target)
        assert target == urls.parse(target.url) or target.authorization is not None


@given(odd_urls, st.binary() | odd_urls.map(lambda text: text.encode("utf-8", "replace")))
def test_any_location_is_a_target_or_a_record_error(text, location):
    """The same for redirects, wherever they come from."""
    try:
        source = urls.parse(text)
    except RecordError:
        source = urls.parse("http://me:secret@here.example/a/b?c")
    try:
        target = urls.follow(source, location)
    except RecordError as error:
        assert error.kind in (Kind.REDIRECTS, Kind.BAD_SCHEME)  # noqa: PT017 - most lead nowhere
    else:
        assert_sendable(target)
        if target.origin != source.origin:
            assert target.authorization is None or b"@" in location


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a.example", "http://a.example/"),
        ("HTTP://A.Example:80/X", "http://a.example/X"),
        ("https://a.example:443", "https://a.example/"),
        ("https://a.example:80/", "https://a.example:80/"),
        ("http://a.example:/x", "http://a.example/x"),
        ("http://a.example?b#c", "http://a.example/?b"),
        ("http://a.example\\b\\c", "http://a.example/b/c"),
        (" http://a.example/a b\n", "http://a.example/a%20b"),
        ("http://a.example/a\r\nHost: evil", "http://a.example/a%0D%0AHost:%20evil"),
        ("http://a.example/é%C3%A9%", "http://a.example/%C3%A9%C3%A9%25"),
        ("http://a.example/a[1]|{x}`", "http://a.example/a[1]|%7Bx%7D%60"),
        ("http://münchen.de/", "http://xn--mnchen-3ya.de/"),
        ("http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("http://①②⑦.0.0.1/", "http://127.0.0.1/"),
        ("http://user:pass@a.example/", "http://a.example/"),
        ("http://a@b@c.example/", "http://c.example/"),
    ],
)
def test_what_is_asked_for(text, expected):
    """URLs as people write them become what is sent, without secrets and fragments."""
    assert expected == urls.parse(text).url


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (None, "bad_url"), (5, "bad_url"), ("", "bad_url"), ("  ", "bad_url"), ("/path", "bad_url"),
        ("a.example/x", "bad_url"), ("http:", "bad_url"), ("http://", "bad_url"), ("http:///x", "bad_url"),
        ("http://?x", "bad_url"), ("http://a:0/", "bad_url"), ("http://a:65536/", "bad_url"),
        ("http://a:b/", "bad_url"), ("http://[::1", "bad_url"), ("http://a b/", "bad_url"),
        ("http://a\x00b/", "bad_url"), ("http://-a/", "bad_url"), ("http://a-/", "bad_url"), ("http://.a/", "bad_url"),
        ("http://[v1.x]/", "bad_url"), ("http://[abc]/", "bad_url"), ("http://[1.2.3.4]/", "bad_url"), ("http://a%41/", "bad_url"),
        ("http://" + "a" * 300, "bad_url"), ("http://a/" + "b" * 20_000, "bad_url"), ("http://\ud800/", "bad_url"),
        ("ftp://a/", "bad_scheme"), ("file:///etc/passwd", "bad_scheme"), ("data:,x", "bad_scheme"),
        ("javascript:1", "bad_scheme"), ("localhost:80/x", "bad_scheme"), ("unix:/x", "bad_scheme"),
    ],
)  # fmt: skip
def test_what_is_not_asked_for(text, kind):
    """What cannot be fetched is told without asking anybody."""
    with pytest.raises(RecordError) as caught:
        urls.parse(text)
    assert kind == caught.value.kind


def test_a_user_in_the_url_is_sent_as_basic():
    """Escapes are taken off first."""
    assert urls.parse("http://u:p%C3%A9@a/").authorization == "Basic dTpww6k="
    assert urls.parse("http://\ud800:@a/").authorization == "Basic Pzo="
    assert None is urls.parse("http://a/").authorization
    assert None is urls.parse("http://@a/").authorization


@pytest.mark.parametrize(
    ("location", "url", "secret"),
    [
        (b"/x", "http://a.example/x", True),
        (b"x?y", "http://a.example/b/x?y", True),
        (b"?y", "http://a.example/b/c?y", True),
        (b"//b.example/x", "http://b.example/x", False),
        (b"http://a.example:81/", "http://a.example:81/", False),
        (b"https://a.example/", "https://a.example/", False),
        (b"http://other:one@a.example/", "http://a.example/", None),
        (b"../../../x", "http://a.example/x", True),
        ("/é".encode(), "http://a.example/%C3%A9", True),
        (b"/\xe9", "http://a.example/%EF%BF%BD", True),
        (b" /a b\t", "http://a.example/a%20b", True),
    ],
)
def test_where_a_redirect_leads(location, url, secret):
    """Relative to where it came from; user and password stay with their origin."""
    source = urls.parse("http://me:pw@a.example/b/c")

    target = urls.follow(source, location)

    assert url == target.url
    expected = {True: source.authorization, False: None, None: "Basic b3RoZXI6b25l"}[secret]
    assert expected == target.authorization
