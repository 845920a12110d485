from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import IMGPIPE, as_line, assert_one_clear_line, picture, run_filter, wait_for_signal

from imgpipe.spool import Spool

RED = picture(seed=1)
PNG = picture(kind="PNG")


def test_spooled_images_are_moved_into_folders(out, spooled):
    """Images land in numbered folders of the given size, each with its line, and the spool is empty."""
    result = run_filter("shard", out, "--folder-size", 2, lines=spooled.records(5))
    assert result.code == 0, result.err
    assert result.out == b""
    assert out.images == [f"0000{n // 2}/00000000{n}.jpg" for n in range(5)]
    out.assert_whole()
    assert [row["url"] for row in out.rows] == [f"http://h/{n}.jpg" for n in range(5)]
    assert out.failed == []
    assert spooled.files == []


def test_a_second_run_appends(out, spooled):
    """The counter and the last folder go on where the first run ended."""
    run_filter("shard", out, "--folder-size", 2, lines=spooled.records(3))
    run_filter("shard", out, "--folder-size", 2, lines=spooled.records(2, start=3))
    assert out.images == [f"0000{n // 2}/00000000{n}.jpg" for n in range(5)]
    out.assert_whole()


def test_folder_index_is_where_folders_begin(out, spooled):
    """The first folder has the given number; a later run does not go back."""
    run_filter("shard", out, "--folder-index", 7, lines=spooled.records(1))
    run_filter("shard", out, "--folder-index", 3, lines=spooled.records(1, start=1))
    run_filter("shard", out, "--folder-index", 12, lines=spooled.records(1, start=2))
    assert out.images == ["00007/000000000.jpg", "00007/000000001.jpg", "00012/000000002.jpg"]


@pytest.mark.parametrize(
    ("name_format", "expected"),
    [
        ("index", ["000000000", "000000001", "000000002"]),
        ("key", ["cat", "Cat-2", "x"]),
        ("url", ["photo_v1", "a b", "a b-2"]),
        ("hash", [hashlib.sha256(RED).hexdigest() + end for end in ("", "-2", "-3")]),
    ],
)
def test_names(out, spooled, name_format, expected):
    """Images are named as asked, safely, and a name that is taken gets a suffix."""
    lines = [
        spooled.record("http://h/photo.v1.jpg?q=/x.png", RED, key="cat"),
        spooled.record("http://h/a%20b.jpg", RED, key="Cat"),
        spooled.record("http://h/a%20b.jpeg#f", RED, key="../../x"),
    ]
    run_filter("shard", out, "--name-format", name_format, lines=lines)
    names = [row["file_name"].removeprefix("00000/") for row in out.rows]
    assert names == [f"{name.replace(' ', '_')}.jpg" for name in expected]
    out.assert_whole()


def test_random_names_are_never_equal(out, spooled):
    """Names drawn at random are distinct."""
    run_filter("shard", out, "--name-format", "random", lines=spooled.records(20))
    assert len(out.images) == 20
    out.assert_whole()


def test_a_name_that_a_file_of_the_user_has_is_passed_over(out, spooled):
    """A file that stands in OUT already is never overwritten, whatever its extension."""
    (out.path / "00000").mkdir(parents=True)
    (out.path / "00000/000000000.png").write_bytes(b"mine")
    run_filter("shard", out, lines=spooled.records(1))
    assert [row["file_name"] for row in out.rows] == ["00000/000000000-2.jpg"]
    assert (out.path / "00000/000000000.png").read_bytes() == b"mine"


def test_files_of_the_user_are_copied(out, tmp_path):
    """A path is placed as a copy, by the type of its bytes; a link is copied as what it leads to."""
    (tmp_path / "a.jpg").write_bytes(PNG)
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    result = run_filter("shard", out, "--name-format", "url", "a.jpg", "b.jpg", cwd=tmp_path)
    assert result.code == 0, result.err
    assert out.images == ["00000/a.png", "00000/b.png"]
    for name in out.images:
        found = os.lstat(out.path / name)
        assert (found.st_nlink, (out.path / name).read_bytes()) == (1, PNG)
        assert not os.path.islink(out.path / name)
    assert (tmp_path / "a.jpg").read_bytes() == PNG
    out.assert_whole()


def test_a_spool_on_another_file_system_is_copied_from(out, tmp_path):
    """Where a rename cannot reach, the file is copied and then unlinked."""
    if os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no second file system")
    script = (
        "import sys; from pathlib import Path; from imgpipe.spool import Spool\n"
        "s = Spool(Path(sys.argv[1])); p = s.new_path('jpg'); Path(p).write_bytes(sys.stdin.buffer.read())\n"
        "print(p); s.close()"
    )
    spool = f"/dev/shm/imgpipe-test-{os.getpid()}"
    made = subprocess.run([sys.executable, "-c", script, spool], input=RED, capture_output=True, check=True)
    path = made.stdout.decode().strip()
    try:
        result = run_filter("shard", out, lines=[{"url": "u", "path": path, "spooled": True}])
        assert result.code == 0, result.err
        assert (out.path / "00000/000000000.jpg").read_bytes() == RED
        assert os.listdir(spool) == []
    finally:
        os.rmdir(spool)


def test_permissions_are_those_of_a_new_file(out, spooled):
    """A spooled file that only its owner may read becomes a usual one."""
    record = spooled.record("http://h/a")
    os.chmod(record["path"], 0o600)
    run_filter("shard", out, lines=[record])
    usual = out.path / "usual"
    usual.touch()
    assert (out.path / "00000/000000000.jpg").stat().st_mode == usual.stat().st_mode


def test_emitted_records_lead_to_their_places(out, spooled):
    """With --emit each record comes out, with its place or its failure, in order and otherwise unchanged."""
    lines = [
        spooled.record(
            "http://h/a", RED, caption="line\nbreak", more={"deep": [1]}, status="failed", error="dns"
        ),
        spooled.record("http://h/b", PNG, caption="😀", more={"deep": [2]}),
        {"url": "http://h/c", "path": "/no/such.jpg"},
    ]
    first, second, third = run_filter("shard", out, "--emit", lines=lines).records
    assert first["error"] == "dns"
    assert "path" not in first
    place = {"path": f"{out}/00000/000000000.png", "file_name": "00000/000000000.png", "shard": "00000"}
    expected = {**lines[1], **place, "spooled": False, "bytes": len(PNG), "media_type": "image/png", "seq": 2}
    assert second == expected
    assert third["error"] == "missing_file"


def test_a_second_shard_refuses(out):
    """While one process writes to OUT, another ends with one clear line."""
    with subprocess.Popen([IMGPIPE, "shard", out], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        first.stdin.write(as_line({"url": "u", "path": "/none"}))
        first.stdin.flush()
        while not (out.hidden / "failed-now.jsonl").exists():
            assert first.poll() is None
        result = run_filter("shard", out, lines=["x.jpg"])
        first.communicate()
    assert_one_clear_line(result, 2, "another imgpipe shard", str(out))
    assert len(out.failed) == 1


@pytest.mark.parametrize("name", ["00000", "metadata.jsonl", "__imgpipe__"])
def test_planted_links_are_not_followed(out, tmp_path, name, spooled):
    """A link where OUT has a folder or file of its own ends the run; what it leads to is untouched."""
    victim = tmp_path / "victim"
    if name == "metadata.jsonl":
        victim.write_text("mine\n")
    else:
        victim.mkdir()
    out.path.mkdir()
    (out.path / name).symlink_to(victim)
    result = run_filter("shard", out, lines=spooled.records(1))
    assert_one_clear_line(result, 2, "is a link", name)
    assert victim.read_text() == "mine\n" if victim.is_file() else list(victim.iterdir()) == []


def test_a_planted_link_in_the_place_of_an_image_is_passed_over(out, tmp_path, spooled):
    """A link with the name of the next image keeps it; the image gets another."""
    (out.path / "00000").mkdir(parents=True)
    (out.path / "00000/000000000.jpg").symlink_to(tmp_path / "victim")
    run_filter("shard", out, lines=spooled.records(1))
    assert [row["file_name"] for row in out.rows] == ["00000/000000000-2.jpg"]
    assert not (tmp_path / "victim").exists()


def test_only_what_shard_needs_is_imported(out, spooled):
    """A whole run loads neither trio, httpx nor Pillow."""
    script = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(sorted({'trio', 'httpx', 'PIL', 'pyarrow'} & sys.modules.keys())))\n"
        "from imgpipe.cli import main; main()"
    )
    data = b"".join(map(as_line, spooled.records(2)))
    command = [sys.executable, "-c", script, "shard", str(out)]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_orphans_of_ended_writers_are_removed(out, spooled):
    """At the end the spools it read from are gone, with files that a filter dropped the records of."""
    lines = spooled.records(3)
    run_filter("shard", out, lines=lines[:1])
    assert spooled.files == []
    assert list(spooled.root.iterdir()) == []
    assert len(out.rows) == 1


def test_a_spool_whose_writer_lives_is_kept(out, spool):
    """A folder that its writer still holds is left alone."""
    writer = Spool(spool)
    paths = [Path(writer.new_path("jpg")) for _ in range(2)]
    for path in paths:
        path.write_bytes(RED)
    run_filter("shard", out, lines=[{"url": "u", "path": str(paths[0]), "spooled": True}])
    assert [path.exists() for path in paths] == [False, True]
    writer.remove()


def test_an_interrupted_run_keeps_what_it_placed(out, spooled):
    """After Ctrl-C it ends by the signal, with all that it read in its place."""
    command = [IMGPIPE, "shard", out, "--grace", "0", "--emit"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in spooled.records(3):
            process.stdin.write(as_line(line))
        process.stdin.flush()
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        wait_for_signal(process, signal.SIGINT)
    assert len(out.rows) == 3
    out.assert_whole()
    assert out.failed == []


def test_an_empty_input_is_fine(out):
    """Without a record OUT has an empty list of failures, and no metadata that loaders would fail on."""
    assert run_filter("shard", out).code == 0
    assert out.failed == []
    assert not (out.path / "metadata.jsonl").exists()


def test_an_out_that_cannot_be_is_one_clear_line(tmp_path):
    """A file in the place of OUT is named in one line."""
    (tmp_path / "file").write_text("")
    assert_one_clear_line(run_filter("shard", tmp_path / "file" / "x"), 4, "file")


@pytest.mark.parametrize(
    ("value", "words"),
    [("http://h/a.jpg", "imgpipe fetch downloads it"), ("/tmp", "find FOLDER -type f -print0")],
)
def test_what_is_no_file_is_told_where_it_goes(out, value, words):
    """A URL or a folder among the paths fails with the command that takes it."""
    run_filter("shard", out, value)
    assert words in out.failed[0]["detail"]
