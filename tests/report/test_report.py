from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import IMGPIPE, Terminal, assert_one_clear_line, picture, run_filter, shell, wait_for_signal
from report.pages import Page


def page_of(*args, **options) -> Page:
    """The page that the command writes to standard output."""
    result = run_filter("report", *args, "-o", "-", **options)
    assert (result.code, result.err) == (0, "")
    return Page(result.out.decode())


def pictures_of(page: Page) -> int:
    return sum(image["src"].startswith("data:image/") for image in page.all("img"))


@pytest.mark.parametrize(
    ("form", "parts"),
    [
        ("files", ()),
        ("tar", ()),
        ("parquet", ()),
        ("files", ("a", "b")),
        ("tar", ("a", "b")),
        ("parquet", ("a", "b")),
    ],
    ids=str,
)
def test_a_data_set_of_each_format_is_told_of(placed, form, parts):
    """Counts, kinds and pictures are those of the data set, wherever its images are, in parts or whole."""
    out = placed(form, *parts)

    result = run_filter("report", out)

    path = out / "__imgpipe__" / "report.html"
    assert (result.code, result.err, result.out.decode()) == (0, "", f"{path}\n")
    page = Page(path.read_text())
    assert "12 of 18 records placed" in page.text
    for words in (
        "http_status in fetch 3 17 %",
        "not_image in fetch 1",
        "decode in resize 1",
        "bad_scheme in fetch 1",
    ):
        assert words in page.text
    assert pictures_of(page) == 12
    assert ("2 parts" in page.text) == bool(parts)
    assert "imgpipe fetch <" not in page.text  # nothing of it may succeed later


def test_records_of_a_pipe_are_reported_on(resized):
    """Standard input may be what any stage wrote; images are found at their path."""
    lines, folder = resized

    page = page_of("--log", folder / "fetch.log", stdin=b"".join(lines))

    assert "12 of 18 records ok" in page.text
    assert pictures_of(page) == 12
    assert "when records left fetch, by its log" in page.text


@pytest.mark.parametrize("form", ["files", "tar", "parquet"])
def test_rows_of_a_data_set_find_their_images_below_a_root(placed, form):
    """Rows that somebody chose are reported on with their pictures, from folders and from shards."""
    out = placed(form)
    rows = out / ("metadata.jsonl" if form == "files" else "__imgpipe__/00000.jsonl")
    chosen = [row for row in map(json.loads, rows.read_text().splitlines()) if row.get("key") in ("k3", "k7")]

    page = page_of("--root", out, lines=chosen)

    assert "2 of 2 records ok" in page.text
    assert pictures_of(page) == 2


def test_an_image_that_is_gone_or_broken_keeps_its_tile(placed):
    """The page says why there is no picture, and the others are there."""
    out = placed("files")
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    names = [out / row["file_name"] for row in rows]
    names[0].unlink()
    names[1].write_bytes(b"no picture")
    names[2].unlink()
    names[2].symlink_to("/etc/passwd")
    names[3].unlink()
    os.mkfifo(names[3])

    page = page_of(out)

    assert pictures_of(page) == 8
    for why in (
        "its file is not there",
        "it cannot be decoded",
        "leads out of the folder",
        "no regular file",
    ):
        assert why in page.text


def test_an_image_that_its_shard_does_not_hold_keeps_its_tile(placed):
    """A row about another image, and a shard that is gone, cost their pictures only."""
    for form in ("tar", "parquet"):
        out = placed(form)
        rows = [
            {"file_name": "999999999.jpg", "shard": f"00000.{form}"},
            {"file_name": "000000000.jpg", "shard": f"00009.{form}"},
            {"file_name": "000000001.jpg", "shard": f"00000.{form}"},
        ]

        page = page_of("--root", out, lines=rows)

        assert pictures_of(page) == 1
        assert "it is not in its shard" in page.text
        assert "its shard cannot be read" in page.text


def test_a_huge_file_is_named_only(tmp_path):
    """Nobody waits for gigabytes to be read for a tile."""
    path = tmp_path / "huge.jpg"
    with open(path, "wb") as file:
        file.write(picture())
        file.truncate(65 << 20)

    page = page_of(lines=[{"path": str(path)}])

    assert "its file is too large to look at" in page.text


def test_a_log_of_several_stages_counts_once(resized, tmp_path):
    """Lines of the first stage of the pipe make the axis; what is no line of a log is passed over."""
    lines, folder = resized
    log = tmp_path / "both.log"
    fetched = (folder / "fetch.log").read_text()
    log.write_text(
        "# a note\n" + fetched.replace(" fetch ", " resize ") + fetched + "2026-99-99T00:00:00Z fetch ok x\n"
    )

    page = page_of("--log", log, stdin=b"".join(lines))

    assert "when records left fetch, by its log" in page.text


def test_a_broken_shard_leaves_the_rest_of_the_page(placed):
    """A tar that was cut and a table that is none cost their pictures only."""
    for form in ("tar", "parquet"):
        out = placed(form)
        shard = out / f"00000.{form}"
        shard.write_bytes(shard.read_bytes()[:3000])

        page = page_of(out)

        assert "12 of 18 records placed" in page.text
        assert pictures_of(page) < 12


def test_a_page_without_records_says_so():
    """Nothing on standard input makes a page that says that there is nothing."""
    page = page_of(lines=[])

    assert "There is no record to report on." in page.text


def test_a_set_without_failures_has_no_word_of_them():
    """Where all went well there is no empty list of failures."""
    page = page_of(lines=[{"url": "https://example.com/a.jpg", "status": "ok", "bytes": 3000}])

    assert "1 of 1 record ok" in page.text
    assert "What failed" not in page.text


def test_a_set_in_which_all_failed_is_told_of(tmp_path):
    """Where nothing was placed there is what failed, and why."""
    lines = [{"url": "http://a.example/", "status": "failed", "stage": "fetch", "error": "dns"}]
    assert run_filter("shard", tmp_path / "out", lines=lines).code == 0

    assert "0 of 1 record placed" in page_of(tmp_path / "out").text


def over(kind: str, count: int, status: str = "failed", **more) -> list[dict]:
    """Records that are over."""
    return [
        {"url": f"http://a/{n}", "stage": "fetch", "status": status, "error": kind, **more}
        for n in range(count)
    ]


def test_what_a_rule_left_out_comes_last_and_is_no_failure():
    """Kinds of failure come first, however few; only they are named where most records failed."""
    left_out = over("too_small", 8, "skipped")

    few = page_of(lines=[*left_out, *over("timeout", 1), *over("empty", 2)])
    most = page_of(lines=[*left_out, *over("timeout", 6), *over("empty", 4)])

    kinds = [few.text.index(words) for words in ("empty in fetch 2", "timeout in fetch 1", "too_small")]
    assert kinds == sorted(kinds)
    assert "Most records failed" not in few.text
    assert "Most records failed; the commonest kind is timeout." in most.text


@pytest.mark.parametrize(("form", "more"), [("files", ""), ("tar", " --format tar")])
def test_what_may_succeed_later_comes_with_its_command(tmp_path, form, more):
    """It tries again what failed, into the same set in the same format, whatever the folder is called."""
    out = tmp_path / "my set"
    (tmp_path / "a.jpg").write_bytes(picture())
    lines = [{"path": str(tmp_path / "a.jpg")}, *over("timeout", 1, retryable=True)]
    assert run_filter("shard", out, "--format", form, lines=lines).code == 0

    page = page_of(out)

    failed = f"'{out}'/__imgpipe__/failed.jsonl"
    assert f"imgpipe fetch < {failed} | imgpipe resize | imgpipe shard '{out}'{more}" in page.text
    assert ("--format" in page.text) == bool(more)


def test_a_log_tells_the_times_of_a_set(resized, tmp_path):
    """What its files tell is left aside then: both on one axis would count each image twice."""
    lines, folder = resized
    assert run_filter("shard", tmp_path / "out", stdin=b"".join(lines)).code == 0

    page = page_of(tmp_path / "out", "--log", folder / "fetch.log")

    assert "when records left fetch, by its log" in page.text
    assert "files of the images" not in page.text


def test_lines_that_are_no_records_count_as_failed():
    """What cannot be parsed is accounted for, as in every stage."""
    page = page_of(lines=[{"url": "https://example.com/a.jpg", "bytes": 9}, "{broken"])

    assert "1 of 2 records ok" in page.text
    assert "bad_line in" in page.text


def test_it_says_when_shard_is_at_work(placed):
    """While the lock is held the page is made all the same, and tells."""
    out = placed("tar", "p0")
    with open(out / "__imgpipe__" / "p0.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page = page_of(out)

    assert "imgpipe shard is writing to this data set" in page.text
    assert "is writing" not in page_of(out).text


def test_the_same_data_gives_the_same_sample(placed):
    """Made twice, a page has the same pictures and records in the same order."""
    out = placed("files")

    first, second = page_of(out, "--thumbnails", 5), page_of(out, "--thumbnails", 5)

    assert first.data == second.data
    assert (pictures_of(first), first.all("img")) == (5, second.all("img"))
    assert pictures_of(page_of(out, "--thumbnails", 0)) == 0


def test_times_of_files_make_the_axis(placed):
    """An hour between the files is an hour on the page."""
    out = placed("files")
    for number, line in enumerate((out / "metadata.jsonl").read_text().splitlines()):
        when = 1_700_000_000 + 300 * number
        os.utime(out / json.loads(line)["file_name"], (when, when))

    page = page_of(out)

    assert "when the files of the images were written" in page.text
    assert "2023-11-14 22:13" in page.text
    assert "in steps of 1 min" in page.text


def test_the_images_of_a_shard_are_spread_over_its_time(placed):
    """A shard begins where the one before it ended, the first one with the run that made the data set."""
    out = placed("tar", options=("--folder-size", "4"))
    os.utime(out / "__imgpipe__" / "lock", (1_700_000_000,) * 2)
    for number in range(3):
        os.utime(out / f"0000{number}.tar", (1_700_000_000 + 60 * (number + 1),) * 2)

    page = page_of(out)

    assert "by the ends of the shards" in page.text
    assert "0.0667 images/s on average over 3 min" in page.text


def test_the_first_shard_of_a_part_begins_with_the_part(placed):
    """Not with the data set, which may be hours older."""
    out = placed("tar", options=("--folder-size", "4", "--part", "7"))
    hidden = out / "__imgpipe__"
    for name, seconds in (("lock", 0), ("dataset.json", 0), ("7.lock", 7200)):
        os.utime(hidden / name, (1_700_000_000 + seconds,) * 2)
    for number in range(3):
        os.utime(out / f"7-0000{number}.tar", (1_700_007_200 + 60 * (number + 1),) * 2)

    assert "0.0667 images/s on average over 3 min" in page_of(out).text


def test_a_page_is_replaced_whole(placed):
    """The second page takes the place of the first, and nothing else is left or changed."""
    out = placed("files")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    run_filter("report", out)
    page = out / "__imgpipe__" / "report.html"
    page.write_text("old")

    run_filter("report", out)

    assert page.read_text().startswith("<!doctype html>")
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    after.pop(page)
    assert before == after


@pytest.mark.parametrize("out", ["nothing", "file", "empty"])
def test_what_is_no_data_set_is_one_clear_line(tmp_path, out):
    """A folder that is not there, a file, a folder without a data set."""
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()

    assert_one_clear_line(run_filter("report", tmp_path / out), 2, out)


def test_a_log_that_is_none_is_one_clear_line(placed, tmp_path):
    """Neither a file that is not there nor one of another kind is taken for a log."""
    out = placed("files")

    assert_one_clear_line(run_filter("report", out, "--log", tmp_path / "none"), 2, "cannot read the log")
    assert_one_clear_line(run_filter("report", out, "--log", out / "metadata.jsonl"), 2, "is no log")


@pytest.mark.parametrize("target", ["missing/r.html", "folder"])
def test_a_page_that_cannot_be_written_is_told_before_the_work(tmp_path, target):
    """Standard input is not even read."""
    (tmp_path / "folder").mkdir()
    process = subprocess.Popen(
        [IMGPIPE, "report", "-o", tmp_path / target], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    assert process.wait(20) == 4
    assert "imgpipe: cannot write" in process.stderr.read()
    process.stdin.close()
    process.stderr.close()


def test_a_folder_that_may_not_be_written_to_names_the_way_out(placed):
    """The page can go elsewhere."""
    out = placed("files")
    hidden = out / "__imgpipe__"
    page = hidden / "report.html"
    page.mkdir()

    assert_one_clear_line(run_filter("report", out), 4, "cannot write", "-o")
    assert not [path for path in hidden.iterdir() if path.name.startswith(".imgpipe")]


def test_a_set_without_our_folder_needs_a_name(placed):
    """A data set that another program copied without what is hidden is told of, and nothing is put into it."""
    out = placed("files")
    shutil.rmtree(out / "__imgpipe__")

    assert_one_clear_line(run_filter("report", out), 2, "-o")
    assert "12 of 12 records placed" in page_of(out).text
    assert not (out / "__imgpipe__").exists()


def test_a_full_disk_is_one_clear_line(resized):
    """Standard output that takes nothing ends the command with 4."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [IMGPIPE, "report"], input=b"".join(resized[0]), stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert done.returncode == 4
    assert done.stderr.decode().count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_old_page(tmp_path, number):
    """Half of the rows make no page: it dies by the signal, with nothing written."""
    page = tmp_path / "r.html"
    page.write_text("old")
    process = subprocess.Popen([IMGPIPE, "report", "-o", page], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    row = json.dumps({"url": "https://example.com/a.jpg", "bytes": 9}).encode() + b"\n"
    process.stdin.write(row * 20_000)  # more than a pipe holds: when this is through, it reads
    process.stdin.flush()

    process.send_signal(number)

    wait_for_signal(process, number)
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert page.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.name != "spool"] == ["r.html"]


def test_nobody_reads_the_page():
    """A closed pipe ends it by SIGPIPE, in silence."""
    result = shell("""imgpipe report < /dev/null | true; echo "${PIPESTATUS[0]}" """)

    assert result.out.strip() in (b"141", b"0")
    assert result.err == ""


def test_a_terminal_is_spared_the_page():
    """A person is asked for a file, and told what is waited for."""
    terminal = Terminal([IMGPIPE, "report"])
    assert "name a file with -o" in terminal.finish()

    terminal = Terminal([IMGPIPE, "report", "-o", "/dev/null/x"])
    assert "cannot write" in terminal.finish()


def test_the_page_takes_the_place_of_no_pipe_or_device(tmp_path):
    """What is no regular file is refused, and stays: `-o /dev/null` as root would else be the last of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_one_clear_line(run_filter("report", "-o", pipe), 4, "no regular file")
    assert pipe.is_fifo()


def test_a_person_is_told_what_is_waited_for(tmp_path):
    """Where standard input is a terminal, one line says so."""
    terminal = Terminal([IMGPIPE, "report", "-o", str(tmp_path / "r.html")])
    terminal.wait_for("waiting for records")
    terminal.type("\x04")
    assert "r.html" in terminal.finish()


def test_without_its_libraries_it_says_what_to_install():
    """The extra is named."""
    code = "import sys; sys.modules['pygal'] = None\nsys.argv = ['imgpipe', 'report']\nfrom imgpipe.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "pip install 'imgpipe[report]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_set_at_an_address_is_told_of_without_pictures(placed, tmp_path):
    """Its lists are read from there, and the page goes where one says; no shell could read them so."""
    out = placed("tar")

    result = run_filter("report", f"local://{out}", "-o", tmp_path / "r.html")

    assert (result.code, result.err) == (0, "")
    page = Page((tmp_path / "r.html").read_text())
    assert "12 of 18 records placed" in page.text
    assert "it is not on this machine" in page.text
    assert " tar shard" in page.text
    assert "imgpipe fetch <" not in page.text
    assert_one_clear_line(run_filter("report", f"local://{out}"), 2, "-o")


def test_a_name_of_another_place_is_not_followed(tmp_path):
    """A `file_name` with dots, or absolute, shows no file from outside the root."""
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.jpg").write_bytes(picture())
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "secret.jpg").write_bytes(picture())
    names = ["../secret.jpg", "../root-2/secret.jpg", str(tmp_path / "secret.jpg"), "a\0b", 7]

    page = page_of("--root", tmp_path / "root", lines=[{"file_name": name} for name in names])

    assert pictures_of(page) == 0


def test_a_shard_of_another_place_is_not_followed(placed):
    """The name of a shard leads nowhere but to the root."""
    out = placed("tar")
    row = {"file_name": "000000000.jpg", "shard": "00000.tar"}

    assert pictures_of(page_of("--root", out, lines=[row])) == 1
    for root, shard in ((out / "__imgpipe__", "../00000.tar"), (out, f"{out}/00000.tar")):
        assert pictures_of(page_of("--root", root, lines=[{**row, "shard": shard}])) == 0


def test_the_page_lies_beside_the_data_set(placed):
    """A data set can be moved with its page, and loaders do not see it."""
    out = placed("files")
    run_filter("report", out)

    visible = {path.name for path in Path(out).iterdir()}
    assert visible == {"00000", "__imgpipe__", "metadata.jsonl"}
