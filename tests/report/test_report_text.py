from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.report import text

ANYTHING = st.text(st.characters())


@given(ANYTHING, st.integers(1, 40))
def test_shown_text_holds_nothing_unseen(given, limit):
    """No control, format, surrogate or separator but the joiners that scripts need; no longer than it may be."""
    shown = text.visible(given, limit)

    assert {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    )
    assert shown.endswith("…") or len(given) <= limit
    assert len(shown) <= limit


@pytest.mark.parametrize(
    "plain", ["A harbour", "夕暮れの港", "ميناء عند الفجر", "👩‍👩‍👧‍👦 family", "भोर में", "naïve — “quoted”"]
)
def test_plain_text_of_any_script_stays_as_it_is(plain):
    """Captions of the world, and families of emoji, are not escaped."""
    assert plain == text.visible(plain)


def test_what_turns_text_round_is_seen():
    """An override that hides an extension is shown as its escape."""
    assert text.visible("evil\u202egpj.exe") == "evil\\u202egpj.exe"
    assert text.visible("a\x1b[31m\x00") == "a\\x1b[31m\\x00"


@given(ANYTHING)
def test_only_plain_addresses_are_links(given):
    """A link begins with http:// or https:// and holds nothing that is not seen."""
    found = text.link(given)

    assert found is None or found.lower().startswith(("http://", "https://"))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "JaVaScRiPt:alert(1)//http://x",
        "data:text/html,<script>",
        "java\tscript:alert(1)",
        "http:evil",
        "//example.com/a.jpg",
        "file:///etc/passwd",
        "https://example.com/\u202e",
        "https://example.com/a b",
        None,
        7,
        "https://" + "x" * 5000,
    ],
)
def test_what_is_no_plain_address_is_no_link(url):
    """Text that would do something else when followed is text."""
    assert text.link(url) is None


def test_an_address_is_a_link():
    """With its query, in any letters."""
    assert text.link("HTTPS://example.com/фото?a=1&b=2") == "HTTPS://example.com/фото?a=1&b=2"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("text", "text"), (7, "7"), (None, "null"), ({"a": [1]}, '{"a":[1]}'), (1 << 70, str(1 << 70))],
)
def test_values_of_a_record_are_shown_as_json(value, shown):
    """Text stands as it is, all else as in its line; a number that is too long for that too."""
    assert shown == text.shown(value, 100)


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (99_999, 100_000, "> 99.9 %"),
        (1, 100_000, "< 0.1 %"),
        (1, 16, "6.2 %"),
        (1, 2, "50 %"),
        (2, 100, "2 %"),
        (1, 6, "17 %"),
    ],
)
def test_a_share_is_never_all_or_nothing_unless_it_is(part, whole, shown):
    """One failure in a hundred thousand is no 0 %."""
    assert shown == text.percent(part, whole)


@pytest.mark.parametrize(
    ("function", "value", "shown"),
    [
        (text.size, 0, "0 B"),
        (text.size, 999, "999 B"),
        (text.size, 999_700, "1 MB"),
        (text.size, 12_345, "12.3 kB"),
        (text.size, 2.5e15, "2.5 PB"),
        (text.seconds, 0.0855, "85.5 ms"),
        (text.seconds, 3.2, "3.2 s"),
        (text.seconds, 60, "1 min"),
        (text.seconds, 240, "4 min"),
        (text.seconds, 9000, "2.5 h"),
        (text.seconds, 200_000, "2.31 d"),
        (text.number, 1_234_567, "1,234,567"),
        (text.three, 0.00012, "0.00012"),
        (text.moment, 0, "1970-01-01 00:00"),
    ],
)
def test_numbers_are_short(function, value, shown):
    """About three digits, with a unit that fits."""
    assert shown == function(value)
