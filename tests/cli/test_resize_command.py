from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import IMGPIPE, Result, assert_one_clear_line, picture, run_filter, shell, wait_for_signal
from PIL import Image


@pytest.fixture
def photo(tmp_path):
    """A picture of 640 by 480 that is the user's own; its path."""
    path = tmp_path / "photo.v1.jpg"
    path.write_bytes(picture(640, 480))
    return path


def only(result):
    assert result.code == 0, result.err
    (record,) = result.records
    return record


def spooled_files(spool: Path) -> list[Path]:
    return [path for path in spool.rglob("*") if path.is_file()]


def spool_a_copy(spool: Path, data: bytes, run="imgpipe-run-1-aaaa", name="000000001.jpg") -> str:
    """Put a file into the spool as a writer that has ended left it; its path."""
    folder = spool / run
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return str(folder / name)


def test_a_picture_gets_the_size_and_the_record_tells_all(photo):
    """The new file has what the record says; unknown fields pass through in their order."""
    given = {"caption": "a\nb 🙂", "path": str(photo), "nested": {"b": 1, "a": [None]}}

    record = only(run_filter("resize", "-q", lines=[given]))

    assert list(record)[:3] == ["caption", "path", "nested"]
    assert {"caption": "a\nb 🙂", "nested": {"b": 1, "a": [None]}}.items() <= record.items()
    data = Path(record["path"]).read_bytes()
    assert Image.open(io.BytesIO(data)).size == (256, 192)
    told = {name: record[name] for name in list(record)[3:]}
    assert {
        "seq": 1,
        "spooled": True,
        "bytes": len(data),
        "media_type": "image/jpeg",
        "width": 256,
        "height": 192,
        "original_width": 640,
        "original_height": 480,
        "status": "ok",
    } == told
    assert photo.exists()


def test_bad_inputs_are_one_failed_record_each(tmp_path, photo):
    """Text, a missing file, a folder, a pipe, a record without path: each is told apart, the rest goes on."""
    (tmp_path / "a.txt").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:2000])
    lines = ["a.txt", "gone.jpg", ".", "fifo", {"url": "x"}, {"path": 3}, "cut.jpg", "empty.jpg", photo.name]

    result = run_filter("resize", "--ordered", lines=lines, cwd=tmp_path)

    assert result.code == 0
    kinds = [record.get("error") for record in result.records]
    missing = ["missing_file"] * 5
    assert ["not_image", *missing, "decode", "not_image", None] == kinds
    assert all(record["stage"] == "resize" for record in result.records[:-1])
    assert "Traceback" not in result.err


def test_a_spooled_source_is_replaced(spool):
    """The new file takes the place of the spooled one, in the same spool, and nothing else is left."""
    old = spool_a_copy(spool, picture(640, 480))

    record = only(
        run_filter("resize", lines=[{"path": old, "spooled": True}], env={"IMGPIPE_SPOOL": "/none"})
    )

    assert [Path(record["path"])] == spooled_files(spool)
    assert spool == Path(record["path"]).parent.parent
    assert record["spooled"] is True
    assert not Path(old).parent.exists()


def test_a_spooled_source_is_removed_with_dir_too(spool, tmp_path):
    """With `--dir` the new file is the user's and the spool is empty."""
    old = spool_a_copy(spool, picture(640, 480))

    record = only(run_filter("resize", "-d", tmp_path / "out", lines=[{"path": old, "spooled": True}]))

    assert (spooled_files(spool), record["spooled"]) == ([], False)
    assert tmp_path / "out" / "000000001.jpg" == Path(record["path"])


def test_a_failed_or_skipped_record_leaves_no_spooled_file(spool):
    """A record that is failed or left out has its spooled file removed, and names it no more."""
    lines = [
        {"path": spool_a_copy(spool, b"text", name="1.jpg"), "spooled": True},
        {"path": spool_a_copy(spool, picture(20, 20), name="2.jpg"), "spooled": True},
    ]

    result = run_filter("resize", "-q", "--skip-small", "--ordered", lines=lines)

    assert [record["status"] for record in result.records] == ["failed", "skipped"]
    assert not any({"path", "spooled"} & record.keys() for record in result.records)
    assert spooled_files(spool) == []


def test_a_record_cannot_have_a_user_file_removed(photo):
    """Whatever a record claims, a file outside the spool stays."""
    result = run_filter("resize", "-q", lines=[{"path": str(photo), "spooled": True}])

    assert only(result)["status"] == "ok"
    assert photo.exists()


def test_what_is_over_passes_untouched(photo):
    """A record that an earlier stage failed goes through as it is."""
    given = {"url": "u", "status": "failed", "stage": "fetch", "error": "dns", "path": str(photo), "seq": 7}

    assert [given] == run_filter("resize", "-q", lines=[given]).records


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_ordered_keeps_the_order(tmp_path, jobs):
    """`--ordered` writes records in the order of the input, failed ones among them."""
    lines = []
    for i in range(40):
        (tmp_path / f"{i}.jpg").write_bytes(picture(900 if i % 5 == 0 else 20, 40))
        lines.append(f"{i}.jpg" if i % 7 else {"path": "x", "status": "failed", "error": "dns", "i": i})

    result = run_filter("resize", "-q", "--ordered", "-j", jobs, lines=lines, cwd=tmp_path)

    assert list(range(1, 41)) == [record["seq"] for record in result.records]


def test_root_finds_what_file_name_names(tmp_path, photo):
    """`--root` finds the pictures of a metadata.jsonl, and does not leave its folder."""
    lines = [{"file_name": photo.name}, {"file_name": "../x"}, {"file_name": "/etc/passwd"}]

    result = run_filter("resize", "-q", "--ordered", "--root", tmp_path, lines=lines)

    assert [record["status"] for record in result.records] == ["ok", "failed", "failed"]
    assert "leads out" in result.records[1]["detail"]


def test_dir_names_by_stem_and_never_overwrites(tmp_path, photo):
    """Files in `--dir` have the source's stem; a taken name gets a suffix."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "photo_v1.png").write_bytes(b"mine")

    result = run_filter("resize", "-q", "-d", out, "--format", "png", lines=[str(photo)] * 2)

    names = sorted(Path(record["path"]).name for record in result.records)
    assert names == ["photo_v1-2.png", "photo_v1-3.png"]
    assert (out / "photo_v1.png").read_bytes() == b"mine"
    assert sorted(os.listdir(out)) == ["photo_v1-2.png", "photo_v1-3.png", "photo_v1.png"]


def test_last_in_a_pipe_it_hints_at_dir(photo):
    """Without `-d` and without a reader it says where files go, unless `-q`."""
    hint = "-d DIR"

    assert hint in shell(f"imgpipe resize {photo} > /dev/null").err
    assert hint not in shell(f"imgpipe resize {photo} | cat").err
    assert hint not in shell(f"imgpipe resize -q {photo} > /dev/null").err
    assert hint not in shell(f"imgpipe resize -d /tmp/x-{os.getpid()} {photo} > /dev/null").err


def test_a_closed_pipe_ends_it_silently_with_an_empty_spool(photo, spool):
    """A reader that goes away ends the stage by SIGPIPE, and no spooled file stays."""
    result = shell(f"yes {photo} | imgpipe resize | head -1 | wc -l; echo ${{PIPESTATUS[*]}}", timeout=20)

    assert result.out == b"1\n141 141 0 0\n"
    assert result.err == ""
    assert spooled_files(spool) == []


@contextlib.contextmanager
def running(*args, stdout=subprocess.PIPE):
    """`imgpipe resize ARGS` with its standard input held open."""
    process = subprocess.Popen(
        [IMGPIPE, "resize", *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        process.wait()


def feed(process, *lines):
    process.stdin.write(b"".join(f"{line}\n".encode() for line in lines))
    process.stdin.flush()


def test_a_first_signal_drains_the_input(photo, spool):
    """After TERM what still comes in is resized; the process dies by the signal, its records are whole."""
    with running("-q", "--grace", 20) as process:
        feed(process, *[photo] * 3)
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        feed(process, *[photo] * 3)
        process.stdin.close()
        lines += process.stdout.readlines()

        wait_for_signal(process, signal.SIGTERM)

    records = [json.loads(line) for line in lines]
    assert sorted(Path(record["path"]) for record in records) == sorted(spooled_files(spool))
    assert len(records) == 6


def test_without_grace_a_signal_ends_it(photo, spool):
    """With `--grace 0` the stage ends though its input is open; what it announced is there, nothing else."""
    with running("-q", "--grace", 0) as process:
        feed(process, photo)
        record = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)

        wait_for_signal(process, signal.SIGINT)

    assert spooled_files(spool) == [Path(record["path"])]


def test_a_folder_that_cannot_be_written_ends_the_run(photo):
    """Where files cannot be written the run ends with exit 4 and one line, though input is still open."""
    with running("-d", "/proc/self/fdinfo") as process:
        feed(process, *[photo] * 20)

        assert process.wait(20) == 4
        result = Result(4, b"", process.stderr.read().decode())

    assert_one_clear_line(result, 4, "/proc/self/fdinfo")


def test_an_output_that_is_full_ends_the_run(photo, spool):
    """Records that cannot be written end the run with exit 4, and their files are removed."""
    with open("/dev/full", "wb") as full, running(stdout=full) as process:
        feed(process, *[photo] * 20)

        assert process.wait(20) == 4
        result = Result(4, b"", process.stderr.read().decode())

    assert_one_clear_line(result, 4, "standard output")
    assert spooled_files(spool) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--size", "0"),
        ("--size", "x"),
        ("--size", "70000"),
        ("--size", "12.5"),
        ("--background", "whitish"),
        ("--max-aspect", "0.5"),
        ("--formats", ","),
        ("--formats", "a/b"),
        ("--quality", "101"),
        ("--jobs", "0"),
        ("--fit", "tight"),
    ],
)
def test_a_wrong_value_is_one_clear_line(option, value):
    """A value that an option cannot take is named in one line, with exit 2."""
    assert_one_clear_line(run_filter("resize", option, value), 2, value)


def test_empty_input_is_no_record():
    """No input is no output, and exit 0."""
    result = run_filter("resize", "-q")

    assert (result.code, result.out, result.err) == (0, b"", "")


def test_help_loads_nothing_heavy(photo):
    """Neither `--help` loads Pillow nor the work itself trio or httpx."""
    script = (
        "import sys; from imgpipe.cli import main; sys.argv = ['imgpipe', 'resize', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('PIL', 'trio', 'httpx', 'pyarrow') if name in sys.modules], file=sys.stderr)"
    )

    def loaded(*args):
        done = subprocess.run(
            [sys.executable, "-c", script, *args], capture_output=True, text=True, check=True
        )
        return done.stderr.splitlines()[-1]

    assert loaded("--help") == "[]"
    assert loaded("-q", str(photo)) == "['PIL']"


def test_fail_tells_by_the_exit_code(photo):
    """`--fail` exits 3 where a record failed, 0 where none did."""
    assert run_filter("resize", "-q", "--fail", "gone.jpg").code == 3
    assert run_filter("resize", "-q", "--fail", photo).code == 0


def test_null_ends_values(tmp_path, photo):
    """`-0` takes names with a newline in them."""
    odd = tmp_path / "a\nb.jpg"
    odd.write_bytes(photo.read_bytes())

    result = run_filter("resize", "-0", "-q", stdin=f"{odd}\0{photo}".encode())

    assert [record["status"] for record in result.records] == ["ok", "ok"]


@pytest.mark.usefixtures("photo")
def test_find_feeds_it(tmp_path):
    """`find … | imgpipe resize -d` works on a folder of files."""
    result = shell(f"find {tmp_path} -name '*.jpg' | imgpipe resize -q -d out | jq -r .path", cwd=tmp_path)

    assert str(tmp_path / "out" / "photo_v1.jpg") == result.out.decode().strip(), result.err


def test_a_failure_of_a_file_of_the_user_names_it(tmp_path):
    """Such a record has no URL, and the list of failures no path: the detail tells which file it was."""
    (tmp_path / "notes 1.txt").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes(picture()[:-400])

    result = run_filter("resize", "--ordered", "notes 1.txt", "cut.jpg", cwd=tmp_path)

    assert [record["error"] for record in result.records] == ["not_image", "decode"]
    for name, record in zip(("notes 1.txt", "cut.jpg"), result.records, strict=True):
        assert record["detail"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("value", "words"),
    [("http://a.com/b.jpg", "imgpipe fetch downloads it"), (".", "find FOLDER -type f -print0")],
)
def test_what_is_no_file_is_told_where_it_goes(tmp_path, value, words):
    """A URL belongs to fetch, and a folder to find."""
    result = run_filter("resize", value, cwd=tmp_path)

    assert result.records[0]["error"] == "missing_file"
    assert words in result.records[0]["detail"]
