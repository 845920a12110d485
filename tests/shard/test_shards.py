from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tarfile

import pyarrow.parquet as pq
import pytest
from helpers import IMGPIPE, as_line, assert_one_clear_line, picture, run_filter, wait_for_signal

FORMATS = pytest.mark.parametrize("kind", ["tar", "parquet"])
RED = picture(seed=1)


def samples(out, kind) -> dict[str, list[tuple[str, bytes]]]:
    """Names and bytes of the images in each shard, read by others' libraries."""
    found = {}
    for path in sorted(out.path.glob(f"*.{kind}")):
        if kind == "parquet":
            column = pq.read_table(path).column("image").to_pylist()
            found[path.name] = [(image["path"], image["bytes"]) for image in column]
        else:
            with tarfile.open(path) as tar:
                names = [name for name in tar.getnames() if not name.endswith((".json", ".txt"))]
                found[path.name] = [(name, tar.extractfile(name).read()) for name in names]
    return found


def sidecar(out, number) -> tuple[dict, list[dict]]:
    head, *rows = map(json.loads, (out.hidden / f"{number:05d}.jsonl").read_text().splitlines())
    return head, rows


@FORMATS
def test_shards_are_filled_and_numbered_on(out, spooled, kind):
    """Images are in shards of the given size, each with its sidecar; a later run begins the next shard."""
    for start, count in ((0, 5), (5, 1)):
        lines = spooled.records(count, start=start)
        result = run_filter("shard", out, "--format", kind, "--folder-size", 2, lines=lines)
        assert result.code == 0, result.err
    shards = samples(out, kind)
    assert {name: len(images) for name, images in shards.items()} == {
        f"00000.{kind}": 2,
        f"00001.{kind}": 2,
        f"00002.{kind}": 1,
        f"00003.{kind}": 1,
    }
    assert [name for images in shards.values() for name, _ in images] == [f"{n:09d}.jpg" for n in range(6)]
    heads = [sidecar(out, number)[0] for number in range(4)]
    assert [(head["count"], head["first"]) for head in heads] == [(2, 0), (2, 2), (1, 4), (1, 5)]
    rows = [row for number in range(4) for row in sidecar(out, number)[1]]
    assert [row["url"] for row in rows] == [f"http://h/{n}.jpg" for n in range(6)]
    assert spooled.files == []
    assert sorted(path.name for path in out.path.iterdir()) == [*shards, "__imgpipe__"]
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


@FORMATS
def test_bytes_and_columns_are_those_of_the_records(out, spooled, kind):
    """The image's bytes, its caption and the user's columns come back as they went in."""
    line = spooled.record("http://h/a", RED, caption="one\n😀", label=3, more={"x": [1]})
    run_filter("shard", out, "--format", kind, lines=[line])
    assert samples(out, kind)[f"00000.{kind}"] == [("000000000.jpg", RED)]
    if kind == "parquet":
        (row,) = pq.read_table(out.path / "00000.parquet").to_pylist()
        assert row.pop("image")["bytes"] == RED
    else:
        with tarfile.open(out.path / "00000.tar") as tar:
            row = json.loads(tar.extractfile("000000000.json").read())
            assert tar.extractfile("000000000.txt").read().decode() == "one\n😀"
    assert (row["caption"], row["label"], row["more"]) == ("one\n😀", 3, '{"x":[1]}')
    assert row.items() <= sidecar(out, 0)[1][0].items()


@FORMATS
def test_a_shard_is_closed_before_it_grows_over_the_limit(out, spooled, kind):
    """--max-shard-bytes bounds each shard; an image larger than that has a shard of its own."""
    big = picture(900, 900, quality=100)
    lines = [spooled.record(f"http://h/{n}", RED if n != 4 else big) for n in range(8)]
    run_filter("shard", out, "--format", kind, "--max-shard-bytes", "30k", lines=lines)
    shards = samples(out, kind)
    assert sum(map(len, shards.values())) == 8
    assert len(shards) > 2
    for name, images in shards.items():
        assert len(images) == 1 or (out.path / name).stat().st_size <= 30 * 1024
        assert len(images) == 1 or all(len(image) < 20_000 for _, image in images)


@FORMATS
def test_a_lone_sidecar_and_temporaries_do_not_count(out, spooled, kind):
    """What a killed run left before its commit is removed; numbering and counter have no gap."""
    run_filter("shard", out, "--format", kind, lines=spooled.records(2))
    (out.hidden / "00001.jsonl").write_text('{"count":9,"first":2}\n')
    (out.hidden / ".imgpipe-tmp-1-x").write_bytes(b"half a shard")
    run_filter("shard", out, "--format", kind, lines=spooled.records(1, start=2))
    assert sidecar(out, 1)[0]["first"] == 2
    assert [name for name, _ in samples(out, kind)[f"00001.{kind}"]] == ["000000002.jpg"]
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


@FORMATS
def test_a_killed_run_leaves_only_whole_shards(out, spooled, kind):
    """After kill -9 there are whole shards and nothing else that a reader would count."""
    command = [IMGPIPE, "shard", str(out), "--format", kind, "--folder-size", "3", "--emit"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in spooled.records(7):
            process.stdin.write(as_line(line))
        process.stdin.flush()
        for _ in range(6):
            process.stdout.readline()
        process.kill()
    assert [len(images) for images in samples(out, kind).values()] == [3, 3]
    run_filter("shard", out, "--format", kind, "--folder-size", "3", lines=spooled.records(1, start=6))
    assert [len(images) for images in samples(out, kind).values()] == [3, 3, 1]
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


@FORMATS
def test_emitted_records_are_committed_and_in_order(out, spooled, kind):
    """With --emit records come out once their shard is whole, failed ones among them in their order."""
    failed = {"url": "http://h/f", "status": "failed", "error": "dns"}
    one, two, three = spooled.records(3)
    lines = [failed, one, failed, two, three]
    result = run_filter("shard", out, "--format", kind, "--folder-size", 2, "--emit", lines=lines)
    assert [record.get("file_name") for record in result.records] == [
        None,
        "000000000.jpg",
        None,
        "000000001.jpg",
        "000000002.jpg",
    ]
    assert result.records[1]["shard"] == f"00000.{kind}"
    assert all(not {"path", "spooled"} & record.keys() for record in result.records)
    assert sidecar(out, 0)[0]["failed"] == {"dns": 2}


@FORMATS
def test_a_record_is_not_emitted_before_its_shard_is_whole(out, spooled, kind):
    """What another program reads about an image is true: a killed run has emitted nothing else."""
    command = [IMGPIPE, "shard", str(out), "--format", kind, "--folder-size", "2", "--emit"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in spooled.records(5):
            process.stdin.write(as_line(line))
        process.stdin.flush()
        first = [json.loads(process.stdout.readline()) for _ in range(4)]
        process.kill()
        rest = process.stdout.read()
    assert rest == b""
    assert [record["shard"] for record in first] == [f"0000{n // 2}.{kind}" for n in range(4)]


@FORMATS
def test_a_reader_that_goes_away_leaves_no_half_shard(out, spooled, kind):
    """With --emit and nobody who reads, it dies by SIGPIPE, and what is half is removed."""
    command = [IMGPIPE, "shard", str(out), "--format", kind, "--folder-size", "2", "--emit"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in spooled.records(3):
            process.stdin.write(as_line(line))
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        wait_for_signal(process, signal.SIGPIPE)
    assert [len(images) for images in samples(out, kind).values()] == [2]
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


@FORMATS
def test_names_in_a_shard_are_distinct_and_safe(out, spooled, kind):
    """Hostile keys become plain names: ASCII, without dots, distinct without regard to case."""
    keys = ["../../x", "/etc/x", "a.b.c", "CON", "é", "e\u0301", "日本", "k" * 300, "X", "__x__"]
    lines = [spooled.record(f"http://h/{n}", key=key) for n, key in enumerate(keys)]
    run_filter("shard", out, "--format", kind, "--name-format", "key", lines=lines)
    names = [name.removesuffix(".jpg") for name, _ in samples(out, kind)[f"00000.{kind}"]]
    expected = ["x", "etc_x", "a_b_c", "CON_", "e", "e-2", "000000006", "k" * 80, "X-2", "x-3"]
    assert names == expected
    assert [row["key"] for row in sidecar(out, 0)[1]] == keys


@FORMATS
def test_another_format_in_the_same_place_is_refused(out, spooled, kind):
    """OUT holds one format."""
    run_filter("shard", out, "--format", kind, lines=spooled.records(1))
    result = run_filter("shard", out, lines=spooled.records(1))
    assert_one_clear_line(result, 2, kind)


@FORMATS
@pytest.mark.parametrize("field", ["url", "sha256"])
def test_duplicates_are_skipped_over_all_runs(out, spooled, kind, field):
    """--dedup keeps the first image of a URL or digest, and lists the others as skipped."""
    images = [picture(seed=seed) for seed in (1, 2)]
    digests = [hashlib.sha256(image).hexdigest() for image in images]
    for start in (0, 3):
        lines = [
            spooled.record(f"http://h/{(start + n) if field == 'sha256' else n % 2}", images[n % 2], **more)
            for n, more in enumerate([{"sha256": digests[0]}, {}, {"sha256": digests[0]}])
        ]
        run_filter("shard", out, "--format", kind, "--dedup", field, lines=lines)
    assert [len(found) for found in samples(out, kind).values()] == [2]
    assert [record["error"] for record in out.failed] == ["duplicate"] * len(out.failed)
    assert {record["status"] for record in out.failed} == {"skipped"}
    assert spooled.files == []


def test_tars_are_reproducible_and_plain(spooled, tmp_path):
    """The same input gives the same bytes, with ustar headers that any tar extracts."""
    digests = set()
    for name in ("a", "b"):
        lines = spooled.records(4, caption="x", seconds=0.5 if name == "a" else 0.7)
        run_filter("shard", tmp_path / name, "--format", "tar", lines=lines)
        digests.add(hashlib.sha256((tmp_path / name / "00000.tar").read_bytes()).hexdigest())
    assert len(digests) == 1
    with tarfile.open(tmp_path / "a/00000.tar") as tar:
        assert all(m.isreg() and m.mtime == 0 and not m.pax_headers for m in tar.getmembers())
        tar.extractall(tmp_path / "extracted", filter="data")
    assert (tmp_path / "a/00000.tar").stat().st_size % 10240 == 0
    listed = subprocess.run(
        ["tar", "tf", tmp_path / "a/00000.tar"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split()[:3] == ["000000000.jpg", "000000000.json", "000000000.txt"]


def test_captions_that_come_late_are_members_of_all_samples(out, spooled):
    """The first shard gets its .txt members once one has a caption, later shards from the start."""
    lines = [*spooled.records(3), spooled.record("http://h/9", caption="late"), *spooled.records(2, start=10)]
    run_filter("shard", out, "--format", "tar", "--folder-size", 5, lines=lines)
    for number, count in ((0, 5), (1, 1)):
        with tarfile.open(out.path / f"0000{number}.tar") as tar:
            assert [name.rpartition(".")[2] for name in tar.getnames()] == ["jpg", "json", "txt"] * count
    with tarfile.open(out.path / "00000.tar") as tar:
        assert [tar.extractfile(f"00000000{n}.txt").read() for n in range(4)] == [b"", b"", b"", b"late"]
    assert not list(out.hidden.glob(".imgpipe-tmp-*"))


def test_captions_after_a_shard_without_are_in_the_json_only(out, spooled):
    """Samples of a data set have the same members, over all runs."""
    run_filter("shard", out, "--format", "tar", lines=spooled.records(1))
    run_filter("shard", out, "--format", "tar", lines=[spooled.record("http://h/a", caption="late")])
    with tarfile.open(out.path / "00001.tar") as tar:
        assert tar.getnames() == ["000000001.jpg", "000000001.json"]


def test_all_images_of_tars_have_one_extension(out, spooled):
    """Loaders name the field by it: that of the first image, whatever the others are."""
    lines = [spooled.record("http://h/a", RED), spooled.record("http://h/b", picture(kind="PNG"))]
    run_filter("shard", out, "--format", "tar", lines=lines)
    assert [name for name, _ in samples(out, "tar")["00000.tar"]] == ["000000000.jpg", "000000001.jpg"]
    assert [row["media_type"] for row in sidecar(out, 0)[1]] == ["image/jpeg", "image/png"]


@FORMATS
def test_without_an_image_there_is_no_shard(out, kind):
    """No input, or only failures, make no empty shard."""
    run_filter("shard", out, "--format", kind, lines=[{"url": "u", "path": "/none"}])
    assert [path.name for path in out.path.iterdir()] == ["__imgpipe__"]
    assert len(out.failed) == 1


def test_parquet_without_pyarrow_is_one_clear_line(out):
    """The extra that is missing is named."""
    script = "import sys; sys.modules['pyarrow'] = None; from imgpipe.cli import main; main()"
    command = [sys.executable, "-c", script, "shard", str(out), "--format", "parquet"]
    done = subprocess.run(command, input=b"", capture_output=True, text=False, check=False)
    assert done.returncode == 2
    assert b"imgpipe[parquet]" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_tars_without_what_describes_them_are_refused(out):
    """A folder of somebody else's tars, or one without sidecars, is not appended to."""
    out.path.mkdir()
    (out.path / "00000.tar").write_bytes(b"")
    assert_one_clear_line(run_filter("shard", out, "--format", "tar"), 2, str(out))
    out.hidden.mkdir(exist_ok=True)
    (out.hidden / "dataset.json").write_text('{"format":"tar","columns":{}}')
    assert_one_clear_line(run_filter("shard", out, "--format", "tar"), 2, "no sidecar")


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--max-shard-bytes", "1M"], "--max-shard-bytes"), (["--format", "tar", "--sidecar"], "--sidecar")],
)
def test_options_that_do_not_go_together_are_refused(out, options, word):
    """One clear line names the option."""
    assert_one_clear_line(run_filter("shard", out, *options), 2, word)
