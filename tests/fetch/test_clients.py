"""fetch as its users run it: several of them at once, on several cores, through thousands of timeouts."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest
from helpers import IMGPIPE, run_filter, shell

from imgpipe.bench.server import serve


@pytest.fixture(scope="module")
def urls():
    """120 URLs on several loopback hosts, some of them dead."""
    with serve(address="0.0.0.0") as server:
        port = server.rpartition(":")[2]
        good = [f"http://127.0.{i % 7 + 1}.1:{port}/size/3000/{i}.jpg" for i in range(110)]
        yield [*good, *(f"http://127.0.9.1:{port}/status/404?{i}" for i in range(10))]


def what_came(lines: bytes) -> list[tuple]:
    """The records without what differs from run to run."""
    records = [json.loads(line) for line in lines.splitlines()]
    return sorted((r["url"], r["status"], r.get("error"), r.get("sha256")) for r in records)


@pytest.mark.parametrize(
    "script",
    [
        "imgpipe fetch --allow-private --workers 2",
        "imgpipe fetch --allow-private --workers 3 --ordered",
        "xargs -d '\\n' -P4 -n17 imgpipe fetch --allow-private",
        "parallel --pipe -j2 -N30 imgpipe fetch --allow-private",
    ],
)
def test_however_it_is_run_the_same_records_come(script, urls):
    """Workers, xargs and parallel give the same set of records as one process does."""
    if shutil.which(script.split(maxsplit=1)[0]) is None and not script.startswith("imgpipe"):
        pytest.skip(f"{script.split(maxsplit=1)[0]} is not installed")
    expected = what_came(run_filter("fetch", "--allow-private", lines=urls).out)

    result = shell(script, stdin="\n".join(urls).encode() + b"\n")

    assert expected == what_came(result.out)
    assert result.code == 0


def test_workers_keep_the_order_where_asked(urls):
    """With `--ordered` the records of several workers come in the order of the input."""
    result = run_filter("fetch", "--allow-private", "--workers", 3, "--ordered", lines=urls)

    assert urls == [record["url"] for record in result.records]


def children_of(pid: int) -> list[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, check=False)
    return [int(word) for word in done.stdout.split()]


@contextmanager
def silent_server():
    """A server that takes connections and requests, and never answers; its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        held = []

        def take():
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return
                if len(held) > 4000:
                    held.pop(0).close()

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Closing alone does not wake a thread that waits.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


def test_a_worker_that_dies_gives_its_records_back_and_is_replaced(urls):
    """After a worker was killed every record comes, those that it had as failed and to be retried."""
    with silent_server() as silent:
        stuck = [f"{silent}/{i}" for i in range(5)]
        command = [IMGPIPE, "fetch", "--allow-private", "--workers", "2", "--timeout", "30"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write("\n".join([*urls, *stuck]).encode() + b"\n")
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in urls]
        for child in children_of(process.pid):
            os.kill(child, signal.SIGKILL)
        lines += [process.stdout.readline() for _ in stuck]
        process.stdin.write(urls[0].encode() + b"\n")
        out, _ = process.communicate(timeout=30)

    records = [json.loads(line) for line in b"".join([*lines, out]).splitlines()]
    lost = [record for record in records if record["url"].startswith(silent)]
    assert [(record["error"], record["retryable"]) for record in lost] == [("incomplete", True)] * 5
    assert records[-1]["status"] == "ok"
    assert len(urls) + 5 + 1 == len(records)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_workers(number, urls, spool):
    """A signal to the parent ends it by that signal, and its workers; no file is left without a record."""
    with silent_server() as silent:
        command = [IMGPIPE, "fetch", "--allow-private", "--workers", "2"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write("\n".join([*urls, silent]).encode() + b"\n")
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in urls]
        children = children_of(process.pid)
        process.send_signal(number)
        rest, _ = process.communicate(timeout=10)

    assert -number == process.returncode
    assert rest == b""
    assert not any(os.path.exists(f"/proc/{child}") for child in children)
    named = {json.loads(line).get("path") for line in lines} - {None}
    assert named == {str(path) for path in spool.rglob("*") if path.is_file()}


def test_ten_thousand_timeouts_leak_nothing(urls):
    """After 10,000 requests that timed out the next one is answered: no connection or slot is lost."""
    with silent_server() as silent:
        lines = [*(f"{silent}/{i}" for i in range(10_000)), urls[0]]
        options = ("--allow-private", "--timeout", "1", "--retries", 0, "--per-host", 0, "-j", 2000)
        result = run_filter("fetch", *options, "--ordered", lines=lines, timeout=120)

    records = result.records
    assert {"timeout"} == {record["error"] for record in records[:-1]}
    assert records[-1]["status"] == "ok"
    assert len(records) == 10_001


def test_a_host_that_pauses_holds_back_no_retry_of_another():
    """While one host asked to wait a minute, another's record is tried again when its own time has come."""
    with serve(address="0.0.0.0") as server:
        port = server.rpartition(":")[2]
        paused = f"http://127.0.1.1:{port}/status/429?header=Retry-After:60"
        flaky = f"http://127.0.2.1:{port}/flaky/1/size/3000/1.jpg?latency=0.3"
        with subprocess.Popen(
            [IMGPIPE, "fetch", "--allow-private"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            process.stdin.write(f"{paused}\n{flaky}\n".encode())
            process.stdin.close()
            ready, _, _ = select.select([process.stdout], [], [], 20)
            record = json.loads(process.stdout.readline()) if ready else {}
            process.terminate()

    assert record.get("url") == flaky
    assert record["status"] == "ok"
    assert record["attempts"] == 2
