from __future__ import annotations

import time

import pytest
from helpers import run_filter

from imgpipe.fetch.advice import on_first


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a list and a picture, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("id,url\n")
    for name in ("Cat 1.JPG", "scan.tif", "PICTURE.JPEG"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("url", "imgpipe read"),
        ("URL,caption", "imgpipe read"),
        ('"image_url"', "imgpipe read"),
        ("key\turl", "'key\\turl'"),
        ("1,http://a.com/b.jpg", "cut -d, -f2"),
        ('cat\t"https://a.com/b.jpg"', "imgpipe read"),
        ("PK\x03\x04\x14", "save it as CSV"),
        ("list.csv", "imgpipe read FILE | imgpipe fetch"),
        ("Cat 1.JPG", "imgpipe resize"),
        ("scan.tif", "imgpipe resize"),
        ("PICTURE.JPEG", "imgpipe resize"),
        ("www.example.com", "sed 's|^/*|https://|'"),
        ("example.com/cat.jpg", "https://"),
        ("images.example.com/cat.jpg", "https://"),
        ("//cdn.example.com/cat.jpg", "https://"),
        ("127.0.0.1:8000/cat.jpg", "https://"),
    ],
)
def test_a_first_line_that_is_no_url_is_told_where_it_goes(line, words):
    """The advice names the command or the option that takes such a line."""
    assert words in on_first({"url": line})


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "line", ["http://a/", "http://a/?to=1,http://b/", "urn", "a\0b", "missing.jpg", "two words", "", 5, None]
)
def test_nothing_is_said_to_what_may_be_meant(line):
    """A URL, or what tells nothing, gets no advice."""
    assert on_first({"url": line}) is None


def test_bytes_in_the_detail_of_another_failure_tell_nothing():
    """Only a line that could not be read shows how the input begins."""
    assert on_first({"status": "failed", "error": "not_image", "detail": "it begins with PAR1"}) is None


def test_a_record_with_its_url_under_another_name_is_told_where_it_goes():
    """The usual names are found by imgpipe read; fetch knows its own only."""
    assert "imgpipe read --format jsonl finds it in 'URL'" in on_first({"TEXT": "a", "URL": "http://a/"})
    assert on_first({"TEXT": "a", "URL": "http://b/", "url": "http://a/"}) is None


@pytest.mark.parametrize(
    "data", [b"PAR1\x15\x04\x15\xc0", b"\x1f\x8b\x08\0\0\0\0\0\x02\xff", b"\x28\xb5\x2f\xfd\xff"]
)
def test_a_table_of_bytes_is_told_where_it_goes(data):
    """Parquet, gzip and zstd on standard input name imgpipe read."""
    run = run_filter("fetch", stdin=data)

    assert "the input is no text; imgpipe read FILE" in run.err


@pytest.mark.parametrize("line", ["\t" * 1_000_000, "a." * 500_000, "," * 1_000_000, " ," * 500_000])
def test_a_hostile_first_line_costs_no_time(line):
    """A line of a megabyte is looked at in a moment."""
    started = time.perf_counter()
    on_first({"url": line})

    assert time.perf_counter() - started < 1


def test_a_file_in_the_place_of_a_url(here):
    """`imgpipe fetch list.csv` is a failed record, and says how the file is read."""
    run = run_filter("fetch", "list.csv", cwd=here)

    assert run.records[0]["error"] == "bad_url"
    assert "imgpipe read FILE | imgpipe fetch" in run.err
