from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from helpers import IMGPIPE, assert_one_clear_line, run_filter, shell, wait_for_signal

URLS = [f"http://host/{number}.jpg" for number in range(5)]


def write_parquet(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_several_files_of_several_forms_are_read_in_turn(tmp_path):
    """Tables of other forms follow one another; seq counts the rows of all of them."""
    (tmp_path / "a.txt").write_text("http://a\n")
    (tmp_path / "b.csv").write_text("link,url\nx,http://b\n")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"URL": "http://c", "seq": 7}\n'))
    (tmp_path / "d.tsv.zst").write_bytes(zstandard.compress(b"url\tkey\nhttp://d\tk\n"))
    write_parquet(tmp_path / "e.parquet", {"url": ["http://e"]})
    result = run_filter(
        "read",
        "a.txt",
        "-",
        "b.csv",
        "c.jsonl.gz",
        "d.tsv.zst",
        "e.parquet",
        lines=["http://in"],
        cwd=tmp_path,
    )
    assert result.code == 0
    assert result.records == [
        {"url": "http://a", "seq": 1},
        {"url": "http://in", "seq": 2},
        {"link": "x", "url": "http://b", "seq": 3},
        {"url": "http://c", "seq": 7},
        {"url": "http://d", "key": "k", "seq": 5},
        {"url": "http://e", "seq": 6},
    ]


def test_names_with_commas_are_quoted():
    """A column whose name holds a comma is chosen in quotes."""
    lines = ['url,"a,b",c', "http://a,1,2"]
    result = run_filter("read", "--format", "csv", "--columns", '"a,b"', lines=lines)
    assert result.records == [{"url": "http://a", "a,b": "1", "seq": 1}]


def test_skip_and_limit_count_over_all_files(tmp_path):
    """The first N rows are left out, and M written, wherever a file ends."""
    (tmp_path / "a.txt").write_text("\n".join(URLS[:3]))
    (tmp_path / "b.txt").write_text("\n".join(URLS[3:]))
    result = run_filter("read", "--skip", 2, "--limit", 2, tmp_path / "a.txt", tmp_path / "b.txt")
    assert [{"url": URLS[2], "seq": 3}, {"url": URLS[3], "seq": 4}] == result.records
    assert run_filter("read", "--limit", 0, lines=URLS).out == b""
    assert run_filter("read", "--skip", 9, lines=URLS).out == b""


def test_every_value_of_parquet_becomes_a_json_value(tmp_path):
    """Dates, decimals, bytes, nested and missing values have one plain form each."""
    moment = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    path = write_parquet(
        tmp_path / "a.parquet",
        {
            "url": pa.array(["http://a", None]),
            "when": pa.array([moment, None], pa.timestamp("ns", "UTC")),
            "day": pa.array([date(2026, 11, 22), None]),
            "clock": pa.array([time(1, 2, 3), None], pa.time64("ns")),
            "span": pa.array([timedelta(seconds=1.5), None], pa.duration("ns")),
            "price": pa.array([Decimal("1.10"), None]),
            "raw": pa.array([b"\xff\xd8", b"text"]),
            "bag": pa.array([{"a": [1, None], "b": b"x", "c": moment}, None]),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
            "ratio": pa.array([float("nan"), 0.5]),
            "big": pa.array([2**64 - 1, None], pa.uint64()),
            "kind": pa.array(["x", "x"]).dictionary_encode(),
        },
    )
    first, second = run_filter("read", path).records
    assert first == {
        "url": "http://a",
        "when": "2026-11-22T10:30:00+00:00",
        "day": "2026-11-22",
        "clock": "01:02:03",
        "span": 1.5,
        "price": "1.10",
        "raw": "/9g=",
        "bag": {"a": [1, None], "b": "x", "c": "2026-11-22T10:30:00+00:00"},
        "map": {"k": 1},
        "ratio": None,
        "big": 2**64 - 1,
        "kind": "x",
        "seq": 1,
    }
    assert tuple(second[name] for name in ("error", "when", "raw", "ratio")) == ("bad_url", None, "text", 0.5)


def test_parquet_comes_from_a_pipe_and_from_a_file_as_input(tmp_path):
    """Where the input cannot be read in any order it is copied first; both give the same."""
    path = write_parquet(tmp_path / "a.parquet", {"id": [1, 2], "url": URLS[:2]}, row_group_size=1)
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(path.read_bytes()))
    expected = [{"id": 1, "url": URLS[0], "seq": 1}, {"id": 2, "url": URLS[1], "seq": 2}]
    assert expected == run_filter("read", stdin=path.read_bytes()).records
    assert expected == shell("imgpipe read < a.parquet", cwd=tmp_path).records
    assert expected == run_filter("read", tmp_path / "a.parquet.gz").records
    assert [{"url": URLS[1], "seq": 2}] == run_filter("read", "--columns", "", "--skip", 1, path).records


def test_text_of_parquet_that_is_not_utf8_is_a_bad_row(tmp_path):
    """A text whose bytes are none costs its row."""
    raw = pa.array([b"http://a", b"\xff", b"http://c"], pa.binary())
    text = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    path = write_parquet(tmp_path / "a.parquet", {"url": text})
    assert [record.get("error") for record in run_filter("read", path).records] == [None, "bad_line", None]


@pytest.mark.parametrize(
    ("data", "word"),
    [(b"PAR1 and no more", "no whole parquet file"), (b"", "no whole parquet file")],
)
def test_a_broken_parquet_file_is_one_clear_line(tmp_path, data, word):
    """A file that is no parquet file is told."""
    (tmp_path / "a.parquet").write_bytes(data)
    assert_one_clear_line(run_filter("read", tmp_path / "a.parquet"), 2, "a.parquet", word)


def test_two_columns_of_one_name_are_one_clear_line(tmp_path):
    """Parquet knows such files; which of the two is meant cannot be told."""
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["url", "url"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert_one_clear_line(run_filter("read", tmp_path / "a.parquet"), 2, "two columns")


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("pyarrow", "a.parquet", "imgpipe[parquet]"), ("zstandard", "a.txt.zst", "imgpipe[zstd]")],
)
def test_a_missing_extra_is_one_clear_line_that_names_it(tmp_path, module, name, extra):
    """Without the library the message says what to install."""
    (tmp_path / f"{module}.py").write_text("raise ImportError")
    write_parquet(tmp_path / "a.parquet", {"url": URLS})
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(b"http://a\n"))
    result = run_filter("read", tmp_path / name, env={"PYTHONPATH": str(tmp_path)})
    assert_one_clear_line(result, 2, name, extra)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], ["nowhere.csv", "No such file"]),
        (["."], [". is a folder"]),
        (["no\x1bname"], ["no\\x1bname"]),
        (["t.csv", "--url-col", "link"], ["t.csv has no column link; its columns are: id, caption"]),
        (["t.csv"], ["--url-col", "id, caption"]),
        (["utf16.csv"], ["not UTF-8", "iconv"]),
        (["nameless.csv"], ["begins with a URL", "cut -d,"]),
        (["cut.txt.gz"], ["ends too early"]),
        (["table.xlsx"], ["a spreadsheet", "save the table as CSV"]),
        (["--format", "xml"], ["'xml'"]),
        (["--limit", "-1"], ["-1"]),
        (["--columns", "a\nb"], ["no list of names"]),
        (["--columns", '"a'], ["no list of names"]),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path, arguments, words):
    """A file, a column or an option that is not there ends the command with one line."""
    (tmp_path / "t.csv").write_text("id,caption\n1,x\n")
    (tmp_path / "utf16.csv").write_text("url\nhttp://a\n", "utf-16")
    (tmp_path / "nameless.csv").write_text("1,http://a\n2,http://b\n")
    (tmp_path / "table.xlsx").write_bytes(b"PK\x03\x04\x14\0\x06\0")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"http://a\n" * 9999)[:-20])
    assert_one_clear_line(run_filter("read", *arguments, cwd=tmp_path), 2, *words)


def test_nothing_is_written_where_one_of_the_files_is_missing(tmp_path):
    """All names are looked at before the first row is written."""
    (tmp_path / "a.txt").write_text("http://a\n")
    assert run_filter("read", "a.txt", "b.txt", cwd=tmp_path).out == b""


def test_what_came_before_a_broken_end_is_written(tmp_path):
    """The rows of a file that is cut off are kept, and the exit code tells."""
    whole = b"".join(b"http://host/%d\n" % number for number in range(50_000))
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(whole)[:-100])
    result = run_filter("read", "-q", tmp_path / "a.txt.gz")
    assert result.code == 2
    assert len(result.records) > 10_000


def test_bad_rows_fail_the_command_only_when_asked():
    """A bad row is a record; --fail makes it the exit code too, and --log a line."""
    lines = ["url,b", "http://a", "http://b,c"]
    assert run_filter("read", "--format", "csv", lines=lines).code == 0
    assert run_filter("read", "--format", "csv", "--fail", lines=lines).code == 3


def test_the_log_has_a_line_a_record(tmp_path):
    """What leaves the stage is in the log, bad rows with their reason."""
    run_filter("read", "--log", tmp_path / "log", lines=["http://a", b"\xff"])
    log = (tmp_path / "log").read_text().splitlines()
    assert [line.partition(" ")[2] for line in log] == [
        "read ok http://a",
        "read failed bad_line - - not UTF-8 at byte 1: \\xff",
    ]


def test_a_reader_that_goes_away_ends_it_at_once():
    """The command dies by SIGPIPE, silently, though its input never ends."""
    result = shell("yes http://host/a.jpg | imgpipe read | head -1; echo ${PIPESTATUS[1]}")
    first, code = result.out.splitlines()
    assert json.loads(first) == {"url": "http://host/a.jpg", "seq": 1}
    assert (code, result.err) == (b"141", "")


def start(*arguments):
    return subprocess.Popen(
        [IMGPIPE, "read", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_no_line_is_torn(number):
    """What was read whole is written whole, what was not is not, and the process dies by the signal."""
    with start() as process:
        process.stdin.write(b"http://a\nhttp://cut")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"url": "http://a", "seq": 1}
        process.send_signal(number)
        assert process.stdout.read() == b""
        wait_for_signal(process, number)


def test_a_signal_ends_a_long_table():
    """A table that never ends is left in the middle."""
    with start("--format", "csv") as process:
        process.stdin.write(b"url\n" + b"http://a\n" * 5000)
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        wait_for_signal(process, signal.SIGINT)


def test_rows_are_written_before_there_is_a_wait():
    """What has come goes on at once, so that `tail -f` moves."""
    with start("--format", "csv") as process:
        process.stdin.write(b"url\nhttp://a\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"url": "http://a", "seq": 1}
        process.stdin.close()
        assert process.wait(10) == 0


# A process starts with the peak of the one that forked it: this one is small.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", 1, 0)])
_, status, usage = os.wait4(pid, 0)
print(status, usage.ru_maxrss)
"""


def peak_memory(path, form):
    """The memory in kB that reading the table took at the most."""
    command = [sys.executable, "-c", MEASURE, IMGPIPE, "read", "-q", "--format", form, path]
    status, peak = subprocess.run(command, check=True, capture_output=True).stdout.split()
    assert status == b"0"
    return int(peak)


@pytest.mark.parametrize("form", ["txt", "csv", "json", "jsonl", "parquet"])
def test_memory_is_flat(tmp_path, form):
    """Forty times as many rows take no more memory, but for pyarrow's buffers."""
    peaks = []
    for number in (1000, 40_000):
        urls = [f"http://host/{'x' * 200}/{i}" for i in range(number)]
        objects = [json.dumps({"url": url}) for url in urls]
        path = tmp_path / f"{number}"
        if form == "parquet":
            write_parquet(path, {"url": urls})
        elif form == "json":
            path.write_text("[" + ",".join(objects) + "]")
        else:
            path.write_text("\n".join(["url", *(objects if form == "jsonl" else urls)]) + "\n")
        peaks.append(peak_memory(path, form))
    assert peaks[1] < peaks[0] + (32_000 if form == "parquet" else 8000), peaks
