from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from helpers import IMGPIPE, as_line, assert_one_clear_line, run_filter

from imgpipe.note import Note, parse_note
from imgpipe.placed import Done


def cut_last_line(path, keep=0) -> bytes:
    """Take the last line away, but for its first `keep` bytes; returns it."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:keep])
    return lines[-1]


@pytest.mark.parametrize("keep", [0, 1, 50])
@pytest.mark.parametrize("count", [1, 3])
def test_an_image_without_its_line_gets_it(out, spooled, count, keep):
    """A run that was killed between an image and its line, or within the line, is completed."""
    run_filter("shard", out, lines=spooled.records(count))
    rows = out.rows
    cut_last_line(out.path / "metadata.jsonl", keep)
    run_filter("shard", out, lines=spooled.records(1, start=9))
    assert out.rows[:-1] == rows
    assert out.images[-1] == f"00000/{count:09d}.jpg"
    out.assert_whole()


@pytest.mark.parametrize("keep", [0, 50])
def test_an_image_without_its_line_is_done_before_it_has_it(out, spooled, keep):
    """Who resumes while the next shard starts counts the image once, with its line or without."""
    run_filter("shard", out, lines=spooled.records(2))
    cut_last_line(out.path / "metadata.jsonl", keep)
    for _ in range(2):
        done = Done([out.path])
        asked = [done.leaves_out({"url": f"http://h/{n}.jpg"}) for n in (0, 0, 1, 1)]
        assert asked == [True, False, True, False]
        run_filter("shard", out)
    (out.path / out.images[-1]).unlink()
    cut_last_line(out.path / "metadata.jsonl", keep)
    assert not Done([out.path]).leaves_out({"url": "http://h/1.jpg"})


def test_an_announced_image_that_never_came_is_forgotten(out, spooled):
    """A note whose image is not there leaves no line, and its name is used again."""
    run_filter("shard", out, lines=spooled.records(3))
    cut_last_line(out.path / "metadata.jsonl", keep=10)
    (out.path / out.images[-1]).unlink()
    run_filter("shard", out, lines=spooled.records(1, start=9))
    assert [row["url"] for row in out.rows] == [f"http://h/{n}.jpg" for n in (0, 1, 9)]
    out.assert_whole()


def test_another_file_of_the_announced_name_is_not_adopted(out, spooled):
    """A file that is not the noted one is the user's: it gets no line and is not touched."""
    run_filter("shard", out, lines=spooled.records(2))
    cut_last_line(out.path / "metadata.jsonl")
    (out.path / "mine").write_bytes(b"mine")
    os.replace(out.path / "mine", out.path / "00000/000000001.jpg")
    run_filter("shard", out, lines=spooled.records(1, start=9))
    assert [row["file_name"] for row in out.rows] == ["00000/000000000.jpg", "00000/000000001-2.jpg"]
    assert (out.path / "00000/000000001.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize("note", [b"", b"garbage", b"00000000 1 2 3 4\n{}", None])
def test_without_a_note_lines_are_counted_and_a_torn_one_is_cut(out, spooled, note):
    """Where the note is lost or torn, the metadata alone tells how far the data set is."""
    run_filter("shard", out, lines=spooled.records(3))
    with open(out.path / "metadata.jsonl", "ab") as file:
        file.write(b'{"file_name":"00000/torn')
    (out.hidden / "placing").unlink()
    if note is not None:
        (out.hidden / "placing").write_bytes(note)
    run_filter("shard", out, lines=spooled.records(1, start=3))
    assert out.images[-1] == "00000/000000003.jpg"
    out.assert_whole()


def test_a_torn_note_is_none():
    """Whole it is read back, whatever of an older one follows; cut anywhere, or changed, it is not believed."""
    note = Note(1, 2, 3, b'{"file_name":"a.jpg"}\n')
    data = note.dump()
    assert parse_note(data + b"of an older one") == note
    assert {parse_note(data[:size]) for size in range(len(data))} == {None}
    assert parse_note(data.replace(b"a.jpg", b"b.jpg")) is None


def test_temporaries_of_a_killed_run_are_removed(out, spooled):
    """Half a copy that a killed run left is gone after the next start."""
    out.hidden.mkdir(parents=True)
    (out.hidden / ".imgpipe-tmp-1-abc").write_bytes(b"half")
    run_filter("shard", out, lines=spooled.records(1))
    out.assert_whole()


def test_columns_survive_the_loss_of_what_is_kept_about_them(out, spooled):
    """Where dataset.json is gone, the columns are those of the first line."""
    run_filter("shard", out, lines=[spooled.record("http://h/a", label=1, tags=["x"])])
    (out.hidden / "dataset.json").unlink()
    run_filter("shard", out, lines=[spooled.record("http://h/b", other=2)])
    assert [(row["label"], row["tags"], row["extra"]) for row in out.rows] == [
        (1, '["x"]', "{}"),
        (None, None, '{"other":2}'),
    ]
    assert json.loads((out.hidden / "dataset.json").read_text())["columns"] == {
        "label": "int",
        "tags": "string",
    }


@pytest.mark.parametrize("content", ['{"file_name":"x.jpg","label":1}\n', "no json\n", '{"a":1}\n'])
def test_a_foreign_data_set_is_refused(out, spooled, content):
    """Metadata that imgpipe did not write is not appended to."""
    out.path.mkdir()
    (out.path / "metadata.jsonl").write_text(content)
    result = run_filter("shard", out, lines=spooled.records(1))
    assert result.code == 2, result.err
    assert "imgpipe" in result.err
    assert (out.path / "metadata.jsonl").read_text() == content
    assert len(spooled.files) == 1


def test_a_very_long_last_line_is_read(out, spooled):
    """The last line may be longer than what is read at first."""
    run_filter("shard", out, lines=[spooled.record("http://h/a", caption="x" * 300_000)])
    run_filter("shard", out, lines=spooled.records(1))
    out.assert_whole()


@pytest.mark.parametrize(
    "content", ["{", '{"format":"files","columns":{"a":"no"}}', '{"format":"tar","columns":{}}']
)
def test_an_unusable_description_is_one_clear_line(out, spooled, content):
    """A broken dataset.json, or one of another format, ends the run at once."""
    run_filter("shard", out, lines=spooled.records(1))
    (out.hidden / "dataset.json").write_text(content)
    result = run_filter("shard", out, lines=spooled.records(1))
    assert_one_clear_line(result, 2, str(out))


@pytest.mark.slow
def test_killed_again_and_again_nothing_is_lost_or_doubled(out, spooled):
    """After any number of kills, records that are fed once more until they are placed are placed once."""
    waiting = spooled.records(400)
    kept = [(line, Path(line["path"]).read_bytes()) for line in waiting]
    for round_ in range(5):
        placed = {row["url"] for row in out.rows} if (out.path / "metadata.jsonl").exists() else set()
        lines = [spooled.record(line["url"], image) for line, image in kept if line["url"] not in placed]
        with subprocess.Popen(
            [IMGPIPE, "shard", out, "--emit"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as it:
            for line in lines[: 20 + 13 * round_]:
                it.stdin.write(as_line(line))
            it.stdin.flush()
            it.stdout.readline()
            it.kill()
    result = run_filter("shard", out)
    assert result.code == 0, result.err
    placed = [row["url"] for row in out.rows]
    assert len(placed) == len(set(placed)) > 5
    out.assert_whole()
