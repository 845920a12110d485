from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgpipe.errors import UsageError
from imgpipe.shard.columns import OWN, Columns, columns_of, parse_columns


def row(record, user=(), *, typed=False):
    return Columns(user).row(record, typed=typed)


def test_own_fields_are_always_there_with_their_types():
    """A record with nothing gives a row with every column; the final URL is the URL."""
    found = row({"url": "http://h/a", "width": None})
    assert list(found) == [*OWN, "extra"]
    assert found["final_url"] == "http://h/a"
    assert (found["caption"], found["width"], found["seconds"], found["exif"], found["extra"]) == (
        "",
        0,
        0.0,
        "{}",
        "{}",
    )


def test_exif_is_a_json_text():
    """Objects among our fields become JSON."""
    assert row({"exif": {"Make": "x"}})["exif"] == '{"Make":"x"}'


@pytest.mark.parametrize(
    ("kind", "value", "expected", "extra"),
    [
        ("int", "17", 17, {}),
        ("int", 3.0, 3, {}),
        ("int", 3.5, None, {"a": 3.5}),
        ("int", True, None, {"a": True}),
        ("int", 2**63, None, {"a": 2**63}),
        ("int", "x", None, {"a": "x"}),
        ("float", 3, 3.0, {}),
        ("float", "1e3", 1000.0, {}),
        ("float", "nan", None, {"a": "nan"}),
        ("float", 10**400, None, {"a": 10**400}),
        ("float", [1], None, {"a": [1]}),
        ("bool", True, True, {}),
        ("bool", 1, None, {"a": 1}),
        ("string", 5, "5", {}),
        ("string", {"b": [None]}, '{"b":[null]}', {}),
        ("string", None, None, {}),
    ],
)
def test_a_value_has_the_type_of_its_column_or_goes_to_extra(kind, value, expected, extra):
    """What fits is converted without loss; what does not is kept in `extra`."""
    found = row({"a": value}, [("a", kind)])
    assert found["a"] == expected
    assert type(found["a"]) is type(expected)
    assert json.loads(found["extra"]) == extra


def test_the_first_row_shows_the_type_of_every_column():
    """A missing value is an empty one of its type there, and `extra` has the null."""
    found = row({"b": "x"}, [("a", "int"), ("b", "int"), ("c", "string")], typed=True)
    assert (found["a"], found["b"], found["c"]) == (0, 0, "")
    assert json.loads(found["extra"]) == {"a": None, "b": "x", "c": None}


def test_columns_that_loaders_misread_go_to_extra():
    """`image` and what ends in `file_name` are no columns; neither is what tells of the pipe."""
    record = {"image": 1, "my_file_name": 2, "x_file_names": 3, "seq": 4, "path": "p", "status": "ok", "": 5}
    assert columns_of(record) == ()
    extra = json.loads(row(record)["extra"])
    assert extra == {"image": 1, "my_file_name": 2, "x_file_names": 3, "": 5}


def test_a_row_that_is_read_back_gives_the_same_row():
    """Placing a row anew unpacks its `extra` instead of nesting it."""
    record = {"url": "u", "label": 3, "deep": {"a": 1}}
    columns = [("label", "int")]
    first = row(record, columns)
    assert row(first, columns) == first
    assert json.loads(row({"extra": {"x": 1}})["extra"]) == {"x": 1}
    assert json.loads(row({"extra": "text"})["extra"]) == {"extra": "text"}
    assert json.loads(row({"extra": "[1]"})["extra"]) == {"extra": [1]}


def test_columns_of_a_first_record():
    """Numbers and truth values keep their types; anything else is text."""
    record = {"url": "u", "a": 1, "b": 1.5, "c": True, "d": "x", "e": None, "f": [1]}
    types = {"a": "int", "b": "float", "c": "bool", "d": "string", "e": "string", "f": "string"}
    assert dict(columns_of(record)) == types


def test_columns_from_the_command_line():
    """Names with types; ours are there anyway."""
    assert parse_columns("a, b:int,caption,c:text,d:double") == (
        ("a", "string"),
        ("b", "int"),
        ("c", "string"),
        ("d", "float"),
    )
    assert parse_columns("") == ()


@pytest.mark.parametrize("text", ["a:date", "image", "x_file_name:string", ":int"])
def test_columns_that_cannot_be_are_refused(text):
    """An unknown type, or a name that loaders misread, is a usage error."""
    with pytest.raises(UsageError):
        parse_columns(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*OWN, "a", "b", "image", "extra", "seq"]) | st.text()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(names, json_values, max_size=8), min_size=1, max_size=4), st.booleans())
def test_all_rows_have_the_same_keys_and_types(found, typed):
    """Whatever records hold, rows differ in values only, and a user's column is null or of its type."""
    columns = Columns(columns_of(found[0]))
    for record in found:
        one = columns.row(record, typed=typed)
        assert list(one) == list(columns.types)
        for name, kind in columns.types.items():
            allowed = {"string": str, "int": int, "float": float, "bool": bool}[kind]
            assert type(one[name]) is allowed or (one[name] is None and name not in OWN and not typed)
        json.loads(one["extra"])
