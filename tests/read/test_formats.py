from __future__ import annotations

import bz2
import gzip
import lzma

import pytest
import zstandard

from imgpipe.read import formats
from imgpipe.read.options import ReadOptions


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", "csv"),
        ("a.CSV.GZ", "csv"),
        ("a.tab", "tsv"),
        ("dir.csv/a.ndjson.zst", "jsonl"),
        ("a.json.xz", "json"),
        ("a.pq", "parquet"),
        ("a.txt.bz2", "txt"),
        ("csv", None),
        ("a.gz", None),
        ("a.list", None),
    ],
)
def test_the_suffix_tells_the_form(name, form):
    """The last suffix that names no compression tells the form."""
    assert form == formats.by_name(name)


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"", "txt"),
        (b"http://a/x,url,y\n", "txt"),
        (b"http://a/1\nurl,id\n", "txt"),
        (b"id,url\n", "csv"),
        (b"\xef\xbb\xbf id, URL \n", "csv"),
        (b'"id";"image_url"\n', "csv"),
        (b"url\nhttp://a/1\n", "csv"),
        (b"caption, long\turl\n", "tsv"),
        (b'\n {"url"', "jsonl"),
        (b" [\n{", "json"),
        (b"PAR1\x15\x04", "parquet"),
    ],
)
def test_the_first_bytes_tell_the_form(head, form):
    """Where the name tells nothing the content does; a URL list is never taken for a table."""
    assert form == formats.by_content(head, ReadOptions())


def test_the_column_that_the_user_names_tells_a_header():
    """With --url-col the header is known by that name."""
    assert formats.by_content(b"id,link\n", ReadOptions(url_col="link")) == "csv"
    assert formats.by_content(b"id,url\n", ReadOptions(url_col="link")) == "txt"


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
        ("zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_the_first_bytes_tell_the_compression(name, pack):
    """Each compression is known by its magic, also of an empty file; text has none."""
    assert name == formats.packing(pack(b"http://a\n"))
    assert name == formats.packing(pack(b""))
    assert formats.packing(b"BZh the name of a host\n") is None
