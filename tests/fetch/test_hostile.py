"""The hostile server's faults, through the real command, a whole list in one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fetch.faults import FAULTS, HANDLERS
from fetch.hostile import JPEG, Hostile
from helpers import IMGPIPE, Result

from imgpipe.errors import STAGE_KINDS

TIMEOUT = 2.0
LATE = 2.0
"""Seconds past the deadline that a busy machine may need to tell of it."""

QUICK = (
    "good", "gzip-good", "chunked", "length-too-long", "gzip-bomb", "endless-body", "never-answers",
    "interim-storm", "reset-in-head", "html", "to-file", "to-metadata", "to-itself", "204", "429-day",
    "opt-out-0", "huge-head",
)  # fmt: skip
"""Those that go through the slower modes too."""


def fetch_all(names, mode, tmp_path, jobs):
    """Fetch the faults of these names in one process, each from a host of its own.

    Returns the records by name, the server, what is left in the spool, and the process's peak memory.
    """
    with Hostile(HANDLERS) as server:
        pins = [f"--resolve={name}.test:127.0.0.1" for name in names]
        options = ["--timeout", TIMEOUT, "--retries=0", "--max-bytes=1M", "--allow-net=127.0.0.1/32"]
        urls = "".join(server.url(name, f"{name}.test") + "\n" for name in names)
        command = [IMGPIPE, "fetch", "-q", "--mode", mode, "-j", jobs, *options, *pins]
        result, peak = run_measured(command, urls.encode(), tmp_path)
    assert (result.code, result.err) == (0, "")
    records = {record["url"].partition("//")[2].partition(".test")[0]: record for record in result.records}
    assert len(names) == len(result.records) == len(records)
    return records, server, files_in(os.environ["IMGPIPE_SPOOL"]), peak


# A process starts with the peak of the one that forked it, and pytest's is high: this one is small.
MEASURE = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as file:
    print(os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10, file=file)
"""


def run_measured(command, stdin, tmp_path):
    """Run a command; its result, and the peak of its resident memory in bytes."""
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "peak"), *map(str, command)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=True)
    code, peak = (tmp_path / "peak").read_text().split()
    return Result(int(code), done.stdout, done.stderr.decode()), int(peak)


def files_in(folder) -> list[Path]:
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def through(tmp_path_factory):
    """What became of all faults in a mode; each mode runs once."""
    done = {}

    def run(mode):
        if mode not in done:
            folder = tmp_path_factory.mktemp(mode)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("IMGPIPE_SPOOL", str(folder / "spool"))
                names = list(FAULTS) if mode in ("async", "threads") else list(QUICK)
                jobs = {"async": 64, "threads": 64, "processes": 3, "loop": 1}[mode]
                done[mode] = fetch_all(names, mode, folder, jobs)
        return done[mode]

    return run


CASES = [(mode, name) for mode in ("async", "threads") for name in FAULTS] + [
    (mode, name) for mode in ("processes", "loop") for name in QUICK
]


@pytest.mark.parametrize(("mode", "name"), CASES, ids=[f"{mode}-{name}" for mode, name in CASES])
def test_each_fault_has_its_kind(through, mode, name):
    """Each fault makes one record of its kind, within the deadline, after one attempt."""
    record = through(mode)[0][name]

    fault = FAULTS[name]
    assert fault.kind == record.get("error"), record
    assert ("failed" if fault.kind else "ok") == record["status"].replace("skipped", "failed")
    assert fault.status == record.get("http_status")
    assert record["attempts"] == 1
    assert record["seconds"] < TIMEOUT + LATE
    if fault.kind:
        assert record["error"] in STAGE_KINDS["fetch"]
        assert "path" not in record
        assert record["detail"].isprintable()
    else:
        assert Path(record["path"]).suffix == ".jpg"


@pytest.mark.parametrize("mode", ["async", "threads", "processes", "loop"])
def test_faults_leave_nothing(through, mode):
    """The spool holds the files of the good records and nothing else; no picture was damaged on its way."""
    records, server, left, _ = through(mode)

    good = {name: record["path"] for name, record in records.items() if record["status"] == "ok"}
    assert sorted(good.values()) == [str(path) for path in left]
    pictures = {name: Path(path).read_bytes() for name, path in good.items() if name != "length-too-short"}
    assert {name for name, data in pictures.items() if data != JPEG} == set()
    # A first request that fails is not sent again: only kept connections may be stale.
    assert {1} == {
        server.counts[name]
        for name in records
        if name not in ("good", "hop-1", "hop-2", "hop-3", "hop-4", "hop-5", "to-itself")
    }


@pytest.mark.parametrize("mode", ["async", "threads"])
def test_faults_take_no_memory(through, mode):
    """Bombs, endless bodies and heads of megabytes are never in memory."""
    assert through(mode)[3] < 200 << 20


def test_a_loop_of_redirects_ends(through):
    """Six requests: the first and five redirects."""
    assert through("async")[1].counts["to-itself"] == 6
