from __future__ import annotations

import pytest

from imgpipe.errors import RecordError, UsageError
from imgpipe.read.columns import Objects, plan, tidy
from imgpipe.read.options import ReadOptions


def record(names, row, **options):
    return plan(names, ReadOptions(**options), "t").record(row)


@pytest.mark.parametrize("name", ["url", "urls", "URL", "image_url"])
def test_the_usual_names_of_the_url_are_found(name):
    """A column of a usual name becomes url where it stands."""
    assert record(["id", name], [1, "u"]) == {"id": 1, "url": "u"}


def test_key_and_caption_are_found_and_renamed():
    """The likeliest of the usual names wins; the others stay what they are."""
    found = record(["name", "TEXT", "url", "key"], ["n", "t", "u", "k"])
    assert found == {"name": "n", "caption": "t", "url": "u", "key": "k"}


def test_a_column_that_bears_a_fields_name_gives_way():
    """The column that the user chose is url; the one of that name is passed on under another."""
    found = record(["url", "url_2", "link"], ["a", "b", "c"], url_col="link")
    assert found == {"url_3": "a", "url_2": "b", "url": "c"}


def test_one_column_may_fill_two_fields():
    """The same column may be the URL and the key."""
    assert record(["link"], ["u"], url_col="link", key_col="link") == {"url": "u", "key": "u"}


def test_columns_chooses_what_goes_along():
    """With --columns the three fields and the named columns are passed on, in the table's order."""
    assert record(["a", "b", "url"], [1, 2, "u"], columns=("b",)) == {"b": 2, "url": "u"}
    assert record(["a", "url"], [1, "u"], columns=()) == {"url": "u"}


@pytest.mark.parametrize(
    "options",
    [{"url_col": "no"}, {"key_col": "no"}, {"caption_col": "no"}, {"columns": ("no",)}],
)
def test_a_missing_column_names_those_there_are(options):
    """A column that is not there is one error that lists the columns, safely."""
    with pytest.raises(UsageError, match=r"no column no; its columns are: url, e\\x1b"):
        record(["url", "e\x1b"], [1, 2], **options)


def test_a_table_without_a_usual_url_says_how_to_choose_one():
    """Without a usual name the message names the option and at most fifty columns."""
    with pytest.raises(UsageError, match=r"--url-col.*: c0, .* and 10 more"):
        record([f"c{i}" for i in range(60)], range(60))


@pytest.mark.parametrize("name", ["path", "file_name"])
def test_a_table_of_files_needs_no_url(name):
    """A table that leads to files is work for the later stages."""
    assert {name: "a.jpg"} == record([name], ["a.jpg"])


def test_header_names_become_usable():
    """Blank names get their place, equal ones a suffix that is free."""
    assert tidy(["", "a", " a", "a_2", "b "]) == ["column_1", "a", "a_3", "a_2", "b"]


def test_later_objects_may_lack_what_the_first_has():
    """An object without the key or the columns is a record, one without its URL a bad row."""
    objects = Objects(ReadOptions(url_col="u", key_col="k", columns=("x",)), "t")
    assert objects.row({"u": 1, "k": 2, "x": 3, "y": 4}) == {"url": 1, "key": 2, "x": 3}
    assert objects.row({"u": 1}) == {"url": 1}
    assert isinstance(objects.row({"k": 1}), RecordError)
    for number in range(1000):
        assert objects.row({"u": 1, f"y{number}": 2}) == {"url": 1}


def test_the_first_object_must_have_what_is_named():
    """A mistyped name is told at the first object."""
    with pytest.raises(UsageError, match="no column k; its columns are: u, l"):
        Objects(ReadOptions(url_col="u", key_col="k"), "t").row({"u": 1, "l": 2})
