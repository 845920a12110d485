from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgpipe.cluster import chain
from imgpipe.cluster.chain import Ended, Guard, complaint


def through(tmp_path, *commands, data=b"", timeout=20.0):
    """How the commands ended, and what the last one wrote."""
    (tmp_path / "in").write_bytes(data)
    with (
        Guard(str(tmp_path / "none")) as guard,
        open(tmp_path / "in", "rb") as stdin,
        open(tmp_path / "out", "wb") as stdout,
    ):
        ended = chain.run(
            commands,
            stdin=stdin,
            stdout=stdout,
            guard=guard,
            folder=str(tmp_path),
            environment=os.environ,
            timeout=timeout,
        )
    return ended, (tmp_path / "out").read_bytes()


def sh(script):
    return ("sh", "-c", script)


def test_what_one_writes_the_next_one_reads(tmp_path):
    """Several megabytes go through the whole row unchanged in order."""
    data = b"".join(b"%d\n" % number for number in range(400_000))

    ended, out = through(tmp_path, ("cat",), ("tr", "0", "x"), ("cat",), data=data)

    assert out == data.replace(b"0", b"x")
    assert complaint(ended) is None


@pytest.mark.parametrize("place", range(3))
def test_every_exit_status_counts(tmp_path, place):
    """A program that fails is named with its status and its words, wherever it stands."""
    commands = [("cat",), ("cat",), ("cat",)]
    commands[place] = sh("cat; echo went wrong >&2; exit 3")

    ended, _ = through(tmp_path, *commands, data=b"a\n")

    assert complaint(ended) == "sh exited with 3: went wrong"


def test_who_is_not_read_from_any_more_is_not_to_blame(tmp_path):
    """A closed pipe is a consequence; the cause is told."""
    ended, _ = through(tmp_path, ("yes",), sh("echo no >&2; exit 5"))

    assert ended[0].code == -signal.SIGPIPE
    assert complaint(ended) == "sh exited with 5: no"


def test_the_first_that_fails_is_to_blame():
    """What comes after it has a reason to fail too."""
    ended = [Ended("a", -signal.SIGPIPE, ""), Ended("b", -signal.SIGKILL, ""), Ended("c", 1, "short input")]

    assert complaint(ended) == "b was ended by SIGKILL"
    assert complaint(ended[:1]) == "a was ended by SIGPIPE"


def test_of_many_words_the_error_is_told():
    """A stage's own line is found among the others, and nothing in it steers a terminal."""
    said = "hint: x\nimgpipe: the disk\x1b[31m is full\nimgpipe shard: 3 ok in 1 s"

    assert complaint([Ended("a", 4, said)]) == "a exited with 4: imgpipe: the disk\\x1b[31m is full"


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGRTMIN + 6, "signal 40")]
)
def test_the_signal_that_ended_a_program_is_told(tmp_path, number, name):
    """By its name, or by its number where it has none."""
    ended, _ = through(tmp_path, sh(f"kill -{int(number)} $$"))
    assert complaint(ended) == f"sh was ended by {name}"


def test_who_is_read_no_further_did_not_fail():
    """A program whose reader had enough and ended well is no failure; one whose reader failed is named after it."""
    closed = Ended("a", -signal.SIGPIPE, "")
    assert complaint([closed, Ended("b", 0, "")]) is None
    assert complaint([closed, Ended("b", 3, "")]) == "b exited with 3"
    assert complaint([Ended("a", 1, ""), Ended("b", 0, "")]) == "a exited with 1"


def test_a_flood_of_words_blocks_nobody(tmp_path):
    """A program may say more than a pipe holds; the end of it is kept."""
    flood = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo the end >&2; cat"

    ended, out = through(tmp_path, sh(flood), data=b"data")

    assert out == b"data"
    assert ended[0].said.endswith("the end")
    assert len(ended[0].said) <= chain.TAIL


def test_a_program_that_is_missing_leaves_nothing_running(tmp_path):
    """It is named, and those before it are gone."""
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(FileNotFoundError) as found:
        through(tmp_path, sh("echo $$ > pid; exec sleep 1000"), ("no-such-program",))

    assert found.value.filename == "no-such-program"
    assert len(os.listdir("/proc/self/fd")) == before


def test_time_is_up(tmp_path):
    """Programs that do not end are ended, also one that does not want to; what they said is kept."""
    ended, _ = through(tmp_path, sh("echo waiting >&2; sleep 1000"), sh("sleep 1000"), ("cat",), timeout=0.3)

    assert [one.code for one in ended] == [None, None, None]
    assert complaint(ended) == "sh did not end in time: waiting"


def test_who_is_late_is_asked_to_end_first(tmp_path):
    """So a stage closes its outputs before it is killed."""
    ended, _ = through(tmp_path, sh("trap 'echo asked >&2; exit' TERM; sleep 1000 & wait"), timeout=1.0)

    assert complaint(ended) == "sh did not end in time: asked"


def test_one_that_ignores_the_end_of_its_reader_is_ended(tmp_path, monkeypatch):
    """Once the last one has ended, the others have a bounded time."""
    monkeypatch.setattr(chain, "LINGER", 0.2)

    ended, _ = through(tmp_path, ("sleep", "1000"), sh("exit 2"))

    assert [one.code for one in ended] == [None, 2]
    assert complaint(ended) == "sh exited with 2"


def test_what_a_program_leaves_behind_is_ended(tmp_path):
    """A child in the background does not outlive the row."""
    through(tmp_path, sh("sleep 1000 & echo $! > pid"))

    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(pid))


ORPHANS = """
import os, subprocess, sys
from imgpipe.cluster import chain
folder = sys.argv[1]
with chain.Guard(folder) as guard:
    script = "trap 'echo ended > ../trapped; exit' TERM; echo $$ > pid; sleep 1000 & wait"
    stdin = open(os.devnull)
    chain.run([("sh", "-c", script), ("sleep", "1000")], stdin=stdin, guard=guard, folder=folder,
              environment=os.environ, timeout=1000)
"""


def test_the_orphans_of_a_killed_process_are_ended(tmp_path):
    """Who is killed with -9 leaves neither processes nor files: they are asked to end, then their folder goes."""
    folder = tmp_path / "folder"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-c", ORPHANS, str(folder)])
    wait_until((folder / "pid").exists)
    wait_until((folder / "pid").read_text)
    pid = int((folder / "pid").read_text())

    process.kill()
    process.wait()

    wait_until(lambda: not folder.exists() and not alive(pid))
    assert (tmp_path / "trapped").exists()


def test_what_ends_a_process_does_not_end_its_guard(tmp_path):
    """It is in a group of its own and deaf to what asks programs to end; it holds no folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with Guard(str(folder)) as guard:
        process = guard._process
        state = Path(f"/proc/{process.pid}/status")
        wait_until(lambda: ignored(state.read_text()) >> signal.SIGTERM - 1 & 1)
        assert os.getpgid(process.pid) == process.pid
        assert os.readlink(f"/proc/{process.pid}/cwd") == "/"
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            process.send_signal(number)
        process.stdin.close()
        assert process.wait(30) == 0
        assert not folder.exists()


def ignored(status: str) -> int:
    """The set of signals that a process ignores, a bit each from 1."""
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn"))


def test_nothing_stays_open(tmp_path):
    """A thousand parts in one process leave no descriptor behind."""
    before = len(os.listdir("/proc/self/fd"))

    through(tmp_path, ("cat",), ("cat",), data=b"a")

    assert len(os.listdir("/proc/self/fd")) == before


def alive(pid: int) -> bool:
    """Whether the process does anything yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until(holds, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_left_the_group_ends_in_time_too(tmp_path, monkeypatch):
    """A program in a session of its own, beside which no other is left, does not hold up the row."""
    monkeypatch.setattr(chain, "GRACE", 0.1)
    alone = "import os, time; os.setsid(); time.sleep(60)"
    started = time.monotonic()

    ended, _ = through(tmp_path, ("true",), (sys.executable, "-c", alone), timeout=1.0)

    assert [one.code for one in ended] == [0, None]
    assert time.monotonic() - started < 20
