from __future__ import annotations

import json
import subprocess

import pytest
from cluster.places import Place, failures_of, images_of, lines, tree_of
from cluster.reaper import WHOLE
from helpers import assert_one_clear_line, shell

from imgpipe.bench.server import serve


@pytest.fixture(scope="module")
def patient():
    """A server on which a part takes about a second."""
    with serve(latency=0.4) as address:
        yield address


@pytest.fixture
def one(tmp_path, patient):
    """A single part; its input is cut."""
    urls = [f"http://host{n % 5}.example.com/photo/{n}.jpg" for n in range(20)]
    place = Place(tmp_path, [*urls, "http://host1.example.com/status/404"], patient, parts=1)
    assert place.run("parts.sh").code == 0
    return place


@pytest.mark.parametrize("victim", ["fetch", "resize", "shard", WHOLE])
def test_a_killed_stage_leaves_no_marker(one, victim):
    """A part that lost a stage fails, whichever it was, and has no marker; started again, it is completed."""
    path = one.input_of(0)
    reaper = one.reaper()
    reaper.victims = {path: victim}
    with reaper.at_work():
        first = one.run("part.sh", path)
    assert reaper.killed == [path]
    assert first.code != 0
    assert not one.marker_of("00000").exists()

    again = one.run("part.sh", path)
    assert again.code == 0, again.err
    assert json.loads(one.marker_of("00000").read_bytes())["placed"] == 20
    one.assert_accounts(placed=one.urls[:-1], failed=one.urls[-1:])


def test_a_killed_download_is_told(one):
    """That the input was cut short is one clear line, and an exit code that says: again."""
    path = one.input_of(0)
    reaper = one.reaper()
    reaper.victims = {path: "fetch"}
    with reaper.at_work():
        first = one.run("part.sh", path)

    assert_one_clear_line(first, 1, "00000")


def test_twins(one):
    """Of two that do one part at once, one does it, the other is refused or finds it done."""
    path = one.input_of(0)
    twins = [
        subprocess.Popen(
            ["./part.sh", path],
            cwd=one.folder,
            env=one.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    ends = sorted((twin.wait(60), twin.communicate()[1].decode()) for twin in twins)

    assert ends[0][0] == 0, ends
    assert ends[1][0] in (0, 2), ends
    one.assert_accounts(placed=one.urls[:-1], failed=one.urls[-1:])
    assert one.run("check.sh").code == 0


def test_a_part_without_records(tmp_path, patient):
    """It is done at once: a marker, and no shard."""
    place = Place(tmp_path, [], patient, parts=1)
    assert place.run("parts.sh").code == 0

    result = place.run("part.sh", place.input_of(0))
    assert result.code == 0, result.err
    assert json.loads(place.marker_of("00000").read_bytes())["shards"] == []
    assert images_of(place.out) == {}
    assert failures_of(place.out) == []
    assert place.run("check.sh").code == 0


def test_another_input_is_refused(one):
    """A part that is done is not mixed with another list of the same name."""
    path = one.input_of(0)
    assert one.run("part.sh", path).code == 0
    before = tree_of(one.out)
    with open(path, "a") as file:
        file.write('{"url": "http://host9.example.com/photo/99.jpg"}\n')

    assert_one_clear_line(one.run("part.sh", path), 2, "00000")
    assert tree_of(one.out) == before


def test_a_missing_part_is_named(one):
    """Until a part has its marker, the check fails and says which one it is."""
    one.env["N"] = "3"
    assert one.run("part.sh", one.input_of(0)).code == 0

    assert one.run("check.sh").code == 3
    faults = (one.folder / "faults.jsonl").read_text()
    assert len(lines(one.folder / "faults.jsonl")) == 2
    assert "00001" in faults
    assert "00002" in faults


def test_a_part_that_is_done_fails_no_stage(one):
    """Started again, every stage of it ends well: none dies of a closed pipe, which pipefail would tell."""
    path = one.input_of(0)
    assert one.run("part.sh", path).code == 0
    before = tree_of(one.out)

    script = (one.folder / "part.sh").read_text() + "echo ${PIPESTATUS[@]}"
    again = shell(f"set -- {path}\n{script}", cwd=one.folder, env=one.env)
    assert again.out == b"0 0 0\n"
    assert tree_of(one.out) == before
