from __future__ import annotations

import json
import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.counts import Counts
from imgpipe.errors import UsageError
from imgpipe.placed import Done, failures, read_records


def write(path, *lines, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(line) for line in lines) + end)


def placed(url, **more):
    return {"file_name": "00000/x.jpg", "url": url, "key": "", **more}


def failed(url, *, retryable, status="failed"):
    return {"url": url, "status": status, "error": "http_status", "retryable": retryable}


def test_of_equal_lines_as_many_are_left_out_as_are_done(tmp_path):
    """Two placed lines of a URL leave out two of three equal records."""
    write(tmp_path / "metadata.jsonl", placed("http://h/a"), placed("http://h/a"))
    done = Done([tmp_path])
    assert [done.leaves_out({"url": "http://h/a"}) for _ in range(3)] == [True, True, False]


def test_identity_is_url_with_key(tmp_path):
    """The same URL under another key is another record; a number as key is its text."""
    write(tmp_path / "metadata.jsonl", placed("http://h/a", key="7"))
    done = Done([tmp_path])
    assert not done.leaves_out({"url": "http://h/a", "key": "8"})
    assert not done.leaves_out({"url": "http://h/a"})
    assert done.leaves_out({"url": "http://h/a", "key": 7})


@pytest.mark.parametrize("name", ["failed.jsonl", "failed-now.jsonl"])
def test_what_failed_for_good_is_done_unless_it_is_to_be_retried(tmp_path, name):
    """Failures for good and skipped records are left out, passing failures are not."""
    write(
        tmp_path / "__imgpipe__" / name,
        failed("http://h/good", retryable=False),
        failed("http://h/later", retryable=True),
        failed("http://h/skipped", retryable=False, status="skipped"),
    )
    urls = ["http://h/good", "http://h/later", "http://h/skipped"]
    done = Done([tmp_path])
    assert [done.leaves_out({"url": url}) for url in urls] == [True, False, True]
    again = Done([tmp_path], retry_failed=True)
    assert [again.leaves_out({"url": url}) for url in urls] == [False] * 3


def test_the_head_of_a_list_is_no_failure(tmp_path):
    """What a run notes about itself before its first failure is not counted as one."""
    write(tmp_path / "__imgpipe__" / "failed-now.jsonl", {"since": {}}, failed("http://h/a", retryable=True))
    assert [record["url"] for record in failures(tmp_path)] == ["http://h/a"]


def test_a_failure_that_has_a_file_name_is_no_image(tmp_path):
    """A row of a data set that was tried again and failed is tried once more."""
    write(
        tmp_path / "__imgpipe__" / "failed.jsonl",
        failed("http://h/a", retryable=True) | {"file_name": "a.jpg"},
    )
    assert not Done([tmp_path]).leaves_out({"url": "http://h/a"})


def test_a_sidecar_counts_only_beside_its_shard(tmp_path):
    """The records of a shard are done once its tar or parquet file exists."""
    hidden = tmp_path / "__imgpipe__"
    for number in range(3):
        write(hidden / f"0000{number}.jsonl", {"count": 1}, placed(f"http://h/{number}"))
    (tmp_path / "00000.tar").write_bytes(b"")
    (tmp_path / "00001.parquet").write_bytes(b"")
    done = Done([tmp_path])
    assert [done.leaves_out({"url": f"http://h/{n}"}) for n in range(3)] == [True, True, False]


def test_a_torn_last_line_is_no_line(tmp_path):
    """A line without its end, and one that is no JSON, are passed over."""
    write(tmp_path / "metadata.jsonl", placed("http://h/a"), 5, placed("http://h/b"), end="")
    with open(tmp_path / "metadata.jsonl", "a") as file:
        file.write("")
    done = Done([tmp_path])
    assert done.leaves_out({"url": "http://h/a"})
    assert not done.leaves_out({"url": "http://h/b"})
    (tmp_path / "x.jsonl").write_bytes(b"\0\0\0\n" + b"[" * 100_000 + b'\n{"url":"u"}\n')
    assert list(read_records(tmp_path / "x.jsonl")) == [{"url": "u"}]


def test_several_outs_and_lists_are_added_up(tmp_path):
    """Every folder counts, one that does not exist holds nothing, a file is a list."""
    write(tmp_path / "a" / "metadata.jsonl", placed("http://h/a"))
    write(tmp_path / "failed-elsewhere.jsonl", failed("http://h/b", retryable=False))
    done = Done([tmp_path / "a", tmp_path / "none", tmp_path / "failed-elsewhere.jsonl"])
    assert done.leaves_out({"url": "http://h/a"})
    assert done.leaves_out({"url": "http://h/b"})
    assert not done.leaves_out({"path": "/x.jpg"})
    again = Done([tmp_path / "failed-elsewhere.jsonl"], retry_failed=True)
    assert not again.leaves_out({"url": "http://h/b"})


def test_a_list_that_cannot_be_read_is_one_clear_line(tmp_path):
    """A folder in the place of a list is refused."""
    (tmp_path / "metadata.jsonl").mkdir()
    with pytest.raises(UsageError, match="cannot read"):
        Done([tmp_path])


def test_counts_hold_each_number_as_often_as_it_was_added():
    """Every number is taken exactly as often as it was added."""
    counts = Counts()
    for number in range(5000):
        for _ in range(number % 3):
            counts.add(number * 2**50 % 2**64)
    for number in reversed(range(5000)):
        taken = [counts.take(number * 2**50 % 2**64) for _ in range(number % 3)]
        assert all(taken)
    assert not any(counts.take(number * 2**50 % 2**64) for number in range(5000))


def test_a_line_that_a_list_has_very_often_is_counted_to_the_last():
    """Seventy thousand equal lines are taken seventy thousand times."""
    counts = Counts()
    for _ in range(70_000):
        counts.add(7)
    assert all(counts.take(7) for _ in range(70_000))
    assert not counts.take(7)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_a_number_that_was_never_added_takes_no_other(added, asked):
    """Of numbers side by side each stands for itself alone, whatever is asked for and in what order."""
    counts, left = Counts(), Counter(added)
    for number in added:
        counts.add(number * Counts._BUCKETS)
    for number in asked:
        assert (number * Counts._BUCKETS in counts) == (number in added)
        assert counts.take(number * Counts._BUCKETS) == (left[number] > 0)
        left[number] -= 1


def test_no_failure_is_read_twice_while_its_list_is_replaced(tmp_path):
    """A shard that starts while the lists are read moves lines from one to the other: none is read twice."""
    hidden = tmp_path / "__imgpipe__"
    before, now = (failed(f"http://h/{name}", retryable=False) for name in "ab")
    write(hidden / "failed.jsonl", before)
    write(hidden / "failed-now.jsonl", now)
    found = failures(tmp_path)
    first = next(found)
    write(hidden / "failed.jsonl", before, now)
    (hidden / "failed-now.jsonl").unlink()
    urls = [record["url"] for record in (first, *found)]
    assert len(urls) == len(set(urls))


def test_a_set_of_many_parts_is_listed_once(tmp_path, monkeypatch):
    """What is done in all parts is found without a look at every name for each of them."""
    for number in range(50):
        name = f"{number:05d}-00000"
        (tmp_path / f"{name}.tar").touch()
        write(tmp_path / "__imgpipe__" / f"{name}.jsonl", {"count": 1}, placed(f"http://h/{number}"))
    listed = []
    list_folder = os.listdir
    monkeypatch.setattr(os, "listdir", lambda *args: (listed.append(args), list_folder(*args))[1])
    done = Done([tmp_path])
    assert all(done.leaves_out({"url": f"http://h/{number}"}) for number in range(50))
    assert len(listed) == 2
