"""`imgpipe spark` as users run it: Spark on this machine, real pipes, a server on loopback."""

from __future__ import annotations

import collections
import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from helpers import IMGPIPE, Result, run_filter

from imgpipe.bench.server import serve

pytest.importorskip("pyspark", reason="pyspark is not installed")
if shutil.which("java") is None:
    pytest.skip("java is not installed", allow_module_level=True)

pytestmark = pytest.mark.spark

PIPE = "fetch --allow-private --retries 0 | resize --size 32 | shard --format tar"
QUIET = ("--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.default.parallelism=2")


@pytest.fixture(scope="module")
def server():
    """The port of a server that answers on all of 127.0.0.0/8."""
    with serve(address="0.0.0.0") as url:
        yield url.rpartition(":")[2]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The directory for temporary files of all processes; no part leaves anything there."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert [name for name in os.listdir(folder) if name.startswith("imgpipe-")] == []


def urls(port, count, broken=()):
    """Distinct URLs at fifty hosts, some of them of no picture."""
    return [
        f"http://127.0.0.{number % 50 + 1}:{port}/{'status/404?' if number in broken else 'photo/'}{number}.jpg"
        for number in range(count)
    ]


def spark(*args, master="local[2]", timeout=300, **options) -> Result:
    return run_filter("spark", "--master", master, *QUIET, *args, timeout=timeout, **options)


def placed(out: Path) -> list[str]:
    """The URLs of the samples in the tars, one a sample."""
    found = []
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as tar:
            found += [
                json.load(tar.extractfile(name))["url"] for name in tar.getnames() if name.endswith(".json")
            ]
    return found


def failed(out: Path) -> list[str]:
    """The URLs of the records in the lists of failures."""
    return [
        json.loads(line)["url"]
        for path in sorted((out / "__imgpipe__").glob("*.failed.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_an_empty_environment(tmp_path, server, scratch):
    """No variable but LANG=C and TMPDIR: all is placed, captions are right, and again nothing is done twice."""
    wanted = urls(server, 120, broken={7, 70})
    lines = [json.dumps({"link": url, "title": f"Bild ü {url[-8:]}"}, ensure_ascii=False) for url in wanted]
    (tmp_path / "in ü.jsonl").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "out ü"
    words = [sys.executable, "-m", "imgpipe", "spark", "--master", "local[2]", "in ü.jsonl", "out ü"]
    words += ["--url-col", "link", "--caption-col", "title", "--parts", "3", "--", PIPE]
    env = {"LANG": "C", "TMPDIR": str(scratch)}

    first = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    again = subprocess.run(
        [*words[:4], "--fail", *words[4:]], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    assert first.stderr.startswith(
        "imgpipe spark: 3 of 3 parts done: 120 records, 118 placed, 0 skipped, 2 failed"
    )
    assert len(first.stderr.splitlines()) == 1
    assert sorted(placed(out) + failed(out)) == sorted(wanted)
    assert run_filter("verify", out, "--parts", 3).code == 0
    sidecars = [
        line for path in out.glob("__imgpipe__/0*-*.jsonl") for line in path.read_text().splitlines()[1:]
    ]
    assert all(json.loads(line)["caption"].startswith("Bild ü ") for line in sidecars)
    assert again.returncode == 3, again.stderr
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.tar")} == before


POISON = """
import os, sys
lines = sys.stdin.buffer.readlines()
if any(b'/666.jpg' in line for line in lines):
    open(sys.argv[1], 'a').write('tried\\n')
    sys.exit('poison')
sys.stdout.buffer.writelines(lines)
"""


@pytest.mark.usefixtures("scratch")
def test_a_part_that_keeps_failing(tmp_path, server):
    """It is tried as often as it may be, then told; the others are finished, and later so is it."""
    wanted = [*urls(server, 60), f"http://127.0.0.9:{server}/photo/666.jpg"]
    (tmp_path / "in.txt").write_text("\n".join(wanted))
    (tmp_path / "poison.py").write_text(POISON)
    out = tmp_path / "out"
    program = [sys.executable, str(tmp_path / "poison.py"), str(tmp_path / "tried"), "|"]
    pipe = ["fetch", "--allow-private", "|", "resize", "--size", "32", "|", "shard", "--format", "tar"]

    broken = spark("in.txt", out, "--parts", 5, "--attempts", 2, "--", *program, *pipe, cwd=tmp_path)

    summary = json.loads((out / "__imgpipe__/spark.json").read_text())
    [bad] = summary["parts_failed"]
    assert broken.code == 1
    name = Path(sys.executable).name
    assert f"part {bad['part']} failed: {name} exited with 1: poison" in broken.err
    assert (bad["attempts"], summary["parts"], summary["done"]) == (2, 5, 4)
    assert (tmp_path / "tried").read_text() == "tried\n" * 2
    assert run_filter("verify", out, "--parts", 5).code == 3

    mended = spark("in.txt", out, "--", *pipe, cwd=tmp_path)

    assert mended.code == 0, mended.err
    assert sorted(placed(out)) == sorted(wanted)
    assert run_filter("verify", out, "--parts", 5).code == 0


def test_the_forms_of_a_table(tmp_path):
    """Whatever the form, the lines of all parts together are those of `imgpipe read`, also odd ones."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet  # noqa: PLC0415 - as above

    rows = [
        {"URL": f"http://h{n % 7}.org/{n}", "name": str(n), "TEXT": text, "a.b": "x`y"}
        for n, text in enumerate(
            ['say "hi", there', "two\nlines", "", "ü\u2028\x7f", " space ", "a\\", '"'] * 4
        )
    ]
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    for name, sign in (("t.csv", ";"), ("t.tsv", "\t")):
        with open(tmp_path / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=sign)
            writer.writeheader()
            writer.writerows(rows)
    (tmp_path / "t.txt").write_text("".join(row["URL"] + "\r\n" for row in rows) + "\n")
    script = tmp_path / "lines.py"
    script.write_text(LINES)
    names = ["t.parquet", "t.jsonl", "t.csv", "t.tsv", "t.txt"]
    found = subprocess.run(
        [sys.executable, script, *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr

    for name, line in zip(names, found.stdout.splitlines(), strict=True):
        read = run_filter("read", "--columns=a.b" if name != "t.txt" else "-q", tmp_path / name)
        expected = [without_seq(record) for record in read.records]
        parts = json.loads(line)
        assert sorted(map(json.dumps, expected)) == sorted(
            json.dumps(without_seq(record)) for part in parts.values() for record in part
        ), name
        hosts = collections.defaultdict(set)
        for number, part in parts.items():
            for record in part:
                hosts[record["url"].split("/")[2]].add(number)
        assert all(len(numbers) == 1 for numbers in hosts.values())


def without_seq(record):
    return {name: value for name, value in sorted(record.items()) if name != "seq"}


LINES = """
import json, subprocess, sys
from functools import partial
from imgpipe.cluster import pipe, rows
from imgpipe.cluster.options import Columns, Job, SparkOptions
from imgpipe.cluster.session import session
from imgpipe.cluster.table import open_table
job = Job(out="/out")
with session(SparkOptions(input="", job=job, master="local[2]")) as spark:
    for name in sys.argv[1:]:
        columns = Columns(others=("a.b",)) if name != "t.txt" else Columns()
        table = open_table(spark, SparkOptions(input=name, job=Job(out="/out", columns=columns)))
        lines = table.rows.mapPartitionsWithIndex(partial(rows.parted, parts=4, by="host")).collect()
        lines = [(number, line) for number, line in lines if isinstance(line, str)]
        parts = {}
        for number in {number for number, _ in lines}:
            text = "".join(line + "\\n" for found, line in lines if found == number)
            read = subprocess.run(pipe.reading(columns, sys.executable), input=text.encode(), stdout=subprocess.PIPE, check=True)
            parts[number] = list(map(json.loads, read.stdout.splitlines()))
        print(json.dumps(parts))
"""


ODD = """
import sys
from imgpipe.cluster.options import Columns, Job, SparkOptions
from imgpipe.cluster.run import _enough
from imgpipe.cluster.session import reason, session
from imgpipe.cluster.table import open_table
job = Job(out="/out")
with session(SparkOptions(input="", job=job, master="local[2]", verbose=True)) as spark:
    for name in sys.argv[1:]:
        try:
            table = open_table(spark, SparkOptions(input=name, job=job))
            print(_enough(table), table.plain, table.rows.collect())
        except Exception as error:
            print(reason(error))
"""


def test_odd_tables(tmp_path):
    """What cannot be read is told, what is no row is a failed record, and nothing is guessed."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet  # noqa: PLC0415 - as above

    (tmp_path / "folder").mkdir()
    columns = {
        "url": [b"http://h/1", None],
        "n": [float("nan"), 1.5],
        "d": pa.array([1, None], pa.decimal128(9, 2)),
    }
    pa.parquet.write_table(pa.table(columns), tmp_path / "folder/x.parquet")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "other.csv").mkdir()
    texts = {
        "empty.csv": "",
        "other.csv/a.csv": "url,x\nhttp://h/1,1\n",
        "other.csv/b.csv": "x,url\n1,http://h/1\n",
        "quote.csv": 'url,x\nhttp://h/1,"' + "http://h/2,2\n" * 100_000,
        "rows.csv": "url,x,x\nhttp://h/1,1,2\nhttp://h/2\nhttp://h/3,,\n",
        "urls.csv": "http://h/1\n",
        "none.jsonl": '{"a":1}\n',
        "torn.jsonl": '{"a":\n{"url":"u"}\n',
        "many.txt": "http://h/1\n" * 20_001,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    names = ["folder", "nothing", *[name for name in texts if "/" not in name], "other.csv"]
    words = [sys.executable, "-c", ODD, *names]

    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
    found = dict(zip(names, done.stdout.splitlines(), strict=True))
    assert found["folder"] == (
        '1 True [(\'http://h/1\', \'{"url":"http://h/1","n":null,"d":"1.00"}\'), '
        '(None, \'{"url":null,"n":1.5,"d":null}\')]'
    )
    assert "choose it with --format" in found["nothing"]
    assert found["empty.csv"] == "1 True []"
    assert "b.csv" in found["other.csv"]
    assert "CSV header does not conform" in found["other.csv"]
    assert "MALFORMED_CSV_RECORD" in found["quote.csv"]
    assert "no row of this table: http://h/2" in found["rows.csv"]
    assert '(\'http://h/3\', \'{"url":"http://h/3","x1":"","x2":""}\')' in found["rows.csv"]
    assert "begins with a URL" in found["urls.csv"]
    assert "its columns are: a" in found["none.jsonl"]
    assert "bad_line" in found["torn.jsonl"]
    assert found["many.txt"].startswith("3 True [('http://h/1', ")


@pytest.mark.usefixtures("scratch")
def test_an_executor_is_killed(tmp_path, server):
    """Of 5,000 URLs in 16 parts on two executors, one of which dies in the middle, each is in one place."""
    wanted = urls(server, 5000, broken=set(range(0, 5000, 100)))
    (tmp_path / "in.csv").write_text("url\n" + "\n".join(wanted) + "\n")
    out = tmp_path / "out"
    words = [
        IMGPIPE,
        "spark",
        "--master",
        "local-cluster[2,1,2048]",
        *QUIET,
        "--parts",
        "16",
        "in.csv",
        "out",
    ]

    with subprocess.Popen([*words, "--", PIPE], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while len(list(out.glob("__imgpipe__/*.done.json"))) < 4:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        executors = [pid for pid in family(process.pid) if "CoarseGrainedExecutorBackend" in command_of(pid)]
        os.kill(executors[0], signal.SIGKILL)
        done_before = len(list(out.glob("__imgpipe__/*.done.json")))
        _, said = process.communicate(timeout=400)

    assert process.returncode == 0, said
    assert len(executors) == 2
    assert done_before < 16
    assert "16 of 16 parts done: 5000 records, 4950 placed, 0 skipped, 50 failed (http_status 50)" in said
    assert sorted(placed(out) + failed(out)) == sorted(wanted)
    assert len(failed(out)) == 50
    assert run_filter("verify", out, "--parts", 16, timeout=300).code == 0


@pytest.mark.usefixtures("scratch")
def test_an_interrupt(tmp_path, server):
    """Ctrl-C ends the run and its pipes without a word; the same command goes on, in the parts of before."""
    wanted = urls(server, 2000)
    (tmp_path / "in.txt").write_text("\n".join(wanted))
    out = tmp_path / "out"
    words = [IMGPIPE, "spark", "--master", "local[2]", *QUIET, "in.txt", "out"]
    with subprocess.Popen(
        [*words, "--parts", "4", "--", PIPE], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        while not list(out.glob("__imgpipe__/*.lock")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        pids = family(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    deadline = time.monotonic() + 60
    while any(command_of(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    again = spark("in.txt", out, "--", PIPE, cwd=tmp_path)

    assert (process.returncode, said) == (-signal.SIGINT, "")
    assert again.code == 0, again.err
    assert "4 of 4 parts done: 2000 records, 2000 placed" in again.err
    assert sorted(placed(out)) == sorted(wanted)
    assert run_filter("verify", out, "--parts", 4).code == 0


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for member in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{member}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return found


def command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""
