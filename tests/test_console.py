from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Terminal
from hypothesis import given
from hypothesis import strategies as st

from imgpipe import console
from imgpipe.errors import OutputError

PASSING = [sys.executable, str(Path(__file__).with_name("passing.py"))]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host/a?sig=abc#frag", "https://host/a?…"),
        ("http://host/a.jpg", "http://host/a.jpg"),
        ("no url", "no url"),
        ("http://[bad?key=1", "http://[bad"),
    ],
)
def test_secrets_stay_out_of_logs(url, shown):
    """Passwords and signatures in a URL are nobody's business."""
    assert shown == console.redact(url)


@given(
    st.dictionaries(
        st.sampled_from(["url", "status", "error", "detail", "bytes", "seconds", "path"]),
        st.text() | st.integers() | st.floats(),
    )
)
def test_any_record_is_described_on_one_safe_line(record):
    """Whatever stands in the fields, the line can be shown."""
    line = console.describe(record)

    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e]", line)
    assert len(line) <= 4000


def test_the_log_has_a_line_a_record(tmp_path):
    """Time, stage, status, size, what and why, appended to what was there."""
    log = tmp_path / "log"
    log.write_text("before\n")

    subprocess.run(
        [*PASSING, "--log", str(log)],
        input=b"http://a/1?key=s\nbad:2\n\xff\n",
        stdout=subprocess.DEVNULL,
        check=True,
    )

    before, first, second, third = log.read_text().splitlines()
    assert before == "before"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z fetch ok http://a/1\?…", first)
    assert second.endswith(" fetch failed http_status bad:2 - 404 Not Found")
    assert " fetch failed bad_line - - not UTF-8" in third


def test_a_log_line_tells_size_and_time():
    """Where they are known."""
    assert console.describe({"url": "http://h/a", "bytes": 17, "seconds": 0.25}) == "ok 0.250s 17B http://h/a"


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    """A folder that is not there, and a full disk, end the run with one clear line."""
    with pytest.raises(OutputError, match="cannot write to the log"):
        console.LogFile(str(tmp_path / "none" / "log"), "fetch")
    with pytest.raises(OutputError, match="No space left"):
        console.LogFile("/dev/full", "fetch")({"url": "a"})


def test_messages_survive_a_full_stderr():
    """Nothing fails because nobody can be told."""
    command = f"echo http://a | {PASSING[0]} {PASSING[1]} -v 2>/dev/full; echo $?; echo http://a | {PASSING[0]} {PASSING[1]} -v 2>&-; echo $?"

    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)

    assert done.stdout.count(b"}\n0\n") == 2


def test_a_terminal_sees_progress_and_the_summary():
    """On a terminal a line tells how far it is; at the end it goes and the summary stays."""
    terminal = Terminal(PASSING, streams=("stderr", "stdout"), stdin=subprocess.PIPE)
    terminal.process.stdin.write(b"http://a\n")
    terminal.process.stdin.flush()
    terminal.wait_for("imgpipe fetch: 1 ok")
    terminal.process.stdin.close()

    shown = terminal.finish()

    assert "\x1b[2mimgpipe fetch: 1 ok in " in shown
    assert re.search(r"\r\x1b\[Kimgpipe fetch: 1 ok in [\d.]+ s \(\d+/s\)\r\n$", shown)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_where_unwanted(env):
    """`NO_COLOR` and a dumb terminal get plain text."""
    terminal = Terminal(PASSING, streams=("stderr", "stdout"), stdin=subprocess.PIPE, env=env)
    terminal.process.stdin.write(b"bad:1\n")
    terminal.process.stdin.close()

    shown = terminal.finish()

    assert "WARNING: most records failed" in shown
    assert "\x1b[1;31m" not in shown


def test_most_failed_is_loud():
    """Where most records failed, the last line stands out."""
    terminal = Terminal(PASSING, streams=("stderr", "stdout"), stdin=subprocess.PIPE)
    terminal.process.stdin.write(b"bad:1\n")
    terminal.process.stdin.close()

    assert "\x1b[1;31mimgpipe fetch: WARNING" in terminal.finish()


def test_a_person_is_told_what_is_waited_for():
    """With a terminal as input one line says what to type; Ctrl-D ends it."""
    terminal = Terminal(PASSING, streams=("stdin", "stderr"), stdout=subprocess.PIPE)
    terminal.wait_for("imgpipe fetch: waiting for URLs; Ctrl-D ends the input")
    terminal.type("http://a\n\x04")

    assert terminal.process.stdout.read() == b'{"url":"http://a","seq":1,"status":"ok"}\n'
    shown = terminal.finish()
    assert " ok in " not in shown
    assert terminal.process.returncode == 0
    terminal.process.stdout.close()


def test_quiet_is_quiet():
    """With `-q` neither progress nor summary nor hint is shown."""
    terminal = Terminal([*PASSING, "-q"], streams=("stdin", "stderr"), stdout=subprocess.DEVNULL)
    terminal.type("bad:1\n\x04")

    assert terminal.finish().replace("^D\b\b", "") == "bad:1\r\n"


def test_nothing_from_outside_steers_the_terminal():
    """Records shown on a terminal have their control and bidirectional characters escaped."""
    terminal = Terminal(PASSING, stdin=subprocess.PIPE, streams=("stdout", "stderr"))
    evil = "http://a/\x9b31m\x7f\u202e\x1b[2J"
    terminal.process.stdin.write(
        f'{evil}\n{{"url":"http://b","caption":"\x9b1m\u202e"}}\n{{"bad \x1b]0;x\x07\n'.encode()
    )
    terminal.process.stdin.close()

    shown = terminal.finish()

    shown = shown.replace("\r\x1b[K", "")
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", shown)
    assert "\\u009b31m\\u007f\\u202e\\u001b[2J" in shown


def test_only_the_last_stage_talks():
    """In a pipe on a terminal one stage draws the line; `-v` has every one tell its summary."""
    one = " ".join(PASSING)
    quiet = Terminal(["bash", "-c", f"echo http://a | {one} | {one}"])
    loud = Terminal(["bash", "-c", f"echo http://a | {one} -v | {one}"])

    assert quiet.finish().count(" ok in ") == 1
    assert loud.finish().count(" ok in ") == 2
