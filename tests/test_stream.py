from __future__ import annotations

import fcntl
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers import Result
from hypothesis import given
from hypothesis import strategies as st

from imgpipe import spool as spools
from imgpipe.errors import OutputError, UsageError
from imgpipe.output import Output
from imgpipe.records import MAX_LINE
from imgpipe.signals import ReaderGone, Stop
from imgpipe.stream import CutShort, Emit, Source, read_chunks, split_lines
from imgpipe.tally import Tally
from imgpipe.window import Window

PASSING = [sys.executable, str(Path(__file__).with_name("passing.py"))]


def passing(*args, stdin: bytes = b"", **options) -> Result:
    done = subprocess.run(
        [*PASSING, *args], input=stdin, capture_output=True, timeout=60, check=False, **options
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


def source(data: bytes, *, null=False, bare="url"):
    return Source("fetch", bare, [data], null=null)


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places)]


LINES = st.lists(
    st.sampled_from([b"a", b"\n", b"\0", b"\xef\xbb\xbf", b"\xef", b"\r", b"{}", b" "]), max_size=30
)


@given(LINES.map(b"".join), st.lists(st.integers(0, 100), max_size=8), st.sampled_from([b"\n", b"\0"]))
def test_lines_do_not_depend_on_how_they_arrive(data, cuts, separator):
    """However the bytes are cut into chunks, the lines are those of the whole, without one leading mark."""
    lines = [line for batch in split_lines(chunked(data, cuts), separator) for line in batch]

    expected = data.removeprefix(b"\xef\xbb\xbf").split(separator)
    assert expected[: len(expected) - (not expected[-1])] == lines


@given(st.integers(-3, 3), st.integers(4096, 3 * MAX_LINE))
def test_a_line_beyond_the_limit_is_cut_and_the_stream_goes_on(more, size):
    """What is kept of an endless line is bounded, and the lines around it are whole."""
    data = b"before\n" + b"x" * (MAX_LINE + more) + b"\nafter"
    chunks = [data[i : i + size] for i in range(0, len(data), size)]

    before, long, after = (line for batch in split_lines(chunks, b"\n") for line in batch)

    assert (before, after) == (b"before", b"after")
    assert min(MAX_LINE + more, MAX_LINE + 1) == len(long)


def test_an_endless_line_is_not_kept():
    """Gigabytes without an end of line take no more memory than the longest line."""
    lines = [line for batch in split_lines((b"x" * 65_536 for _ in range(10_000)), b"\n") for line in batch]

    assert [len(line) for line in lines] == [MAX_LINE + 1]


def test_bare_lines_and_records_are_told_apart():
    """A brace begins a record; anything else is the bare value; blank lines count but are passed over."""
    data = b'\xef\xbb\xbfhttp://a\r\n\r\n  \n {"url":"http://b","seq":70,"x":[1]}\r\nhttp://c'

    assert list(source(data)) == [
        {"url": "http://a", "seq": 1},
        {"url": "http://b", "seq": 70, "x": [1]},
        {"url": "http://c", "seq": 5},
    ]


def test_null_ended_values_keep_their_line_ends():
    """With `--null` a value may hold any byte but NUL."""
    found = list(source(b"/a\nb.jpg\0/c\r\0\0/d.jpg", null=True, bare="path"))

    assert [record["path"] for record in found] == ["/a\nb.jpg", "/c\r", "/d.jpg"]


def test_a_bad_line_is_a_failed_record_and_the_stream_goes_on():
    """Lines that are not UTF-8, not JSON or too long fail alone, in their place."""
    data = b"http://a\n\xff\n{oops\n" + b"y" * (MAX_LINE + 5) + b"\nhttp://b\n"
    stream = source(data)

    found = list(stream)

    assert [record.get("error") for record in found] == [None, "bad_line", "bad_line", "bad_line", None]
    assert [record["seq"] for record in found] == [1, 2, 3, 4, 5]
    assert stream.taken == 5


def test_batches_hold_what_is_there():
    """What one read brings is handed over at once."""
    stream = Source("fetch", "url", [b"a\nb\n", b"\n", b"c"])

    assert [len(batch) for batch in stream.batches()] == [2, 1]


def test_reading_flushes_before_it_waits_and_ends_when_asked():
    """Nothing that was gathered is held back while the input is slow; a stop ends the wait."""
    reader, writer = os.pipe()
    stop = Stop(grace=0.05)
    waits = []

    def before_wait():
        waits.append(1)
        if len(waits) == 1:
            os.write(writer, b"one")
        elif not stop.requested:
            stop.request(15)

    chunks = read_chunks(reader, stop, before_wait)
    assert next(chunks) == b"one"
    with pytest.raises(CutShort):
        next(chunks)
    assert len(waits) >= 2
    os.close(reader)
    os.close(writer)


def test_input_is_read_on_within_the_grace():
    """After a stop what still comes in is read, until its end."""
    reader, writer = os.pipe()
    stop = Stop(grace=30)
    stop.request(15)
    os.write(writer, b"late")
    os.close(writer)

    assert list(read_chunks(reader, stop, lambda: None)) == [b"late"]
    os.close(reader)


def test_an_endless_input_is_not_read_beyond_the_grace():
    """A source that never ends cannot hold a stage that was asked to stop."""
    zeros = os.open("/dev/zero", os.O_RDONLY)
    stop = Stop(grace=0.1)
    chunks = read_chunks(zeros, stop, lambda: None)
    next(chunks)
    stop.request(15)

    with pytest.raises(CutShort):
        sum(1 for _ in chunks)
    os.close(zeros)


@pytest.mark.parametrize(("path", "words"), [("/", "is a folder"), (None, "cannot read standard input")])
def test_an_input_that_cannot_be_read_is_told(path, words):
    """A folder and a closed descriptor are one clear error."""
    descriptor = os.open(path, os.O_RDONLY) if path else os.open("/dev/null", os.O_WRONLY)

    with pytest.raises(UsageError, match=words):
        list(read_chunks(descriptor, Stop(), lambda: None))
    os.close(descriptor)


def test_a_non_blocking_input_is_waited_for():
    """A neighbour may have made the input non-blocking; nothing is lost, and it is left so."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    waits = []

    def before_wait():
        waits.append(1)
        os.write(writer, b"x")
        if len(waits) == 3:
            os.close(writer)

    assert b"".join(read_chunks(reader, Stop(), before_wait)) == b"xxx"
    assert not os.get_blocking(reader)
    os.close(reader)


def test_a_non_blocking_output_is_written_whole():
    """Megabytes through a non-blocking pipe arrive whole, and the flag is left as it was."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = os.urandom(1 << 20)
    got = bytearray()

    def read():
        while len(got) < len(data):
            got.extend(os.read(reader, 1 << 16))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    Output(writer).write(data)

    assert not os.get_blocking(writer)
    thread.join(10)
    assert data == bytes(got)
    os.close(writer)
    os.close(reader)


def test_gathered_records_are_written_together_and_counted_when_written():
    """A record counts once it is out."""
    reader, writer = os.pipe()
    logged = []
    emit = Emit(writer, Tally(), log=logged.append, gather=100)

    emit({"url": "a"})
    assert (emit.tally.done, logged) == (0, [])
    emit.many([{"url": "b"}, {"url": "c"}])

    assert (emit.tally.done, len(logged)) == (3, 3)
    assert os.read(reader, 1000) == b'{"url":"a"}\n{"url":"b"}\n{"url":"c"}\n'
    emit({"url": "x" * 200})
    assert emit.tally.done == 4
    os.close(reader)
    os.close(writer)


def test_records_that_go_nowhere_are_counted():
    """Without an output the records are counted and logged all the same."""
    emit = Emit(None, Tally())

    emit({"status": "ok"})
    emit.flush()

    assert emit.tally.ok == 1
    emit.watch.start()


def test_a_full_disk_discards_what_no_record_names(spool):
    """What could not be written is unfinished, and its spooled file goes."""
    writer = spools.Spool(spool)
    path = writer.new_path("jpg")
    Path(path).write_bytes(b"x")
    full = os.open("/dev/full", os.O_WRONLY)
    emit = Emit(full, Tally())

    with pytest.raises(OutputError, match="No space left"):
        emit({"url": "a", "path": path, "spooled": True})

    assert (emit.tally.done, emit.tally.unfinished) == (0, 1)
    assert not os.path.exists(path)
    os.close(full)
    writer.close()


def test_what_was_written_before_the_disk_was_full_counts(tmp_path):
    """Of records written together those that are whole in the output are done."""
    code = (
        "import os, resource, signal, sys; from imgpipe.stream import Emit; from imgpipe.tally import Tally;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "emit = Emit(1, Tally(), gather=10**6)\n"
        "for _ in range(5): emit({'url': 'x' * 20})\n"
        "try: emit.flush()\n"
        "except Exception as e: print(e, emit.tally.done, emit.tally.unfinished, file=sys.stderr)"
    )
    with open(tmp_path / "out", "wb") as out:
        done = subprocess.run([sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, check=True)

    assert b"File too large 3 2" in done.stderr


def test_a_reader_that_left_is_told():
    """A write into a closed pipe raises what ends the process by SIGPIPE."""
    reader, writer = os.pipe()
    emit = Emit(writer, Tally())
    os.close(reader)

    with pytest.raises(ReaderGone):
        emit({"url": "a"})
    os.close(writer)


def test_a_socket_is_an_output_too():
    """Where standard output is a socket, records are whole without a lock."""
    mine, other = socket.socketpair()
    with mine, other:
        Emit(mine.fileno(), Tally())({"url": "a"})
        assert other.recv(100) == b'{"url":"a"}\n'


def test_a_closed_output_is_told():
    """A descriptor that cannot be written is one clear error."""
    closed = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(OutputError, match="cannot write to standard output"):
        Emit(closed, Tally())({"url": "a"})
    os.close(closed)
    with pytest.raises(OutputError, match="Bad file descriptor"):
        Emit(closed, Tally())({"url": "a"})


@given(st.permutations(range(12)))
def test_a_window_keeps_the_order(order):
    """In whatever order records are done they leave in the order in which they were taken."""
    window = Window(12)
    for _ in order:
        window.take()
    assert window.full

    left = [record["n"] for place in order for record in window.give(place, {"n": place})]

    assert list(range(12)) == left
    assert not window.full


def test_a_window_without_a_size_keeps_nothing_back():
    """Unordered, each record leaves as soon as it is done."""
    window = Window(None)
    window.take()
    window.take()

    assert window.give(1, {"n": 1}) == [{"n": 1}]
    assert not window.full


def test_extra_fields_come_out_unchanged_in_order():
    """A caption with line ends, emoji, nested values, long text and long integers pass as they are."""
    record = {
        "z": "a\nb\u2028c",
        "url": "http://a",
        "emoji": "🦊👩‍🚀",
        "nested": {"b": [1, {"c": None}], "a": 1.5},
        "id": 123456789012345678901234567890,
        "text": "long " * 4000,
        "seq": 3,
        "a": True,
    }

    (found,) = passing(stdin=json.dumps(record).encode()).records

    assert [*record.items(), ("status", "ok")] == list(found.items())


def test_records_that_are_over_pass_untouched():
    """A failed record goes through byte for byte."""
    line = b'{"url":"http://a","status":"failed","stage":"fetch","error":"dns","detail":"x","retryable":true,"seq":9}\n'

    assert line == passing(stdin=line).out


def test_values_are_lines():
    """Positional values are the same as lines, records among them, and standard input is left alone."""
    result = passing("http://a", '{"url":"http://b","k":1}', "c\nd", b"\xff".decode(errors="surrogateescape"))

    assert [record.get("url") for record in result.records] == ["http://a", "http://b", "c\nd", None]
    assert result.records[3]["error"] == "bad_line"


def test_many_writers_on_one_pipe_tear_no_line(tmp_path):
    """Records of 20 kB among short ones, from eight processes on one pipe, all arrive whole."""
    lines = [
        json.dumps({"url": f"http://h/{n}", "caption": chr(97 + n % 26) * (20_000 if n % 3 == 0 else 50)})
        for n in range(800)
    ]
    (tmp_path / "lines").write_text("\n".join(lines) + "\n")
    command = f"xargs -d '\\n' -a '{tmp_path}/lines' -P8 -n50 {PASSING[0]} {PASSING[1]} | cat"

    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=60)

    found = {record["url"]: record["caption"] for record in map(json.loads, done.stdout.splitlines())}
    assert {record["url"]: record["caption"] for record in map(json.loads, lines)} == found


def test_a_slow_input_moves():
    """A record comes out while the next one has not come in, even where records are gathered."""
    command = [*PASSING, "--gather", "65536"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stage:
        for n in range(3):
            stage.stdin.write(f"http://a/{n}\n".encode())
            stage.stdin.flush()
            assert f"http://a/{n}" == json.loads(stage.stdout.readline())["url"]
        stage.stdin.close()
        # Only then is its output closed: a reader that leaves before ends it by a signal.
        assert stage.wait(10) == 0


def test_a_non_blocking_pipe_on_both_sides():
    """Standard streams that arrive non-blocking lose nothing, and keep their flags."""
    data = b"".join(b'{"url":"http://a/%d","x":"%s"}\n' % (n, b"y" * 500) for n in range(2000))
    reader, stdin = os.pipe()
    stdout, writer = os.pipe()
    for descriptor in (reader, writer):
        os.set_blocking(descriptor, False)
    with subprocess.Popen(PASSING, stdin=reader, stdout=writer):

        def feed():
            with os.fdopen(stdin, "wb") as file:
                file.write(data)

        threading.Thread(target=feed, daemon=True).start()
        flags = fcntl.fcntl(writer, fcntl.F_GETFL)
        os.close(reader)
        os.close(writer)
        with os.fdopen(stdout, "rb") as file:
            got = file.read()

    assert len([json.loads(line) for line in got.splitlines()]) == 2000
    assert flags & os.O_NONBLOCK


@pytest.mark.parametrize(
    ("data", "count"),
    [(b"", 0), (b"\n\n", 0), (b"http://a", 1), (b"\xef\xbb\xbf", 0), (b"\xef\xbb\xbfhttp://a\r\n", 1)],
)
def test_small_inputs(data, count):
    """Empty input, blank lines, a mark alone and a last line without its end all end well."""
    result = passing(stdin=data)

    assert (0, count) == (result.code, len(result.records))
    assert not count or result.records[0]["url"] == "http://a"
