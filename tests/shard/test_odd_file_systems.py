"""File systems that lack something, and disks that fill while files of the user are copied."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import as_line, picture

from imgpipe.errors import OutputError
from imgpipe.layout import Layout
from imgpipe.shard.dedup import Numbers
from imgpipe.shard.outfolder import OutFolder
from imgpipe.signals import Stop

NO_LINKS = """
import errno, os, sys
def link(*_, **__):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
os.link = link
from imgpipe.cli import main
main()
"""


NO_LOCKS = """
def flock(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
"""


def run_without_links(out, lines, *options) -> subprocess.CompletedProcess:
    """The command as on a file system without hard links, such as exFAT."""
    command = [sys.executable, "-c", NO_LINKS, "shard", str(out), *options]
    data = b"".join(map(as_line, lines))
    return subprocess.run(command, input=data, capture_output=True, check=False)


def test_files_are_placed_without_hard_links(out, spooled, tmp_path):
    """Names are taken first and renamed over: nothing is overwritten, moved or copied alike."""
    (tmp_path / "mine.jpg").write_bytes(picture())
    (out.path / "00000").mkdir(parents=True)
    (out.path / "00000/000000001.jpg").symlink_to(tmp_path / "victim")
    lines = [*spooled.records(3), {"path": str(tmp_path / "mine.jpg")}]
    done = run_without_links(out, lines)
    assert done.returncode == 0, done.stderr
    names = [row["file_name"] for row in out.rows]
    assert names == [f"00000/00000000{n}.jpg" for n in ("0", "1-2", "2", "3")]
    assert (tmp_path / "mine.jpg").exists()
    assert not (tmp_path / "victim").exists()
    assert spooled.files == []
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


def test_shards_are_placed_without_hard_links(out, spooled):
    """A shard is renamed into its place."""
    done = run_without_links(out, spooled.records(3), "--format", "tar", "--folder-size", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.path.iterdir()) == ["00000.tar", "00001.tar", "__imgpipe__"]
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


def test_a_shard_that_is_there_is_kept_without_hard_links(out, monkeypatch):
    """What a twin put there meanwhile is not renamed over."""

    def refuse(*_, **__):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with OutFolder(str(out), Layout(), images=False, wait=0.0, stop=Stop()) as folder:
        (out.path / "00000.tar").write_bytes(b"mine")
        temporary = Path(folder.temporary())
        temporary.write_bytes(b"new")
        with pytest.raises(OutputError):
            folder.publish(str(temporary), "00000.tar")
        assert [folder.create("fixed", content) for content in (b"first", b"second")] == [True, False]
    assert (out.path / "00000.tar").read_bytes() == b"mine"
    assert (out.hidden / "fixed").read_bytes() == b"first"
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


def test_a_file_system_without_locks_is_told(out):
    """Nobody is waited for who is not there: one clear line says what is missing, and nothing is placed."""
    script = NO_LINKS.replace("import errno, os", "import errno, fcntl, os").replace(
        "os.link = link", NO_LOCKS
    )
    command = [sys.executable, "-c", script, "shard", str(out), "--part", "p", "--wait", "60"]
    done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=30)
    assert done.returncode == 4, done.stderr
    assert b"cannot lock" in done.stderr
    assert b"another" not in done.stderr


def test_numbers_are_a_set():
    """What was added is there, once, and nothing else is."""
    chance = random.Random(7)
    numbers, expected = Numbers(), set()
    for _ in range(5000):
        number = chance.randrange(1 << 64) & ~0xFF | chance.randrange(2)
        assert numbers.add(number) == (number not in expected)
        expected.add(number)
    assert all(number in numbers for number in expected)
    assert not any(number ^ 2 in numbers for number in expected)


@pytest.mark.parametrize("module", ["fsspec", "s3fs"])
def test_an_address_without_the_extra_is_one_clear_line(module):
    """What is not installed is named."""
    script = f"import sys; sys.modules[{module!r}] = None; from imgpipe.cli import main; main()"
    command = [sys.executable, "-c", script, "shard", "s3://bucket/set", "--format", "tar"]
    done = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert done.returncode == 2, done.stderr
    assert b"imgpipe[cloud]" in done.stderr
    assert len(done.stderr.splitlines()) == 1
