from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile

import pyarrow.parquet as pq
import pytest
from helpers import as_line, assert_one_clear_line, picture, run_filter

RED = picture(seed=1)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"cannot mount a tmpfs: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("fsync", ["none", "shard", "each"])
@pytest.mark.parametrize("kind", ["files", "tar", "parquet"])
def test_every_degree_of_durability_places_the_same(out, spooled, kind, fsync):
    """--fsync changes when the disk is waited for, not what is written."""
    lines = spooled.records(70 if kind == "files" else 5)
    result = run_filter("shard", out, "--format", kind, "--fsync", fsync, "--folder-size", 69, lines=lines)
    assert result.code == 0, result.err
    assert len(out.rows if kind == "files" else list(out.path.glob(f"*.{kind}"))) in (70, 1)


def test_sidecar_writes_json_and_text_beside_each_image(out, spooled):
    """With --sidecar each image has its row and its caption beside it, whatever names are taken."""
    lines = [spooled.record("http://h/a", caption="one"), spooled.record("http://h/a", caption="two")]
    run_filter("shard", out, "--sidecar", "--name-format", "url", lines=lines)
    names = [f"a{end}.{extension}" for end in ("-2", "") for extension in ("jpg", "json", "txt")]
    assert sorted(os.listdir(out.path / "00000")) == sorted(names)
    for row in out.rows:
        stem = (out.path / row["file_name"]).with_suffix("")
        assert json.loads(stem.with_suffix(".json").read_text()) == row
        assert stem.with_suffix(".txt").read_text() == row["caption"]


def test_sidecars_of_an_image_that_never_came_are_removed(out, spooled):
    """A run that was killed between sidecars and image leaves no sidecar after the next start."""
    run_filter("shard", out, "--sidecar", lines=spooled.records(2))
    (out.path / "00000/000000001.jpg").unlink()
    lines = (out.path / "metadata.jsonl").read_bytes().splitlines(keepends=True)
    (out.path / "metadata.jsonl").write_bytes(lines[0])
    run_filter("shard", out, "--sidecar")
    assert sorted(os.listdir(out.path / "00000")) == [f"000000000.{end}" for end in ("jpg", "json", "txt")]
    run_filter("shard", out, "--sidecar", "--folder-size", 2, lines=spooled.records(2))
    assert len(os.listdir(out.path / "00000")) == 6


@pytest.mark.parametrize(
    "options", [["files"], ["files", "--sidecar"], ["tar", "--folder-size", "20"], ["parquet"]]
)
def test_a_full_disk_ends_the_run_and_keeps_what_is_complete(small_disk, spooled, options):
    """Exit 4 with one line; whole images with their lines, whole shards, and nothing half; then it goes on."""
    out = small_disk / "out"
    kind, *more = options
    image = picture(700, 700, quality=95)
    lines = [spooled.record(f"http://h/{n}", image) for n in range(4 * 2**20 // len(image) + 60)]
    result = run_filter("shard", out, "--format", kind, *more, lines=lines)
    assert_one_clear_line(result, 4, "No space left")
    assert spooled.files == []
    whole = read_back(out, kind)
    assert all(content == image for content in whole)
    # Room again: what is there stays, and the rest comes.
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    rest = [spooled.record(f"http://h/{n}", image) for n in range(10)]
    result = run_filter("shard", out, "--format", kind, *more, lines=rest)
    assert result.code == 0, result.err
    assert len(read_back(out, kind)) == len(whole) + 10


@pytest.mark.parametrize("kind", ["files", "tar"])
def test_a_full_disk_keeps_the_files_of_the_user(small_disk, tmp_path, kind):
    """Copies end as moves do: exit 4, nothing half; the user's own files stay, and records are true."""
    image = picture(700, 700, quality=95)
    (tmp_path / "mine.jpg").write_bytes(image)
    out = small_disk / "out"
    paths = [str(tmp_path / "mine.jpg")] * (4 * 2**20 // len(image) + 5)
    result = run_filter("shard", out, "--emit", "--format", kind, "--folder-size", 20, lines=paths)
    assert_one_clear_line(result, 4, "No space left")
    assert len(result.records) == len(read_back(out, kind)) > 0
    assert not list((out / "__imgpipe__").glob(".imgpipe-tmp-*"))
    assert (tmp_path / "mine.jpg").read_bytes() == image


@pytest.mark.parametrize("fill", [0, 1000, 3000, 4000, 5000, 9000])
def test_a_disk_that_fills_between_image_and_line_tears_nothing(small_disk, spooled, fill):
    """Wherever the last block goes, every line is whole and every image has one."""
    out = small_disk / "out"
    run_filter("shard", out, lines=spooled.records(3))
    free = os.statvfs(small_disk)
    (small_disk / "fill").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - 16384 - fill)))
    lines = [spooled.record(f"http://h/{n}", RED, caption="x" * 700) for n in range(40)]
    result = run_filter("shard", out, lines=lines)
    assert result.code == 4
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_bytes().splitlines()]
    placed = sorted(str(path.relative_to(out)) for path in out.glob("0*/*"))
    assert sorted(row["file_name"] for row in rows) == placed


def read_back(out, kind) -> list[bytes]:
    if kind == "files":
        rows = [json.loads(line) for line in (out / "metadata.jsonl").read_bytes().splitlines()]
        placed = sorted(out.glob("0*/*.jpg"))
        assert sorted(row["file_name"] for row in rows) == [str(path.relative_to(out)) for path in placed]
        return [path.read_bytes() for path in placed]
    hidden = out / "__imgpipe__"
    images = []
    for path in sorted(out.glob(f"*.{kind}")):
        count = json.loads((hidden / f"{path.stem}.jsonl").read_text().partition("\n")[0])["count"]
        here = read_tar(path) if kind == "tar" else read_parquet(path)
        assert len(here) == count
        images += here
    return images


def read_tar(path) -> list[bytes]:
    with tarfile.open(path) as tar:
        return [tar.extractfile(name).read() for name in tar.getnames() if name.endswith(".jpg")]


def read_parquet(path) -> list[bytes]:
    return [image["bytes"] for image in pq.read_table(path).column("image").to_pylist()]


TOLD = """
import os, sys

def path_of(place, folder):
    if isinstance(place, int):
        return os.readlink(f"/proc/self/fd/{place}")
    return place if folder is None else os.path.join(path_of(folder, None), place)

def telling(name):
    function = getattr(os, name)

    def call(*places, **more):
        found = function(*places, **more)
        paths = [path_of(places[0], None), *(path_of(place, more.get("dst_dir_fd")) for place in places[1:])]
        print("did", name, *paths, file=sys.stderr, flush=True)
        return found

    setattr(os, name, call)

for name in ("fsync", "link", "rename", "replace"):
    telling(name)
from imgpipe.cli import main
main()
"""
"""The command, which tells of each file that it waited for and of each name that it gave."""

FAILED = {"url": "http://h/dead", "status": "failed", "stage": "fetch", "error": "dns"}


def steps(out, lines, *args) -> list[list[str]]:
    """What was done, in order: `fsync` with a path, or another word with the old path and the new one."""
    command = [sys.executable, "-c", TOLD, "shard", "-q", str(out), *args]
    done = subprocess.run(command, input=b"".join(map(as_line, lines)), capture_output=True, check=True)
    return [line.split()[1:] for line in done.stderr.decode().splitlines() if line.startswith("did ")]


@pytest.mark.parametrize("kind", ["files", "tar", "parquet"])
def test_what_others_believe_is_on_the_disk_before_it_has_its_name(out, spooled, kind):
    """Shards, sidecars, what holds for all parts, the list of failures, the marker: each is waited for, then
    named; a shard, and the marker, only where the name of the sidecar, or of the list, cannot be lost any more."""
    options = ("--format", kind, "--part", "p", "--folder-size", "2")
    done = steps(out, [*spooled.records(3), FAILED], *options)

    synced, named = set(), []
    for word, *paths in done:
        if word == "fsync":
            synced.add(paths[0])
            continue
        old, new = paths
        if os.path.basename(new).startswith("p-0") or new.endswith(
            ("dataset.json", "p.failed.jsonl", "p.done.json")
        ):
            assert old in synced, new
            named.append(os.path.basename(new))
        if new.endswith((".tar", ".parquet", ".done.json")):
            assert str(out.hidden) in synced
        synced.discard(os.path.dirname(new))
    shards = [f"p-{n:05d}.{end}" for n in range(2) for end in ("jsonl", kind)] if kind != "files" else []
    assert named == ["dataset.json", *shards, "p.failed.jsonl", "p.done.json"]
    assert kind == "files" or str(out) in synced


@pytest.mark.parametrize("fsync", ["shard", "each"])
def test_images_are_on_the_disk_before_their_lines_are(out, spooled, fsync):
    """At the end of each folder, or of each image, the images come first, then their folder, then the metadata."""
    done = steps(out, spooled.records(3), "--fsync", fsync, "--folder-size", "2")

    waited = [paths[0].removeprefix(f"{out}/") for word, *paths in done if word == "fsync"]
    names = [f"0000{n // 2}/{n:09d}.jpg" for n in range(3)]
    if fsync == "shard":
        first, second = [*names[:2], "00000", "metadata.jsonl"], [names[2], "00001", "metadata.jsonl"]
        assert [name for name in waited if "__" not in name] == [*first, *second]
    else:
        # The images are waited for under the names that they have in the spool.
        shown = [name for name in waited if "__" not in name and name[:1] != "/"]
        assert shown == ["00000", "metadata.jsonl", "00000", "metadata.jsonl", "00001", "metadata.jsonl"]
        assert sum(name.endswith(".jpg") for name in waited) == 3


def test_nothing_is_waited_for_where_nobody_asks(out, spooled):
    """With `none` the system writes when it likes."""
    done = steps(out, [*spooled.records(3), FAILED], "--format", "tar", "--part", "p", "--fsync", "none")

    assert not [step for step in done if step[0] == "fsync"]
