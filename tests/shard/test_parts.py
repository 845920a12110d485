"""Parts of a data set, written by many and each complete by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile

import pytest
from helpers import IMGPIPE, as_line, assert_one_clear_line, picture, run_filter, wait_for_signal

from imgpipe.layout import Layout
from imgpipe.placed import Done, since

FORMATS = ["files", "tar", "parquet"]


def shard(out, records, *args, part="p", kind="tar"):
    return run_filter("shard", "-v", out, "--format", kind, "--part", part, *args, lines=records)


def marker(out, part="p") -> dict:
    return json.loads((out.hidden / f"{part}.done.json").read_bytes())


def tree(out) -> dict:
    return {
        str(path.relative_to(out.path)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in out.path.rglob("*")
        if path.is_file()
    }


def placed(out, part="p") -> list[str]:
    return sorted(row["url"] for row in since(out.path, {}, Layout(part)))


def members(out, part) -> list[str]:
    with tarfile.open(out.path / f"{part}-00000.tar") as tar:
        return tar.getnames()


def listed(path, records) -> str:
    path.write_text("".join(f"{record['url']}\n" for record in records))
    return str(path)


def dead(url="http://h/dead", retryable=False) -> dict:
    more = {"stage": "fetch", "error": "dns", "detail": "gone", "retryable": retryable}
    return {"url": url, "status": "failed", **more}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_part_is_named_by_its_name_and_the_counter(out, spooled, kind):
    """Shards or a folder, lists, lock and marker carry the part's name, and nothing else stands in OUT."""
    result = shard(out, [*spooled.records(5), dead()], "--folder-size", 2, part="a-7", kind=kind)
    assert result.code == 0, result.err
    seen = {name for name in tree(out) if not name.endswith(".jpg")} - {"__imgpipe__/a-7.placing"}
    lists = {f"__imgpipe__/{name}" for name in ("lock", "a-7.lock", "a-7.failed.jsonl", "a-7.done.json")}
    numbers = [f"a-7-{n:05d}" for n in range(3)]
    data = {"a-7/metadata.jsonl"} if kind == "files" else {f"{number}.{kind}" for number in numbers}
    data |= set() if kind == "files" else {f"__imgpipe__/{number}.jsonl" for number in numbers}
    assert seen == lists | data | {"__imgpipe__/dataset.json"}


def test_the_marker_tells_what_the_part_holds(out, spooled):
    """Counts, kinds, digest of the input, shards with their digests, and the options."""
    shard(out, [*spooled.records(3), dead()], "--folder-size", 2)
    found = marker(out)
    assert (found["placed"], found["failed"], found["skipped"], found["kinds"]) == (3, 1, 0, {"dns": 1})
    assert found["input"]["records"] == 4
    assert [(s["shard"], s["count"]) for s in found["shards"]] == [("p-00000.tar", 2), ("p-00001.tar", 1)]
    assert found["options"]["folder_size"] == 2
    assert found["bytes"] == sum(len(picture(seed=len(f"http://h/{n}.jpg"))) for n in range(3))


def test_samples_of_two_parts_have_other_keys(out, spooled):
    """Loaders that mix shards never meet one key twice; a dot in a part's name does not end it."""
    for part in ("x.1", "y"):
        shard(out, spooled.records(1), part=part)
    assert members(out, "x.1")[0] == "x_1-000000000.jpg"
    assert members(out, "y")[0] == "y-000000000.jpg"


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_input_again_changes_nothing(out, spooled, kind):
    """A complete part is left as it is, whatever the order of its records, and nothing stays in the spool."""
    records = spooled.records(4)
    first = shard(out, [*records, dead()], kind=kind)
    before = tree(out)
    again = [*reversed([spooled.record(record["url"]) for record in records]), dead()]
    second = shard(out, again, kind=kind)
    assert (first.code, second.code) == (0, 0)
    now = tree(out)
    volatile = {"__imgpipe__/p.failed.jsonl"}
    assert {name: value for name, value in now.items() if name not in volatile} == {
        name: value for name, value in before.items() if name not in volatile
    }
    assert now["__imgpipe__/p.failed.jsonl"][1] == before["__imgpipe__/p.failed.jsonl"][1]
    assert spooled.files == []
    assert "4 done before" in second.err


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("change", ["more", "fewer", "other", "failure", "line"])
def test_another_input_is_refused(out, spooled, change, kind):
    """What is complete takes no record that is not of it, nor a piece of its input, and stays as it is."""
    records = [*spooled.records(4), dead()]
    assert shard(out, records, kind=kind).code == 0
    before = {name: content for name, (_, content) in tree(out).items()}
    again = [spooled.record(f"http://h/{n}.jpg") for n in range(4)]
    bad = {"status": "failed", "stage": "fetch", "error": "bad_line", "detail": "not JSON: x"}
    other = {
        "more": [*again, dead(), spooled.record("http://h/new.jpg")],
        "fewer": again[:2],
        "other": [spooled.record("http://other/1.jpg")],
        "failure": [dead("http://h/never-seen")],
        "line": [bad],
    }[change]
    assert_one_clear_line(shard(out, other, kind=kind), 2, "the part p of", "complete, with another input")
    assert {name: content for name, (_, content) in tree(out).items()} == before


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        ("tar", ("--folder-size", 9), "--folder-size 5000, not 9"),
        ("tar", ("--folder-index", 3), "--folder-index 0, not 3"),
        ("tar", ("--name-format", "url"), "--name-format index, not url"),
        ("tar", ("--max-shard-bytes", 10_000), "--max-shard-bytes None, not 10000"),
        ("tar", ("--dedup", "url"), "--dedup None, not url"),
        ("files", ("--sidecar",), "--sidecar False, not True"),
    ],
)
def test_other_options_are_refused(out, spooled, kind, args, words):
    """A complete part is not said to be what other options would have made of it."""
    shard(out, spooled.records(1), kind=kind)
    assert_one_clear_line(shard(out, spooled.records(1), *args, kind=kind), 2, words)


def test_the_same_columns_again_are_no_other_option(out, spooled):
    """As they were written down they are known again; others are refused."""
    columns = ("--columns", "lang:string,size:int")
    assert shard(out, spooled.records(1, lang="de"), *columns).code == 0
    assert shard(out, spooled.records(1, lang="de"), *columns).code == 0
    other = shard(out, spooled.records(1, lang="de"), "--columns", "lang:string")
    assert_one_clear_line(other, 2, "columns")


def test_a_marker_of_an_older_version_is_taken(out, spooled):
    """An option that it does not tell of, since there was none yet, is no other option."""
    shard(out, spooled.records(1))
    found = marker(out)
    del found["options"]["dedup"]
    (out.hidden / "p.done.json").write_text(json.dumps(found))
    assert shard(out, spooled.records(1), "--dedup", "url").code == 0


def test_an_input_that_is_known_ends_at_once(out, spooled, tmp_path):
    """With --input a complete part exits 0 at the first record, and what it reads is not left in the spool."""
    records = spooled.records(3)
    whole = listed(tmp_path / "in", records)
    assert shard(out, records, "--input", whole).code == 0
    command = [IMGPIPE, "shard", str(out), "--format", "tar", "--part", "p", "--input", whole]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(as_line(spooled.record("http://h/0.jpg")))
        process.stdin.flush()
        assert process.wait(30) == 0
    assert spooled.files == []
    assert marker(out)["placed"] == 3


def test_another_input_file_is_refused_at_once(out, spooled, tmp_path):
    """With --input a complete part refuses another file before a record comes."""
    records = spooled.records(3)
    shard(out, records, "--input", listed(tmp_path / "in", records))
    other = listed(tmp_path / "other", records[:2])
    result = shard(out, [], "--input", other)
    assert_one_clear_line(result, 2, "complete, with another input", "(3 records;", "has 2)")


def test_an_input_that_ends_early_makes_no_part_complete(out, spooled, tmp_path):
    """A stage that was killed before cannot close a part; the next run completes it, nothing twice."""
    records = spooled.records(5)
    whole = listed(tmp_path / "in", [*records, dead()])
    result = shard(out, records[:3], "--input", whole)
    assert_one_clear_line(result, 1, "not complete: 3 of the 6 records", "run the same again")
    assert not (out.hidden / "p.done.json").exists()
    assert placed(out) == [record["url"] for record in records[:3]]
    again = [spooled.record(f"http://h/{n}.jpg") for n in range(5)]
    result = shard(out, [*again, dead()], "--input", whole)
    assert result.code == 0, result.err
    assert "2 ok, 1 failed, 3 done before" in result.err
    assert placed(out) == [record["url"] for record in records]
    assert marker(out)["input"]["records"] == 6
    assert spooled.files == []


def test_what_is_placed_and_fails_later_is_placed(out, spooled, tmp_path):
    """A record that a run before placed is done, whatever becomes of it now: it is in one list, not in both."""
    records = spooled.records(3)
    whole = listed(tmp_path / "in", records)
    assert shard(out, records[:2], "--input", whole).code == 1
    assert shard(out, [dead(records[0]["url"]), spooled.record(records[1]["url"]), records[2]]).code == 0
    assert (marker(out)["placed"], marker(out)["failed"]) == (3, 0)


def test_equal_lines_are_counted(out, spooled, tmp_path):
    """Of three equal lines two are placed before the end of the first run, and one by the second."""
    records = [spooled.record("http://h/same.jpg") for _ in range(3)]
    whole = listed(tmp_path / "in", records)
    assert shard(out, records[:2], "--input", whole).code == 1
    assert shard(out, [spooled.record("http://h/same.jpg") for _ in range(3)], "--input", whole).code == 0
    assert placed(out) == ["http://h/same.jpg"] * 3


def test_equal_lines_that_were_left_out_are_counted_once(out, spooled, tmp_path):
    """After `fetch --resume`, which sends the lines still to be done, none of two equal lines is lost."""
    records = [spooled.record("http://h/same.jpg") for _ in range(2)]
    whole = listed(tmp_path / "in", records)
    assert shard(out, records[:1], "--input", whole).code == 1
    assert shard(out, [spooled.record("http://h/same.jpg")], "--input", whole).code == 0
    assert placed(out) == ["http://h/same.jpg"] * 2


def test_a_record_that_is_not_in_the_input_is_refused(out, spooled, tmp_path):
    """What the whole input does not hold ends the run, and is no failure of the part."""
    records = spooled.records(2)
    whole = listed(tmp_path / "in", records)
    result = shard(out, [records[0], dead("http://h/else")], "--input", whole)
    assert_one_clear_line(result, 2, "http://h/else is not in", "the input of the part p")
    assert shard(out, spooled.records(2), "--input", whole).code == 0
    assert marker(out)["failed"] == 0


def test_a_part_begun_with_another_input_is_told(out, spooled, tmp_path):
    """An open part that holds what its input does not have is never called complete."""
    assert shard(out, spooled.records(2), "--input", listed(tmp_path / "a", spooled.records(3))).code == 1
    other = spooled.records(2, start=7)
    result = shard(out, other, "--input", listed(tmp_path / "b", other))
    assert_one_clear_line(result, 2, "holds 4 records, others than", "begun with another input")
    assert not (out.hidden / "p.done.json").exists()


def test_what_failed_before_is_placed_later_in_a_complete_part(out, spooled):
    """The failures of a part as input complete it further: one place less in its list, the same digest."""
    shard(out, [*spooled.records(2), dead("http://h/8.jpg", retryable=True), dead()])
    digest = marker(out)["input"]
    result = shard(out, [spooled.record("http://h/8.jpg")])
    assert result.code == 0, result.err
    found = marker(out)
    assert (found["placed"], found["failed"], found["input"]) == (3, 1, digest)
    assert [shard["shard"] for shard in found["shards"]] == ["p-00000.tar", "p-00001.tar"]


def test_a_part_of_no_records_is_complete(out):
    """An empty input leaves a marker, and no shard."""
    assert shard(out, []).code == 0
    assert marker(out)["placed"] == 0
    assert not list(out.path.glob("*.tar"))


@pytest.mark.parametrize("kind", ["files", "tar"])
def test_images_without_a_url_are_known_by_their_bytes(out, tmp_path, kind):
    """A part of the user's own files is continued and repeated like any other."""
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(picture(seed=number))
    assert shard(out, [str(path) for path in paths], kind=kind).code == 0
    before = tree(out)
    copies = []
    for path in paths:
        copies.append(tmp_path / f"copy-{path.name}")
        copies[-1].write_bytes(path.read_bytes())
    result = shard(out, [str(path) for path in copies], kind=kind)
    assert result.code == 0, result.err
    assert "3 done before" in result.err
    assert {k: v for k, v in tree(out).items() if "failed" not in k} == {
        k: v for k, v in before.items() if "failed" not in k
    }
    (tmp_path / "new.jpg").write_bytes(picture(seed=9))
    assert_one_clear_line(shard(out, [str(tmp_path / "new.jpg")], kind=kind), 2, "new.jpg is not in it")


class Held:
    """A shard that holds its part until it is let go."""

    def __init__(self, out, record, *args) -> None:
        command = [IMGPIPE, "shard", "-q", str(out), "--emit", *args]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(as_line(record))
        self.process.stdin.flush()
        assert json.loads(self.process.stdout.readline())["status"] == "ok"

    def let_go(self) -> int:
        self.process.communicate()
        return self.process.returncode


def test_a_twin_is_refused(out, spooled):
    """A second shard on one part ends at once; other parts go on beside it."""
    held = Held(out, spooled.record("http://h/0.jpg"), "--part", "p")
    try:
        assert_one_clear_line(shard(out, [], kind="files"), 2, "another imgpipe shard", "--wait")
        assert shard(out, spooled.records(1, start=5), part="q", kind="files").code == 0
        plain = run_filter("shard", out, lines=[])
        assert_one_clear_line(plain, 2, "another imgpipe shard writes to")
    finally:
        assert held.let_go() == 0
    assert placed(out) == ["http://h/0.jpg"]


def test_a_twin_that_waits_finds_the_part_complete(out, spooled):
    """With --wait a second shard on one part comes after the first, and places nothing twice."""
    held = Held(out, spooled.record("http://h/0.jpg"), "--part", "p")
    command = [IMGPIPE, "shard", "-v", str(out), "--part", "p", "--wait", "60"]
    twin = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert held.let_go() == 0
    _, err = twin.communicate(as_line(spooled.record("http://h/0.jpg")), timeout=30)
    assert twin.returncode == 0, err
    assert b"1 done before" in err
    assert placed(out) == ["http://h/0.jpg"]
    assert spooled.files == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("part", [["--part", "p"], []], ids=["part", "whole"])
def test_a_signal_ends_the_wait_for_another_shard(out, spooled, part, number):
    """Who waits ends by the signal at once, and what it waits for goes on."""
    held = Held(out, spooled.record("http://h/0.jpg"), *part)
    command = [IMGPIPE, "shard", str(out), *part, "--wait", "60", "--status-every", "0.1"]
    twin = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # Once it tells its state it is at work: the signal finds it waiting, or about to.
    assert "stage" in twin.stderr.readline()
    twin.send_signal(number)
    wait_for_signal(twin, number, timeout=4)
    with twin.stderr:
        assert "another imgpipe shard" not in twin.stderr.read()
    assert held.let_go() == 0


@pytest.mark.parametrize("written", [True, False])
def test_a_signal_ends_the_reading_of_an_input_that_does_not_end(out, tmp_path, written):
    """A FIFO whose writer waits, or that has none, keeps no signal off; the part is not begun."""
    os.mkfifo(tmp_path / "in")
    command = [IMGPIPE, "shard", str(out), "--part", "p", "--input", tmp_path / "in", "--status-every", "0.1"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert "stage" in process.stderr.readline()
    writer = os.open(tmp_path / "in", os.O_WRONLY) if written else None
    if writer is not None:
        os.write(writer, b"http://h/0.jpg\n")
    process.send_signal(signal.SIGINT)
    wait_for_signal(process, signal.SIGINT, timeout=4)
    process.stderr.close()
    if writer is not None:
        os.close(writer)
    assert not list(out.hidden.glob("*.done.json"))


def test_a_signal_while_the_input_is_read_is_no_other_input(out, spooled, tmp_path):
    """Half of the input of a complete part is not held against it: who is asked to end ends by the signal."""
    assert shard(out, spooled.records(2)).code == 0
    os.mkfifo(tmp_path / "in")
    command = [IMGPIPE, "shard", str(out), "--format", "tar", "--part", "p", "--input", tmp_path / "in"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with open(tmp_path / "in", "wb", buffering=0) as writer:
        writer.write(b"http://h/0.jpg\n")
        process.send_signal(signal.SIGINT)
        wait_for_signal(process, signal.SIGINT)
    with process.stderr:
        assert "another input" not in process.stderr.read()


def test_no_part_starts_in_a_set_that_is_being_written_whole(out, spooled):
    """A run over the whole of OUT and one over a part refuse each other."""
    held = Held(out, spooled.record("http://h/0.jpg"))
    try:
        assert_one_clear_line(shard(out, [], kind="files"), 2, "another imgpipe shard writes to")
    finally:
        assert held.let_go() == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_a_set_is_in_parts_or_is_not(tmp_path, spooled, kind):
    """What was begun in parts is not appended to without one, and the reverse."""
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    shard(parts, spooled.records(1), kind=kind)
    result = run_filter("shard", parts, "--format", kind, lines=spooled.records(1, start=3))
    assert_one_clear_line(result, 2, "holds a data set in parts: name one with --part")
    run_filter("shard", whole, "--format", kind, lines=spooled.records(1))
    result = shard(whole, spooled.records(1, start=3), kind=kind)
    assert_one_clear_line(result, 2, "not in parts")


def test_a_part_removes_its_own_temporaries_alone(out):
    """What a killed run of the part left goes; that of another part may be in use."""
    out.hidden.mkdir(parents=True)
    for part in ("p", "pp", "q"):
        (out.hidden / f".imgpipe-tmp-{part}~1-abc").write_bytes(b"half")
    assert shard(out, []).code == 0
    assert sorted(path.name for path in out.hidden.glob(".imgpipe-tmp-*")) == [
        ".imgpipe-tmp-pp~1-abc",
        ".imgpipe-tmp-q~1-abc",
    ]


def test_all_parts_have_the_columns_of_the_first(out, spooled):
    """What another part's records have besides goes into `extra`, so that all load as one."""
    shard(out, spooled.records(1, lang="de"), part="a", kind="files")
    shard(out, spooled.records(1, mood=3), part="b", kind="files")
    rows = [
        json.loads((out.path / part / "metadata.jsonl").read_text().splitlines()[0]) for part in ("a", "b")
    ]
    assert list(rows[0]) == list(rows[1])
    assert (rows[1]["lang"], rows[1]["extra"]) == ("", '{"lang":null,"mood":3}')


def test_captions_are_in_all_parts_or_in_none(out, spooled):
    """Samples of all tars have the same members, whichever part came first."""
    shard(out, spooled.records(1, caption=""), part="a")
    shard(out, spooled.records(1), part="b")
    for part in ("a", "b"):
        assert [name.rpartition(".")[2] for name in members(out, part)] == ["jpg", "json", "txt"]


def test_a_part_that_was_asked_to_stop_is_not_complete(out, spooled):
    """After TERM there is no marker, even where the input ends by itself then."""
    held = Held(out, spooled.record("http://h/0.jpg"), "--part", "p")
    os.kill(held.process.pid, signal.SIGTERM)
    assert held.let_go() == -signal.SIGTERM
    assert not (out.hidden / "p.done.json").exists()
    assert placed(out) == ["http://h/0.jpg"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "ä", "a b", "x" * 65, "a\n"])
def test_a_name_that_is_none_is_refused(out, name):
    """A part's name is part of names of files."""
    assert_one_clear_line(shard(out, [], part=name), 2, "cannot name a part")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--part", "p", "--failed", "f"], "--failed does not go with --part"),
        (["--input", "f"], "--input goes with --part NAME"),
        (["--part", "p", "--input", "no-such-file"], "cannot read no-such-file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(out, args, words):
    """One line says which."""
    assert_one_clear_line(run_filter("shard", out, *args), 2, words)


def test_a_torn_marker_is_told(out, spooled):
    """A marker that cannot be read is named, and not taken for a complete part."""
    shard(out, spooled.records(1))
    (out.hidden / "p.done.json").write_bytes(b'{"part":')
    assert_one_clear_line(shard(out, []), 2, "p.done.json cannot be read")


def test_resuming_reads_one_part(out, spooled):
    """`fetch --resume OUT --part` leaves out what that part holds, and of a complete one all failures."""
    shard(out, [*spooled.records(1), dead("http://h/late", retryable=True)], part="a")
    shard(out, spooled.records(1, start=1), part="b")
    one = Done([out.path], part="a")
    urls = ["http://h/0.jpg", "http://h/late", "http://h/1.jpg"]
    assert [one.leaves_out({"url": url}) for url in urls] == [True, True, False]
    whole = Done([out.path])
    assert [whole.leaves_out({"url": url}) for url in urls] == [True, False, True]
    (out.hidden / "a.done.json").unlink()
    assert not Done([out.path], part="a").leaves_out({"url": "http://h/late"})
    result = run_filter("fetch", "--resume", out, "--part", "b", lines=["http://h/1.jpg"])
    assert (result.code, result.out) == (0, b"")


def test_a_part_to_resume_needs_a_set():
    """Asking `fetch` for --part without --resume is refused in one line."""
    assert_one_clear_line(run_filter("fetch", "--part", "a"), 2, "--part goes with --resume OUT")


def test_keys_that_are_large_numbers_complete_a_part(out, spooled, tmp_path):
    """A key beyond 64 bits is found in the input, in the part and in what is left to do."""
    records = [spooled.record(f"http://h/{n}.jpg", key=10**20 + n) for n in range(2)]
    given = tmp_path / "in"
    given.write_bytes(b"".join(as_line({"url": r["url"], "key": r["key"]}) for r in records))
    assert shard(out, records, "--input", given).code == 0
    result = shard(out, [], "--input", given)
    assert (result.code, marker(out)["placed"]) == (0, 2), result.err
    assert "2 done before" in result.err
    assert run_filter("fetch", "--resume", out, "--part", "p", stdin=given.read_bytes()).out == b""


@pytest.mark.parametrize("change", [{"options": []}, {"options": None}, {"input": None}, {"input": {}}])
def test_a_marker_that_is_none_is_refused(out, spooled, change):
    """What stands in a marker's place and is none is told in one line."""
    assert shard(out, spooled.records(1)).code == 0
    (out.hidden / "p.done.json").write_text(json.dumps(marker(out) | change))
    assert_one_clear_line(shard(out, []), 2, "p.done.json cannot be read")
