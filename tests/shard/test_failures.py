from __future__ import annotations

import json
import os

import pytest
from helpers import assert_one_clear_line, picture, run_filter


def failure(url, **more):
    return {"url": url, "status": "failed", "stage": "fetch", "error": "dns", "retryable": True, **more}


def test_what_cannot_be_placed_is_listed_with_its_kind(out, spooled, tmp_path):
    """Each record that fails is in the list, without its path, and its spooled file is gone."""
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "queue.jpg")
    lines = [
        spooled.record("http://h/nokey", key=None),
        spooled.record("http://h/badkey", key="../.."),
        spooled.record("http://h/boolkey", key=True),
        spooled.record("http://h/notimage", b"GIF8", key="a"),
        failure("http://h/earlier"),
        b"{torn",
        *(
            {"url": "u", "key": "k", "path": str(tmp_path / name), "spooled": False}
            for name in ("none", "text.jpg", "empty.jpg")
        ),
        {"url": "u", "path": str(tmp_path / "queue.jpg")},
        {"url": "u", "path": str(tmp_path)},
        {"url": "u", "path": "a\0b"},
        {"url": "u", "path": f"{spooled.root}/imgpipe-run-\0/x", "spooled": True},
        {"url": "u", "key": "k"},
    ]
    result = run_filter("shard", out, "--name-format", "key", lines=lines)
    assert result.code == 0
    kinds = ["bad_key"] * 3 + ["not_image", "dns", "bad_line", "missing_file", "not_image", "not_image"]
    assert [record["error"] for record in out.failed] == kinds + ["missing_file"] * 5
    assert all(not {"path", "spooled"} & record.keys() for record in out.failed)
    assert spooled.files == []
    assert not (out.path / "metadata.jsonl").exists()


def test_what_is_placed_later_leaves_the_list(out, spooled):
    """One failure of an identity goes for each image of it that is placed, and others stay."""
    lines = [
        failure("http://h/a"),
        failure("http://h/a"),
        failure("http://h/a", key="k"),
        failure("http://h/b"),
    ]
    run_filter("shard", out, lines=lines)
    assert len(out.failed) == 4
    run_filter("shard", out, lines=[spooled.record("http://h/a")])
    left = [(record["url"], record.get("key")) for record in out.failed]
    assert left == [("http://h/a", None), ("http://h/a", "k"), ("http://h/b", None)]


def test_what_fails_again_is_listed_once(out):
    """The newer failure stands for the older, also that of a line without a URL."""
    for error in ("dns", "tls"):
        lines = [failure("http://h/a", error=error), b"{torn", {"path": "/none.jpg"}]
        run_filter("shard", out, lines=lines)
    assert sorted(record["error"] for record in out.failed) == ["bad_line", "missing_file", "tls"]


def test_lines_without_a_url_are_told_apart(out):
    """What failed in a run before stays, though another line without a URL fails, for the same reason even."""
    for line in (b"{torn", {"path": "/none.jpg"}, {"path": "/other.jpg"}):
        run_filter("shard", out, lines=[line])
    assert [record["error"] for record in out.failed] == ["bad_line", "missing_file", "missing_file"]


def test_the_list_may_be_the_input(out):
    """Reading the list into the pipe that ends in the same OUT ends, and does not grow it."""
    run_filter("shard", out, lines=[failure(f"http://h/{n}") for n in range(500)])
    listed = out.hidden / "failed.jsonl"
    run_filter("shard", out, stdin=None or listed.read_bytes())
    assert len(out.failed) == 500


def test_failures_of_a_killed_run_are_merged(out, spooled):
    """What a killed run kept aside is in the list after the next start, less what it placed itself."""
    run_filter("shard", out, lines=[failure("http://h/a"), failure("http://h/b")])
    before = len(spooled.records(0))
    run_filter("shard", out, lines=[spooled.record("http://h/a")])
    # As if the second run had been killed before its end: the old list and its own one side by side.
    lines = [failure("http://h/a"), failure("http://h/b")]
    (out.hidden / "failed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    aside = [{"since": {"metadata": before}}, failure("http://h/c")]
    (out.hidden / "failed-now.jsonl").write_text("".join(json.dumps(line) + "\n" for line in aside) + '{"to')
    run_filter("shard", out)
    assert [record["url"] for record in out.failed] == ["http://h/b", "http://h/c"]


def test_a_failure_stays_though_an_equal_line_was_placed_before(out, spooled):
    """Of two equal lines one is placed and one failed: a later run that places neither changes nothing."""
    run_filter("shard", out, lines=[spooled.record("http://h/a"), failure("http://h/a")])
    run_filter("shard", out, lines=[failure("http://h/b")])
    assert [record["url"] for record in out.failed] == ["http://h/a", "http://h/b"]


def test_an_empty_list_of_a_lost_run_is_no_trouble(out):
    """What a loss of power left of it takes nothing from the list."""
    run_filter("shard", out, lines=[failure("http://h/a")])
    (out.hidden / "failed-now.jsonl").write_bytes(b"")
    result = run_filter("shard", out)
    assert result.code == 0, result.err
    assert [record["url"] for record in out.failed] == ["http://h/a"]


def test_the_list_can_be_elsewhere(out, tmp_path):
    """--failed puts it into another file, which the next run replaces too."""
    listed = tmp_path / "failed.jsonl"
    result = run_filter("shard", out, "--failed", listed, lines=[failure("http://h/a")])
    run_filter("shard", out, "--failed", listed, lines=[failure("http://h/b")])
    assert str(listed) in result.err
    assert [json.loads(line)["url"] for line in listed.read_text().splitlines()] == [
        "http://h/a",
        "http://h/b",
    ]
    assert not (out.hidden / "failed.jsonl").exists()


@pytest.mark.parametrize(("name", "code"), [("pipe", 2), ("no-such-folder/x", 4)])
def test_a_list_that_cannot_be_replaced_is_refused(out, tmp_path, name, code):
    """A pipe, as a device, or a folder that is not there is one clear line, and stays as it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    target = str(tmp_path / name)
    assert_one_clear_line(run_filter("shard", out, "--failed", target), code, target)
    assert pipe.is_fifo()


def test_skipped_records_are_listed(out):
    """Skipped ones are kept like failed ones, and the summary names the file."""
    result = run_filter("shard", out, lines=[{"url": "u", "status": "skipped", "error": "too_small"}])
    assert [record["status"] for record in out.failed] == ["skipped"]
    assert str(out.hidden / "failed.jsonl") in result.err


def test_a_whole_image_is_placed_beside_failures(out, spooled):
    """Failed and placed records of one run do not disturb each other."""
    lines = [failure("http://h/x"), spooled.record("http://h/a", picture()), failure("http://h/y")]
    run_filter("shard", out, lines=lines)
    assert [record["url"] for record in out.failed] == ["http://h/x", "http://h/y"]
    out.assert_whole()


def test_what_the_standard_library_alone_can_write_stays_as_it_came(out):
    """A number beyond 64 bits and a lone surrogate are in the list of failures to the digit, after any number
    of runs."""
    line = r'{"url":"http://h/\ud800","id":123456789012345678901234567890,"status":"failed","error":"dns"}'
    for _ in range(2):
        assert run_filter("shard", out, lines=[line]).code == 0
    (kept,) = out.failed
    assert (kept["url"], kept["id"]) == ("http://h/\ud800", 123456789012345678901234567890)
