from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.cluster.options import Columns
from imgpipe.cluster.rows import Jsonl, Txt, form_of, is_plain, is_wanted, parted, url_column, whole
from imgpipe.errors import ProcessError, UsageError


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("urls.csv", "csv"),
        ("hdfs:///a.b/urls.parquet/", "parquet"),
        ("s3a://bucket/part-00000-xyz.snappy.parquet", "parquet"),
        ("urls.TSV.gz", "tsv"),
        ("a/urls.ndjson.bz2", "jsonl"),
        ("urls-*.jsonl", "jsonl"),
        ("part-0.parquet.gz.crc", "parquet"),
        ("urls.txt", "txt"),
        ("urls.tab", "tsv"),
        ("csv", None),
        ("a.csv/part-00000", None),
        ("urls.csv-old", None),
        ("a.csv/b.parquet/", "parquet"),
        ("s3://b.txt.d/set.parquet", "parquet"),
        ("a.csv.parquet", "parquet"),
        ("urls.json", None),
        ("urls", None),
        ("", None),
    ],
)
def test_the_suffix_tells_the_form(path, form):
    """Also under that of a compression; the folder's name does not count."""
    assert form_of(path) == form


@pytest.mark.parametrize(
    ("names", "columns", "found"),
    [
        (["key", "URL", "url"], Columns(), "url"),
        (["image_url", "URL"], Columns(), "URL"),
        (["a", "url"], Columns(url="a"), "a"),
        (["url", "URL"], Columns(key="url"), "URL"),
        (["path", "x"], Columns(), None),
    ],
)
def test_the_column_of_the_url(names, columns, found):
    """The named one, else the likeliest of the usual ones; a table of paths has none."""
    assert url_column(names, columns, "t") == found


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        (Columns(), "choose one with --url-col"),
        (Columns(url="x"), "no column x"),
        (Columns(url="a", key="y"), "no column y"),
        (Columns(url="a", caption="z"), "no column z"),
        (Columns(url="a", others=("a", "w")), "no column w"),
    ],
)
def test_a_column_that_is_not_there_is_told(columns, word):
    """With the columns that there are, and nothing that steers a terminal."""
    names = ["a", "b\x1b", *(f"c{number}" for number in range(60))]

    with pytest.raises(UsageError) as found:
        url_column(names, columns, "t.csv")

    assert word in str(found.value)
    assert "a, b\\x1b, c0" in str(found.value)
    assert "and 12 more" in str(found.value)


def test_what_is_never_taken_is_not_read():
    """Where columns are chosen, those that fill a field go along, and no other."""
    names = ["url", "a", "b", "TEXT", "path", "id"]

    assert [name for name in names if is_wanted(name, Columns())] == names
    chosen = Columns(key="id", others=("a",))
    assert [name for name in names if is_wanted(name, chosen)] == ["url", "a", "TEXT", "path", "id"]


@pytest.mark.parametrize(
    ("names", "columns", "plain"),
    [
        (["a", "url", "caption"], Columns(), True),
        (["path"], Columns(), True),
        (["URL"], Columns(), False),
        (["url", "TEXT"], Columns(), False),
        (["url", "name"], Columns(), False),
        (["url"], Columns(url="url"), False),
        (["url"], Columns(others=()), False),
    ],
)
def test_rows_that_are_records_already(names, columns, plain):
    """Where no column changes its name or is left out, nothing has to be read once more."""
    assert is_plain(names, columns) is plain


def test_a_line_of_text_is_a_url():
    """Whatever is in it; a blank one is none."""
    assert Txt()('\ufeffhttp://h/ü"{\r') == ('http://h/ü"{', '{"url":"http://h/ü\\"{"}')
    assert Txt()(" \r") == (None, None)


@pytest.mark.parametrize(
    ("line", "columns", "expected"),
    [
        ('{"url":"u" , "a":1}\r', Columns(), ("u", '{"url":"u" , "a":1}')),
        ('\ufeff{"link":"u"}', Columns(url="link"), ("u", '{"link":"u"}')),
        ('{"a":1}', Columns(), (None, '{"a":1,"url":null}')),
        ('{"a":1}', Columns(url="link"), (None, '{"a":1,"link":null}')),
        ('{"url":5}', Columns(), (None, '{"url":5}')),
        ('{"url":"u"}', Columns(key="k", caption="c", others=("o",)), ("u", '{"url":"u","k":null,"c":null,"o":null}')),
        ('{"path":"/a"}', Columns(), (None, '{"path":"/a"}')),
        ('{"url":"u","status":"failed"}', Columns(url="x"), (None, '{"url":"u","status":"failed"}')),
        ("  ", Columns(), (None, None)),
    ],
)  # fmt: skip
def test_an_object_has_what_is_wanted(line, columns, expected):
    """What the first of a part lacks it gets as null, so that it is a bad row and not the end of the part."""
    assert Jsonl(columns)(line) == expected


@pytest.mark.parametrize("line", ["[1]", "nothing", '{"a":', '{"url":"\ud800'])
def test_what_is_no_object_is_a_failed_record(line):
    """It is carried along to the end of the pipe, where every line is accounted for."""
    url, text = Jsonl(Columns())(line)

    record = json.loads(text)
    assert url is None
    assert (record["status"], record["error"], record["stage"]) == ("failed", "bad_line", "read")


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text())), st.integers(1, 20))
def test_parts_are_the_whole(rows, parts):
    """Each line that is not blank is in one part, the same for all lines of a host, by whatever it goes."""
    for by in ("host", "line"):
        found = list(parted(0, rows, parts, by))
        lines = [line for _, line in rows if line is not None]

        assert [line for _, line in found[: len(lines)]] == lines
        assert [part for part, _ in found[len(lines) :]] == list(range(parts))
        assert all(0 <= part < parts for part, _ in found)


@given(
    st.lists(st.lists(st.tuples(st.none(), st.text(max_size=3)), max_size=5), min_size=1, max_size=3),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_a_part_that_broke_off_is_never_whole(sources, parts, random):
    """In whatever order its rows come: all of them are all, and one item fewer is told."""
    items = [item for rows in sources for item in parted(0, rows, parts, "line") if item[0] == 0]
    random.shuffle(items)

    assert sorted(whole(items, len(sources))) == sorted(item for _, item in items if isinstance(item, str))
    for cut in range(len(items)):
        with pytest.raises(ProcessError, match="broke off"):
            list(whole(items[:cut], len(sources)))


def test_a_host_is_in_one_part():
    """Its spellings are one host; by line its URLs are spread."""
    urls = [
        f"http://{host}/{n}"
        for n in range(50)
        for host in ("Example.org", "example.org.", "a@example.org:81")
    ]
    rows = [(url, json.dumps({"url": url})) for url in urls]

    assert len({part for part, line in parted(0, rows, 100, "host") if isinstance(line, str)}) == 1
    assert len({part for part, line in parted(0, rows, 100, "line") if isinstance(line, str)}) > 50
    hostless = [("no host", f'{{"url":"no host","n":{n}}}') for n in range(50)]
    assert len({part for part, line in parted(0, hostless, 100, "host") if isinstance(line, str)}) == 1
