from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import pytest
from helpers import IMGPIPE, assert_one_clear_line, run_filter, shell, wait_for_signal

from imgpipe.errors import OutputError, UsageError
from imgpipe.read import into
from imgpipe.read.balance import Balance
from imgpipe.read.opening import Inputs
from imgpipe.read.options import ReadOptions
from imgpipe.read.run import run
from imgpipe.signals import Stop
from imgpipe.stream import Emit
from imgpipe.tally import Tally

LINES = [f"http://host{number % 7}.example/{number}.jpg" for number in range(40)]


def held(folder) -> dict[str, bytes]:
    """The files of a folder, hidden ones too, with their contents."""
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}


@pytest.fixture
def at_work(tmp_path):
    """A run that has taken its first record, and waits for more; with the folder that it writes to."""
    fifo, folder = tmp_path / "log", tmp_path / "in"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [IMGPIPE, "read", "-q", "--parts", "3", "--into", folder, "--log", fifo],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process, open(fifo, "rb") as log:
        process.stdin.write(b"http://a.example/1\n")
        process.stdin.flush()
        assert log.readline()
        yield process, folder
        process.kill()


@pytest.mark.parametrize("by", ["host", "line"])
def test_the_folder_holds_what_each_part_gives_alone(by, tmp_path):
    """Every file is byte for byte what --part writes; one of no records is empty."""
    lines = [*LINES, b"\xff", "no url"]
    result = run_filter("read", "--parts", 5, "--part-by", by, "--into", tmp_path / "in", lines=lines)
    parts = {
        f"{part:05}.jsonl": run_filter("read", "--part", f"{part}/5", "--part-by", by, lines=lines).out
        for part in range(5)
    }

    assert (result.code, result.out) == (0, b"")
    assert held(tmp_path / "in") == parts
    assert result.err.splitlines()[0].startswith("imgpipe read: 41 ok, 1 failed in ")
    assert "imgpipe read: 5 parts of 42 records; the largest, " in result.err
    run_filter("read", "--parts", 99, "--into", tmp_path / "few", lines=LINES[:2])
    assert sum(content == b"" for content in held(tmp_path / "few").values()) in (97, 98)


def test_a_folder_that_holds_parts_is_refused(tmp_path):
    """What is there stays as it is, and is not mixed with another run's."""
    folder = tmp_path / "in"
    assert run_filter("read", "--parts", 2, "--into", folder, lines=LINES).code == 0
    before = held(folder)
    again = run_filter("read", "--parts", 3, "--into", folder, lines=LINES[:3])

    assert_one_clear_line(again, 2, "holds parts already")
    assert held(folder) == before


def test_what_else_is_in_the_folder_stays(tmp_path):
    """The table itself may stand there."""
    table = tmp_path / "urls.txt"
    table.write_text("\n".join(LINES))

    assert run_filter("read", "--parts", 2, "--into", tmp_path, table).code == 0
    assert {"urls.txt", "00000.jsonl", "00001.jsonl"} <= set(held(tmp_path))


def test_few_files_are_open_at_a_time(tmp_path):
    """A thousand parts are written where a process may have 20 files open."""
    script = f"ulimit -n 20; seq 5000 | sed s,^,http://h, | imgpipe read -q --parts 1000 --into {tmp_path}/in"

    assert shell(script).code == 0
    assert sum(content.count(b"\n") for content in held(tmp_path / "in").values()) == 5000


def test_what_is_gathered_is_bounded(tmp_path, monkeypatch):
    """Lines go to the files before they take more memory than was set aside, and none is lost."""
    monkeypatch.setattr(into, "GATHERED", 100)
    with into.PartFiles(str(tmp_path), 3) as files:
        for number in range(50):
            files.put(number % 3, b"%049d\n" % number)
            assert sum(map(len, files._gathered)) < 100
        files.publish()

    assert [int(line) for line in held(tmp_path)["00001.jsonl"].split()] == list(range(1, 50, 3))
    assert set(held(tmp_path)) == {"00000.jsonl", "00001.jsonl", "00002.jsonl"}


def test_a_full_disk_leaves_nothing(tmp_path):
    """Exit 4 with one line, and neither parts nor anything half in the folder."""
    script = f"ulimit -f 1024; seq 90000 | sed s,^,http://h, | imgpipe read --parts 2 --into {tmp_path}/in"
    result = shell(script)

    assert_one_clear_line(result, 4, "cannot write to", "in: File too large")
    assert held(tmp_path / "in") == {}
    assert " ok" not in result.err


def test_a_broken_table_leaves_nothing(tmp_path):
    """A part that lacks the end of its table would look whole."""
    (tmp_path / "cut.csv").write_text("url\nhttp://a\n")
    (tmp_path / "bad.csv").write_text("nothing,of,use\n1,2,3\n")
    result = run_filter(
        "read", "--parts", 2, "--into", tmp_path / "in", tmp_path / "cut.csv", tmp_path / "bad.csv"
    )

    assert_one_clear_line(result, 2, "has no column named url")
    assert held(tmp_path / "in") == {}


def test_a_request_to_stop_leaves_nothing(at_work):
    """The process dies by the signal, and no part of half the input stays."""
    process, folder = at_work
    process.send_signal(signal.SIGTERM)

    wait_for_signal(process, signal.SIGTERM)
    assert held(folder) == {}


def test_a_stop_between_two_lines_leaves_nothing(tmp_path):
    """Also where the lines that follow are there already, half the input is not taken for all of it."""
    table, folder, stop, tally = tmp_path / "urls.txt", tmp_path / "in", Stop(), Tally()
    table.write_text("\n".join(LINES))
    emit = Emit(None, tally, log=lambda _: stop.request(signal.SIGTERM))
    options = ReadOptions(files=(str(table),), parts=2, into=str(folder))
    run(Inputs(options.files, stop, emit), emit, options, Balance(2))

    assert held(folder) == {}
    assert (tally.done, tally.unfinished) == (0, 1)


def test_a_second_run_at_once_is_refused(at_work):
    """One line says who writes there, and the first one goes on."""
    process, folder = at_work
    result = run_filter("read", "--parts", 2, "--into", folder, lines=LINES)

    assert_one_clear_line(result, 2, "another imgpipe read writes parts into")
    process.communicate(b"http://a.example/2\n")
    assert process.returncode == 0
    assert sum(content.count(b"\n") for content in held(folder).values()) == 2


def test_what_a_killed_run_left_is_removed(at_work):
    """After a kill no part is there, and the next run begins anew."""
    process, folder = at_work
    process.kill()
    process.wait()
    (folder / ".imgpipe-tmp-parts" / "00001.jsonl").write_text("half")

    assert not list(folder.glob("*.jsonl"))
    assert run_filter("read", "--parts", 2, "--into", folder, lines=LINES).code == 0
    assert set(held(folder)) == {"00000.jsonl", "00001.jsonl"}
    lines = [line for content in held(folder).values() for line in content.splitlines()]
    assert sorted(json.loads(line)["url"] for line in lines) == sorted(LINES)


def test_a_run_killed_while_the_parts_appear_is_told(tmp_path):
    """Some of the parts would be taken for all of them."""
    for name in (".imgpipe-tmp-parts/lock", ".imgpipe-tmp-parts/00001.jsonl", "00000.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for _ in range(2):
        result = run_filter("read", "--parts", 2, "--into", tmp_path, lines=LINES)
        assert_one_clear_line(result, 2, "some of the parts of a run that was killed; remove them")


def test_a_name_that_was_taken_meanwhile_leaves_none(at_work):
    """Where one part cannot appear, the others do not either, and what has its name stays as it is."""
    process, folder = at_work
    (folder / "00001.jsonl").write_bytes(b"precious")
    _, err = process.communicate(b"")

    assert process.returncode == 4
    assert b"cannot write to" in err
    assert held(folder) == {"00001.jsonl": b"precious"}


def test_what_is_not_on_the_disk_does_not_appear(tmp_path, monkeypatch):
    """Where the disk fails, no part stands there: after a loss of power one would be cut short."""

    def fail(_):
        raise OSError(into.errno.EIO, os.strerror(into.errno.EIO))

    monkeypatch.setattr(into, "sync_file_system", fail)
    with pytest.raises(OutputError, match="Input/output error"), into.PartFiles(str(tmp_path), 2) as files:
        files.publish()
    assert held(tmp_path) == {}


@pytest.mark.parametrize("third", [False, True])
def test_a_lock_on_a_folder_that_went_with_its_run_is_none(tmp_path, monkeypatch, third):
    """Who opened the lock as the run that held it ended does not write where the next one writes."""
    hidden = tmp_path / ".imgpipe-tmp-parts"
    lock = into.fcntl.flock

    def end_of_the_other(*args):
        shutil.rmtree(hidden)
        if third:
            hidden.mkdir()
            (hidden / "lock").touch()
        lock(*args)

    monkeypatch.setattr(into.fcntl, "flock", end_of_the_other)
    with pytest.raises(UsageError, match="another imgpipe read writes parts into"):
        into.PartFiles(str(tmp_path), 1)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    """A file in its place, or no permission, is one clear line."""
    (tmp_path / "file").write_text("")
    result = run_filter("read", "--parts", 2, "--into", tmp_path / "file", lines=LINES)

    assert_one_clear_line(result, 4, "is not a folder")


def test_a_file_system_without_locks_is_taken(tmp_path, monkeypatch):
    """Where files cannot be locked, the parts are written all the same; an odd error is told."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(into.fcntl, "flock", refuse)
    number = into.errno.ENOLCK
    with into.PartFiles(str(tmp_path / "a"), 1) as files:
        files.publish()
    assert set(held(tmp_path / "a")) == {"00000.jsonl"}
    number = into.errno.EIO
    with pytest.raises(OutputError):
        into.PartFiles(str(tmp_path / "b"), 1)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--parts", 3), "go together"),
        (("--into", "in"), "go together"),
        (("--parts", 3, "--into", "in", "--part", "1/3"), "give one of the two"),
        (("--parts", 0, "--into", "in"), "--parts"),
        (("--parts", 100_001, "--into", "in"), "--parts"),
    ],
)
def test_options_that_do_not_fit_are_refused(args, words, tmp_path):
    """One clear line says which."""
    assert_one_clear_line(run_filter("read", *args, cwd=tmp_path), 2, words)
    assert held(tmp_path) == {}


def test_an_address_is_refused(tmp_path):
    """No folder of its name is made here."""
    result = run_filter("read", "--parts", 2, "--into", "s3://bucket/in", lines=["http://h/"], cwd=tmp_path)
    assert_one_clear_line(result, 2, "s3://bucket/in is an address")
    assert list(tmp_path.iterdir()) == []
