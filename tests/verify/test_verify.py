from __future__ import annotations

import fcntl
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import assert_one_clear_line, picture, run_filter

FORMATS = ["files", "tar", "parquet"]


def data_set(folder: Path, kind: str, count: int = 5, **more) -> Path:
    """A data set of the pictures `0.jpg` …, in folders or shards of two."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    lines = []
    for number in range(count):
        content = picture(seed=number)
        path = source / f"{number}.jpg"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        lines.append({"url": f"http://h/{number}", "path": str(path), "sha256": digest, **more})
    result = run_filter("shard", folder / "out", "--format", kind, "--folder-size", 2, lines=lines)
    assert result.code == 0, result.err
    return folder / "out"


def faults(out: Path) -> list[tuple[str, str | None]]:
    result = run_filter("verify", out)
    assert result.code == (3 if result.records else 0), result.err
    assert all(record["stage"] == "verify" and record["detail"] for record in result.records)
    return [(record["error"], record.get("file_name") or record.get("shard")) for record in result.records]


def rewrite_lines(path: Path, change) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_data_set_has_no_fault(tmp_path, kind):
    """What shard wrote is found whole, and told in one line."""
    result = run_filter("verify", "-v", data_set(tmp_path, kind))
    assert (result.code, result.out) == (0, b"")
    assert result.err.startswith("imgpipe verify: 5 ok in ")


def test_sidecars_beside_images_are_no_faults(tmp_path):
    """A .json and a .txt of an image that has a line are expected."""
    (tmp_path / "a.jpg").write_bytes(picture())
    run_filter("shard", tmp_path / "out", "--sidecar", tmp_path / "a.jpg")
    assert faults(tmp_path / "out") == []


def test_faults_of_folders(tmp_path):
    """Each way in which folders and metadata can differ is one fault, at the image that it is about."""
    out = data_set(tmp_path, "files", 7)
    (out / "00000/000000000.jpg").unlink()
    (out / "00000/stray.jpg").write_bytes(b"x")
    whole = (out / "00000/000000001.jpg").read_bytes()
    (out / "00000/000000001.jpg").write_bytes(whole[:-20])
    broken = bytearray((out / "00001/000000002.jpg").read_bytes())
    broken[-40:] = bytes(40)
    (out / "00001/000000002.jpg").write_bytes(broken)
    (out / "00001/000000003.jpg").write_bytes(b"x" * (out / "00001/000000003.jpg").stat().st_size)
    (out / "00007").mkdir()
    (out / "00007/000000099.jpg").write_bytes(whole)
    (out / "00002/000000004.jpg").unlink()
    (out / "00002/000000004.jpg").symlink_to(tmp_path / "source/4.jpg")
    assert sorted(faults(out)) == [
        ("hash_mismatch", "00001/000000002.jpg"),
        ("mismatch", "00000/000000001.jpg"),
        ("missing_file", "00000/000000000.jpg"),
        ("missing_file", "00002/000000004.jpg"),
        ("not_image", "00001/000000003.jpg"),
        ("unlisted", "00000/stray.jpg"),
        ("unlisted", "00007/000000099.jpg"),
    ]


def test_an_image_that_does_not_decode_is_a_fault(tmp_path):
    """Without a digest the decoder tells that an image is broken."""
    out = data_set(tmp_path, "files", 2, original_width=64, width=64, height=48)
    path = out / "00000/000000000.jpg"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    (found,) = faults(out)
    assert found == ("decode", "00000/000000000.jpg")


def test_a_size_in_pixels_that_is_not_the_written_one_is_a_fault(tmp_path):
    """After a resize the size in the row must be that of the image."""
    out = data_set(tmp_path, "files", 1, original_width=640, width=63, height=48)
    assert faults(out) == [("mismatch", "00000/000000000.jpg")]


def test_a_type_that_is_not_the_written_one_is_a_fault(tmp_path):
    """The row's type must be that of the bytes."""
    out = data_set(tmp_path, "files", 1)
    rewrite_lines(out / "metadata.jsonl", lambda lines: [lines[0].replace(b"image/jpeg", b"image/png")])
    assert faults(out) == [("mismatch", "00000/000000000.jpg")]


def test_faults_of_metadata(tmp_path):
    """A line twice, a torn one, one that leads outside and one with other columns are faults."""
    out = data_set(tmp_path, "files", 2)
    other = b'{"file_name":"00000/000000001.jpg","url":"u"}\n'
    outside = b'{"file_name":"../x"}\n'
    rewrite_lines(out / "metadata.jsonl", lambda lines: [lines[0], lines[0], outside, other, b'{"torn'])
    found = faults(out)
    assert [kind for kind, _ in found] == ["mismatch", "bad_line", "mismatch", "mismatch", "bad_line"]


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_shard_that_changed_is_a_fault(tmp_path, kind):
    """A flipped byte in a shard shows in its digest, or in what is read from it."""
    out = data_set(tmp_path, kind)
    path = out / f"00001.{kind}"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    assert ("hash_mismatch", path.name) in faults(out)


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_shard_that_is_cut_is_a_fault(tmp_path, kind):
    """Half a shard is told, with the images that it lacks."""
    out = data_set(tmp_path, kind)
    path = out / f"00001.{kind}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert {"hash_mismatch", "mismatch"} <= {error for error, _ in faults(out)}


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_gaps_and_lost_sidecars_are_faults(tmp_path, kind):
    """A shard that is gone, or has no sidecar, is told by its number."""
    out = data_set(tmp_path, kind, 8)
    (out / f"00001.{kind}").unlink()
    (out / "__imgpipe__/00003.jsonl").unlink()
    assert faults(out) == [
        ("mismatch", f"00002.{kind}"),
        ("mismatch", f"00002.{kind}"),
        ("unlisted", f"00003.{kind}"),
    ]


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_sidecar_that_differs_is_a_fault(tmp_path, kind):
    """Rows must be the same in shard and sidecar, one for each image."""
    out = data_set(tmp_path, kind, 6)
    hidden = out / "__imgpipe__"
    rewrite_lines(
        hidden / "00000.jsonl", lambda lines: [*lines[:2], lines[2].replace(b"http://h/1", b"http://h/X")]
    )
    rewrite_lines(hidden / "00001.jsonl", lambda lines: lines[:2])
    rewrite_lines(
        hidden / "00002.jsonl", lambda lines: [*lines, lines[2].replace(b'"000000005', b'"000000006')]
    )
    assert sorted(faults(out)) == [
        ("mismatch", "000000001.jpg"),
        ("mismatch", f"00001.{kind}"),
        ("missing_file", "000000006.jpg"),
        ("unlisted", "000000003.jpg"),
    ]


def test_members_that_are_no_files_are_a_fault(tmp_path):
    """A link in a tar is not followed, and told."""
    out = data_set(tmp_path, "tar", 1)
    with tarfile.open(out / "00000.tar", "w") as tar:
        link = tarfile.TarInfo("000000000.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("x.txt"), io.BytesIO())
    assert {"hash_mismatch", "mismatch"} == {error for error, _ in faults(out)}


def test_a_parquet_file_of_somebody_else_is_a_fault(tmp_path):
    """A file with other columns is told in one fault each, without a traceback."""
    out = data_set(tmp_path, "parquet", 1)
    pq.write_table(pa.table({"a": [1]}), out / "00000.parquet")
    assert {"hash_mismatch", "mismatch"} == {error for error, _ in faults(out)}


def test_faults_can_be_fetched_again(tmp_path):
    """A fault carries the URL and key of its image."""
    out = data_set(tmp_path, "files", 1, key="k")
    (out / "00000/000000000.jpg").unlink()
    (record,) = run_filter("verify", out).records
    assert (record["url"], record["key"], record["status"]) == ("http://h/0", "k", "failed")


def test_what_is_no_data_set_is_one_clear_line(tmp_path):
    """An empty folder, and none at all, are told."""
    assert_one_clear_line(run_filter("verify", tmp_path), 2, "no data set")
    assert_one_clear_line(run_filter("verify", tmp_path / "none"), 2, "no folder")


def test_a_set_of_which_all_failed_has_no_fault(tmp_path):
    """Nothing was placed, as its list of failures says."""
    failed = {"url": "http://a/1.jpg", "status": "failed", "stage": "fetch", "error": "dns", "detail": "none"}
    assert run_filter("shard", tmp_path / "out", lines=[failed]).code == 0

    result = run_filter("verify", tmp_path / "out")

    assert (result.code, result.out) == (0, b"")


def test_a_data_set_that_is_written_to_is_not_verified(tmp_path):
    """While shard holds its lock verify refuses; without a lock file it does not mind."""
    out = data_set(tmp_path, "files", 1)
    lock = os.open(out / "__imgpipe__/lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert_one_clear_line(run_filter("verify", out), 2, "imgpipe shard writes")
    os.close(lock)
    (out / "__imgpipe__/lock").unlink()
    assert faults(out) == []


def test_help_loads_neither_pillow_nor_pyarrow():
    """The command's help is quick."""
    script = (
        "import sys; from imgpipe.cli.verify import command; print({'PIL', 'pyarrow'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
