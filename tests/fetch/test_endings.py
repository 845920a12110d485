"""How fetch ends before its input does: whole lines, and no file that no record names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fetch.hostile import Hostile, Peer, good
from helpers import IMGPIPE, shell

from imgpipe.fetch.handover import pack_options
from imgpipe.fetch.options import FetchOptions

JOBS = {"async": 8, "threads": 8, "processes": 3, "loop": 1, "workers": 8}
MODES = tuple(JOBS)
"""The four modes, and mode async with two worker processes."""


def scheduling(mode) -> list[str]:
    return [*(["--workers", "2"] if mode == "workers" else ["--mode", mode]), "-j", str(JOBS[mode])]


def slow(peer: Peer) -> bool:
    peer.server.closing.wait(0.02)
    return good(peer)


def stall(peer: Peer) -> None:
    peer.stall()


@pytest.fixture
def server():
    with Hostile({"good": good, "slow": slow, "stall": stall}) as made:
        yield made


def files_in(folder) -> list[str]:
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())


def start(mode, *options, stdin=subprocess.PIPE):
    command = [
        IMGPIPE, "fetch", "-q", "--allow-private", *scheduling(mode), "--per-host", "0", *options,
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        bufsize=0,  # what was read ahead would be lost to communicate()
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def interrupt(process, number, urls, after):
    """Feed it, send the signal after so many records; its records, exit and standard error."""
    process.stdin.write("".join(f"{url}\n" for url in urls).encode())
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(after)]
    asked = time.monotonic()
    os.killpg(process.pid, number) if number is signal.SIGINT else process.send_signal(number)
    rest, errors = process.communicate(timeout=15)
    took = time.monotonic() - asked
    out = b"".join(lines) + rest
    assert out.endswith(b"\n")
    return [json.loads(line) for line in out.splitlines()], process.returncode, errors.decode(), took


@pytest.mark.parametrize(
    ("mode", "number", "options"),
    [
        *((mode, signal.SIGINT, ()) for mode in MODES),
        *((mode, signal.SIGTERM, ("--ordered",)) for mode in MODES),
    ],
    ids=str,
)
def test_a_signal_ends_it_at_once(mode, number, options, server, spool):
    """Reading stops, what is under way is given up, what is done is told, and nothing else is left."""
    urls = [server.url(f"slow/{n}") for n in range(200)]

    records, code, errors, took = interrupt(start(mode, *options), number, urls, 5)

    assert (-number, "") == (code, errors)
    assert 5 <= len(records) < 200
    assert sorted(record["path"] for record in records) == files_in(spool)
    assert took < 5
    if options:
        numbers = [record["seq"] for record in records]
        assert sorted(numbers) == numbers


@pytest.mark.parametrize("mode", MODES)
def test_a_signal_cancels_requests_that_hang(mode, server, spool):
    """Nobody waits for a server that does not answer; in order, what is behind it is told all the same."""
    urls = [server.url("good/1"), server.url("stall"), *(server.url(f"good/{n}") for n in range(2, 6))]

    process = start(mode, "--ordered")
    process.stdin.write("".join(f"{url}\n" for url in urls).encode())
    process.stdin.flush()
    first = process.stdout.readline()
    deadline = time.monotonic() + 10
    expected = 2 if mode == "loop" else len(urls)
    while len(server.seen) < expected and time.monotonic() < deadline:
        server.closing.wait(0.01)
    server.closing.wait(0.3)
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=15)

    assert (process.returncode, errors) == (-signal.SIGTERM, b"")
    records = [json.loads(line) for line in (first + rest).splitlines()]
    assert expected - 1 == len(records)
    assert sorted(record["path"] for record in records) == files_in(spool)


@pytest.mark.parametrize("mode", MODES)
def test_a_reader_that_goes_away_ends_it_silently(mode, server, spool):
    """SIGPIPE, no message, and no file, since nobody will take one."""
    urls = "".join(server.url(f"slow/{n}") + "\n" for n in range(500))

    run = shell(
        f"imgpipe fetch --allow-private {' '.join(scheduling(mode))} | head -n1 | wc -l; echo ${{PIPESTATUS[@]}}",
        stdin=urls.encode(),
    )

    assert (run.out, run.err) == (b"1\n141 0 0\n", "")
    settle(lambda: not files_in(spool))
    assert files_in(spool) == []
    assert len(server.seen) < 500


def settle(condition, seconds=3.0):
    """Worker processes may outlive their parent by a moment."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.parametrize("mode", MODES)
def test_a_full_disk_ends_it_while_the_input_says_nothing(mode, server):
    """It stops at once, and not at the next line, which may never come."""
    with open("/dev/full", "wb") as full:
        command = [IMGPIPE, "fetch", "-q", "--allow-private", *scheduling(mode)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=full, stderr=subprocess.PIPE)
    process.stdin.write(f"{server.url('good')}\n".encode())
    process.stdin.flush()

    try:
        assert process.wait(20) == 4
    finally:
        process.kill()
        _, errors = process.communicate()
    assert errors == b"imgpipe: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("mode", MODES)
def test_a_full_disk_ends_it_in_one_line(mode, server, spool, tmp_path):
    """Exit 4 at once; what was told keeps its file, and nothing else has one."""
    fat = [{"url": server.url(f"good/{n}"), "text": "x" * 40_000} for n in range(100)]

    # A file that may not grow over 1 MiB is a disk that is full in the middle.
    run = shell(
        f"ulimit -f 1024; imgpipe fetch -q --allow-private {' '.join(scheduling(mode))} > {tmp_path}/out",
        stdin="".join(json.dumps(record) + "\n" for record in fat).encode(),
    )

    assert (run.code, run.err) == (4, "imgpipe: cannot write to standard output: File too large\n")
    *whole, _ = (tmp_path / "out").read_bytes().split(b"\n")
    told = [json.loads(line)["path"] for line in whole]
    assert len(told) > 10
    settle(lambda: sorted(told) == files_in(spool))
    assert sorted(told) == files_in(spool)


@pytest.mark.parametrize("mode", MODES)
def test_an_unwritable_spool_ends_it_in_one_line(mode, server, tmp_path):
    """Exit 4: no later file would fare better."""
    (tmp_path / "file").write_text("")

    run = shell(
        f"imgpipe fetch -q --allow-private {' '.join(scheduling(mode))} --spool {tmp_path}/file/in",
        stdin=server.url("good").encode(),
    )

    assert run.code == 4, run.err
    assert len(run.err.splitlines()) == 1
    assert "spool" in run.err


@pytest.mark.parametrize("mode", MODES)
def test_an_input_that_cannot_be_read_ends_it_in_one_line(mode):
    """Exit 2, whoever reads it."""
    run = shell(f"imgpipe fetch -q {' '.join(scheduling(mode))} 0> /dev/null")

    assert (
        run.code,
        run.out,
        run.err,
    ) == (2, b"", "imgpipe: cannot read standard input: Bad file descriptor\n")


def test_a_worker_process_that_hangs_is_ended(server):
    """One that does not end when its input does, since it is stopped, is killed in time."""
    process = start("processes", "-j", "1")
    process.stdin.write(server.url("good").encode() + b"\n")
    process.stdout.readline()
    (child,) = children_of(process)
    os.kill(child, signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=15)

    assert (process.returncode, errors) == (-signal.SIGTERM, b"")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def children_of(process) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, check=True).stdout
    return [int(child) for child in listed.split()]


def test_a_worker_process_that_is_killed_fails_one_record(server, spool):
    """Its record comes out as failed, to be tried again; the run goes on with another worker."""
    process = start("processes", "--retries", "0")
    first = [server.url("stall/1"), server.url("stall/2"), server.url("stall/3")]
    process.stdin.write("".join(f"{url}\n" for url in first).encode())
    process.stdin.flush()
    settle(lambda: len(server.seen) == 3, 10)
    children = children_of(process)
    assert len(children) == 3
    os.kill(children[0], signal.SIGKILL)
    killed = json.loads(process.stdout.readline())
    assert (killed["error"], killed["retryable"]) == ("incomplete", True)

    more = [server.url(f"good/{n}") for n in range(5)]
    process.stdin.write("".join(f"{url}\n" for url in more).encode())
    process.stdin.flush()
    others = [json.loads(process.stdout.readline()) for _ in more]
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=15)

    assert ({"ok"}, b"", b"") == ({record["status"] for record in others}, rest, errors)
    assert sorted(record["path"] for record in others) == files_in(spool)


@pytest.mark.parametrize("mode", ["async", "threads"])
def test_a_reader_that_does_not_read_stops_it(mode, server, tmp_path):
    """What nobody takes bounds what is fetched: requests and files of a pipe that stands still."""
    lines = [json.dumps({"url": server.url(f"good/{n}"), "text": "x" * 4000}) + "\n" for n in range(3000)]
    (tmp_path / "in").write_text("".join(lines))
    with open(tmp_path / "in", "rb") as stdin:
        process = start(mode, stdin=stdin)
    counts = [0]
    settle(lambda: len(server.seen) > 15, 10)
    while len(counts) < 5 or counts[-1] != counts[-5]:
        counts.append(len(server.seen))
        server.closing.wait(0.05)
    process.kill()
    process.communicate()

    # A pipe holds 16 such records; the gathered, those in flight and those in the outbox come on top.
    assert counts[-1] <= 16 + 4 * JOBS[mode]


def test_a_process_whose_parent_is_gone_ends_silently(server, spool):
    """Mode processes: a file that nobody is told of goes, and no traceback stays on the terminal."""
    child = subprocess.Popen(
        [sys.executable, "-m", "imgpipe.fetch.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdin.write(pack_options(FetchOptions(spool=spool, allow_private=True)))
    child.stdin.flush()
    folder = json.loads(child.stdout.readline())["folder"]

    child.stdout.close()
    child.stdin.write(json.dumps({"url": server.url("slow/1")}).encode() + b"\n")
    child.stdin.flush()

    assert (child.wait(10), child.stderr.read()) == (0, b"")
    assert not Path(folder).exists()
    child.stdin.close()
    child.stderr.close()
