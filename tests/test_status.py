from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Terminal, run_filter, shell

from imgpipe.errors import Kind
from imgpipe.status import StatusLines
from imgpipe.tally import Tally

PASSING = [sys.executable, str(Path(__file__).with_name("passing.py"))]

FIELDS = {
    "time": str,
    "stage": str,
    "ended": bool,
    "seconds": float,
    "done": int,
    "ok": int,
    "failed": int,
    "skipped": int,
    "left_out": int,
    "unfinished": int,
    "bytes": int,
    "rate": float,
    "rate_now": float,
    "kinds": dict,
}


def start(*args, **options):
    return subprocess.Popen(
        [*PASSING, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def feed(stage, line):
    """The stage has passed this line on."""
    stage.stdin.write(line + b"\n")
    stage.stdin.flush()
    stage.stdout.readline()


def test_lines_come_while_it_runs_and_at_the_end():
    """Each is one JSON object with the same fields; the last one says that it is over. Also with `-q`."""
    stage = start("-q", "--status-every", "0.05")
    feed(stage, b"http://a")
    while (first := json.loads(stage.stderr.readline()))["done"] < 1:
        pass
    feed(stage, b"bad:1")
    while (later := json.loads(stage.stderr.readline()))["done"] < 2:
        pass
    _, err = stage.communicate()

    last = json.loads(err.splitlines()[-1])
    assert (first["done"], first["ended"], first["stage"]) == (1, False, "fetch")
    assert (later["ok"], later["failed"], later["kinds"]) == (1, 1, {"http_status": 1})
    assert (last["done"], last["ended"]) == (2, True)
    assert first["time"] < later["time"] <= last["time"]
    for found in (first, later, last):
        assert {name: type(value) for name, value in found.items()} == FIELDS
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])


def test_a_stage_that_ends_early_tells_its_last_state():
    """On a full disk, and after a signal, the log has the counts."""
    full = shell(f"echo http://a | {' '.join(PASSING)} -q --status-every 60 >/dev/full")
    assert full.code == 4
    assert json.loads(full.err.splitlines()[0])["unfinished"] == 1

    stage = start("-q", "--status-every", "60")
    feed(stage, b"http://a")
    stage.send_signal(signal.SIGTERM)
    _, err = stage.communicate()
    assert stage.returncode == -signal.SIGTERM
    assert json.loads(err)["ok"] == 1


def test_usr1_asks_for_a_line_at_once():
    """Without any option; the stage goes on as before, and the end is that of its input."""
    stage = start("-q")
    feed(stage, b"http://a")

    for asked in (1, 2):
        stage.send_signal(signal.SIGUSR1)
        found = json.loads(stage.stderr.readline())
        # A record is counted just after it is written.
        assert (found["done"] in (asked - 1, asked), found["ended"]) == (True, False)
        feed(stage, b"http://b")
    out, err = stage.communicate(b"http://c\n")

    assert (stage.returncode, out.count(b"\n"), err) == (0, 1, b"")


def test_usr1_breaks_off_nothing():
    """A hundred signals while records go through a narrow pipe: every record arrives, once and whole."""
    stage = start("-q")
    lines = [f"http://host/{n:05}" for n in range(20_000)]
    feed(stage, b"http://first")
    ask = f"for i in {{1..100}}; do kill -USR1 {stage.pid}; done"
    with subprocess.Popen(["bash", "-c", ask], stderr=subprocess.DEVNULL):
        out, err = stage.communicate("\n".join(lines).encode())

    assert stage.returncode == 0
    assert [json.loads(line)["url"] for line in out.splitlines()] == lines
    assert all(json.loads(line)["stage"] == "fetch" for line in err.splitlines())


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_nothing_fails_because_nobody_can_be_told(where):
    """A closed or full standard error costs the lines and nothing else."""
    result = shell(f"(echo http://a; sleep 0.1) | {' '.join(PASSING)} -q --status-every 0.02 {where}")

    assert result.code == 0
    assert len(result.records) == 1


def test_a_line_fits_one_write_to_a_pipe(capfd):
    """With every kind, and counts that no run reaches: below 4096 bytes, so that lines do not mix."""
    tally = Tally()
    tally.bytes = tally.left_out = tally.unfinished = 10**18
    for kind in Kind:
        tally.kinds[kind.value] = 10**15
    tally.statuses["failed"] = 10**15

    StatusLines("resize", tally, None).write()

    line = capfd.readouterr().err
    assert len(line) < 4096
    told = json.loads(line)
    assert len(told["kinds"]) == len(Kind)
    assert told["bytes"] == told["left_out"] == told["unfinished"] == 10**18


def test_the_rate_of_now_is_that_since_the_line_before(capfd):
    """A stage that stands still says so, however much it did before."""
    tally = Tally()
    tally.statuses["ok"] = 1000
    lines = StatusLines("fetch", tally, None)

    for _ in range(2):
        lines.write()

    first, second = map(json.loads, capfd.readouterr().err.splitlines())
    assert first["rate_now"] == first["rate"] > 0
    assert second["rate"] > second["rate_now"] == 0


def test_on_a_terminal_a_line_takes_the_place_of_the_progress():
    """Progress is drawn anew below it."""
    terminal = Terminal(
        [*PASSING, "--status-every", "0.05"], streams=("stderr", "stdout"), stdin=subprocess.PIPE
    )
    terminal.wait_for('\r\x1b[K{"time":"')
    terminal.process.stdin.close()

    assert '"ended":true' in terminal.finish()


@pytest.mark.parametrize("command", ["read", "fetch", "resize", "shard"])
def test_every_stage_has_it(command, tmp_path):
    """Each names itself."""
    out = [tmp_path / "out"] if command == "shard" else []

    result = run_filter(command, "-q", "--status-every", 60, *out, cwd=tmp_path)

    assert json.loads(result.err)["stage"] == command


def test_an_interval_of_ages_is_taken():
    """The longest that can be given is one that the system can wait for: the last line alone comes."""
    result = run_filter("fetch", "-q", "--status-every", "1e9")

    assert (result.code, json.loads(result.err)["ended"]) == (0, True)


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_a_wrong_interval_is_one_line(value):
    """Seconds above 0."""
    result = run_filter("fetch", "--status-every", value)

    assert result.code == 2
    assert "--status-every" in result.err
