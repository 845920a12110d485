"""A data set at an address: a real S3 server on the loopback, spoken to by the real command."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers import assert_one_clear_line, picture, run_filter

from imgpipe.layout import Layout
from imgpipe.placed import Done
from imgpipe.remote import Remote, address_of
from imgpipe.shard.remote_store import RemoteStore

moto_server = pytest.importorskip("moto.server", reason="needs moto[server]")
s3fs = pytest.importorskip("s3fs", reason="needs the extra cloud")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def endpoint():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    """The file system of a bucket that is there, as this process and its children see it."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(endpoint_url=endpoint, key="test", secret="test", skip_instance_cache=True)
    files.mkdir("sets")
    yield files
    files.invalidate_cache()
    files.rm("sets", recursive=True)


def listed(files) -> list[str]:
    files.invalidate_cache()
    return sorted(path.removeprefix("sets/out/") for path in files.find("sets/out"))


def images(files) -> list[bytes]:
    found = []
    for name in listed(files):
        if name.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(files.cat(f"sets/out/{name}"))) as tar:
                found += [tar.extractfile(m).read() for m in tar.getnames() if m.endswith(".jpg")]
        elif name.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(files.cat(f"sets/out/{name}")))
            found += [image["bytes"] for image in table.column("image").to_pylist()]
    return found


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_shards_and_lists_are_objects(bucket, spooled, kind):
    """Shards, sidecars and the list of failures have the same names as in a folder, also over two runs."""
    pictures = [picture(seed=n) for n in range(5)]
    lost = {"url": "http://h/lost", "status": "failed", "error": "dns", "retryable": True}
    address = "s3://sets/out"
    for part in (range(3), range(3, 5)):
        lines = [lost, *(spooled.record(f"http://h/{n}", pictures[n]) for n in part)]
        result = run_filter("shard", address, "--format", kind, "--folder-size", 2, lines=lines)
        assert result.code == 0, result.err
    shards = [f"0000{n}.{kind}" for n in range(3)]
    hidden = [f"__imgpipe__/0000{n}.jsonl" for n in range(3)]
    lists = ["__imgpipe__/dataset.json", "__imgpipe__/failed.jsonl"]
    assert listed(bucket) == sorted(shards + hidden + lists)
    assert images(bucket) == pictures
    assert [json.loads(bucket.cat(f"sets/out/{name}").split(b"\n")[0])["first"] for name in hidden] == [
        0,
        2,
        3,
    ]
    assert json.loads(bucket.cat("sets/out/__imgpipe__/failed.jsonl"))["url"] == "http://h/lost"
    assert list(spooled.root.iterdir()) == []


def test_what_is_done_is_known_from_the_address(bucket, spooled):
    """--resume and --dedup read the sidecars there; a lone one does not count, and is removed."""
    address = "s3://sets/out"
    run_filter("shard", address, "--format", "tar", lines=spooled.records(2))
    lone = {"file_name": "x.jpg", "url": "http://h/lone"}
    bucket.pipe("sets/out/__imgpipe__/00007.jsonl", b'{"count":1}\n' + json.dumps(lone).encode() + b"\n")
    done = Done([Path(address)])
    urls = ["http://h/0.jpg", "http://h/1.jpg", "http://h/1.jpg", "http://h/lone"]
    assert [done.leaves_out({"url": url}) for url in urls] == [True, True, False, False]
    result = run_filter("shard", address, "--format", "tar", "--dedup", "url", lines=spooled.records(3))
    assert result.code == 0, result.err
    assert [name for name in listed(bucket) if name.endswith(".tar")] == ["00000.tar", "00001.tar"]
    assert len(images(bucket)) == 3
    assert "__imgpipe__/00007.jsonl" not in listed(bucket)


@pytest.mark.usefixtures("bucket")
def test_an_address_that_cannot_be_is_one_clear_line(spooled):
    """Files in folders, an unknown kind of address, and a bucket that is not there are told."""
    line = spooled.records(1)
    assert_one_clear_line(run_filter("shard", "s3://sets/out", lines=line), 2, "tar or parquet")
    assert_one_clear_line(run_filter("shard", "nosuch://x/y", "--format", "tar"), 2, "nosuch://x/y")
    result = run_filter("shard", "s3://none/out", "--format", "tar", lines=line)
    assert result.code in (2, 4)
    assert len([text for text in result.err.splitlines() if text.startswith("imgpipe: ")]) == 1
    assert "Traceback" not in result.err


def test_addresses():
    """An address is one with its scheme, as text or as a path that has lost a slash."""
    assert address_of("s3://b/x") == "s3://b/x"
    assert address_of(Path("s3://b/x")) == "s3://b/x"
    assert address_of("out/x") is None
    assert address_of("s3:/b") is None
    assert address_of(Path("/s3:/b")) is None


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_parts_are_kept_at_an_address(bucket, spooled, tmp_path, kind):
    """A part there has its marker, is continued where its input ended early, and is closed to other input."""
    whole = tmp_path / "in"
    whole.write_text("".join(f"http://h/{n}.jpg\n" for n in range(4)))
    args = ("shard", "-v", "s3://sets/out", "--format", kind, "--part", "p", "--input", whole)
    assert_one_clear_line(run_filter(*args, lines=spooled.records(2)), 1, "2 of the 4 records")
    result = run_filter(*args, lines=spooled.records(4))
    assert result.code == 0, result.err
    assert "2 done before" in result.err
    assert run_filter("shard", "s3://sets/out", "--format", kind, "--part", "q", lines=[]).code == 0
    shards = [f"p-0000{n}.{kind}" for n in range(2)]
    sidecars = [f"__imgpipe__/p-0000{n}.jsonl" for n in range(2)]
    lists = [f"__imgpipe__/{part}.{name}" for part in "pq" for name in ("done.json", "failed.jsonl")]
    assert listed(bucket) == sorted([*shards, *sidecars, *lists, "__imgpipe__/dataset.json"])
    marker = json.loads(bucket.cat("sets/out/__imgpipe__/p.done.json"))
    assert (marker["placed"], marker["input"]["records"]) == (4, 4)
    assert Done([Path("s3://sets/out")], part="p").leaves_out({"url": "http://h/3.jpg"})
    other = spooled.records(1, start=9)
    assert_one_clear_line(run_filter(*args[:-2], lines=other), 2, "is not in it")


def test_twins_of_a_part_at_an_address(bucket, spooled, tmp_path):
    """Of two that write one part at once, where there is no lock, one does it; the other stops at the first
    shard that is taken, and what it put there before does no harm."""
    whole = tmp_path / "in"
    whole.write_text("".join(f"http://h/{n}.jpg\n" for n in range(9)))
    for part in "pq":
        shaping = ("--format", "tar", "--folder-size", 3)
        args = ("shard", "s3://sets/out", *shaping, "--part", part, "--input", whole)
        # Files of the user: as in two spools, what one does away with is not the other's.
        lines = spooled.records(9, spooled=False)
        inputs = [lines, lines[::-1]]
        with ThreadPoolExecutor() as pool:
            twins = list(pool.map(lambda lines, args=args: run_filter(*args, lines=lines), inputs))
        assert {twin.code for twin in twins} <= {0, 4}, [twin.err for twin in twins]
        again = run_filter("shard", "-v", *args[1:], lines=[])
        assert again.code == 0, again.err
        assert "9 done before" in again.err
        for number in range(3):
            tar = bucket.cat(f"sets/out/{part}-{number:05d}.tar")
            sidecar = bucket.cat(f"sets/out/__imgpipe__/{part}-{number:05d}.jsonl")
            assert json.loads(sidecar.splitlines()[0])["sha256"] == hashlib.sha256(tar).hexdigest()
    assert len(images(bucket)) == 18


def test_a_sidecar_of_a_killed_run_is_replaced(bucket, tmp_path, monkeypatch):
    """Where no shard comes beside it, its name is free again."""
    monkeypatch.setattr("imgpipe.shard.remote_store._PATIENCE", 0.1)
    monkeypatch.setattr("imgpipe.shard.remote_store._POLL", 0.01)
    bucket.pipe("sets/out/__imgpipe__/p-00000.jsonl", b"left")
    (tmp_path / "sidecar").write_bytes(b"ours")
    (tmp_path / "shard").write_bytes(b"shard")
    with RemoteStore("s3://sets/out", Layout("p")) as store:
        store.commit((f"{tmp_path}/sidecar", "p-00000.jsonl"), (f"{tmp_path}/shard", "p-00000.tar"))
    bucket.invalidate_cache()
    assert bucket.cat("sets/out/__imgpipe__/p-00000.jsonl") == b"ours"
    assert bucket.cat("sets/out/p-00000.tar") == b"shard"


@pytest.mark.usefixtures("bucket")
def test_of_two_that_make_one_object_one_wins(tmp_path):
    """What is to be new there replaces nothing, also where both looked before either wrote."""
    (tmp_path / "a").write_text("first")
    (tmp_path / "b").write_text("second")
    remote = Remote("s3://sets/out")
    remote.put(str(tmp_path / "a"), "x", new=True)
    with pytest.raises(FileExistsError):
        remote.put(str(tmp_path / "b"), "x", new=True)
    with remote.open("x") as file:
        assert file.read() == b"first"
