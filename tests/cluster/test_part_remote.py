from __future__ import annotations

import json

import pytest
from helpers import picture

from imgpipe.cluster import pipe, summary
from imgpipe.cluster.marker import PartResult
from imgpipe.cluster.options import Job
from imgpipe.cluster.part import run_part
from imgpipe.cluster.summary import Plan, Summary
from imgpipe.errors import ProcessError

moto_server = pytest.importorskip("moto.server", reason="needs moto[server]")
s3fs = pytest.importorskip("s3fs", reason="needs the extra cloud")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def bucket(monkeypatch):
    """A bucket on loopback, as this process and its children see it."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir("parts")
    yield "s3://parts/out"
    files.invalidate_cache()
    files.rm("parts", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_part_at_an_address(bucket, tmp_path):
    """Its marker is read back from there, and a second run finds it; one that is not there is told."""
    (tmp_path / "a.jpg").write_bytes(picture())
    rows = [json.dumps({"path": str(tmp_path / "a.jpg")})]
    job = Job(out=bucket, pipe=pipe.parse(["resize --size 32 | shard --format tar"]), scratch=str(tmp_path))

    first, again = (run_part("00000", rows, job) for _ in range(2))

    assert (
        (first.records, first.placed, first.shards)
        == (again.records, again.placed, again.shards)
        == (1, 1, 1)
    )
    with pytest.raises(
        ProcessError, match=r"^imgpipe shard exited with 4: imgpipe: cannot write to s3://none/out"
    ):
        run_part("00001", rows, Job(out="s3://none/out", pipe=job.pipe, scratch=str(tmp_path)))


def test_the_summary_at_an_address(bucket, capfd):
    """The plan is there before the first part begins, the summary replaces it, and both tell the parts."""
    assert summary.plan_before(bucket) is None

    summary.write_plan(bucket, Plan(3, "line"))
    assert summary.plan_before(bucket) == Plan(3, "line")

    results = (PartResult(name="00000", records=2, placed=2), PartResult(name="00001", error="no\x1b"))
    found = Summary(input="in.csv", part_by="host", results=results, starting=1.0, seconds=2.0)
    summary.write(bucket, found)
    assert summary.plan_before(bucket) == Plan(2, "host")

    summary.write("s3://none/out", found)
    assert "spark.json is not in s3://none/out" in capfd.readouterr().err
    summary.tell(found)
    assert "part 00001 failed: no\\x1b\n" in capfd.readouterr().err


def test_many_failed_parts_are_told_in_few_lines(capfd):
    """The file has all of them."""
    results = tuple(PartResult(name=f"{number:05d}", error="no") for number in range(30))

    summary.tell(Summary(input="in", part_by="host", results=results, starting=0.0, seconds=0.0))

    lines = capfd.readouterr().err.splitlines()
    assert lines[-2] == "imgpipe spark: 20 more failed: see __imgpipe__/spark.json"
    assert lines[-1] == "imgpipe spark: the same command again goes on with the parts that failed"
    assert len(lines) == 13
