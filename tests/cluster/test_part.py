from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import picture, run_filter

from imgpipe.cluster import pipe
from imgpipe.cluster.marker import result
from imgpipe.cluster.options import Columns, Job
from imgpipe.cluster.part import run_part
from imgpipe.cluster.task import run_task
from imgpipe.errors import OutputError, ProcessError


@pytest.fixture
def rows(tmp_path):
    """Rows that name twelve pictures and one that is not there."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(picture(seed=number))
    names = [*sorted(folder.iterdir()), folder / "none.jpg"]
    return [
        json.dumps({"path": str(path), "title": f"Bild ü {path.stem}"}, ensure_ascii=False) for path in names
    ]


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """The directory for temporary files, which must be empty in the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert os.listdir(folder) == []


def job_of(tmp_path, text="resize --size 32 | shard --format tar", **options):
    return Job(
        out=str(tmp_path / "out"), pipe=pipe.parse([text]), columns=Columns(caption="title"), **options
    )


def test_a_part_is_placed_and_told(tmp_path, rows):
    """The marker is what comes back; the set is whole, and the column has become the caption."""
    found = run_part("00007", rows, job_of(tmp_path), attempt=2)

    assert (found.name, found.records, found.placed, found.skipped, found.failed) == ("00007", 13, 12, 0, 1)
    assert (found.kinds, found.shards, found.attempt, found.error) == ({"missing_file": 1}, 1, 2, None)
    assert found.size > 1000
    assert run_filter("verify", tmp_path / "out").code == 0
    sidecar = (tmp_path / "out/__imgpipe__/00007-00000.jsonl").read_text().splitlines()[1:]
    assert min(json.loads(line)["caption"] for line in sidecar) == "Bild ü 0"


def test_a_part_that_is_done_stays_as_it_is(tmp_path, rows):
    """Run again, it tells the same and changes nothing, in whatever order its rows come."""
    first = run_part("00000", rows, job_of(tmp_path))
    before = (tmp_path / "out/00000-00000.tar").stat()

    again = run_part("00000", rows[::-1], job_of(tmp_path))

    assert (again.records, again.placed, again.kinds) == (first.records, first.placed, first.kinds)
    assert (tmp_path / "out/00000-00000.tar").stat() == before


def test_another_input_is_refused(tmp_path, rows):
    """A part's name stands for its rows."""
    run_part("00000", rows, job_of(tmp_path))

    with pytest.raises(ProcessError, match=r"^imgpipe shard exited with 2: imgpipe: .* another input"):
        run_part("00000", rows[1:], job_of(tmp_path))


def test_rows_that_are_records_already(tmp_path, rows):
    """They need no reading, and come to the same; another column keeps its name."""
    found = run_part("00000", rows, job_of(tmp_path, plain=True))

    assert (found.records, found.placed, found.kinds) == (13, 12, {"missing_file": 1})
    sidecar = (tmp_path / "out/__imgpipe__/00000-00000.jsonl").read_text().splitlines()[1:]
    assert min(json.loads(line)["title"] for line in sidecar) == "Bild ü 0"


def test_a_part_of_no_rows(tmp_path):
    """It has a marker, and no shard."""
    found = run_part("00000", [], job_of(tmp_path))

    assert (found.records, found.shards, found.error) == (0, 0, None)
    assert not list((tmp_path / "out").glob("*.tar"))


@pytest.mark.parametrize("format_", ["files", "parquet"])
def test_every_format(tmp_path, rows, format_):
    """What shard can write, a part can be."""
    found = run_part("00000", rows, job_of(tmp_path, f"resize | shard --format {format_}"))

    assert found.placed == 12
    assert run_filter("verify", tmp_path / "out").code == 0


def test_a_program_that_fails_fails_the_part(tmp_path, rows):
    """Though the stages after it see only the end of their input; and the next attempt completes it."""
    broken = job_of(
        tmp_path,
        "resize --size 32 | sh -c 'cat > all; head -n 5 all; echo enough >&2; exit 7' | shard --format tar",
    )

    with pytest.raises(ProcessError, match=r"^sh exited with 7: enough$"):
        run_part("00000", rows, broken)
    assert not (tmp_path / "out/__imgpipe__/00000.done.json").exists()

    found = run_part("00000", rows, job_of(tmp_path))
    assert (found.records, found.placed, found.failed) == (13, 12, 1)
    assert run_filter("verify", tmp_path / "out").code == 0


def test_a_program_that_drops_records_fails_the_part(tmp_path, rows):
    """Every row is accounted for: one that is to be left out is marked, not dropped."""
    with pytest.raises(ProcessError, match="is not complete"):
        run_part("00000", rows, job_of(tmp_path, "resize | head -n 5 | shard"))


def test_a_program_that_is_not_there(tmp_path, rows):
    """It is named."""
    with pytest.raises(OutputError, match=r"^no-such-program: No such file or directory$"):
        run_part("00000", rows, job_of(tmp_path, "resize | no-such-program | shard"))


def test_rows_without_the_column(tmp_path, rows):
    """What read says against the rows is told."""
    job = Job(out=str(tmp_path / "out"), columns=Columns(key="id"))

    with pytest.raises(ProcessError, match=r"^imgpipe read exited with 2: .* has no column id"):
        run_part("00000", rows, job)


def test_rows_that_break_off(tmp_path, rows):
    """Where the engine fails while it hands rows over, nothing of the part is started."""

    def breaking():
        yield rows[0]
        raise RuntimeError("the shuffle is lost")

    with pytest.raises(RuntimeError, match="the shuffle is lost"):
        run_part("00000", breaking(), job_of(tmp_path))
    assert not (tmp_path / "out").exists()


def test_no_room(tmp_path, rows):
    """A scratch folder that is not there is told."""
    with pytest.raises(OutputError, match="none"):
        run_part("00000", rows, job_of(tmp_path, scratch=str(tmp_path / "none")))


def test_twins(tmp_path, rows):
    """Two of one part at once, as speculation starts them: one result, which both tell."""
    with ThreadPoolExecutor(2) as pool:
        twins = list(pool.map(lambda _: run_part("00000", rows, job_of(tmp_path)), range(2)))

    assert [(twin.records, twin.placed, twin.failed) for twin in twins] == [(13, 12, 1)] * 2
    assert len(list((tmp_path / "out").glob("*.tar"))) == 1
    assert run_filter("verify", tmp_path / "out").code == 0


def test_twins_that_do_not_wait(tmp_path, rows):
    """Where the wait is over, a twin fails and leaves the other one alone."""
    slow = job_of(tmp_path, "sh -c 'cat; until [ -e ../go ]; do sleep 0.05; done' | resize | shard")
    held = job_of(tmp_path, wait=0.2)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run_part, "00000", rows, slow)
        while not (tmp_path / "out/__imgpipe__/00000.lock").exists():
            assert not first.done()
        with pytest.raises(ProcessError, match="another imgpipe shard writes to the part"):
            run_part("00000", rows, held)
        (tmp_path / "scratch/go").touch()
        assert first.result(30).placed == 12
    (tmp_path / "scratch/go").unlink()


def test_the_last_attempt_of_a_task_hands_its_failure_over(tmp_path):
    """One before it fails the task, so that Spark tries it elsewhere; rows of one source of two are not all."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    broken = [(7, '{"url":"http://h/"}'), (7, 1)]

    (found,) = run_task(job_of(tmp_path, attempts=1), 2, 7, broken)

    assert (found.name, found.attempt, found.placed) == ("00007", 1, 0)
    assert "broke off" in found.error
    with pytest.raises(ProcessError, match="broke off"):
        list(run_task(job_of(tmp_path, attempts=2), 2, 7, broken))
    assert not (tmp_path / "out").exists()


ALONE = """
import json, sys
from imgpipe.cluster import pipe
from imgpipe.cluster.options import Columns, Job
from imgpipe.cluster.part import run_part
job = Job(out=sys.argv[1], pipe=pipe.parse(["resize | shard --format tar"]), columns=Columns(caption="title"))
found = run_part("00000", open(sys.argv[2], encoding="utf-8").read().splitlines(), job)
print(found.placed, found.failed)
"""


def test_nothing_of_the_environment_is_needed(tmp_path, rows, scratch):
    """No variable, no home, no terminal, no standard error: as engines start what they run."""
    (tmp_path / "rows").write_text("\n".join(rows), encoding="utf-8")
    words = [sys.executable, "-c", ALONE, tmp_path / "out ü", tmp_path / "rows"]
    script = 'exec "$@" 2>&-'

    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *words],
        env={"LANG": "C", "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )

    assert done.stdout == b"12 1\n"
    assert run_filter("verify", tmp_path / "out ü").code == 0


@pytest.mark.parametrize("text", ["", "{", '{"part":"a"}', '{"part":"a","input":[],"kinds":{}}', "[]"])
def test_a_marker_that_is_none(tmp_path, text):
    """It is told, not believed."""
    folder = tmp_path / "out/__imgpipe__"
    folder.mkdir(parents=True)
    (folder / "00000.done.json").write_text(text)

    with pytest.raises(ProcessError, match="marker is none"):
        result(str(tmp_path / "out"), "00000", seconds=0, attempt=1)


def test_a_marker_of_very_many_shards(tmp_path):
    """It is read whole, however long its one line is."""
    folder = tmp_path / "out/__imgpipe__"
    folder.mkdir(parents=True)
    shards = [{"shard": f"00000-{n:05d}.tar", "count": 1, "sha256": "a" * 64} for n in range(12_000)]
    counts = {"placed": len(shards), "skipped": 0, "failed": 0, "bytes": 1, "kinds": {}}
    marker = {"part": "00000", "input": {"records": len(shards)}, "shards": shards, **counts}
    (folder / "00000.done.json").write_text(json.dumps(marker))

    assert result(str(tmp_path / "out"), "00000", seconds=0, attempt=1).shards == len(shards)


def test_a_marker_that_cannot_be_read(tmp_path):
    """A folder in its place, or nothing."""
    with pytest.raises(ProcessError, match="has no marker"):
        result(str(tmp_path / "out"), "00000", seconds=0, attempt=1)
    (tmp_path / "out/__imgpipe__/00000.done.json").mkdir(parents=True)
    with pytest.raises(ProcessError, match="cannot be read"):
        result(str(tmp_path / "out"), "00000", seconds=0, attempt=1)
