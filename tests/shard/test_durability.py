from __future__ import annotations

import json
import os
import subprocess
import tarfile

import pyarrow.parquet as pq
import pytest
from helpers import assert_one_clear_line, picture, run_filter

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
