from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe import errors
from imgpipe.errors import Exit, Kind, Status, retryable, safe

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


def test_every_kind_belongs_to_a_stage():
    """The list of kinds and the table of who sets them hold the same kinds."""
    assert set(Kind) == frozenset().union(*errors.STAGE_KINDS.values())


def test_skipped_is_what_a_rule_left_out():
    """Only rules of the user, opt-outs and doubles are skipped; the rest failed."""
    expected = {"opted_out", "too_small", "too_big", "aspect", "duplicate"}

    assert expected == {kind.value for kind in Kind if kind.status is Status.SKIPPED}


def test_only_fetch_meets_passing_troubles():
    """The same kind that may pass on the network stays as it is in a stage that reads files."""
    assert retryable(Kind.TIMEOUT, "fetch")
    assert not retryable(Kind.TIMEOUT, "resize")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (408, True),
        (425, True),
        (429, True),
        (500, True),
        (599, True),
        (404, False),
        (410, False),
        (None, False),
    ],
)
def test_a_status_says_whether_to_try_again(status, expected):
    """Of the answers, 408, 425, 429 and 5xx may be others later."""
    assert expected is retryable(Kind.HTTP_STATUS, "fetch", status)


def test_no_exit_code_stops_xargs():
    """Exit codes lie between 0 and 4: 255 would stop a whole run of xargs."""
    assert {0, 1, 2, 3, 4} == {int(code) for code in Exit}


@given(ANY_TEXT)
def test_safe_text_cannot_steer_a_terminal(text):
    """No control, format, private or line-breaking character survives, and plain text stays as it is."""
    shown = safe(text)

    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    shown.encode("utf-8")
    if text.isascii() and text.isprintable():
        assert text == shown


@given(ANY_TEXT, st.integers(1, 40))
def test_safe_text_keeps_to_its_limit(text, limit):
    """A limit counts the characters that are shown, escapes included."""
    assert len(safe(text, limit)) <= limit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb", "a\\nb"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("naïve 🦊", "naïve 🦊"),
    ],
)
def test_safe_text_shows_what_was_there(text, shown):
    """Steering characters are escaped, letters and emoji are not."""
    assert shown == safe(text)


def test_an_error_of_a_record_tells_kind_and_detail():
    """As text it is one line for people."""
    assert str(errors.RecordError(Kind.DECODE, "broken")) == "decode: broken"
