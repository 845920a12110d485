from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest
from cluster.loopback import wait_until
from cluster.places import Place, tree_of
from cluster.reaper import Reaper, children, words

pytestmark = pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")


def joblog(place: Place, name: str) -> list[list[str]]:
    """The rows of a log of jobs, as words; without its head."""
    return [row.split("\t") for row in (place.folder / name).read_text().splitlines()[1:]]


def failed(rows: list[list[str]]) -> list[str]:
    """The commands of jobs that ended badly, by their status or by a signal."""
    return sorted(row[8] for row in rows if row[6:8] != ["0", "0"])


def test_half_of_the_jobs_killed(place, plain):
    """Whole jobs and single stages are killed; the same command again makes the set of the plain pipe, starting
    no more than what failed; and once more, nothing at all."""
    assert place.run("parts.sh").code == 0
    reaper = place.reaper()
    with reaper.at_work():
        first = place.run("parallel.sh")
    killed = sorted(f"./part.sh {path}" for path in reaper.killed)
    assert set(reaper.killed) == set(reaper.victims)
    assert len(killed) == first.code
    assert failed(joblog(place, "parallel.log")) == killed

    again = place.run("parallel.sh")
    assert again.code == 0, again.err
    assert sorted(row[8] for row in joblog(place, "parallel.log")[place.parts :]) == killed
    place.assert_complete(plain)

    before = tree_of(place.out)
    assert place.run("parallel.sh").code == 0
    assert len(joblog(place, "parallel.log")) == place.parts + len(killed)
    assert tree_of(place.out) == before


def test_the_engine_itself_is_killed(few_parts, plain):
    """Its jobs live on and hold their parts; started again, it comes to the same end."""
    assert few_parts.run("parts.sh").code == 0
    with subprocess.Popen(
        ["./parallel.sh"],
        cwd=few_parts.folder,
        env=few_parts.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as script:
        wait_until(lambda: any((few_parts.out / "__imgpipe__").glob("*.lock")), "the first part")
        (engine,) = (
            child
            for child in children(script.pid)
            if any(word.endswith("/parallel") for word in words(child))
        )
        os.kill(engine, signal.SIGKILL)
    codes = [few_parts.run("parallel.sh").code]
    wait_until(lambda: codes[-1] == 0 or codes.append(few_parts.run("parallel.sh").code), "the end", 60)
    few_parts.assert_complete(plain)


def test_parts_of_a_plain_list_by_split_and_xargs(place, plain):
    """What split(1) cuts and xargs(1) starts is completed by the same command after kills."""
    assert place.run("split.sh").code == 0
    reaper = place.reaper()
    with reaper.at_work():
        assert place.run("xargs.sh").code in (123, 125)
    assert reaper.killed

    again = place.run("xargs.sh")
    assert again.code == 0, again.err
    place.assert_complete(plain)


def test_parts_that_jobs_take_for_themselves(few_parts, plain):
    """Each job reads its part from the whole table, and all of them give the whole."""
    result = few_parts.run("nth-all.sh")

    assert result.code == 0, result.err
    few_parts.assert_complete(plain)


def test_failures_that_may_pass_are_tried_again(tmp_path, pictures):
    """What comes now is in its part, and in no list of failures, also after a round in which a downloader and a
    writer were killed; what cannot pass is not asked for; and once more, nothing changes."""
    fine = [f"http://host{n}.example.com/photo/{n}.jpg" for n in range(6)]
    late = [f"http://host{n}.example.com/flaky/3/photo/{n}.jpg" for n in range(6)]
    dead = ["http://host1.example.com/status/404"]
    place = Place(tmp_path, [*fine, *late, *dead], pictures, parts=2)
    assert place.run("parts.sh").code == 0
    assert place.run("parallel.sh").code == 0
    place.assert_accounts(placed=fine, failed=[*late, *dead])

    lists = [str(place.out / "__imgpipe__" / f"{part:05d}.failed.jsonl") for part in range(2)]
    reaper = Reaper(dict(zip(lists, ["shard", "fetch"], strict=True)))
    with reaper.at_work():
        assert place.run("again-all.sh").code == 2
    assert set(reaper.killed) == set(lists)
    for _ in range(2):
        assert place.run("again-all.sh").code == 0
        place.assert_accounts(placed=[*fine, *late], failed=dead)
    assert place.run("check.sh").code == 0
    assert place.run("xargs.sh").code == 0
