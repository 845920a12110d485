from __future__ import annotations

import csv
import io
import itertools
import json
import os
import time

import pytest
from helpers import assert_one_clear_line, run_filter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgpipe.errors import UsageError
from imgpipe.read import delimited, json_array, lines
from imgpipe.read.opening import Table
from imgpipe.read.options import ReadOptions
from imgpipe.records import MAX_LINE


def rows(parser, data, size=1 << 16, **options):
    """The rows of a table whose bytes come in pieces of `size`; errors as their details."""
    chunks = (data[start : start + size] for start in range(0, len(data), size))
    found = parser(Table(0, "t", chunks), ReadOptions(**options))
    return [row if isinstance(row, dict) else str(row) for row in found if row is not None]


def from_csv(data, size=1 << 16, **options):
    return rows(delimited.comma_separated, data, size, **options)


def test_quoted_fields_hold_commas_quotes_and_newlines():
    """What stands in quotes is one field, whatever it holds, in pieces of any size."""
    data = b'\xef\xbb\xbfurl,caption\r\nhttp://a,"one, ""two""\r\n\nthree"\r\n\r\nhttp://b,\xc3\xa9'
    expected = [{"url": "http://a", "caption": 'one, "two"\r\n\nthree'}, {"url": "http://b", "caption": "é"}]
    for size in (1, 2, 7, 1000):
        assert expected == from_csv(data, size)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.integers(1, 50),
)
def test_what_the_csv_module_writes_is_read_back(table, delimiter, size):
    """Any text survives CSV, with any of the usual separators."""
    table = [tuple(text.replace("\0", "") for text in row) for row in table]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("url", "b", "c"), *table])
    data = text.getvalue().encode("utf-8", "replace")
    expected = [dict(zip(("url", "b", "c"), row, strict=True)) for row in table]
    found = from_csv(data, size)
    assert json.dumps(expected).encode("utf-8", "replace") == json.dumps(found).encode()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(['"', ",", "\n", "x", "\r\n", '""', ',"', '"\n', "é"]), max_size=40))
@example(['"', "\n", "é", '"', ',"'])
def test_every_line_of_any_csv_is_accounted_for(parts):
    """Whatever stands in the quotes, no line is lost: each is a row, part of one, or a bad one."""
    body = "".join(parts) + "\n"
    found = from_csv(("url,b\n" + body + "http://last,x\n").encode())
    assert found[-1] == {"url": "http://last", "b": "x"}
    kept = [row["url"] + row["b"] if isinstance(row, dict) else row.split(": ", 2)[2] for row in found]
    assert body.count("x") + 1 == "".join(kept).count("x")


def test_a_stray_quote_costs_its_own_line_only():
    """The lines that a quote without an end swallowed are read anew."""
    body = b"".join(b"http://%d,c\n" % number for number in range(50_000))
    found = from_csv(b'url,b\nhttp://bad,"stray\n' + body)
    assert found[0].startswith("bad_line: a quote that is not closed")
    assert len(found) == 50_001
    assert found[-1] == {"url": "http://49999", "b": "c"}


def test_hostile_quotes_take_linear_time():
    """Lines that each keep a quote open do not make the reader go over the table again and again."""
    started = time.process_time()
    found = from_csv(b"url,b\n" + b'x","\n' * 200_000)
    assert found
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"http://a", "1 fields instead of 2: http://a"),
        (b"http://a,b,c", "3 fields instead of 2: http://a,b,c"),
        (b"http://a,\xff", "not UTF-8: http://a,\\xff"),
        (b"http://a,a\rb", "new-line character"),
        (b"http://a," + b"x" * MAX_LINE, "longer than 1048576 bytes: http://a,xxx"),
    ],
)
def test_a_bad_row_is_a_failed_one_and_the_rest_goes_on(line, why):
    """A row that is none is told with its beginning, and the next one is read."""
    first, second = from_csv(b"url,b\n" + line + b"\nhttp://z,y\n")
    assert first.startswith("bad_line: ")
    assert why in first
    assert second == {"url": "http://z", "b": "y"}


def test_nul_and_escapes_are_text():
    """NUL and control characters are characters like others."""
    assert from_csv(b"url,b\nhttp://a,\0\x1b\n") == [{"url": "http://a", "b": "\0\x1b"}]


def test_a_table_without_rows_has_no_records():
    """An empty file and one with its header only are tables without rows."""
    assert from_csv(b"") == []
    assert from_csv(b"\n\n") == []
    assert from_csv(b"url,b\n") == []


def test_tabs_separate_a_tsv():
    """In a TSV a comma is text, and quotes do as in CSV."""
    assert rows(delimited.tab_separated, b'url\ttext\nhttp://a,b\t"c\td"\n') == [
        {"url": "http://a,b", "caption": "c\td"}
    ]


def test_txt_is_one_url_a_line_whatever_it_holds():
    """Nothing in a line of txt is syntax; blank lines are passed over, bad ones told."""
    data = b'\xef\xbb\xbfhttp://a/x,"y\r\n\n {"url": 1}\n\xff\n' + b"x" * (MAX_LINE + 2) + b"\nlast"
    found = rows(lines.txt, data)
    assert found[:2] == [{"url": 'http://a/x,"y'}, {"url": ' {"url": 1}'}]
    assert found[2].startswith("bad_line: not UTF-8 at byte 1")
    assert found[3].startswith("bad_line: longer than")
    assert found[4] == {"url": "last"}


def test_null_ends_the_lines_of_txt():
    """With --null a line feed is part of the value."""
    assert rows(lines.txt, b"a\nb\0c\0", null=True) == [{"url": "a\nb"}, {"url": "c"}]


def test_jsonl_takes_objects_and_tells_the_rest():
    """A line that is no object is a bad row; a record that failed before goes on untouched."""
    over = {"seq": 3, "status": "failed", "error": "bad_line"}
    data = b'{"url": "a", "n": {"m": [1]}}\n\n[1]\n{"url"\n' + json.dumps(over).encode() + b"\n"
    found = rows(lines.jsonl, data)
    assert found[0] == {"url": "a", "n": {"m": [1]}}
    assert found[1].startswith("bad_line: no JSON object: [1]")
    assert found[2].startswith("bad_line: not JSON")
    assert over == found[3]


ELEMENTS = st.lists(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=4,
    ).map(lambda record: {"url": "http://a", **{k: v for k, v in record.items() if k not in KNOWN}}),
    max_size=6,
)
KNOWN = {"url", "urls", "URL", "image_url", "key", "name", "names", "caption", "text", "TEXT"}


@settings(max_examples=60, deadline=None)
@given(ELEMENTS, st.sampled_from([None, 1]), st.integers(1, 200), st.booleans())
def test_any_array_is_read_back_in_pieces_of_any_size(elements, indent, size, ascii_only):
    """An array of objects, however it is written and cut, gives its objects."""
    data = json.dumps(elements, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    expected = json.loads(data)
    assert expected == rows(json_array.array, data, size)
    assert expected == rows(json_array.array, b"\n".join(json.dumps(one).encode() for one in expected), size)


def test_strings_of_an_array_are_urls_and_other_elements_are_bad_rows():
    """An array may hold URLs; numbers and arrays in it are told, and the next element is read."""
    found = rows(json_array.array, b'["http://a", 12, [1], {"url": "http://b"}]')
    assert found[:3] == [{"url": "http://a"}, "bad_line: no JSON object: 12", "bad_line: no JSON object: [1]"]
    assert found[3] == {"url": "http://b"}


def test_an_element_too_long_or_too_deep_is_a_bad_row():
    """The bounds of a line hold for an element of an array, and the next one is read."""
    deep = b'{"url": "a", "x": ' + b"[" * 300 + b"]" * 300 + b"}"
    deeper = b'{"url": "a", "x": ' + b"[" * 700 + b"]" * 700 + b"}"
    long = b'{"url": "' + b"x" * (MAX_LINE + 1) + b'"}'
    found = rows(json_array.array, b"[" + long + b"," + deep + b"," + deeper + b', {"url": "z"}]')
    assert found[0].startswith("bad_line: longer than")
    assert found[-1] == {"url": "z"}


def test_an_element_without_end_is_read_to_a_bound_only():
    """A text that opens a string and never closes it is given up, and not gathered."""
    pulled = itertools.count(1)
    endless = (b'["' if number == 1 else b"x" * 65536 for number in iter(pulled.__next__, 1000))
    with pytest.raises(UsageError, match="longer than"):
        list(json_array.array(Table(0, "t", endless), ReadOptions()))
    assert next(pulled) < 500


def test_an_element_goes_on_once_it_is_whole():
    """An object whose end has come is a row before anything more is read."""

    def chunks():
        yield b'[\n{"url": "a"}'
        raise AssertionError

    assert next(json_array.array(Table(0, "t", chunks()), ReadOptions())) == {"url": "a"}


@pytest.mark.parametrize(
    "text",
    [
        b'[{"url": "a"}, {bad}]',
        b'[{"url": "a"}',
        b'[{"url": "a"}, ',
        b'[{"url": "a"}] x',
        b'[{"url": "a"}, {"url": NaN}]',
        b'[{"url": "a"}, {"url": "b\xff"}]',
        b'[{"url": "a"}, {"x": 1e999}]',
        b'[{"url": "a"}, "no end',
        b'[{"url": "a"}, ' + b'["' + b"x" * (1 << 24),
        b'[{"url": "a"}, ' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_one_clear_line_after_what_was_read(text):
    """Where the next element cannot be found the stage ends, with what came before written."""
    result = run_filter("read", "--format", "json", stdin=text)
    assert_one_clear_line(result, 2, "standard input is")
    assert [{"url": "a", "seq": 1}][: len(result.records)] == result.records
    assert result.records or b"\xff" in text


def test_a_fifo_is_a_table_like_any_other(tmp_path):
    """A row of a fifo is written when it has come, though the fifo stays open."""
    path = tmp_path / "fifo.csv"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    os.write(writer, b"url\nhttp://a\n")
    result = run_filter("read", "--limit", "1", path)
    os.close(writer)
    assert result.records == [{"url": "http://a", "seq": 1}]
