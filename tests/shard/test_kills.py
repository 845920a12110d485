"""The whole pipe is killed at random moments, and resumed.

`IMGPIPE_KILLS=100 pytest tests/shard/test_kills.py` is the long form.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from helpers import run_filter, shell

from imgpipe.bench.server import serve
from imgpipe.layout import Layout
from imgpipe.placed import WHOLE

TRIALS = int(os.environ.get("IMGPIPE_KILLS", "2"))
COUNT = 60
DEAD = 3

PIPE = (
    "imgpipe fetch -q --allow-private --per-host 0 --retries 0 --resume out < urls.txt"
    " | imgpipe resize -q --size 32 | imgpipe shard -q out --folder-size 7 --format "
)

PART = (
    PIPE.replace("--resume out", "--resume out --part p").replace("--format ", "")
    + "--part p --input urls.txt"
)

EVERY_TRIAL = pytest.mark.parametrize(
    ("kind", "trial"), [(kind, trial) for kind in ("files", "tar", "parquet") for trial in range(TRIALS)]
)


@pytest.fixture(scope="module")
def server():
    with serve(latency=0.02) as address:
        yield address


@pytest.fixture
def urls(tmp_path, server):
    """A list with dead URLs and two equal lines."""
    lines = [f"{server}/photo/{n}.jpg" for n in range(COUNT)] + [
        f"{server}/status/404?{n}" for n in range(DEAD)
    ]
    lines.append(lines[5])
    (tmp_path / "urls.txt").write_text("\n".join(lines) + "\n")
    return sorted(lines[:COUNT] + lines[-1:])


def kill_at(moment: float, script: str, cwd, victim: str) -> None:
    """Run the pipe, and kill it, or one of its stages, after `moment` seconds."""
    path = f"{os.path.dirname(shell('command -v imgpipe').out.decode().strip())}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=cwd,
        env={**os.environ, "PATH": path},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        # A pipe that has come to its end before has no one left to kill.
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if victim == "all":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                children = f"/proc/{process.pid}/task/{process.pid}/children"
                with open(children) as file:
                    found = [int(child) for child in file.read().split()]
                for child in found:
                    with open(f"/proc/{child}/cmdline", "rb") as file:
                        if f"\0{victim}\0".encode() in file.read():
                            os.kill(child, signal.SIGKILL)
        process.wait(20)
    # Others of the group may live a moment longer.
    deadline = time.monotonic() + 10
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def placed(out, kind, layout=WHOLE) -> list[dict]:
    """The rows of all placed images, as written."""
    if kind == "files":
        folder = Path(layout.folder(str(out)))
        return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    rows = []
    for number, path in enumerate(sorted(out.glob(f"*.{kind}"))):
        assert path.name == f"{layout.stem(number)}.{kind}"
        head, *lines = (out / "__imgpipe__" / layout.sidecar(number)).read_text().splitlines()
        assert json.loads(head)["count"] == len(lines)
        rows += map(json.loads, lines)
    return rows


def kill_some(script, seed, cwd) -> None:
    chance = random.Random(f"{seed}{os.environ.get('IMGPIPE_SEED', '')}")
    for _ in range(chance.choice([1, 1, 2])):
        moment = chance.uniform(0.1, 1.6)
        victim = chance.choice(["all", "all", "shard", "resize", "fetch"])
        kill_at(moment, script, cwd, victim)


@pytest.mark.slow
@EVERY_TRIAL
def test_a_killed_pipe_is_completed_by_the_next(tmp_path, urls, kind, trial):
    """After kill -9 at any moment, of all or of one stage, the same command completes the set: every image
    once, every number used, every failure listed."""
    kill_some(PIPE + kind, f"{kind}{trial}", tmp_path)
    result = shell(PIPE + kind, cwd=tmp_path)
    assert result.code == 0, result.err
    out = tmp_path / "out"
    rows = placed(out, kind)
    assert sorted(row["url"] for row in rows) == urls
    stems = [row["file_name"].rpartition("/")[2] for row in rows]
    assert sorted(stems) == [f"{n:09d}.jpg" for n in range(COUNT + 1)]
    failed = [json.loads(line) for line in (out / "__imgpipe__/failed.jsonl").read_text().splitlines()]
    assert len({record["url"] for record in failed}) == len(failed) == DEAD
    verified = run_filter("verify", out)
    assert (verified.code, verified.out) == (0, b""), verified.out
    assert not list((out / "__imgpipe__").glob(".imgpipe-tmp-*"))


@pytest.mark.slow
@EVERY_TRIAL
def test_a_killed_part_is_completed_by_the_next(tmp_path, urls, kind, trial):
    """After kill -9 at any moment a part has its marker only if it is whole, and the same command completes
    it: every image once, every failure listed."""
    script = f"{PART} --format {kind}"
    kill_some(script, f"part{kind}{trial}", tmp_path)
    result = shell(script, cwd=tmp_path)
    assert result.code == 0, result.err
    out = tmp_path / "out"
    assert sorted(row["url"] for row in placed(out, kind, Layout("p"))) == urls
    marker = json.loads((out / "__imgpipe__/p.done.json").read_bytes())
    assert (marker["placed"], marker["failed"], marker["kinds"]) == (len(urls), DEAD, {"http_status": DEAD})
    verified = run_filter("verify", out)
    assert (verified.code, verified.out) == (0, b""), verified.out
    assert not list((out / "__imgpipe__").glob(".imgpipe-tmp-*"))
