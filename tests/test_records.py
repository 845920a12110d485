from __future__ import annotations

import json
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe import records
from imgpipe.errors import Kind, RecordError

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=6)


@given(OBJECTS, st.booleans())
def test_what_is_read_is_written(value, escaped):
    """Every JSON object comes out equal, with its fields in their order, long integers exact."""
    line = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")

    found = json.loads(records.dump(records.parse(line, "url")))

    assert value == found
    assert list(value) == list(found)


@given(OBJECTS)
def test_a_terminal_gets_the_same_record(value):
    """The form for terminals is equal as JSON and holds no control or bidirectional character."""
    line = records.dump_for_terminal(value)

    assert value == json.loads(line)
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", line.decode()
    )


@given(st.binary())
def test_any_line_is_a_record_or_a_bad_line(line):
    """Bytes of any kind are parsed, or refused as `bad_line`; nothing else is raised."""
    try:
        record = records.parse(line, "url")
    except RecordError as error:
        if error.kind is not Kind.BAD_LINE:
            raise
    else:
        records.dump(record)


@given(
    st.text(st.characters(exclude_categories=["Cs"])).filter(lambda s: not s.lstrip(" \t").startswith("{"))
)
def test_a_bare_value_is_kept_byte_for_byte(text):
    """A line without a brace is the value of the field that the stage reads."""
    assert {"path": text} == records.parse(text.encode(), "path")


@pytest.mark.parametrize(
    "digits",
    ["9223372036854775807", "18446744073709551616", "-9223372036854775809", "9" * 60, "-" + "8" * 300],
)
def test_long_integers_are_exact(digits):
    """Numbers beyond 64 bits keep every digit."""
    line = b'{"id":' + digits.encode() + b',"caption":"\xc3\xa9"}'

    assert digits.encode() in records.dump(records.parse(line, "url"))


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":1',
        b'{"a":NaN}',
        b'{"a":-Infinity,"b":11111111111111111111}',
        b'{"a":NaN,"b":11111111111111111111}',
        b'{"a":1e999}',
        b'{"a":1e999,"b":11111111111111111111}',
        b"{'a':1}",
        b'{"a":1} x',
        b"{}{}",
        b'{"a":"\xff"}',
        b'{"a":"\xff","b":11111111111111111111}',
        b"http://\xff",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"b":11111111111111111111,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":"' + b"x" * records.MAX_LINE + b'"}',
    ],
    ids=lambda line: line[:24].decode("ascii", "replace"),
)
def test_a_bad_line_is_told_in_one_short_line(line):
    """What is no JSON object in UTF-8 of bearable size and depth is refused with a short reason."""
    with pytest.raises(RecordError) as caught:
        records.parse(line, "url")

    failed = records.fail({"seq": 1}, "fetch", caught.value)
    assert (failed["status"], failed["error"], failed["retryable"]) == ("failed", "bad_line", False)
    assert len(failed["detail"]) <= 500
    assert "\n" not in failed["detail"]


def test_deep_records_that_are_read_are_written_from_any_stack():
    """The deepest record that is read can be written, also from deep in a thread's stack."""
    for depth in (248, 249, 250, 251, 252):
        line = b'{"n":99999999999999999999,"a":' + b"[" * depth + b"]" * depth + b"}"
        try:
            record = records.parse(line, "url")
        except RecordError:
            assert depth > 249
            continue
        assert depth <= 249
        written = []
        thread = threading.Thread(
            target=lambda r=record, w=written: w.append(deeper(500, lambda: records.dump(r)))
        )
        thread.start()
        thread.join()
        assert json.loads(line) == json.loads(written[0])


def deeper(levels, function):
    return function() if levels == 0 else deeper(levels - 1, function)


def test_many_flat_brackets_are_not_deep():
    """A wide value with many brackets is no deep one."""
    line = b'{"boxes":[' + b",".join([b"[1,2]"] * 1000) + b"]}"

    assert len(records.parse(line, "url")["boxes"]) == 1000


def test_what_json_cannot_hold_is_a_bug():
    """Writing a value that JSON has no form for raises; a stage must not do it."""
    with pytest.raises(TypeError):
        records.dump({"a": object()})


def test_clean_removes_what_stages_set():
    """Work done anew starts from the user's fields and `seq`, in their order."""
    user = {"caption": "c", "url": "u", "seq": 7, "key": "k"}
    record = {"caption": "c", **dict.fromkeys(records.STAGE_FIELDS, 1), "url": "u", "seq": 7, "key": "k"}

    assert list(user.items()) == list(records.clean(record).items())


def test_success_forgets_the_failure():
    """A record that now succeeds keeps nothing of the error before."""
    record = records.fail({"url": "u"}, "fetch", RecordError(Kind.DNS, "no such name"))
    assert records.is_over(record)
    assert record["retryable"] is True

    records.succeed(record)

    assert record == {"url": "u", "status": "ok"}
    assert not records.is_over(record)


def test_a_detail_is_safe_to_show():
    """Control characters from outside are escaped in the field already."""
    record = records.fail({}, "fetch", RecordError(Kind.PROTOCOL, "header \x1b]0;owned\x07 of\nthe server"))

    assert record["detail"] == "header \\x1b]0;owned\\x07 of\\nthe server"
