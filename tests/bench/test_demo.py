from __future__ import annotations

import json
import re

import pytest
from helpers import assert_one_clear_line, run_filter, shell
from PIL import Image

from imgpipe.bench import sheet
from imgpipe.bench.demo import ENTRIES, PLACED


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The result of one run without arguments, and the folder that it made."""
    folder = tmp_path_factory.mktemp("demo")
    return run_filter(
        "demo", cwd=folder, env={"IMGPIPE_SPOOL": str(folder / "spool")}
    ), folder / "imgpipe-demo"


def test_every_entry_is_accounted_for(ran):
    """The whole ones are placed with their captions, the broken ones in failed.jsonl, each for its reason."""
    result, out = ran
    assert result.code == 0, result.err
    placed = lines_of(out / "metadata.jsonl")
    failed = lines_of(out / "__imgpipe__" / "failed.jsonl")
    assert len(placed) == PLACED
    assert {record["key"]: record["caption"] for record in placed + failed} == {
        key: caption for key, (_, caption) in ENTRIES.items()
    }
    assert {record["key"]: record["error"] for record in failed} == {
        "missing": "http_status",
        "page": "not_image",
        "cut": "decode",
        "empty": "empty",
    }
    for record in placed:
        with Image.open(out / record["file_name"]) as picture:
            assert max(picture.size) == 256


def test_what_it_prints_shows_the_pipe_the_tree_and_the_failures(ran):
    """Output names every file and every failure; the summary is the pipe's own."""
    result, out = ran
    text = result.out.decode()
    for path in out.rglob("*.jp*"):
        assert path.name in text
    for word in (
        "imgpipe read ",
        "imgpipe fetch ",
        "imgpipe resize ",
        "imgpipe shard ",
        "cut: decode in resize",
    ):
        assert word in text
    assert f"imgpipe shard: {PLACED} ok, 4 failed" in result.err


def test_the_sizes_in_the_tree_stand_in_one_column(ran):
    """Each size is right-aligned with the others, however deep its file lies, and a small one is no zero."""
    result, out = ran
    sized = re.findall(r"^.*── .* k?B$", result.out.decode(), re.MULTILINE)
    assert len(sized) == sum(1 for path in out.rglob("*") if path.is_file())
    assert len({len(line) for line in sized}) == 1
    assert not [line for line in sized if line.endswith(" 0.0 kB")]


def test_the_line_that_is_printed_is_one_that_a_shell_runs(ran, tmp_path):
    """Copied into a shell, the pipe does what it did, on another folder and without the server's pictures."""
    result, out = ran
    pipe = re.search(r"    imgpipe read .*?\n\n", result.out.decode(), re.DOTALL)[0]
    again = shell(
        pipe.replace("imgpipe shard --name-format key imgpipe-demo", f"imgpipe shard {tmp_path}"),
        cwd=out.parent,
    )
    assert again.code == 0, again.err
    # The server has gone: the same URLs, none of which can be fetched.
    assert {record["error"] for record in lines_of(tmp_path / "__imgpipe__" / "failed.jsonl")} == {"connect"}


def test_the_contact_sheet_shows_what_was_placed(ran):
    """A page of four columns, with every picture on it."""
    with Image.open(ran[1] / "contact-sheet.jpg") as page:
        assert page.width == 4 * (256 + 24) + 24
        assert page.height > 3 * 170
        assert len(page.getcolors(1 << 24)) > 10_000


def test_a_folder_that_is_taken_gets_a_suffix_and_a_named_one_is_refused(ran):
    """Nothing that is there is touched: the next free name is taken, or the user chooses another."""
    _, out = ran
    before = sorted(out.rglob("*"))
    second = run_filter("demo", "--size", "64", cwd=out.parent)
    assert second.code == 0
    assert (out.parent / "imgpipe-demo-2" / "contact-sheet.jpg").exists()
    assert_one_clear_line(run_filter("demo", out), 2, "not empty")
    assert before == sorted(out.rglob("*"))


def test_any_name_of_a_folder_is_quoted(tmp_path):
    """A name that means something to the shell or to a command is a name."""
    name = "-x 'b $HOME"
    result = run_filter("demo", "--size", "16", "--", name, cwd=tmp_path)
    assert result.code == 0, result.err
    assert (tmp_path / name / "contact-sheet.jpg").exists()
    assert not list(tmp_path.glob("imgpipe*"))


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("file", 2, ["file is not a folder"]), ("file/x", 4, ["file/x"]), ("/proc/x", 4, ["/proc/x"])],
)
def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path, name, code, words):
    """What stands in the way is told before anything starts."""
    (tmp_path / "file").touch()
    assert_one_clear_line(run_filter("demo", name, cwd=tmp_path), code, *words)


def test_a_pipe_that_fails_is_told(tmp_path):
    """Where the pipe ends with an error there is one line, and its exit code is not hidden."""
    result = run_filter("demo", cwd=tmp_path, env={"IMGPIPE_SPOOL": "/proc/none"})
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("imgpipe: the pipe ")


def test_long_titles_are_cut(tmp_path):
    """A title wider than its picture ends in dots; one picture makes a sheet of one column."""
    Image.new("RGB", (300, 100), "red").save(tmp_path / "a.png")
    sheet.draw([(tmp_path / "a.png", "word " * 50)], "heading", tmp_path / "sheet.jpg", 128)
    with Image.open(tmp_path / "sheet.jpg") as page:
        assert page.width == 128 + 2 * 24
