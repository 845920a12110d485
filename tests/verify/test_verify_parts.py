"""The check of a data set in parts."""

from __future__ import annotations

import json
import subprocess

import pytest
from helpers import IMGPIPE, as_line, assert_one_clear_line, picture, run_filter

from imgpipe.verify.parts import missing

FORMATS = ["files", "tar", "parquet"]


def in_parts(folder, kind, names=("00000", "00001"), count=3):
    """A data set with a part of `count` images, in shards of two, and one failure, for each name."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    for part in names:
        lines: list = [{"url": f"http://h/{part}", "status": "failed", "error": "dns", "detail": "gone"}]
        for number in range(count):
            path = source / f"{part}-{number}.jpg"
            path.write_bytes(picture(seed=number))
            lines.append({"url": f"http://h/{part}/{number}", "path": str(path)})
        args = ("--format", kind, "--folder-size", 2, "--part", part)
        assert run_filter("shard", folder / "out", *args, lines=lines).code == 0
    return folder / "out"


def faults(out, *args):
    result = run_filter("verify", out, *args)
    assert result.code == (3 if result.records else 0), result.err
    return [
        (found["error"], found.get("file_name") or found["shard"], found["detail"])
        for found in result.records
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_parts_that_are_whole_have_no_fault(tmp_path, kind):
    """Every part is read back, and the images of all are counted."""
    out = in_parts(tmp_path, kind)
    result = run_filter("verify", "-v", out, "--parts", 2)
    assert (result.code, result.out) == (0, b"")
    assert "6 ok" in result.err


@pytest.mark.parametrize("names", [("00000", "00002"), ("part-0", "part-2"), ("0", "2")])
def test_a_missing_part_is_named_by_its_number(tmp_path, names):
    """Of N parts those without a trace are told, counted from 0 where there is one 0."""
    found = faults(in_parts(tmp_path, "tar", names), "--parts", 3)
    assert found == [("missing_file", "00001", "the part 1 of 3 is missing")]


def test_parts_may_be_counted_from_one(tmp_path):
    """With the parts 1 and 3 of 3 it is 2 that is missing, and not 0."""
    assert faults(in_parts(tmp_path, "tar", ("1", "3")), "--parts", 3) == [
        ("missing_file", "00002", "the part 2 of 3 is missing")
    ]


@pytest.mark.parametrize(
    ("names", "told"),
    [(["1", "2"], ["00000"]), (["0", "3"], ["00001", "00002", "3"]), (["3"], ["00001", "00002"])],
)
def test_parts_are_counted_from_zero_unless_they_tell_otherwise(names, told):
    """Only the N-th of N parts, where there is none of the number 0, tells that they begin with 1."""
    assert sorted(fault.row["shard"] for fault in missing(names, 3)) == told


def test_a_part_beyond_the_number_is_told(tmp_path):
    """What is none of the N parts is named, be it by its number or for want of one."""
    found = faults(in_parts(tmp_path, "tar", ("0", "7", "x")), "--parts", 1)
    assert [fault[:2] for fault in found] == [("unlisted", "7"), ("unlisted", "x")]


def test_a_part_that_is_there_twice_is_told(tmp_path):
    """Of two parts with one number one is too many, though none is missing: each has the images of the other."""
    found = faults(in_parts(tmp_path, "tar", ("a-0", "b-0", "b-1")), "--parts", 2)
    assert found == [("unlisted", "b-0", "the part 0 of 2 is a-0 already")]


@pytest.mark.parametrize("shards", [5, "x", [5, {"shard": [1]}], {"a": 1}, None])
def test_a_marker_with_odd_shards_is_told(tmp_path, shards):
    """What a marker says of its shards is believed in no form but its own."""
    out = in_parts(tmp_path, "tar", ("0",))
    path = out / "__imgpipe__" / "0.done.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"shards": shards}) + "\n")
    assert ("unlisted", "0-00000.tar") in [fault[:2] for fault in faults(out)]


def test_all_parts_are_missing_in_an_empty_set(tmp_path):
    """A folder without anything misses all of its parts."""
    assert [fault[0] for fault in faults(tmp_path, "--parts", 2)] == ["missing_file"] * 2


@pytest.mark.parametrize("kind", FORMATS)
def test_a_part_without_its_marker_is_not_complete(tmp_path, kind):
    """A part that was ended early is told, with what helps."""
    out = in_parts(tmp_path, kind)
    (out / "__imgpipe__" / "00001.done.json").unlink()
    assert faults(out) == [("missing_file", "00001", "the part is not complete: run it again to go on")]


def test_a_shard_that_is_gone_is_missed(tmp_path):
    """The marker knows how many shards its part has, also where the last one and its sidecar are gone."""
    out = in_parts(tmp_path, "tar")
    (out / "00001-00001.tar").unlink()
    (out / "__imgpipe__" / "00001-00001.jsonl").unlink()
    found = [fault[:2] for fault in faults(out)]
    assert found == [("mismatch", "00001"), ("missing_file", "00001-00001.tar")]


def test_a_shard_that_came_later_is_told(tmp_path):
    """A shard that the marker does not know is told, with the images too many."""
    out = in_parts(tmp_path, "tar")
    marker = out / "__imgpipe__" / "00000.done.json"
    told = json.loads(marker.read_bytes())
    del told["shards"][1]
    marker.write_text(json.dumps(told) + "\n")
    assert [fault[:2] for fault in faults(out)] == [("unlisted", "00000-00001.tar")]


def test_a_marker_of_another_digest_is_told(tmp_path):
    """Markers, sidecars and shards are held against one another."""
    out = in_parts(tmp_path, "tar")
    marker = out / "__imgpipe__" / "00000.done.json"
    told = json.loads(marker.read_bytes())
    told["shards"][1]["sha256"] = "0" * 64
    told["input"]["digest"] = "0" * 64
    marker.write_text(json.dumps(told) + "\n")
    found = [fault[:2] for fault in faults(out)]
    assert found == [("mismatch", "00000"), ("hash_mismatch", "00000-00001.tar")]


def test_lost_failures_are_told(tmp_path):
    """A part whose list of failures is gone holds less than its input."""
    out = in_parts(tmp_path, "tar")
    (out / "__imgpipe__" / "00000.failed.jsonl").unlink()
    assert faults(out) == [
        ("mismatch", "00000", "3 images and 0 failures are there; its marker tells of 3 and 1")
    ]


def test_parts_at_work_are_left_alone(tmp_path):
    """While one part is being written, the check is refused."""
    out = in_parts(tmp_path, "files")
    path = tmp_path / "source" / "00000-0.jpg"
    with subprocess.Popen(
        [IMGPIPE, "shard", str(out), "--emit", "--part", "z"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(as_line({"url": "http://h/z", "path": str(path)}))
        process.stdin.flush()
        process.stdout.readline()
        assert_one_clear_line(run_filter("verify", out), 2, "imgpipe shard writes to", "verify it afterwards")
        process.communicate()
    assert faults(out) == []
