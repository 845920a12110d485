from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from helpers import IMGPIPE, picture, run_filter
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgpipe.errors import Kind, ProcessError, RecordError
from imgpipe.resize import wire
from imgpipe.resize.isolate import Isolated
from imgpipe.resize.job import Job, Made
from imgpipe.resize.options import ResizeOptions


@pytest.fixture
def photo(tmp_path):
    """A picture of 640 by 480; its path."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(picture(640, 480))
    return str(path)


@pytest.fixture
def isolated():
    """Makes an `Isolated` with options; all are closed at the end."""
    opened = []

    def isolated(**options):
        opened.append(Isolated(ResizeOptions(**options)))
        return opened[-1]

    yield isolated
    for each in opened:
        each.close()


def kind_of(make, job) -> Kind:
    with pytest.raises(RecordError) as caught:
        make(job)
    return caught.value.kind


def test_it_makes_the_same_picture(tmp_path, photo):
    """With `--isolate` the same bytes and records come out as without, failures too."""
    (tmp_path / "text").write_text("text")
    lines = [photo, f"{tmp_path}/text", f"{tmp_path}/gone", {"path": photo, "b": [[0, 0, 0.5, 0.5]]}]

    def made(*options):
        result = run_filter("resize", "-q", "--ordered", "--exif", "--blur", "b", *options, lines=lines)
        return [
            ({**r, "path": None}, r["status"] == "ok" and Path(r["path"]).read_bytes())
            for r in result.records
        ]

    assert made() == made("--isolate", "-j", "2")


def test_a_decoder_that_is_killed_costs_one_picture(isolated, photo):
    """A process that dies is one `crash` record that says how; the next picture has a new process."""
    make = isolated()
    assert make(Job(photo)).size == (256, 192)
    os.kill(make._process.pid, signal.SIGSEGV)
    os.waitid(os.P_PID, make._process.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(RecordError, match="died by SIGSEGV") as caught:
        make(Job(photo))

    assert caught.value.kind is Kind.CRASH
    assert make(Job(photo)).size == (256, 192)


def test_a_decoder_that_hangs_costs_one_picture(isolated, photo):
    """A process that does not answer in time is ended: one `timeout` record, and a new process."""
    make = isolated(timeout=0.3)
    make(Job(photo))
    hanging = make._process
    os.kill(hanging.pid, signal.SIGSTOP)

    assert kind_of(make, Job(photo)) is Kind.TIMEOUT
    assert hanging.returncode == -signal.SIGKILL
    assert make(Job(photo)).size == (256, 192)


def test_a_picture_beyond_the_memory_fails_alone(isolated, tmp_path, photo):
    """A picture that needs more memory than is allowed fails; smaller ones pass."""
    Image.new("RGB", (5000, 5000)).save(tmp_path / "large.png")
    # Beyond 32 MiB: Python 3.13 takes that much itself while it loads the resizer.
    make = isolated(max_memory=64 << 20)

    assert kind_of(make, Job(str(tmp_path / "large.png"))) in (Kind.DECODE, Kind.CRASH)
    assert make(Job(photo)).size == (256, 192)


def test_a_process_that_cannot_start_ends_the_run(isolated, monkeypatch, photo):
    """Where no process starts, every picture would fail: the run ends with one line."""
    monkeypatch.setattr("sys.executable", "/bin/false")

    with pytest.raises(ProcessError, match="ended with 1"):
        isolated()(Job(photo))


@pytest.mark.parametrize(
    "answer", [b"{}", b"[]", b"nonsense", b'{"kind": "unknown", "detail": ""}', b'{"unchanged": 1, "media_type": "", "size": [1], "original": [1, 1], "exif": null}']
)  # fmt: skip
def test_nonsense_from_a_process_is_a_crash(isolated, monkeypatch, photo, answer):
    """What a process sends that is no result is one `crash` record; nothing of it is believed."""
    make = isolated()
    make(Job(photo))
    monkeypatch.setattr(make, "_receive", lambda *_: (wire.orjson.loads(answer), b""))

    assert kind_of(make, Job(photo)) is Kind.CRASH


def test_a_message_without_bounds_is_refused(isolated, tmp_path, photo, monkeypatch):
    """A process that announces more than it may have is not listened to."""
    script = tmp_path / "liar"
    ready = wire.pack({"ready": True})
    script.write_bytes(b"import sys; sys.stdout.buffer.write(%r)" % (ready + struct.pack(">IQ", 2, 1 << 60)))
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexec {os.sys.executable} {script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))

    assert kind_of(isolated(), Job(photo)) is Kind.CRASH


@given(st.text(), st.lists(st.tuples(*[st.floats(0, 1)] * 4)))
def test_jobs_travel_whole(path, boxes):
    """A job comes out as it went in, whatever its path."""
    job = Job(path.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"), tuple(boxes))

    assert wire.job_from(wire.orjson.loads(wire.orjson.dumps(wire.job_text(job)))) == job


def test_results_travel_whole():
    """A result comes out as it went in."""
    made = Made(b"data", False, "image/png", (1, 2), (3, 4), {"Make": "x"})
    text = wire.orjson.loads(wire.orjson.dumps(wire.made_text(made)))

    assert wire.made_from(text, b"data") == made


def test_no_process_is_left(photo):
    """When the stage is killed, its processes end by themselves."""
    with subprocess.Popen(
        [IMGPIPE, "resize", "-q", "--isolate", "-j", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as stage:
        stage.stdin.write(photo.encode() + b"\n")
        stage.stdin.flush()
        stage.stdout.readline()
        tasks = Path(f"/proc/{stage.pid}/task").iterdir()
        (child,) = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
        watch = os.pidfd_open(child)
        stage.kill()

    assert select.select([watch], [], [], 10)[0] == [watch]
    os.close(watch)
