from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers import run_filter


@pytest.fixture
def abandoned(spool):
    """A run folder with a file in it, whose writer was killed."""
    folder = spool / "imgpipe-run-1-dead"
    folder.mkdir(parents=True)
    (folder / "000000001.jpg").write_bytes(b"x")
    return folder


def test_clean_leaves_what_is_young(abandoned):
    """By default only folders that did not change for a day go."""
    result = run_filter("clean")

    assert (result.code, result.err) == (0, "imgpipe clean: 0 abandoned folders removed\n")
    assert abandoned.exists()


def test_clean_removes_what_is_old(abandoned):
    """A day later the folder goes, and its name is told; nothing is written to standard output."""
    os.utime(abandoned, (0, 0))

    result = run_filter("clean")

    assert f"removed {abandoned}\nimgpipe clean: 1 abandoned folders removed\n" == result.err
    assert result.out == b""
    assert not abandoned.exists()


def test_clean_quietly_and_elsewhere(abandoned, spool, monkeypatch):
    """`--spool` names another spool, `--older-than 0` takes all that nobody holds, `-q` says nothing."""
    monkeypatch.delenv("IMGPIPE_SPOOL")

    result = run_filter("clean", "--spool", spool, "--older-than", "0", "-q")

    assert (result.code, result.err, result.out) == (0, "", b"")
    assert not abandoned.exists()


def test_clean_never_touches_a_running_pipe():
    """A folder whose writer lives stays, however old."""
    code = (
        "import os, sys; from imgpipe.spool import Spool; s = Spool(); f = s.folder; os.utime(f, (0, 0));"
        "print(f, flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    folder = writer.stdout.readline().decode().strip()

    run_filter("clean", "--older-than", "0")

    assert os.path.exists(folder)
    writer.communicate()
